/**
 * A volunteer's ticket as it is being typed: saved on the server within a second of the last key, and honest about it.
 *
 * What the server has not confirmed yet is also kept in this tab, so that a reload without a network loses no word.
 */
import { effectScope, reactive, watch } from 'vue'

import { ApiError, request, type Words } from '@/shared/api'
import { recall, remember } from '@/shared/storage'

import { newId } from './link'

export interface TicketText {
  matter: string
  disposition: string
  name: string
  district: string
  facts: string
  advice: string
  follow_up: string
}

export interface Ticket extends TicketText {
  contact: string
  caller: string
  medium: string | null
  arrived_ms: number
  revision: number
  begun_ms: number
  saved_ms: number | null
  filed_ms: number | null
}

/**
 * `loading`: what was saved before is not here yet; `idle`: nothing was typed; `dirty`: not saved yet; `failed`: not saved,
 * tried again by itself; `long`: not saved, too much text; `moved`: another page has saved newer text; `filed`: closed.
 */
export type SaveState = 'loading' | 'idle' | 'dirty' | 'saved' | 'failed' | 'long' | 'moved' | 'filed'

export interface TicketView {
  state: SaveState
  savedAt: number | null
  /** Why it is not saved, in the server's words. */
  why: Words | null
  /** What the other page has saved. */
  other: Ticket | null
  /** Bytes over the limit. */
  over: number
}

export type Send = <T>(method: string, path: string, body?: object) => Promise<T>

const AFTER_LAST_KEY_MS = 500
const AT_THE_LATEST_MS = 2000
const OPEN_AGAIN_MS = 1500
const AGAIN_MS = [1000, 2000, 4000] as const
export const MOST_BYTES = 100_000
const MOST_KEEPALIVE = 60_000
const FIELDS = ['matter', 'disposition', 'name', 'district', 'facts', 'advice', 'follow_up'] as const
const LONG_FIELDS = ['facts', 'advice', 'follow_up'] as const

const encoder = new TextEncoder()

export function emptyText(matter = ''): TicketText {
  return { matter, disposition: '', name: '', district: '', facts: '', advice: '', follow_up: '' }
}

function copyOf(from: TicketText): TicketText {
  const text = emptyText()
  for (const field of FIELDS) text[field] = storable(from[field])
  return text
}

/** What a database can store: no zero characters, no halves of a character. */
function storable(value: string): string {
  // eslint-disable-next-line no-control-regex
  return value.replace(/\u0000|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '')
}

export function bytesOf(text: TicketText): number {
  return FIELDS.reduce((sum, field) => sum + encoder.encode(text[field]).length, 0)
}

function same(one: TicketText, other: TicketText): boolean {
  return FIELDS.every((field) => one[field] === other[field])
}

export class TicketDraft {
  readonly text: TicketText
  readonly view = reactive<TicketView>({ state: 'loading', savedAt: null, why: null, other: null, over: 0 })
  private readonly path: string
  private readonly kept: string
  private revision = 0
  private base = 0
  private loaded = false
  /** Something here is newer than what the server has. */
  private touched = false
  private quiet = false
  private closed = false
  private tries = 0
  private firstKeyAt: number | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  private running: Promise<boolean> | null = null
  /** Of its own: the part of the page that opened the ticket may go while another still shows it. */
  private readonly scope = effectScope(true)

  constructor(
    readonly contact: string,
    matter: string,
    private readonly send: Send = request,
    private readonly writer: string = recall('desk', 'tab') ?? newId(),
  ) {
    this.path = `/api/tickets/${encodeURIComponent(contact)}`
    this.kept = `ticket.${contact}`
    this.text = reactive(emptyText(matter))
    this.recallUnsaved()
    this.scope.run(() => watch(this.text, () => this.typed(), { flush: 'sync' }))
    void this.load()
  }

  /** Everything typed so far is on the server: saved before or now. False where it could not be. */
  async flush(): Promise<boolean> {
    clearTimeout(this.timer)
    if (!this.loaded) await this.load()
    // What is typed while a save is under way is saved by the next one.
    for (let round = 0; round < 5 && this.isOpen(); round += 1) {
      if (this.running) await this.running
      if (this.view.state === 'saved' || this.view.state === 'idle') return true
      if (!(await this.save())) return false
    }
    return this.view.state === 'saved' || this.view.state === 'idle' || this.view.state === 'filed'
  }

  /** The page goes away: what is not saved yet is sent without waiting for an answer. */
  leave(): void {
    if (!['dirty', 'failed'].includes(this.view.state) || !this.loaded) return
    const body = JSON.stringify(this.body())
    if (encoder.encode(body).length > MOST_KEEPALIVE) return
    const headers = { 'Content-Type': 'application/json' }
    void fetch(this.path, { method: 'PUT', credentials: 'same-origin', keepalive: true, headers, body }).catch(() => undefined)
  }

  /** The ticket is filed: nothing of it stays on this computer. */
  close(): void {
    clearTimeout(this.timer)
    this.scope.stop()
    this.closed = true
    this.view.state = 'filed'
    remember(this.kept, null, 'tab')
  }

  /** Another page has saved newer text: take it, with what was typed here below it or not. */
  settle(how: 'both' | 'theirs'): void {
    const other = this.view.other
    if (!other) return
    const mine = copyOf(this.text)
    this.base = this.revision = other.revision
    const merged = copyOf(other)
    if (how === 'both') {
      for (const field of LONG_FIELDS) {
        if (mine[field] && mine[field] !== other[field]) merged[field] = [other[field], mine[field]].filter(Boolean).join('\n')
      }
      for (const field of FIELDS) merged[field] ||= mine[field]
    }
    this.view.other = null
    this.view.state = 'dirty'
    this.replace(merged)
    this.view.savedAt = other.saved_ms
    if (same(merged, copyOf(other))) this.saved(other.saved_ms)
    else this.typed()
  }

  get isClosed(): boolean {
    return this.closed
  }

  private isOpen(): boolean {
    return this.view.state !== 'moved' && this.view.state !== 'filed'
  }

  private recallUnsaved(): void {
    try {
      const unsaved = JSON.parse(recall(this.kept, 'tab') ?? 'null') as { text: TicketText } | null
      if (!unsaved) return
      for (const field of FIELDS) this.text[field] = String(unsaved.text[field] ?? '')
      this.touched = true
    } catch {
      // a broken copy is no copy
    }
  }

  private async load(): Promise<void> {
    let found: Ticket
    try {
      found = await this.send<Ticket>('GET', this.path)
    } catch (error) {
      this.failed(error, () => void this.load())
      return
    }
    if (this.loaded || this.closed) return
    if (found.filed_ms !== null) {
      // The same two talk again: the ticket opens with the first word.
      this.replace(copyOf(found))
      this.view.state = 'filed'
      this.later(OPEN_AGAIN_MS, () => void this.load())
      return
    }
    if (this.view.state === 'filed') this.view.state = 'loading'
    this.loaded = true
    this.tries = 0
    this.base = this.revision = found.revision
    const saved = copyOf(found)
    const mine = copyOf(this.text)
    // Typed before the answer came, or kept from before a reload: it is newer, field by field.
    for (const field of FIELDS) mine[field] ||= saved[field]
    this.view.savedAt = found.saved_ms
    this.replace(this.touched ? mine : { ...saved, matter: saved.matter || mine.matter })
    if (this.touched) this.typed()
    else if (found.saved_ms === null) this.view.state = 'idle'
    else this.saved(found.saved_ms)
  }

  private replace(text: TicketText): void {
    this.quiet = true
    Object.assign(this.text, text)
    this.quiet = false
  }

  private typed(): void {
    if (this.quiet || !this.isOpen()) return
    this.touched = true
    this.keepHere()
    if (!this.loaded) return
    this.view.over = Math.max(0, bytesOf(this.text) - MOST_BYTES)
    if (this.view.over > 0) {
      clearTimeout(this.timer)
      this.view.state = 'long'
      return
    }
    if (this.view.state !== 'failed') this.view.state = 'dirty'
    const now = Date.now()
    this.firstKeyAt ??= now
    this.later(Math.max(0, Math.min(AFTER_LAST_KEY_MS, this.firstKeyAt + AT_THE_LATEST_MS - now)), () => void this.save())
  }

  private keepHere(): void {
    remember(this.kept, JSON.stringify({ text: this.text }), 'tab')
  }

  private later(ms: number, work: () => void): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(work, ms)
  }

  private body(): object {
    this.revision += 1
    return { ...copyOf(this.text), revision: this.revision, base: this.base, writer: this.writer }
  }

  private save(): Promise<boolean> {
    clearTimeout(this.timer)
    if (this.running) return this.running.then(() => (this.view.state === 'saved' ? true : this.save()))
    if (!this.loaded || !this.isOpen() || this.view.over > 0) return Promise.resolve(false)
    this.firstKeyAt = null
    this.running = this.put().finally(() => (this.running = null))
    return this.running
  }

  private async put(): Promise<boolean> {
    const sent = copyOf(this.text)
    try {
      const saved = await this.send<{ revision: number; saved_ms: number }>('PUT', this.path, this.body())
      this.base = saved.revision
      this.revision = Math.max(this.revision, saved.revision)
      this.tries = 0
      if (!this.isOpen()) return true
      this.view.savedAt = saved.saved_ms
      this.view.why = null
      if (same(sent, copyOf(this.text))) this.saved(saved.saved_ms)
      else if (this.view.state !== 'long') {
        this.view.state = 'dirty'
        this.later(AFTER_LAST_KEY_MS, () => void this.save())
      }
      return true
    } catch (error) {
      const code = error instanceof ApiError ? error.code : ''
      if (code === 'ticket_filed') this.close()
      else if (code === 'ticket_moved') await this.moved()
      else if (code === 'ticket_too_long') this.view.state = 'long'
      else this.failed(error, () => void this.save())
      return false
    }
  }

  private saved(at: number | null): void {
    this.touched = false
    this.view.state = 'saved'
    this.view.savedAt = at
    this.view.why = null
    remember(this.kept, null, 'tab')
  }

  private failed(error: unknown, again: () => void): void {
    this.view.why = error instanceof ApiError ? error.words : null
    this.view.state = 'failed'
    const wait = AGAIN_MS[Math.min(this.tries, AGAIN_MS.length - 1)] ?? 4000
    this.tries += 1
    this.later(wait, again)
  }

  private async moved(): Promise<void> {
    try {
      this.view.other = await this.send<Ticket>('GET', this.path)
      this.view.state = 'moved'
    } catch (error) {
      this.failed(error, () => void this.save())
    }
  }
}

const drafts = new Map<string, TicketDraft>()

/** The one draft of a contact on this page, whichever part of the page asks first. */
export function ticketOf(contact: string, matter: string): TicketDraft {
  let draft = drafts.get(contact)
  if (!draft || draft.isClosed) {
    draft = new TicketDraft(contact, matter)
    filedHere.delete(contact)
    drafts.set(contact, draft)
  }
  return draft
}

/** Filed on this page: the switchboard's list may be a moment older. */
export const filedHere = reactive(new Set<string>())

export function closeTicket(contact: string): void {
  filedHere.add(contact)
  drafts.get(contact)?.close()
  drafts.delete(contact)
}

function leaveAll(): void {
  for (const draft of drafts.values()) draft.leave()
}

window.addEventListener('pagehide', leaveAll)
document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && leaveAll())
