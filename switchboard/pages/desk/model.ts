/** What the desk knows: a fold over the server's frames, without sound, screen or network. */
import type { Words } from '@/shared/api'

import type { AgentState, Colleague, Contact, DeskFrame, Directory, GoneReason, HelpCall, Line, Matter, Message, PhoneAccount, Queue, Reservation, Shift } from './frames'

const MOST_LINES = 400

export interface DeskModel {
  /** At least one welcome has come. */
  welcomed: boolean
  agent: { id: string; name: string; role: string } | null
  phone: PhoneAccount | null
  state: AgentState
  reservation: Reservation | null
  contact: Contact | null
  /** What is said in this contact, as text; empty where nobody transcribes. */
  lines: Line[]
  queue: Queue
  /** As the server orders them: due first at first. */
  messages: Message[]
  help: HelpCall | null
  /** The coming ones, the one that goes on first. */
  shifts: Shift[]
  /** Grows with each word of what others have decided: lists that show it are read anew. */
  news: number
  pauseReasons: string[]
  dispositions: string[]
  /** The colleagues, while the list is open. */
  directory: Directory | null
  matters: Matter[]
  /** The last reservation that went away without becoming a contact. */
  gone: { id: number; why: GoneReason } | null
  refused: ({ code: string } & Words) | null
  /** The reason of a pause that begins after the contact in hand. */
  pauseAfter: string | null
}

export function emptyModel(): DeskModel {
  return {
    welcomed: false,
    agent: null,
    phone: null,
    state: { name: 'offline', reason: null, since: 0, until: null },
    reservation: null,
    contact: null,
    lines: [],
    queue: { waiting: 0, longest_since: null },
    messages: [],
    help: null,
    shifts: [],
    news: 0,
    pauseReasons: [],
    dispositions: [],
    directory: null,
    matters: [],
    gone: null,
    refused: null,
    pauseAfter: null,
  }
}

/** Whether the desk is busy with somebody, so that a pause must wait. */
export function isBusy(model: DeskModel): boolean {
  return ['reserved', 'in_contact', 'wrap_up'].includes(model.state.name)
}

/** By due time, overdue or not by this very moment: a list must not wait for a frame to be true. */
export function byDue(messages: readonly Message[], now: number): (Message & { late: boolean })[] {
  return messages
    .map((one) => ({ ...one, late: one.overdue || (one.due !== null && one.due < now) }))
    .sort((a, b) => (a.due ?? Infinity) - (b.due ?? Infinity) || a.arrived - b.arrived || (a.id < b.id ? -1 : 1))
}

export type RecordingState = 'on' | 'paused' | 'refused' | 'off'

/** What the light beside the call says. */
export function recordingState(contact: Contact): RecordingState {
  if (contact.recording_paused || (contact.held && contact.recording)) return 'paused'
  if (contact.recording) return 'on'
  return contact.consent ? 'off' : 'refused'
}

/** Whether another hotline may be added now: one at a time, and only while caller and volunteer talk. */
export function canHandOver(contact: Contact): boolean {
  const state = contact.hand_over?.state
  if (contact.held || colleagueHere(contact)) return false
  return contact.stage === 'talking' && contact.transfers.length > 0 && state !== 'ringing' && state !== 'joined'
}

const OVER = new Set(['declined', 'no_answer', 'nobody', 'withdrawn', 'left'])

/** The colleague who is here, or on the way; null when nobody is (any more). */
export function colleagueHere(contact: Contact): Colleague | null {
  const colleague = contact.colleague ?? null
  return colleague && !OVER.has(colleague.state) ? colleague : null
}

/** Whether the colleague has answered, so that one can toggle, join and hand over. */
export function colleagueAnswered(contact: Contact): boolean {
  return ['consulting', 'parked', 'three_way'].includes(colleagueHere(contact)?.state ?? '')
}

/** Whether the caller may be passed on, or somebody asked, now: one at a time. */
export function mayPassOn(contact: Contact): boolean {
  const third = contact.hand_over?.state
  if (contact.stage !== 'talking' || contact.part === 'colleague' || colleagueHere(contact)) return false
  return third !== 'ringing' && third !== 'joined'
}

export type DirectoryRow =
  | { kind: 'colleague'; key: string; row: Directory['colleagues'][number] }
  | { kind: 'role'; key: string; row: Directory['roles'][number] }
  | { kind: 'matter'; key: string; row: Directory['matters'][number] }

/** What the search finds: every word typed must be in a name, a role or a matter. Who is free comes first; matters are
 * many, and shown only when searched for. `words` puts an id into the words on the screen. */
export function findInDirectory(directory: Directory, typed: string, words: (kind: 'role' | 'matter' | 'language', id: string) => string): DirectoryRow[] {
  const wanted = typed.toLowerCase().split(/\s+/).filter(Boolean)
  const fits = (...texts: string[]): boolean => {
    const whole = texts.join(' ').toLowerCase()
    return wanted.every((one) => whole.includes(one))
  }
  const colleagues = directory.colleagues
    .filter((one) => fits(one.name, one.id, words('role', one.role), ...one.matters.map((id) => words('matter', id)), ...one.languages.map((id) => words('language', id))))
    .sort((a, b) => Number(b.state === 'available') - Number(a.state === 'available'))
    .map((row) => ({ kind: 'colleague' as const, key: row.id, row }))
  const roles = directory.roles
    .filter((one) => fits(one.zh, one.en) && (one.on_duty > 0 || wanted.length > 0))
    .map((row) => ({ kind: 'role' as const, key: `role-${row.id}`, row }))
  const matters = wanted.length === 0 ? [] : directory.matters
    .filter((one) => fits(one.zh, one.en, words('role', one.role)))
    .map((row) => ({ kind: 'matter' as const, key: `matter-${row.id}`, row }))
  return [...roles, ...colleagues, ...matters]
}

/** Applies one frame to `model`, in place. Frames about something else than what is in hand change nothing. */
export function applyFrame(model: DeskModel, frame: DeskFrame): void {
  switch (frame.type) {
    case 'welcome':
      Object.assign(model, {
        welcomed: true,
        refused: null,
        agent: frame.agent,
        phone: frame.phone,
        state: frame.state,
        reservation: frame.reservation,
        contact: frame.contact,
        lines: frame.transcript ?? [],
        queue: frame.queue,
        messages: frame.messages ?? [],
        help: frame.help ?? null,
        shifts: frame.shifts ?? [],
        pauseReasons: frame.pause_reasons,
        dispositions: frame.dispositions,
        matters: frame.matters,
      })
      break
    case 'refused':
      model.refused = { code: frame.code, zh: frame.zh, en: frame.en }
      model.reservation = null
      break
    case 'state':
      applyState(model, frame.state)
      break
    case 'reservation':
      model.reservation = frame.reservation
      model.gone = null
      break
    case 'reservation_gone':
      if (model.reservation?.id === frame.id) model.reservation = null
      model.gone = { id: frame.id, why: frame.why }
      break
    case 'contact':
      if (model.reservation?.contact === frame.contact.id) model.reservation = null
      if (model.contact?.id !== frame.contact.id) model.lines = []
      model.contact = frame.contact
      break
    case 'contact_gone':
      if (model.contact?.id === frame.id) {
        model.contact = null
        model.lines = []
      }
      break
    case 'transcript':
      if (model.contact?.id === frame.contact) model.lines = withLines(model.lines, frame.lines)
      break
    case 'messages':
      model.messages = frame.messages
      break
    case 'help':
      model.help = frame.help
      break
    case 'shifts':
      model.shifts = frame.shifts
      break
    case 'news':
      model.news += 1
      break
    case 'directory':
      model.directory = frame.directory
      break
    case 'queue':
      model.queue = { waiting: frame.waiting, longest_since: frame.longest_since }
      break
    default:
      break
  }
}

/** In the order of their numbers; what comes again takes the older one's place. */
function withLines(known: readonly Line[], news: readonly Line[]): Line[] {
  const lines = new Map([...known, ...news].map((line) => [line.number, line]))
  return [...lines.values()].sort((a, b) => a.number - b.number).slice(-MOST_LINES)
}

function applyState(model: DeskModel, state: AgentState): void {
  model.state = state
  if (state.name === 'available') model.gone = null
  if (state.name === 'paused' || state.name === 'offline') model.pauseAfter = null
  if (state.name !== 'reserved' && model.reservation !== null) model.reservation = null
}
