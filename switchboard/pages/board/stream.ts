/** The numbered stream of `/ws/board`: one snapshot, then change N+1 on N and nothing else. */
import type { Words } from '@/shared/api'

export type Stage = 'intake' | 'waiting' | 'ringing' | 'talking' | 'survey' | 'finished'

export interface BoardContact {
  id: string
  medium: string
  /** Where a visitor stands; null or missing for callers. */
  terminal?: { name: string; village: string } | null
  stage: Stage
  caller: string
  matter: string | null
  language: string | null
  priority: number | string | null
  arrived: number
  queued: number | null
  talking_since: number | null
  ended: number | null
  agent: string | null
  end_reason: string | null
  survey: number | string | null
  demo: boolean
  /** Of a message or call-back: when it is due, not to be called before, how often it was tried. */
  due?: number | null
  next?: number | null
  attempts?: number
}

export interface BoardAgent {
  id: string
  name: string
  role: string
  state: string
  reason: string | null
  since: number
  contact: string | null
  demo: boolean
}

export interface BoardMatter extends Words {
  id: string
  waiting: number
  longest_since: number | null
  talking: number
  staffed: number
}

export interface Figures {
  arrived: number
  answered: number
  answered_15s: number
  abandoned: number
  timed_out: number
  open: number
  mean_wait_ms: number | null
  mean_talk_ms: number | null
  since: number
  messages_open?: number
  callbacks_open?: number
  due_today?: number
  overdue?: number
  follow_ups?: number
}

/** How far a role has stepped under load. */
export interface Overload extends Words {
  id: string
  level: 'normal' | 'backup' | 'callback' | 'message'
  since: number | null
  waiting: number
  on_duty: number
  free: number
  /** Minutes from and to (null: and more) that a caller who comes now will wait; null without a recent sample. */
  estimate: [number, number | null] | null
}

/** A volunteer calls for help, in this contact. */
export interface HelpCall {
  id: number
  agent: string
  name: string
  team: string | null
  contact: string
  asked: number
  seen_by: string | null
  seen: number | null
}

/** A volunteer who should be on duty for more than five minutes and is not. */
export interface Late {
  id: number
  agent: string
  name: string
  from: number
  to: number
  matter: string | null
  signed_in: boolean
}

/** A terminal at which somebody calls (`asked`), or something does not work (`part:how`). */
export interface TerminalAlert {
  id: string
  name: string
  village: string
  troubles: string[]
  asked: number | null
  why: string | null
  seen_by: string | null
}

/** What waits for a supervisor's decision. */
export interface Requests {
  follow_ups: number
  appeals: number
  swaps: number
}

/** Something a supervisor should know and see to, such as holidays that are not known yet. */
export interface Notice extends Words {
  name: string
}

export interface Health extends Words {
  name: string
  ok: boolean
  since: number
}

export type BoardFrame =
  | { type: 'snapshot'; seq: number; now: number; items: Record<string, unknown> }
  | { type: 'change'; seq: number; now: number; set?: Record<string, unknown>; del?: string[] }
  | { type: 'beat'; seq: number; now: number }

/** What came of a frame: taken, or a hole in the numbers after which only a new snapshot helps. */
export type Outcome = 'taken' | 'gap'

export class BoardStream {
  readonly items = new Map<string, unknown>()
  /** The number of the last change taken; null before the first snapshot. */
  seq: number | null = null
  /** The server's time of the last frame taken. */
  asOf: number | null = null

  take(frame: BoardFrame): Outcome {
    if (frame.type === 'snapshot') {
      this.items.clear()
      for (const [key, value] of Object.entries(frame.items)) this.items.set(key, value)
    } else if (this.seq === null) {
      return 'gap'
    } else if (frame.type === 'change') {
      if (frame.seq !== this.seq + 1) return 'gap'
      for (const key of frame.del ?? []) this.items.delete(key)
      for (const [key, value] of Object.entries(frame.set ?? {})) this.items.set(key, value)
    } else if (frame.seq !== this.seq) {
      return 'gap'
    }
    this.seq = frame.seq
    this.asOf = frame.now
    return 'taken'
  }

  /** A new connection begins: what is shown stays, but nothing but a snapshot may follow. */
  begin(): void {
    this.seq = null
  }

  /** All values whose key begins with `kind/`, in the server's order. */
  all<T>(kind: string): T[] {
    const found: T[] = []
    for (const [key, value] of this.items) if (key.startsWith(`${kind}/`)) found.push(value as T)
    return found
  }
}
