/** The plan of shifts, for the administrators' page. Days and times are those of China. */
import { request, type Words } from '@/shared/api'
import { language } from '@/shared/i18n'

const DAY_MS = 86_400_000
const ZONE = 'Asia/Shanghai'
const OFFSET = '+08:00'

export interface PlannedShift {
  id: number
  agent: string
  name: string | null
  from_ms: number
  to_ms: number
  matter: string | null
  role: string | null
  note: string
  begun_ms: number | null
}

export interface Volunteer {
  id: string
  name: string
  role: string
}

export interface Matter extends Words {
  id: string
}

export interface ShiftForm {
  agent: string
  date: string
  from: string
  to: string
  matter: string
  role: string
  note: string
}

export const emptyForm = (date: string): ShiftForm => ({ agent: '', date, from: '', to: '', matter: '', role: '', note: '' })

/** `2026-11-25` of a moment in China. */
export function dateOf(ms: number): string {
  return new Date(ms).toLocaleDateString('sv-SE', { timeZone: ZONE })
}

/** `09:00`. */
export function timeOf(ms: number): string {
  return new Date(ms).toLocaleTimeString('sv-SE', { timeZone: ZONE }).slice(0, 5)
}

/** The first moment of a day. */
export function midnight(date: string): number {
  return Date.parse(`${date}T00:00:00${OFFSET}`)
}

/** Begin and end in ms; an end that is not after the begin is on the next day. Null while something is missing. */
export function timesOf(form: Pick<ShiftForm, 'date' | 'from' | 'to'>): { from_ms: number; to_ms: number } | null {
  const from = Date.parse(`${form.date}T${form.from}:00${OFFSET}`)
  const to = Date.parse(`${form.date}T${form.to}:00${OFFSET}`)
  if (Number.isNaN(from) || Number.isNaN(to)) return null
  return { from_ms: from, to_ms: to > from ? to : to + DAY_MS }
}

export function formOf(shift: PlannedShift): ShiftForm {
  return {
    agent: shift.agent,
    date: dateOf(shift.from_ms),
    from: timeOf(shift.from_ms),
    to: timeOf(shift.to_ms),
    matter: shift.matter ?? '',
    role: shift.role ?? '',
    note: shift.note,
  }
}

/** `11月25日周三 09:00–12:00`. */
export function shiftWords(shift: Pick<PlannedShift, 'from_ms' | 'to_ms'>): string {
  const day = new Date(shift.from_ms).toLocaleDateString(language.value === 'zh' ? 'zh-CN' : 'en-GB', {
    month: 'short',
    day: 'numeric',
    weekday: 'short',
    timeZone: ZONE,
  })
  return `${day} ${timeOf(shift.from_ms)}–${timeOf(shift.to_ms)}`
}

/** The words of a wrong row come in both languages: the half that this page speaks. */
export function problemWords(problem: string): string {
  const [row, rest] = [problem.slice(0, problem.indexOf(':')), problem.slice(problem.indexOf(':') + 2)]
  const [zh, en] = rest.split(' / ')
  return `${row}\u0000${(language.value === 'zh' ? zh : (en ?? zh)) ?? ''}`
}

export interface Asked {
  since: number
  until: number
  agent: string
  after: string | null
}

export function shiftsOf(asked: Asked): Promise<{ items: PlannedShift[]; next: string | null }> {
  const query = new URLSearchParams({ since_ms: String(asked.since), until_ms: String(asked.until) })
  if (asked.agent !== '') query.set('agent', asked.agent)
  if (asked.after !== null) query.set('after', asked.after)
  return request('GET', `/api/shifts?${query.toString()}`)
}

export function saveShift(id: number | null, form: ShiftForm, times: { from_ms: number; to_ms: number }): Promise<PlannedShift> {
  const order = { agent: form.agent, ...times, matter: form.matter || null, role: form.role || null, note: form.note }
  return request('POST', id === null ? '/api/shifts' : `/api/shifts/${id}`, order)
}

export const removeShift = (id: number): Promise<void> => request('DELETE', `/api/shifts/${id}`)
export const volunteers = async (): Promise<Volunteer[]> => (await request<{ items: Volunteer[] }>('GET', '/api/agents')).items
export const matters = async (): Promise<Matter[]> => (await request<{ items: Matter[] }>('GET', '/api/policy/matters')).items
