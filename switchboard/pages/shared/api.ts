/** The few HTTP requests the pages make; every error carries words in both languages. */

export type Role = 'volunteer' | 'supervisor' | 'administrator'

export interface Who {
  role: Role
  name: string
  agent: string | null
}

export interface Words {
  zh: string
  en: string
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly words: Words,
    /** One line for each mistake in a text that was sent. */
    readonly problems: readonly string[] = [],
    /** The names of the fields that are wrong. */
    readonly fields: readonly string[] = [],
  ) {
    super(code)
  }
}

const AWAY: Words = {
  zh: '连接不上总机服务。请检查网络后再试。',
  en: 'The switchboard cannot be reached. Check the network and try again.',
}
const ODD: Words = {
  zh: '总机没有完成这个请求，请稍后再试。',
  en: 'The switchboard could not do this. Please try again in a moment.',
}

export async function request<T>(method: string, path: string, body?: object): Promise<T> {
  let answer: Response
  try {
    answer = await fetch(path, {
      method,
      credentials: 'same-origin',
      headers: body ? { 'Content-Type': 'application/json' } : {},
      body: body ? JSON.stringify(body) : null,
    })
  } catch {
    throw new ApiError(0, 'away', AWAY)
  }
  const data: unknown = await answer.json().catch(() => null)
  if (answer.ok) return data as T
  const told = data as Partial<Words & { code: string; problems: string[]; fields: string[] }> | null
  const words = told?.zh && told.en ? { zh: told.zh, en: told.en } : ODD
  throw new ApiError(answer.status, told?.code ?? String(answer.status), words, told?.problems ?? [], told?.fields ?? [])
}

export const signIn = (name: string, password: string): Promise<Who> =>
  request('POST', '/api/session', { name, password })

/** Who is signed in here, or null. */
export async function whoAmI(): Promise<Who | null> {
  try {
    return await request<Who>('GET', '/api/session')
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return null
    throw error
  }
}

export async function signOut(): Promise<void> {
  await request('DELETE', '/api/session').catch(() => undefined)
  window.location.assign('/sign-in')
}

/** The page somebody of this role works on. */
export function workplace(role: Role): string {
  return role === 'volunteer' ? '/desk' : role === 'administrator' ? '/admin' : '/board'
}

/** To the sign-in page, and back here afterwards. */
export function toSignIn(): void {
  const here = window.location.pathname + window.location.search
  window.location.assign(here === '/' ? '/sign-in' : `/sign-in?next=${encodeURIComponent(here)}`)
}

/** A `next` that stays on this origin, or null. */
export function safeNext(search: string): string | null {
  const next = new URLSearchParams(search).get('next')
  return next !== null && /^\/(?![/\\])[\w\-/?=&]*$/.test(next) ? next : null
}
