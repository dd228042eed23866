/**
 * Nothing of a visitor stays. The page keeps all of a visit in memory and writes none of it; what is wiped here is
 * whatever a browser, or a later change of this page, might have kept all the same.
 */
export const TOKEN = '12348.terminal'

export function keptToken(): string | null {
  try {
    return localStorage.getItem(TOKEN)
  } catch {
    return null
  }
}

export function keepToken(token: string | null): void {
  try {
    if (token === null) localStorage.removeItem(TOKEN)
    else localStorage.setItem(TOKEN, token)
  } catch {
    // a browser that keeps nothing has to be paired at each start
  }
}

/** Everything but the terminal's own token. Never fails: what cannot be cleared is the next one's turn. */
export async function clearStorage(): Promise<void> {
  const token = keptToken()
  const tries: (() => unknown)[] = [
    () => sessionStorage.clear(),
    () => localStorage.clear(),
    () => keepToken(token),
    async () => Promise.all((await indexedDB.databases()).map((one) => one.name && indexedDB.deleteDatabase(one.name))),
    async () => Promise.all((await caches.keys()).map((key) => caches.delete(key))),
    () => (window.name = ''),
    () => performance.clearResourceTimings(),
  ]
  for (const attempt of tries) {
    try {
      await attempt()
    } catch {
      // not here
    }
  }
}

/**
 * A new document in place of this one, and of this one's entry in the history. Without a network the old one stays on
 * the screen: then `instead` draws an empty one, since an error page of the browser's would have no way back.
 */
export async function startAnew(instead: () => void, reachable: () => Promise<boolean> = pageIsThere): Promise<void> {
  await clearStorage()
  await window.kiosk?.wipe?.().catch(() => undefined)
  if (await reachable()) window.location.replace('/terminal')
  else instead()
}

const REACH_MS = 4_000

async function pageIsThere(): Promise<boolean> {
  try {
    return (await fetch('/terminal', { cache: 'no-store', signal: AbortSignal.timeout(REACH_MS) })).ok
  } catch {
    return false
  }
}
