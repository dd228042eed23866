/** What waits for a supervisor's decision, as the server tells it. */
import { request } from '@/shared/api'

export interface RatedContact {
  id: string
  caller: string
  matter: string | null
  agent: string | null
  ended_ms: number | null
  survey: Record<string, string>
  appeal: string | null
}

export interface Step {
  at_ms: number
  what: 'follow_up' | 'followed_up' | 'appealed' | 'appeal_decided'
  by: string | null
  outcome: string | null
  text: string | null
}

export interface Appeal {
  contact: RatedContact
  steps: Step[]
}

export interface Swap {
  id: number
  shift: number
  agent: string
  name: string | null
  from_ms: number
  to_ms: number
  text: string
  asked_ms: number
  state: string
}

export interface Volunteer {
  id: string
  name: string
  role: string
}

const items = async <T>(path: string): Promise<T[]> => (await request<{ items: T[] }>('GET', path)).items

export const openFollowUps = (): Promise<RatedContact[]> => items('/api/follow-ups')
export const openAppeals = (): Promise<Appeal[]> => items('/api/appeals')
export const openSwaps = async (): Promise<Swap[]> =>
  (await items<Swap>('/api/shift-swaps')).filter((swap) => swap.state === 'open')
export const volunteers = (): Promise<Volunteer[]> => items('/api/agents')

export const closeFollowUp = (id: string, outcome: string, note: string): Promise<void> =>
  request('POST', `/api/follow-ups/${id}`, { outcome, note: note === '' ? null : note })
export const decideAppeal = (id: string, outcome: 'upheld' | 'dismissed', reason: string): Promise<void> =>
  request('POST', `/api/appeals/${id}`, { outcome, reason })
export const decideSwap = (id: number, outcome: 'approved' | 'declined', to: string | null, note: string): Promise<void> =>
  request('POST', `/api/shift-swaps/${id}`, { outcome, to, note })
