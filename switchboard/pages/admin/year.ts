/** A year of working days, laid out by months and weeks. */

export type DayKind = 'working' | 'off' | 'holiday' | 'make_up'

export interface Year {
  year: number
  /** From 1 January on. */
  days: { kind: DayKind; override: boolean }[]
  announced_until: string
  warning: { zh: string; en: string } | null
}

export interface Day {
  date: number
  kind: DayKind
  override: boolean
}

/** For each month its days, and how many cells are empty before the first (the week begins on Monday). */
export function months(year: Year): { month: number; before: number; days: Day[] }[] {
  const found = Array.from({ length: 12 }, (_, index) => ({
    month: index + 1,
    before: (new Date(Date.UTC(year.year, index, 1)).getUTCDay() + 6) % 7,
    days: [] as Day[],
  }))
  year.days.forEach((day, index) => {
    const date = new Date(Date.UTC(year.year, 0, 1 + index))
    found[date.getUTCMonth()]?.days.push({ date: date.getUTCDate(), ...day })
  })
  return found
}

export function counts(year: Year): { working: number; off: number; makeUp: number } {
  const working = year.days.filter((day) => day.kind === 'working' || day.kind === 'make_up').length
  return { working, off: year.days.length - working, makeUp: year.days.filter((day) => day.kind === 'make_up').length }
}
