/** What `GET /healthz` says, made even. */
import type { Words } from '@/shared/api'

export interface HealthItem {
  name: string
  ok: boolean
  words: Words | null
}

type Loose = Record<string, unknown>

const isObject = (value: unknown): value is Loose => typeof value === 'object' && value !== null && !Array.isArray(value)

function item(name: string, value: unknown): HealthItem {
  if (!isObject(value)) return { name, ok: value === true || value === 'ok', words: null }
  const { zh, en } = value
  const words = typeof zh === 'string' && typeof en === 'string' ? { zh, en } : null
  return { name: String(value.name ?? name), ok: value.ok === true || value.status === 'ok', words }
}

/** One entry per service, whether the answer lists them, names them, or keeps them below `items` or `checks`. */
export function readHealth(answer: unknown): HealthItem[] {
  if (Array.isArray(answer)) return answer.map((value, index) => item(String(index), value))
  if (!isObject(answer)) return []
  const inner = answer.items ?? answer.checks ?? answer.health ?? answer.services
  if (inner !== undefined) return readHealth(inner)
  return Object.entries(answer)
    .filter(([name, value]) => isObject(value) || (typeof value === 'boolean' && name !== 'ok'))
    .map(([name, value]) => item(name, value))
}

/** Null when the switchboard does not answer. A sick switchboard answers 503 with the same body. */
export async function fetchHealth(): Promise<HealthItem[] | null> {
  try {
    const answer = await fetch('/healthz', { cache: 'no-store' })
    return readHealth(await answer.json())
  } catch {
    return null
  }
}
