/** Days in China, wherever this computer stands: what is due is due by the hotline's calendar. */
const ZONE = 'Asia/Shanghai'

function day(ms: number): string {
  return new Date(ms).toLocaleDateString('sv-SE', { timeZone: ZONE })
}

export function isToday(ms: number, now: number): boolean {
  return day(ms) === day(now)
}

/** `11-25 23:59`. */
export function dayAndTime(ms: number): string {
  return new Date(ms).toLocaleString('sv-SE', { timeZone: ZONE }).slice(5, 16)
}
