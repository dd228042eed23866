/** What the terminal asks of the switchboard over HTTP, with its own token; nothing of it is kept. */
import { ApiError, type Words } from '@/shared/api'

export interface Choice extends Words {
  id: string
}

export interface Help {
  asked_ms: number
  why: string
  seen_by: string | null
  seen_ms: number | null
}

export interface Home {
  terminal: { id: string; name: string; village: string; district: string | null; visit: string | null }
  matters: Choice[]
  priorities: Choice[]
  languages: Choice[]
  phone: string
  version: string
  video: boolean
}

export interface Health {
  camera: string
  microphone: string
  speaker: string
  printer: string
  network: string
  version: string
}

export interface Told {
  version: string
  help: Help | null
}

export interface Wish {
  key: string
  matter: string | null
  language: string
  priority: string | null
  consent: boolean
}

const PATIENCE_MS = 15_000
const AWAY: Words = { zh: '网络断了，正在重新连接。', en: 'The network is gone. Connecting again.' }
const ODD: Words = { zh: '没有办成，请再按一次，或者叫人帮忙。', en: 'That did not work. Touch it again, or call for help.' }

export class House {
  constructor(public token: string) {}

  home = (): Promise<Home> => this.ask('GET', '/api/terminal')
  report = (health: Health): Promise<Told> => this.ask('POST', '/api/terminal/report', health)
  help = (why = 'asked'): Promise<Told> => this.ask('POST', '/api/terminal/help', { why })
  noHelp = (): Promise<void> => this.ask('DELETE', '/api/terminal/help')
  begin = (wish: Wish): Promise<{ id: string; stage: string }> => this.ask('POST', '/api/visits', wish)

  async prompt(language: string, key: string): Promise<ArrayBuffer> {
    const answer = await this.fetch('GET', `/api/terminal/prompts/${language}/${key}`, undefined, 'default')
    if (!answer.ok) throw new ApiError(answer.status, String(answer.status), ODD)
    return answer.arrayBuffer()
  }

  async ask<T>(method: string, path: string, body?: object, headers: Record<string, string> = {}): Promise<T> {
    const answer = await this.fetch(method, path, body, 'no-store', headers)
    const data: unknown = await answer.json().catch(() => null)
    if (answer.ok) return data as T
    const told = data as Partial<Words & { code: string }> | null
    throw new ApiError(answer.status, told?.code ?? String(answer.status), told?.zh && told.en ? { zh: told.zh, en: told.en } : ODD)
  }

  private async fetch(method: string, path: string, body?: object, cache: RequestCache = 'no-store', headers: Record<string, string> = {}): Promise<Response> {
    try {
      return await fetch(path, {
        method,
        cache,
        credentials: 'omit',
        headers: { ...headers, ...(this.token ? { Authorization: `Bearer ${this.token}` } : {}), ...(body ? { 'Content-Type': 'application/json' } : {}) },
        body: body ? JSON.stringify(body) : null,
        signal: AbortSignal.timeout(PATIENCE_MS),
      })
    } catch {
      throw new ApiError(0, 'away', AWAY)
    }
  }
}

export async function pair(code: string): Promise<string> {
  const { token } = await new House('').ask<{ token: string }>('POST', '/api/terminal/pair', { code })
  return token
}

/** The names of this page's own built files: another page is served when they are others. */
export function ownVersion(from: Document = document): string {
  const names = [...from.querySelectorAll<HTMLElement>('script[src], link[href]')].flatMap((one) => {
    const found = /assets\/(terminal-[A-Za-z0-9_-]+\.(?:js|css))$/.exec(one.getAttribute('src') ?? one.getAttribute('href') ?? '')
    return found?.[1] ? [found[1]] : []
  })
  return [...new Set(names)].sort().join(' ')
}
