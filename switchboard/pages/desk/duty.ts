/** Shifts in words, by the days of China. */
import { language, pick, t, word } from '@/shared/i18n'

import type { Shift } from './frames'

const ZONE = 'Asia/Shanghai'
const DAY_MS = 86_400_000

/** Only what these words need of a shift. */
export type Span = Pick<Shift, 'from' | 'to'>

/** The shift that goes on at `now`, or null. */
export function currentShift<T extends Span>(shifts: readonly T[], now: number): T | null {
  return shifts.find((one) => one.from <= now && now < one.to) ?? null
}

/** The first shift that begins after `now`, or null. */
export function nextShift<T extends Span>(shifts: readonly T[], now: number): T | null {
  return shifts.find((one) => one.from > now) ?? null
}

/** Whether the volunteer should be taking calls and is not: told on the desk from the first minute. */
export function isLate(shift: Shift | null, state: { name: string; reason: string | null }): boolean {
  return shift !== null && !shift.begun && ['paused', 'offline'].includes(state.name) && state.reason !== 'standby'
}

const locale = (): string => (language.value === 'zh' ? 'zh-CN' : 'en-GB')
const dayOf = (ms: number): string => new Date(ms).toLocaleDateString('sv-SE', { timeZone: ZONE })
const time = (ms: number): string =>
  new Date(ms).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit', timeZone: ZONE })

/** `今天`, `明天`, `周三` within the week, else `12月3日周四`. */
export function dayWords(ms: number, now: number): string {
  if (dayOf(ms) === dayOf(now)) return t('desk.duty.today')
  if (dayOf(ms) === dayOf(now + DAY_MS)) return t('desk.duty.tomorrow')
  const near = ms > now && ms - now < 6 * DAY_MS
  const shown = near ? { weekday: 'short' } : { month: 'short', day: 'numeric', weekday: 'short' }
  return new Date(ms).toLocaleDateString(locale(), { ...shown, timeZone: ZONE } as Intl.DateTimeFormatOptions)
}

/** `09:00–12:00`; an end on the next day says so. */
export function timesOf(shift: Span): string {
  const over = dayOf(shift.from) === dayOf(shift.to) ? '' : ` ${t('desk.duty.nextDay')}`
  return `${time(shift.from)}–${time(shift.to)}${over}`
}

/** `周三 09:00–12:00`. */
export function shiftWords(shift: Span, now: number): string {
  return `${dayWords(shift.from, now)} ${timesOf(shift)}`
}

/** What a shift is for, or nothing. */
export function purpose(shift: Pick<Shift, 'matter' | 'role' | 'note'>): string {
  return [shift.matter && pick(shift.matter), shift.role && word('role', shift.role), shift.note].filter(Boolean).join(' · ')
}

/** `3 小时 20 分`. */
export function hours(ms: number): string {
  const minutes = Math.floor(ms / 60_000)
  const whole = Math.floor(minutes / 60)
  return whole > 0 ? t('desk.duty.hours', { h: whole, m: minutes % 60 }) : t('desk.duty.minutes', { m: minutes })
}
