/** Mounts a page: theme, languages, title. */
import './theme.css'

import { createApp, watchEffect, type Component } from 'vue'

import { i18n, t } from './i18n'

/** `title` is a key of the words; a page that changes its title itself passes none. */
export function start(page: Component, title?: string): void {
  const app = createApp(page)
  app.use(i18n)
  app.mount('#page')
  if (title) {
    watchEffect(() => {
      document.title = `${t(title)} · ${t('productShort')}`
    })
  }
}
