/** What the volunteer's own lists ask of the server. */
import { onMounted, type Ref, ref, shallowRef, watch } from 'vue'

import { ApiError, request, type Words } from '@/shared/api'

export interface Question {
  question: string
  /** How often each rank of answer was given, from good to bad. */
  counts: number[]
  answers: number
  share: number | null
}

export interface Period {
  period: 'today' | 'week' | 'month'
  since_ms: number
  answered: number
  missed: number
  declined: number
  talks: number
  mean_talk_ms: number | null
  wrap_ups: number
  mean_wrap_up_ms: number | null
  duty_ms: number
  paused_ms: number
  messages: number
  messages_in_time: number
  survey: Question[]
}

export interface OwnFigures {
  at_ms: number
  smallest: number
  periods: Period[]
}

export interface OwnShift {
  id: number
  from_ms: number
  to_ms: number
  matter: string | null
  role: string | null
  note: string
  begun_ms: number | null
  swap: string | null
}

export interface OwnSwap {
  id: number
  shift: number
  from_ms: number
  to_ms: number
  text: string
  asked_ms: number
  state: string
  decided_by: string | null
  decided_ms: number | null
  note: string
}

export interface Step {
  at_ms: number
  what: 'follow_up' | 'followed_up' | 'appealed' | 'appeal_decided'
  by: string | null
  outcome: string | null
  text: string | null
}

export interface Rating {
  contact: {
    id: string
    caller: string
    matter: string | null
    ended_ms: number | null
    survey: Record<string, string>
    follow_up: string | null
    appeal: string | null
  }
  until_ms: number
  open_to_appeal: boolean
  steps: Step[]
}

/** One reading of the server: its answer, what was wrong, and a way to ask again. */
export function useAnswer<T>(read: () => Promise<T>, again?: Ref<unknown> | (() => unknown)) {
  const answer = shallowRef<T | null>(null)
  const fault = ref<Words | null>(null)
  const busy = ref(false)

  async function attempt(work: () => Promise<void>): Promise<boolean> {
    busy.value = true
    fault.value = null
    try {
      await work()
      return true
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      fault.value = error.words
      return false
    } finally {
      busy.value = false
    }
  }

  const load = (): Promise<boolean> => attempt(async () => void (answer.value = await read()))
  onMounted(load)
  if (again) watch(again, () => void load())
  return { answer, fault, busy, attempt, load }
}

export const ownFigures = (): Promise<OwnFigures> => request('GET', '/api/own-figures')
export const ownRatings = async (): Promise<Rating[]> => (await request<{ items: Rating[] }>('GET', '/api/own-ratings')).items
export const ownShifts = async (): Promise<{ shifts: OwnShift[]; swaps: OwnSwap[] }> => {
  const [shifts, swaps] = await Promise.all([
    request<{ items: OwnShift[] }>('GET', '/api/own-shifts'),
    request<{ items: OwnSwap[] }>('GET', '/api/own-swaps'),
  ])
  return { shifts: shifts.items, swaps: swaps.items }
}
