/** One kind of rules: its names, the text in hand, what is wrong with it, its versions. The view only shows and asks. */
import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'

import { ApiError, request, type Words } from '@/shared/api'

export type Kind = 'hotline' | 'policy' | 'calendar'

export interface Version {
  number: number
  state: 'draft' | 'published' | 'retired'
  author: string
  note: string
  created_ms: number
  published_ms: number | null
  base: number
  restores: number | null
}

export interface InForce {
  kind: Kind
  name: string
  number: number
  author: string | null
  published_ms: number | null
  draft: number | null
}

interface RulesOf {
  kind: Kind
  name: string
  number: number
  text: string
  versions: Version[]
}

export const MOST_BYTES = 64 * 1024
const CHECK_AFTER_MS = 500
const LOOK_EVERY_MS = 5000

export function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length
}

/** The version before the one in force that a roll-back would bring again; 0 is the built-in file, null none. */
export function earlier(versions: readonly Version[]): number | null {
  const now = versions.find((one) => one.state === 'published')
  if (!now || now.restores === 0) return null
  const standsFor = now.restores ?? now.number
  const before = versions.filter((one) => one.published_ms !== null && one.number < standsFor)
  return before.reduce((most, one) => Math.max(most, one.number), 0)
}

/** A draft that cannot be published any more, because something else was published since it was begun. */
export function isOutdated(version: Version, inForce: number): boolean {
  return version.state === 'draft' && version.base !== inForce
}

/** What a line of a difference is. */
export function kindOf(line: string): 'new' | 'gone' | 'place' | 'same' {
  return ({ '+': 'new', '-': 'gone', '@': 'place' } as const)[line[0] ?? ''] ?? 'same'
}

/** The lines of the text that the problems name ("line 12", "at line 12, column 3"), from 1. */
export function linesNamed(problems: readonly string[]): Set<number> {
  const found = new Set<number>()
  for (const problem of problems) {
    const named = /\bline (\d{1,6})\b/.exec(problem)
    if (named) found.add(Number(named[1]))
  }
  return found
}

export type Rules = ReturnType<typeof useRules>

export function useRules(kind: Kind) {
  const items = shallowRef<InForce[] | null>(null)
  const name = ref<string | null>(null)
  const text = ref('')
  const published = ref('')
  const number = ref(0)
  const base = ref(0)
  const versions = shallowRef<Version[]>([])
  const problems = shallowRef<readonly string[] | null>(null)
  const checking = ref(false)
  const busy = ref<'' | 'load' | 'save' | 'publish' | 'rollBack'>('')
  const fault = shallowRef<Words | null>(null)
  const checkFault = shallowRef<Words | null>(null)
  const moved = ref<number | null>(null)
  const fresh = new Set<string>()

  const changed = computed(() => text.value !== published.value)
  const bytes = computed(() => bytesOf(text.value))
  const tooLong = computed(() => bytes.value > MOST_BYTES)
  const path = (more = ''): string => `/api/rules/${kind}/${encodeURIComponent(name.value ?? '')}${more}`

  /** Runs one piece of work; what the server refuses is kept in words. Returns undefined then. */
  async function attempt<T>(what: typeof busy.value, work: () => Promise<T>): Promise<T | undefined> {
    busy.value = what
    fault.value = null
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.problems.length > 0) problems.value = error.problems
      if (error.code === 'version_moved') await look()
      fault.value = error.words
      return undefined
    } finally {
      busy.value = ''
    }
  }

  async function list(): Promise<void> {
    const found = await request<{ items: InForce[] }>('GET', '/api/rules')
    items.value = found.items.filter((one) => one.kind === kind)
  }

  async function begin(): Promise<void> {
    await attempt('load', list)
    const first = items.value?.[0]
    if (first && name.value === null) await open(first.name)
  }

  /** What is in force of one name, its text in the editor. */
  async function open(which: string): Promise<void> {
    name.value = which
    moved.value = null
    problems.value = null
    await attempt('load', async () => {
      const found = await request<RulesOf>('GET', path())
      take(found)
      text.value = found.text
      base.value = found.number
    })
  }

  function take(found: RulesOf): void {
    number.value = found.number
    published.value = found.text
    versions.value = found.versions
  }

  /** A name that nothing exists of yet, beginning with the text in hand. */
  function openNew(which: string, begun: string): void {
    name.value = which
    fresh.add(which)
    items.value = [
      ...(items.value ?? []),
      { kind, name: which, number: 0, author: null, published_ms: null, draft: null },
    ]
    take({ kind, name: which, number: 0, text: '', versions: [] })
    base.value = 0
    moved.value = null
    text.value = begun
  }

  /** Versions and number as they are now; the text in hand stays. */
  async function look(): Promise<void> {
    const which = name.value
    if (which === null || (fresh.has(which) && versions.value.length === 0)) return
    const found = await request<RulesOf>('GET', path())
    if (which !== name.value) return
    const untouched = !changed.value
    take(found)
    if (found.number === base.value) return
    if (untouched) {
      text.value = found.text
      base.value = found.number
    } else {
      moved.value = found.number
    }
  }

  async function check(): Promise<void> {
    const checked = text.value
    if (name.value === null || tooLong.value) return
    checking.value = true
    try {
      const found = await request<{ problems: string[] }>('POST', path('/check'), { text: checked })
      if (checked !== text.value) return
      problems.value = found.problems
      checkFault.value = null
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      problems.value = null
      checkFault.value = error.words
    } finally {
      if (checked === text.value) checking.value = false
    }
  }

  async function save(note: string): Promise<Version | undefined> {
    return attempt('save', async () => {
      const kept = await request<Version>('POST', path('/drafts'), {
        text: text.value,
        note: note.trim(),
        base: base.value,
      })
      fresh.delete(name.value ?? '')
      versions.value = [kept, ...versions.value]
      return kept
    })
  }

  /** The text in hand is kept and put in force; the newest draft is taken where it is the same text. */
  async function publish(note: string): Promise<Version | undefined> {
    const kept = await save(note)
    if (!kept) return undefined
    return attempt('publish', async () => {
      const done = await request<Version>('POST', path('/publish'), { number: kept.number })
      base.value = done.number
      await look()
      void list().catch(() => undefined)
      return done
    })
  }

  async function rollBack(): Promise<Version | undefined> {
    return attempt('rollBack', async () => {
      const done = await request<Version>('POST', path('/roll-back'), { over: number.value })
      await open(name.value ?? '')
      return done
    })
  }

  async function load(version: Version): Promise<void> {
    await attempt('load', async () => {
      const found = await request<Version & { text: string }>('GET', path(`/versions/${version.number}`))
      text.value = found.text
      base.value = number.value
      moved.value = null
    })
  }

  async function difference(order: { before?: number | null; after?: number | null; text?: string }): Promise<string[]> {
    return (await request<{ lines: string[] }>('POST', path('/difference'), order)).lines
  }

  /** The author has seen what was published meanwhile and goes on from there. */
  function acceptMoved(): void {
    base.value = number.value
    moved.value = null
  }

  function discard(): void {
    text.value = published.value
    base.value = number.value
    moved.value = null
    problems.value = null
  }

  let timer: ReturnType<typeof setTimeout> | undefined
  watch([text, name], () => {
    clearTimeout(timer)
    checking.value = !tooLong.value
    timer = setTimeout(() => void check(), CHECK_AFTER_MS)
  })
  const looking = setInterval(() => {
    if (busy.value === '' && !document.hidden) void look().catch(() => undefined)
  }, LOOK_EVERY_MS)
  onScopeDispose(() => {
    clearTimeout(timer)
    clearInterval(looking)
  })

  return {
    kind,
    items,
    name,
    text,
    number,
    base,
    versions,
    problems,
    checking,
    busy,
    fault,
    checkFault,
    moved,
    changed,
    bytes,
    tooLong,
    begin,
    open,
    openNew,
    save,
    publish,
    rollBack,
    load,
    difference,
    discard,
    acceptMoved,
  }
}
