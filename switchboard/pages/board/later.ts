/** Who stands in the line now, and what was promised for later. */
import type { BoardContact, Stage } from './stream'

const STAGES: readonly Stage[] = ['intake', 'waiting', 'ringing', 'talking', 'survey', 'finished']

/** A message, or a call-back that is not to be placed yet: it waits for a day, not in the line. */
export function isLater(contact: BoardContact, now: number): boolean {
  if (!['waiting', 'ringing'].includes(contact.stage)) return false
  if (contact.medium === 'message') return true
  return contact.medium === 'callback' && contact.next != null && contact.next > now
}

/** The column that a contact stands in. Stages that this page does not know are still shown, where callers begin. */
export function columnOf(contact: BoardContact): Stage {
  if ((contact.stage as string) === 'calling') return 'ringing'
  return STAGES.includes(contact.stage) ? contact.stage : 'intake'
}

/** Messages and call-backs that are open, the one due first at first. */
export function openPromises(contacts: readonly BoardContact[], now: number): (BoardContact & { late: boolean })[] {
  return contacts
    .filter((one) => (one.medium === 'message' || one.medium === 'callback') && one.stage !== 'finished')
    .map((one) => ({ ...one, late: one.due != null && one.due < now }))
    .sort((a, b) => (a.due ?? Infinity) - (b.due ?? Infinity) || a.arrived - b.arrived)
}
