/** Callers' numbers on a screen that others may see: grouped, and masked even if somebody forgot to. */

const SHOWN_FRONT = 3
const SHOWN_BACK = 4

/** `138****1234` from a full number; a number that is masked already stays as it is. */
export function masked(number: string): string {
  if (number.includes('*') || !/^\+?\d+$/.test(number)) return number
  if (number.length <= SHOWN_BACK + 1) return number
  const front = number.length > SHOWN_FRONT + SHOWN_BACK + 1 ? SHOWN_FRONT : 1
  const hidden = number.length - front - SHOWN_BACK
  return number.slice(0, front) + '*'.repeat(Math.max(1, hidden)) + number.slice(-SHOWN_BACK)
}

/** `138 **** 1234`: the same with room to read. */
export function grouped(number: string): string {
  return masked(number).replace(/\*+/, (stars) => ` ${stars} `).trim()
}

/** The last digits that may be read aloud, or an empty string. */
export function ending(number: string): string {
  return /(\d{2,4})$/.exec(masked(number))?.[1] ?? ''
}
