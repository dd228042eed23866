/** The record of a contact as it is being typed: kept in this tab, so that a reload loses no word. */
import { reactive, watch } from 'vue'

import { recall, remember } from '@/shared/storage'

export interface Draft {
  matter: string
  disposition: string
  note: string
}

export function useDraft(contact: string, matter: string): Draft {
  const key = `draft.${contact}`
  const draft = reactive<Draft>({ matter, disposition: '', note: '' })
  try {
    Object.assign(draft, JSON.parse(recall(key, 'tab') ?? '{}'))
  } catch {
    // a broken draft is no draft
  }
  watch(draft, () => remember(key, JSON.stringify(draft), 'tab'))
  return draft
}

export function dropDraft(contact: string): void {
  remember(`draft.${contact}`, null, 'tab')
}
