/** Keys that work while somebody types a ticket: by place on the keyboard, so that an input method does not matter. */

export type TicketKey = { kind: 'phrase'; place: number } | { kind: 'gap' | 'law' | 'save' | 'saveRest' }

export function ticketKey(event: KeyboardEvent): TicketKey | null {
  if (event.repeat || event.isComposing) return null
  if (event.altKey && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    if (event.code === 'KeyL') return { kind: 'law' }
    const digit = /^Digit([0-9])$/.exec(event.code)?.[1]
    if (digit === '0') return { kind: 'gap' }
    if (digit !== undefined) return { kind: 'phrase', place: Number(digit) - 1 }
  }
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key === 'Enter') {
    return { kind: event.shiftKey ? 'saveRest' : 'save' }
  }
  return null
}
