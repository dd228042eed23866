import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { effectScope } from 'vue'

import { ApiError } from '@/shared/api'

import { emptyText, type Send, type Ticket, TicketDraft } from './ticket'

/** A server that keeps one ticket, and can be away. */
class Server {
  kept: Ticket = { ...emptyText('labour'), contact: 'c-1', caller: '138****8000', medium: 'call', arrived_ms: 1, revision: 0, begun_ms: 1, saved_ms: null, filed_ms: null }
  writer = ''
  away = false
  saves: string[] = []
  hold: Promise<void> | null = null

  readonly send: Send = async <T>(method: string, _path: string, body?: object): Promise<T> => {
    if (this.away) throw new ApiError(0, 'away', { zh: '连接不上', en: 'away' })
    if (method === 'GET') return { ...this.kept } as T
    if (this.hold) await this.hold
    const given = body as Ticket & { base: number; writer: string }
    if (this.kept.filed_ms !== null) throw new ApiError(409, 'ticket_filed', { zh: '已办结', en: 'filed' })
    if (this.writer && given.writer !== this.writer && given.base !== this.kept.revision) {
      throw new ApiError(409, 'ticket_moved', { zh: '已更新', en: 'moved' })
    }
    this.saves.push(given.facts)
    this.writer = given.writer
    this.kept = { ...this.kept, ...given, saved_ms: 1000 + given.revision }
    return { revision: given.revision, saved_ms: 1000 + given.revision } as T
  }
}

let server: Server

function open(writer = 'page-1'): TicketDraft {
  return new TicketDraft('c-1', 'labour', server.send, writer)
}

async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
}

beforeEach(() => {
  vi.useFakeTimers()
  sessionStorage.clear()
  server = new Server()
})

afterEach(() => vi.useRealTimers())

describe('a ticket', () => {
  it('is saved within a second of the last key, and says so', async () => {
    const draft = open()
    await pass(0)
    expect(draft.view.state).toBe('idle')
    draft.text.facts = '欠'
    draft.text.facts = '欠薪'
    expect(draft.view.state).toBe('dirty')
    await pass(1000)
    expect(server.saves).toEqual(['欠薪'])
    expect(draft.view).toMatchObject({ state: 'saved', savedAt: 1001 })
  })

  it('is saved while somebody types without a pause', async () => {
    const draft = open()
    await pass(0)
    for (let key = 0; key < 30; key += 1) {
      draft.text.facts += '字'
      await pass(200)
    }
    expect(server.saves.length).toBeGreaterThanOrEqual(2)
  })

  it('keeps what was typed before the saved text came', async () => {
    server.kept = { ...server.kept, facts: '先前', advice: '先前的意见', revision: 4, saved_ms: 9 }
    const draft = open()
    draft.text.facts = '一接通就写'
    await pass(1000)
    expect(draft.text).toMatchObject({ facts: '一接通就写', advice: '先前的意见' })
    expect(server.kept).toMatchObject({ facts: '一接通就写', revision: 5 })
  })

  it('is never called saved while the server is away, and is saved when it is back', async () => {
    const draft = open()
    await pass(0)
    server.away = true
    draft.text.facts = '断线时写的'
    await pass(10_000)
    expect(draft.view).toMatchObject({ state: 'failed', why: { en: 'away' } })
    server.away = false
    await pass(5000)
    expect(draft.view.state).toBe('saved')
    expect(server.kept.facts).toBe('断线时写的')
  })

  it('survives a reload without a network, and leaves nothing in the tab once it is saved', async () => {
    const draft = open()
    await pass(0)
    server.away = true
    draft.text.facts = '重载前'
    await pass(600)
    const again = open()
    expect(again.text.facts).toBe('重载前')
    server.away = false
    await pass(6000)
    expect(server.kept.facts).toBe('重载前')
    expect(sessionStorage.length).toBe(0)
  })

  it('saves what was typed while a save was under way', async () => {
    const draft = open()
    await pass(0)
    let release = (): void => undefined
    server.hold = new Promise((done) => (release = done))
    draft.text.facts = '一'
    await pass(600)
    draft.text.facts = '一二'
    release()
    server.hold = null
    expect(await draft.flush()).toBe(true)
    expect(server.saves.at(-1)).toBe('一二')
    expect(draft.view.state).toBe('saved')
  })

  it('of two pages asks which text counts, and may keep both', async () => {
    const one = open('page-1')
    const two = open('page-2')
    await pass(0)
    one.text.facts = '在家'
    await pass(1000)
    two.text.facts = '在办公室'
    await pass(1000)
    expect(two.view.state).toBe('moved')
    expect(server.kept.facts).toBe('在家')
    two.settle('both')
    await pass(1000)
    expect(server.kept.facts).toBe('在家\n在办公室')
    one.text.facts = '在家再写'
    await pass(1000)
    one.settle('theirs')
    expect(one.text.facts).toBe('在家\n在办公室')
    expect(one.view.state).toBe('saved')
  })

  it('says how much is too much, keeps it here, and saves it once it is shorter', async () => {
    const draft = open()
    await pass(0)
    draft.text.facts = '字'.repeat(33_400)
    await pass(2000)
    expect(draft.view.state).toBe('long')
    expect(draft.view.over).toBeGreaterThan(0)
    expect(await draft.flush()).toBe(false)
    expect(server.saves).toEqual([])
    draft.text.facts = '字'.repeat(33_000)
    await pass(2000)
    expect(draft.view.state).toBe('saved')
  })

  it('leaves out what no database can store', async () => {
    const draft = open()
    await pass(0)
    draft.text.facts = 'a\u0000b\ud800c😀'
    await pass(1000)
    expect(server.kept.facts).toBe('abc😀')
  })

  it('is saved on when the part of the page that opened it is gone', async () => {
    const panel = effectScope()
    const draft = panel.run(() => open())
    await pass(0)
    panel.stop()
    if (draft) draft.text.facts = '通话结束后写的'
    await pass(1000)
    expect(server.kept.facts).toBe('通话结束后写的')
  })

  it('opens again when the same two talk again', async () => {
    server.kept = { ...server.kept, facts: '第一次', revision: 3, saved_ms: 5, filed_ms: 6 }
    const draft = open()
    await pass(0)
    expect(draft.view.state).toBe('filed')
    server.kept.filed_ms = null
    await pass(2000)
    expect(draft.view.state).toBe('saved')
    draft.text.facts += '，又打来'
    await pass(1000)
    expect(server.kept.facts).toBe('第一次，又打来')
  })

  it('is closed when it was filed elsewhere', async () => {
    const draft = open()
    await pass(0)
    server.kept.filed_ms = 5
    draft.text.facts = '太晚'
    await pass(1000)
    expect(draft.view.state).toBe('filed')
  })
})
