/** Function keys of the desk: remappable, and deaf while somebody is typing. */
import { recall, remember } from '@/shared/storage'

export type Action = 'accept' | 'decline' | 'hangUp' | 'mute' | 'hold' | 'toggle' | 'callHelp' | 'transfer' | 'join'

export const ACTIONS: readonly Action[] = ['accept', 'decline', 'hangUp', 'mute', 'hold', 'toggle', 'callHelp', 'transfer', 'join']

/** F5, F11 and F12 belong to the browser; what it does with F1, F3 and F6 it does only where a page does not take them.
 * With a colleague in the talk, `hold` changes between the two, `transfer` hands over and `decline` sends away. */
const DEFAULTS: Record<Action, string> = {
  accept: 'F2',
  decline: 'F4',
  mute: 'F7',
  hold: 'F8',
  hangUp: 'F9',
  toggle: 'F10',
  callHelp: 'F1',
  transfer: 'F6',
  join: 'F3',
}

const FUNCTION_KEY = /^F([1-9]|1[0-9]|2[0-4])$/
const BROWSERS_OWN = new Set(['F5', 'F11', 'F12'])

export type KeyMap = Record<Action, string>

export function loadKeys(): KeyMap {
  const kept = recall('keys')
  if (kept === null) return { ...DEFAULTS }
  try {
    const map = { ...DEFAULTS, ...(JSON.parse(kept) as Partial<KeyMap>) }
    return ACTIONS.every((action) => FUNCTION_KEY.test(map[action])) ? map : { ...DEFAULTS }
  } catch {
    return { ...DEFAULTS }
  }
}

export function saveKeys(map: KeyMap): void {
  remember('keys', JSON.stringify(map))
}

export function defaultKeys(): KeyMap {
  return { ...DEFAULTS }
}

/** Whether this key may be given to an action. */
export function isUsable(key: string): boolean {
  return FUNCTION_KEY.test(key) && !BROWSERS_OWN.has(key)
}

/** Whether the event comes from a place where text is typed, or from an unfinished Chinese input. */
export function isTyping(event: KeyboardEvent): boolean {
  if (event.isComposing) return true
  const target = event.target
  if (!(target instanceof HTMLElement)) return false
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) {
    return true
  }
  return target instanceof HTMLInputElement && !['button', 'checkbox', 'radio', 'range'].includes(target.type)
}

/** What a key press asks for, or null. Auto-repeat and combinations with modifiers ask for nothing. */
export function actionFor(event: KeyboardEvent, map: KeyMap): Action | 'help' | null {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || isTyping(event)) return null
  if (event.key === '?' || event.key === '？') return 'help'
  if (event.shiftKey) return null
  return ACTIONS.find((action) => map[action] === event.key) ?? null
}
