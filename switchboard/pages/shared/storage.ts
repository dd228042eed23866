/** Small things a browser remembers. A browser that refuses storage only forgets them. */

export function recall(key: string, store: 'local' | 'tab' = 'local'): string | null {
  try {
    return (store === 'local' ? localStorage : sessionStorage).getItem(`12348.${key}`)
  } catch {
    return null
  }
}

export function remember(key: string, value: string | null, store: 'local' | 'tab' = 'local'): void {
  try {
    const place = store === 'local' ? localStorage : sessionStorage
    if (value === null) place.removeItem(`12348.${key}`)
    else place.setItem(`12348.${key}`, value)
  } catch {
    // private mode: nothing to remember with
  }
}
