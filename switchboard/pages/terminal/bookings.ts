/** Bookings as the terminal's view needs them, and nothing more (docs/api: `/api/bookings`, `/api/clinic`). */
import { ApiError, type Words } from '@/shared/api'

import type { House } from './house'

export interface Booking {
  id: string
  number: string
  state: string
  kind: string
  from_ms: number
  /** What is printed and read aloud. */
  said: Words
  /** Opens it again, to cancel it; kept in memory only. */
  pass: string
}

export interface Kind extends Words {
  id: string
}

export interface Slot {
  from_ms: number
  to_ms: number
  free: number
}

export interface Bookings {
  find: (number: string) => Promise<Booking>
  /** Whoever has booked is here: a visit begins at this terminal. */
  arrive: (number: string) => Promise<void>
  cancel: (booking: Booking) => Promise<Booking>
  kinds: () => Promise<Kind[]>
  /** Of one day (`2026-11-23`). */
  slots: (kind: string, day: string) => Promise<Slot[]>
  book: (kind: string, fromMs: number) => Promise<Booking>
}

interface CaseView {
  id: string
  number: string | null
  state: string
  value: { kind?: string; from_ms?: number }
  case_pass: string | null
  said: Words
}

const AWAY: Words = { zh: '网络断了，请稍后再试。', en: 'The network is gone. Try again in a moment.' }

export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (one) => one.toString(16).padStart(2, '0')).join('')
}

export function bookingsOf(house: () => House | null): Bookings {
  async function ask<T>(method: string, path: string, body?: object, pass = ''): Promise<T> {
    const known = house()
    if (!known) throw new ApiError(0, 'away', AWAY)
    return known.ask<T>(method, path, body, pass ? { 'Case-Pass': pass } : {})
  }
  const seen = (found: CaseView, pass = ''): Booking => ({
    id: found.id,
    number: found.number ?? '',
    state: found.state,
    kind: found.value.kind ?? '',
    from_ms: found.value.from_ms ?? 0,
    said: found.said,
    pass: found.case_pass ?? pass,
  })
  return {
    find: async (number) => seen(await ask('GET', `/api/bookings/numbered/${number}`)),
    arrive: async (number) => {
      await ask('POST', `/api/bookings/numbered/${number}/arrive`, { key: newKey() })
    },
    cancel: async (booking) => seen(await ask('POST', `/api/bookings/${booking.id}/cancel`, { key: newKey() }, booking.pass), booking.pass),
    kinds: async () => (await ask<{ items: (Kind & { session: boolean })[] }>('GET', '/api/clinic/kinds')).items.filter((one) => !one.session),
    slots: async (kind, day) => (await ask<{ items: Slot[] }>('GET', `/api/clinic/slots?kind=${kind}&day=${day}`)).items,
    book: async (kind, fromMs) => seen(await ask('POST', '/api/bookings', { key: newKey(), kind, from_ms: fromMs })),
  }
}

/** Day of a time in China, `2026-11-23`. */
export function dayOf(ms: number): string {
  return new Date(ms).toLocaleDateString('sv-SE', { timeZone: 'Asia/Shanghai' })
}

/** The next days, today first. */
export function days(nowMs: number, count = 7): { day: string; ms: number }[] {
  return Array.from({ length: count }, (_, at) => nowMs + at * 86_400_000).map((ms) => ({ day: dayOf(ms), ms }))
}
