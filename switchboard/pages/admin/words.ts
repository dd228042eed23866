/** Imported first: the page's own words are there before anything asks for them. */
import { addWords } from '@/shared/i18n'
import { enAdmin } from '@/shared/words/en-admin'
import { zhAdmin } from '@/shared/words/zh-admin'
import { terminalWords } from '@/shared/words/terminals'

addWords({ zh: { admin: zhAdmin }, en: { admin: enAdmin } })
addWords(terminalWords)
