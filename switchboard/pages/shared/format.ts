/** Figures as people read them. All times are milliseconds. */

/** `4:07`, `1:02:09`; never negative. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const two = (value: number): string => String(value).padStart(2, '0')
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor(seconds / 60) % 60
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`
}

/** Whole seconds left, rounded up, so that "1" shows until the very end. */
export function secondsLeft(until: number, now: number): number {
  return Math.max(0, Math.ceil((until - now) / 1000))
}

/** What share of the time from `from` to `until` is left, 0 to 1. */
export function shareLeft(from: number, until: number, now: number): number {
  if (until <= from) return 0
  return Math.min(1, Math.max(0, (until - now) / (until - from)))
}

/** `87.5%`, `–` when there is nothing to divide. */
export function percent(part: number, whole: number): string {
  if (whole <= 0) return '–'
  const value = (part / whole) * 100
  return `${value >= 99.95 || value === 0 ? value.toFixed(0) : value.toFixed(1)}%`
}

/** `14:05:09` in China, wherever this computer stands: the hotline's day begins and ends there. */
export function clockTime(ms: number): string {
  return new Date(ms).toLocaleTimeString('zh-CN', { hourCycle: 'h23', timeZone: 'Asia/Shanghai' })
}

/** `08:30`. */
export function clockMinutes(ms: number): string {
  return clockTime(ms).slice(0, 5)
}
