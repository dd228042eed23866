/** Which view follows from what the visit is now, and what is said with it. Nothing here touches the screen. */
import type { Visit } from './visit'

export type View =
  | 'starting' | 'pairing' | 'home' | 'about' | 'record' | 'test' | 'waiting' | 'callback'
  | 'session' | 'survey' | 'thanks' | 'bookings'

export interface Step {
  view: View
  say: readonly string[]
  /** Loud enough for somebody who has sat down. */
  ring: boolean
}

const QUEUED = new Set<Visit['stage']>(['intake', 'waiting', 'ringing'])
const BEFORE_TALK = new Set<View>(['test', 'waiting', 'callback', 'bookings'])

export function follow(view: View, before: Visit | null, now: Visit): Step {
  const stay: Step = { view, say: [], ring: false }
  if (now.ended) return over(view, before, now)
  if (now.room) return entered(view, before, now)
  if (now.stage === 'survey') {
    if (view === 'survey' || view === 'thanks') return stay
    return now.survey ? { view: 'survey', say: ['terminal_survey'], ring: false } : { view: 'thanks', say: ['terminal_thanks'], ring: false }
  }
  if (!QUEUED.has(now.stage)) return stay
  if (view === 'session') return { view: 'waiting', say: ['terminal_volunteer_lost'], ring: false }
  if (now.promised && !before?.promised) return { view: 'thanks', say: ['terminal_callback_booked'], ring: false }
  if (now.notice !== (before?.notice ?? null) && (now.notice === 'closed' || now.notice === 'timed_out')) {
    return { view: view === 'callback' ? view : 'waiting', say: ['terminal_closed'], ring: false }
  }
  return BEFORE_TALK.has(view) ? stay : { view: 'waiting', say: [], ring: false }
}

function entered(view: View, before: Visit | null, now: Visit): Step {
  const same = before?.room?.room === now.room?.room
  if (view === 'session' && same) return { view, say: [], ring: false }
  // A page that has just begun and finds its room open was cut off in the middle of a talk.
  const resumed = before === null && view === 'starting'
  return { view: 'session', say: [resumed ? 'terminal_resumed' : 'terminal_your_turn'], ring: !resumed }
}

function over(view: View, before: Visit | null, now: Visit): Step {
  if (view === 'thanks') return { view, say: [], ring: false }
  const served = now.ended === 'completed' || before?.stage === 'talking' || before?.stage === 'survey'
  if (served || now.promised) return { view: 'thanks', say: ['terminal_thanks'], ring: false }
  // Nobody answered: the screen that says so stays until somebody has read it.
  return now.notice ? { view: 'waiting', say: [], ring: false } : { view: 'home', say: [], ring: false }
}

/** What is said about the wait, as the house's prompts have it; nothing where nothing is known. */
export function waitPrompts(visit: Visit): string[] {
  const said: string[] = []
  if (visit.ahead === 0) said.push('next_in_line')
  else if (visit.ahead !== null) said.push(visit.ahead > 50 ? 'ahead_many' : `ahead_${visit.ahead}`)
  if (visit.band) {
    const [from, to] = visit.band
    const known = BANDS.find(([low, high]) => low === from && high === to)
    if (known) said.push(to === null ? `band_${from}` : `band_${from}_${to}`)
  }
  return said
}

const BANDS: readonly (readonly [number, number | null])[] = [
  [0, 1], [1, 3], [3, 5], [5, 10], [10, 15], [15, 20], [20, 30], [30, 45], [45, 60], [60, null],
]

/** Matters behind the first button: the commonest of a village first. */
export const LAWYER_MATTERS = ['marriage_family', 'housing_land', 'labour', 'debt', 'inheritance', 'injury_medical', 'traffic_accident'] as const
export const SERVICES = { lawyer: null, notary: 'notarization', mediation: 'mediation' } as const
export type Service = keyof typeof SERVICES
