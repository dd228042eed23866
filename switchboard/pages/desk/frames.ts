/** The frames of `/ws/desk` (docs/protocol.md). Times are milliseconds since 1970 by the server's clock. */
import type { Words } from '@/shared/api'

export type StateName = 'offline' | 'available' | 'reserved' | 'in_contact' | 'wrap_up' | 'paused'

export interface AgentState {
  name: StateName
  reason: string | null
  since: number
  until: number | null
}

export interface Matter extends Words {
  id: string
}

export type Medium = 'call' | 'callback' | 'message' | 'consult' | 'visit'

/** A colleague, as colleagues see each other. */
export interface Name {
  id: string
  name: string
  role: string
}

export interface Card {
  /** Of a call-back the switchboard calls the caller once the volunteer has accepted. */
  medium?: Medium
  caller: string
  /** Where the number is at home; null: not known. */
  region: Words | null
  matter: Matter | null
  language: string | null
  waiting_since: number
  /** 0 or null: none. The size says how much earlier the caller was placed. */
  priority: number | string | null
  priority_reason: string | null
  earlier: number
  demo: boolean
  /** Of a consultation: who asks, and what that one wrote. */
  from?: Name
  note?: string
  /** Who had this caller before, how it came here, and what was written. */
  passed?: { by: Name; note: string; how: 'blind' | 'attended' | 'stayed' } | null
  /** Where a visitor stands; null for callers. */
  terminal?: Terminal | null
}

export interface Terminal {
  name: string
  village: string
  district: string | null
}

/** The room of a contact: where the bridge is, its name, and this volunteer's way in. */
export interface ContactVideo {
  kind: 'visit' | 'lift'
  /** Of a call lifted to video: whether the caller has been seen, is seen, or is not any more. */
  state: 'invited' | 'up' | 'lost'
  url: string
  room: string
  token: string
  link?: VideoLink | null
}

/** The caller's way in; `sent`: it went to the caller's own phone. */
export interface VideoLink {
  url: string
  qr: string
  expires: number
  sent: boolean
}

/** What a transcriber has understood. A line that is not final comes again, under the same number. */
export interface Line {
  number: number
  at: number
  speaker: 'caller' | 'volunteer' | 'colleague'
  text: string
  final: boolean
}

/** What became of the colleague who was asked; the last five are over. */
export type ColleagueState =
  | 'asked' | 'ringing' | 'consulting' | 'parked' | 'three_way'
  | 'declined' | 'no_answer' | 'nobody' | 'withdrawn' | 'left'

export interface Colleague {
  who: Name | null
  matter: Matter | null
  since: number
  state: ColleagueState
  three_way?: boolean
}

/** Who is there, and who is free for what; `estimate` in minutes, from and to (null: more). */
export interface Directory {
  now: number
  colleagues: (Name & { languages: string[]; matters: string[]; state: StateName; reason: string | null; since: number; demo: boolean })[]
  matters: (Words & { id: string; role: string; on_duty: number; free: number; estimate: [number, number | null] | null })[]
  roles: (Words & { id: string; matter: string; on_duty: number; free: number })[]
}

export interface Reservation {
  id: number
  contact: string
  expires: number
  card: Card
}

export interface Contact {
  id: string
  stage: 'connecting' | 'talking' | 'wrap_up'
  card: Card
  since: number
  talking_since: number | null
  wrap_up_until: number | null
  recording: boolean
  /** Silence is written in place of what is said. */
  recording_paused: boolean
  /** False: the caller refused to be recorded. */
  consent: boolean
  /** The time for writing was made longer, which happens once. */
  extended?: boolean
  /** The hotlines that may be added to the talk. */
  transfers: Hotline[]
  /** The hotline that was added last, and what became of it. */
  hand_over: (Words & { to: string; state: HandOverState }) | null
  /** `colleague`: a volunteer with another's caller; everything but leaving is that one's. */
  part?: 'lead' | 'colleague'
  /** The caller hears music. */
  held?: boolean
  /** Whom this volunteer asked last. */
  colleague?: Colleague | null
  /** For a colleague: whose caller it is, and who is heard. */
  lead?: Name | null
  room?: 'consulting' | 'parked' | 'three_way' | null
  /** Who has the caller now. */
  passed_to?: Name | null
  video?: ContactVideo | null
}

export interface Hotline extends Words {
  id: string
}

export type HandOverState = 'ringing' | 'joined' | 'failed' | 'cancelled' | 'left'

export interface PhoneAccount {
  uri: string
  password: string
  socket: string
  registrar: string
}

export interface Queue {
  waiting: number
  longest_since: number | null
}

/** A message (or call-back) that is on this desk until it is answered, finished or given back. */
export interface Message {
  id: string
  medium: 'message' | 'callback'
  caller: string
  matter: Matter | null
  language: string | null
  arrived: number
  due: number | null
  overdue: boolean
  state: 'assigned' | 'calling' | 'answered'
  attempts: number
  seconds: number
  listen: string | null
  /** What was written, where nothing was spoken. */
  text?: string | null
}

export interface Welcome {
  type: 'welcome'
  protocol: number
  now: number
  agent: { id: string; name: string; role: string }
  phone: PhoneAccount
  state: AgentState
  reservation: Reservation | null
  contact: Contact | null
  transcript?: Line[]
  queue: Queue
  messages?: Message[]
  help?: HelpCall | null
  shifts?: Shift[]
  pause_reasons: string[]
  dispositions: string[]
  matters: Matter[]
}

/** The volunteer's call for a supervisor; a closed one is shown for some minutes with what the supervisor wrote. */
export interface HelpCall {
  id: number
  contact: string
  asked: number
  seen_by: string | null
  seen: number | null
  closed_by: string | null
  closed: number | null
  note: string
  /** Whether any supervisor has the board open. */
  watched: boolean
}

/** A shift of one's own. `begun`: the volunteer was there. `swap`: how the wish to be relieved of it stands. */
export interface Shift {
  id: number
  from: number
  to: number
  matter: Matter | null
  role: string | null
  note: string
  begun: boolean
  swap: string | null
}

export type GoneReason = 'timed_out' | 'caller_left' | 'rejected' | 'cancelled'

/** A command was done; some commands are answered with fields of their own. */
export interface Done {
  type: 'done'
  re: string
  [field: string]: unknown
}

export type DeskFrame =
  | Welcome
  | ({ type: 'refused'; code: string } & Words)
  | { type: 'state'; state: AgentState }
  | { type: 'reservation'; reservation: Reservation }
  | { type: 'reservation_gone'; id: number; why: GoneReason }
  | { type: 'contact'; contact: Contact }
  | { type: 'contact_gone'; id: string }
  | { type: 'transcript'; contact: string; lines: Line[] }
  | ({ type: 'queue' } & Queue)
  | { type: 'messages'; messages: Message[] }
  | { type: 'help'; help: HelpCall | null }
  | { type: 'shifts'; shifts: Shift[] }
  | { type: 'news'; what: 'swap' | 'appeal'; id: string; state: string }
  | { type: 'directory'; directory: Directory }
  | { type: 'beat'; now: number }
  | Done
  | ({ type: 'error'; re: string; code: string } & Words)

/** `trunk`: the volunteer's own telephone, called through the trunk. */
export type PhoneKind = 'browser' | 'sip' | 'trunk'
