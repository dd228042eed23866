/** How a terminal's report is read. */

export interface Health {
  at_ms: number
  camera: string
  microphone: string
  speaker: string
  printer: string
  network: string
  version: string
  current: boolean
}

export interface Terminal {
  id: string
  name: string
  village: string
  district: string | null
  state: 'new' | 'paired' | 'disabled'
  seen_ms: number | null
  /** Null until the terminal was paired for the first time; older answers have none. */
  paired_ms?: number | null
  visit: string | null
  health: Health | null
  help: { asked_ms: number; why: string; seen_by: string | null } | null
}

const PARTS = ['camera', 'microphone', 'speaker', 'printer', 'network'] as const
const GOOD = new Set(['ok', 'none', 'unknown'])

/** What does not work: the part and how it is. */
export function troubles(health: Health): [part: string, how: string][] {
  return PARTS.filter((part) => !GOOD.has(health[part])).map((part) => [part, health[part]])
}

/** How long ago, in the largest unit that fits. Null where it never was. */
export function age(ms: number | null, now: number): { unit: 'seconds' | 'minutes' | 'hours' | 'days'; n: number } | null {
  if (ms === null) return null
  const seconds = Math.max(0, Math.floor((now - ms) / 1000))
  if (seconds < 60) return { unit: 'seconds', n: seconds }
  if (seconds < 3600) return { unit: 'minutes', n: Math.floor(seconds / 60) }
  if (seconds < 172_800) return { unit: 'hours', n: Math.floor(seconds / 3600) }
  return { unit: 'days', n: Math.floor(seconds / 86_400) }
}
