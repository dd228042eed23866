import { describe, expect, it } from 'vitest'

import { readHealth } from '@/home/health'

import { columnOf, isLater, openPromises } from './later'
import { type BoardContact, type BoardMatter, BoardStream, type Figures } from './stream'
import { Breaches, connected, levelOf, within15 } from './thresholds'

const snapshot = (seq = 41) => ({ type: 'snapshot' as const, seq, now: 1000, items: { 'contact/a': { id: 'a' } } })

describe('the numbered stream', () => {
  it('applies N+1 on N', () => {
    const stream = new BoardStream()
    expect(stream.take(snapshot())).toBe('taken')
    expect(stream.take({ type: 'change', seq: 42, now: 2, set: { 'contact/b': { id: 'b' } }, del: ['contact/a'] })).toBe('taken')
    expect(stream.all('contact')).toEqual([{ id: 'b' }])
    expect(stream.take({ type: 'beat', seq: 42, now: 3 })).toBe('taken')
    expect(stream.asOf).toBe(3)
  })

  it('refuses a gap, a repetition and a beat with another number, and changes nothing', () => {
    const stream = new BoardStream()
    stream.take(snapshot())
    for (const seq of [40, 41, 43]) {
      expect(stream.take({ type: 'change', seq, now: 2, del: ['contact/a'] })).toBe('gap')
    }
    expect(stream.take({ type: 'beat', seq: 42, now: 2 })).toBe('gap')
    expect(stream.all('contact')).toHaveLength(1)
    expect(stream.asOf).toBe(1000)
  })

  it('keeps the old picture while it waits for a snapshot, and takes nothing else', () => {
    const stream = new BoardStream()
    stream.take(snapshot())
    stream.begin()
    expect(stream.take({ type: 'change', seq: 42, now: 2 })).toBe('gap')
    expect(stream.all('contact')).toHaveLength(1)
    expect(stream.take({ ...snapshot(7), items: {} })).toBe('taken')
    expect(stream.all('contact')).toEqual([])
  })
})

describe('thresholds', () => {
  const matter = (more: Partial<BoardMatter>): BoardMatter => ({
    id: 'labour',
    zh: '',
    en: '',
    waiting: 0,
    longest_since: null,
    talking: 0,
    staffed: 2,
    ...more,
  })

  it('go from fine to attention to alarm', () => {
    expect(levelOf(matter({}), 0)).toBe('fine')
    expect(levelOf(matter({ waiting: 1, longest_since: 0 }), 14_000)).toBe('fine')
    expect(levelOf(matter({ waiting: 1, longest_since: 0 }), 15_000)).toBe('attention')
    expect(levelOf(matter({ waiting: 3, longest_since: 0 }), 1)).toBe('attention')
    expect(levelOf(matter({ waiting: 1, longest_since: 0 }), 60_000)).toBe('alarm')
    expect(levelOf(matter({ waiting: 1, longest_since: 0, staffed: 0 }), 1)).toBe('unstaffed')
    expect(levelOf(matter({ staffed: 0 }), 1)).toBe('fine')
  })

  it('tell a breach once, until it is over', () => {
    const breaches = new Breaches()
    expect(breaches.update(new Map([['labour', 'alarm']]))).toEqual(['labour'])
    expect(breaches.update(new Map([['labour', 'alarm']]))).toEqual([])
    expect(breaches.isOpen('labour')).toBe(true)
    breaches.acknowledge('labour')
    expect(breaches.isOpen('labour')).toBe(false)
    breaches.update(new Map([['labour', 'fine']]))
    expect(breaches.update(new Map([['labour', 'alarm']]))).toEqual(['labour'])
    expect(breaches.isOpen('labour')).toBe(true)
  })
})

describe('what was promised for later', () => {
  const contact = (more: object): BoardContact => ({ id: 'c', medium: 'call', stage: 'waiting', arrived: 0, due: null, ...more }) as BoardContact

  it('does not stand in the line: messages never, call-backs until their time', () => {
    expect(isLater(contact({}), 0)).toBe(false)
    expect(isLater(contact({ medium: 'message' }), 0)).toBe(true)
    expect(isLater(contact({ medium: 'message', stage: 'talking' }), 0)).toBe(false)
    expect(isLater(contact({ medium: 'callback' }), 0)).toBe(false)
    expect(isLater(contact({ medium: 'callback', next: 10 }), 5)).toBe(true)
    expect(isLater(contact({ medium: 'callback', next: 10 }), 10)).toBe(false)
  })

  it('stands in the list by due time, overdue by the clock', () => {
    const list = openPromises(
      [
        contact({ id: 'b', medium: 'message', due: 20 }),
        contact({ id: 'a', medium: 'callback', due: 10 }),
        contact({ id: 'x' }),
        contact({ id: 'y', medium: 'message', stage: 'finished', due: 1 }),
      ],
      15,
    )
    expect(list.map((one) => [one.id, one.late])).toEqual([
      ['a', true],
      ['b', false],
    ])
  })

  it('shows stages of other programs where callers begin', () => {
    expect(columnOf(contact({ stage: 'calling' }))).toBe('ringing')
    expect(columnOf(contact({ stage: 'information' }))).toBe('intake')
    expect(columnOf(contact({ stage: 'talking' }))).toBe('talking')
  })
})

describe('the shares', () => {
  const figures = { answered: 90, answered_15s: 80, abandoned: 10, timed_out: 0 } as Figures

  it('follow their definitions', () => {
    expect(within15(figures)).toBe(0.8)
    expect(connected(figures)).toBe(0.9)
    expect(connected({ ...figures, timed_out: 100 })).toBe(0.45)
  })

  it('are nothing without a case', () => {
    expect(within15({ ...figures, answered: 0, abandoned: 0 })).toBeNull()
    expect(connected({ ...figures, answered: 0, abandoned: 0 })).toBeNull()
  })
})

describe('health', () => {
  it('reads lists and names alike', () => {
    const words = { zh: '好', en: 'good' }
    const expected = [{ name: 'disk', ok: false, words }]
    expect(readHealth({ ok: false, items: [{ name: 'disk', ok: false, ...words }] })).toEqual(expected)
    expect(readHealth({ ok: false, checks: { disk: { ok: false, ...words } } })).toEqual(expected)
    expect(readHealth({ ok: true, redis: true })).toEqual([{ name: 'redis', ok: true, words: null }])
    expect(readHealth('ok')).toEqual([])
  })
})
