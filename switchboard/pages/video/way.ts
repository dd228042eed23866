/** The way into the room behind a link. It is used once: what it gave is kept for this tab, for a reload. */
import { request } from '@/shared/api'

export interface Way {
  url: string
  room: string
  token: string
}

export interface LinkState {
  state: 'open' | 'used' | 'expired'
  expires_ms: number
  /** `lift`: a call becomes a video call; else what the room is for. */
  kind: 'lift' | 'mediation' | 'notarization' | 'meeting'
  title: string
  /** Whom the link is for. */
  name: string
  /** Whether to be recorded is asked first. */
  records: boolean
}

const KEY = 'way'

export function linkToken(path: string): string {
  return path.split('/').at(-1) ?? ''
}

export function keptWay(link: string, storage: Storage = sessionStorage): Way | null {
  const kept = JSON.parse(storage.getItem(KEY) ?? 'null') as (Way & { link: string }) | null
  return kept && kept.link === link ? { url: kept.url, room: kept.room, token: kept.token } : null
}

export function keepWay(link: string, way: Way | null, storage: Storage = sessionStorage): void {
  if (way) storage.setItem(KEY, JSON.stringify({ ...way, link }))
  else storage.removeItem(KEY)
}

export const lookAt = (link: string): Promise<LinkState> => request('GET', `/api/links/${encodeURIComponent(link)}`)
export const openLink = (link: string, consent: boolean | null): Promise<Way> =>
  request('POST', `/api/links/${encodeURIComponent(link)}`, consent === null ? {} : { consent })
