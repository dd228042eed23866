/** Imported first: the page's own words are there before anything asks for them. */
import { addWords } from '@/shared/i18n'
import { enBoard } from '@/shared/words/en-board'
import { zhBoard } from '@/shared/words/zh-board'
import { terminalWords } from '@/shared/words/terminals'

addWords({ zh: { board: zhBoard }, en: { board: enBoard } })
addWords(terminalWords)
