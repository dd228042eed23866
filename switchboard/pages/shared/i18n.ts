/** Chinese first, English second, one switch, remembered. */
import { computed } from 'vue'
import { createI18n } from 'vue-i18n'

import type { Words } from './api'
import { recall, remember } from './storage'
import { en } from './words/en'
import { zh } from './words/zh'

export type Language = 'zh' | 'en'

const remembered: Language = recall('language') === 'en' ? 'en' : 'zh'

export const i18n = createI18n({
  legacy: false,
  locale: remembered,
  fallbackLocale: 'zh',
  messages: { zh, en },
})

/** The words of one page: the others need not load them. */
export function addWords(words: Record<Language, object>): void {
  for (const [to, added] of Object.entries(words)) i18n.global.mergeLocaleMessage(to as Language, added)
}

export const t = i18n.global.t
export const language = computed<Language>(() => (i18n.global.locale.value === 'en' ? 'en' : 'zh'))

export function setLanguage(to: Language): void {
  i18n.global.locale.value = to
  remember('language', to)
  document.documentElement.lang = to === 'zh' ? 'zh-CN' : 'en'
}

/** What the server says in both languages, in this one. */
export function pick(words: Words): string {
  return language.value === 'zh' ? words.zh : words.en
}

/** The word for one of the server's codes; an unknown code is shown as it is rather than hidden. */
export function word(family: string, code: string | null | undefined): string {
  if (code == null || code === '') return ''
  const key = `${family}.${code}`
  return i18n.global.te(key) || i18n.global.te(key, 'zh') ? t(key) : code
}

document.documentElement.lang = remembered === 'zh' ? 'zh-CN' : 'en'
