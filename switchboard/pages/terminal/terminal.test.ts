import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { age, troubles } from '@/admin/terminals'
import { FakeSocket } from '@/shared/fake-socket'

import { dayOf, days } from './bookings'
import { paperCamera } from './devices'
import { follow, waitPrompts } from './flow'
import { ownVersion } from './house'
import { GRACE_MS, Idle, IDLE_MS } from './idle'
import { kioskStatus } from './kiosk'
import { useNetwork } from './network'
import { type Visit, VisitLink } from './visit'
import { clearStorage, keepToken, keptToken, startAnew } from './wipe'
import { texts } from './words'

const ROOM = { url: '/video', room: 'c-1-a', token: 'x' }

function visit(changed: Partial<Visit> = {}): Visit {
  return {
    id: 'c-1', stage: 'waiting', matter: null, arrived: 0, ahead: 0, band: null, served: true, choices: [], notice: null,
    opens: null, promised: null, recording: false, recording_paused: false, agent: null, room: null, survey: null,
    answered: {}, ended: null, ...changed,
  }
}

describe('which view follows', () => {
  it('calls aloud when a room opens, wherever the person is', () => {
    for (const view of ['test', 'waiting', 'callback'] as const) {
      const step = follow(view, visit(), visit({ room: ROOM, stage: 'talking' }))
      expect(step).toEqual({ view: 'session', say: ['terminal_your_turn'], ring: true })
    }
  })

  it('goes on without a ring after a power cut', () => {
    const step = follow('starting', null, visit({ room: ROOM, stage: 'talking' }))
    expect(step).toEqual({ view: 'session', say: ['terminal_resumed'], ring: false })
  })

  it('says that a volunteer was lost, and waits again', () => {
    const step = follow('session', visit({ room: ROOM, stage: 'talking' }), visit({ notice: 'volunteer_lost' }))
    expect(step).toEqual({ view: 'waiting', say: ['terminal_volunteer_lost'], ring: false })
  })

  it('rings again for another room, and not for the same one', () => {
    const before = visit({ room: ROOM, stage: 'talking' })
    expect(follow('session', before, visit({ room: ROOM, stage: 'talking', recording: true })).ring).toBe(false)
    expect(follow('session', before, visit({ room: { ...ROOM, room: 'c-1-b' }, stage: 'talking' })).ring).toBe(true)
  })

  it('asks about the service where the house asks, and thanks where it does not', () => {
    const before = visit({ room: ROOM, stage: 'talking' })
    expect(follow('session', before, visit({ stage: 'survey', survey: { questions: ['patient'], keys: '123' } })).view).toBe('survey')
    expect(follow('session', before, visit({ stage: 'survey' })).view).toBe('thanks')
    expect(follow('survey', before, visit({ stage: 'finished', ended: 'completed' })).view).toBe('thanks')
  })

  it('leaves the words of a closed door on the screen until somebody has read them', () => {
    const closed = visit({ notice: 'closed' })
    expect(follow('test', visit(), closed)).toEqual({ view: 'waiting', say: ['terminal_closed'], ring: false })
    expect(follow('waiting', closed, visit({ notice: 'closed', stage: 'finished', ended: 'closed' })).view).toBe('waiting')
    expect(follow('callback', closed, visit({ notice: 'timed_out' })).view).toBe('callback')
  })

  it('thanks whoever is called back', () => {
    const promised = { code: '1234', due: 5, next: null }
    expect(follow('callback', visit(), visit({ promised })).say).toEqual(['terminal_callback_booked'])
    expect(follow('thanks', visit({ promised }), visit({ promised, ended: 'callback' })).view).toBe('thanks')
  })

  it('says the wait in prompts that the house has', () => {
    expect(waitPrompts(visit({ ahead: 0, band: [1, 3] }))).toEqual(['next_in_line', 'band_1_3'])
    expect(waitPrompts(visit({ ahead: 3, band: [60, null] }))).toEqual(['ahead_3', 'band_60'])
    expect(waitPrompts(visit({ ahead: 70, band: [2, 9] }))).toEqual(['ahead_many'])
    expect(waitPrompts(visit({ ahead: null }))).toEqual([])
  })
})

describe('nobody is there any more', () => {
  function idle(changed: Partial<{ busy: boolean; speaking: boolean; pristine: boolean }> = {}) {
    const now = { ms: 0 }
    const is = { busy: false, speaking: false, pristine: false, ...changed }
    const [onAsk, onWipe] = [vi.fn(), vi.fn()]
    const made = new Idle({ busy: () => is.busy, speaking: () => is.speaking, pristine: () => is.pristine, onAsk, onWipe, now: () => now.ms })
    const pass = (ms: number): void => {
      for (const end = now.ms + ms; now.ms < end; now.ms += 1_000) made.tick()
      made.tick()
    }
    return { made, is, pass, onAsk, onWipe }
  }

  it('asks after a minute and wipes a while after', () => {
    const { pass, onAsk, onWipe } = idle()
    pass(IDLE_MS - 2_000)
    expect(onAsk).not.toHaveBeenCalled()
    pass(3_000)
    expect(onAsk).toHaveBeenCalledOnce()
    expect(onWipe).not.toHaveBeenCalled()
    pass(GRACE_MS + 1_000)
    expect(onWipe).toHaveBeenCalledOnce()
  })

  it('begins anew with a touch, even after the question', () => {
    const { made, pass, onAsk, onWipe } = idle()
    pass(IDLE_MS + 1_000)
    made.touch()
    pass(GRACE_MS + 5_000)
    expect(onWipe).not.toHaveBeenCalled()
    pass(IDLE_MS)
    expect(onAsk).toHaveBeenCalledTimes(2)
  })

  it('waits for the last word of what is read aloud, the question too', () => {
    const { is, pass, onAsk, onWipe } = idle({ speaking: true })
    pass(10 * IDLE_MS)
    expect(onAsk).not.toHaveBeenCalled()
    is.speaking = false
    pass(IDLE_MS + 1_000)
    is.speaking = true
    pass(10 * GRACE_MS)
    expect(onWipe).not.toHaveBeenCalled()
  })

  it('leaves a talk, the queue and an untouched first page alone', () => {
    for (const one of [{ busy: true }, { pristine: true }]) {
      const { pass, onAsk } = idle(one)
      pass(10 * IDLE_MS)
      expect(onAsk).not.toHaveBeenCalled()
    }
  })
})

describe('nothing stays', () => {
  beforeEach(() => localStorage.clear())
  afterEach(() => vi.unstubAllGlobals())

  it('clears every storage but for the token of the terminal', async () => {
    keepToken('mine')
    localStorage.setItem('number', '138')
    sessionStorage.setItem('visit', 'c-1')
    window.name = 'somebody'
    await clearStorage()
    expect(keptToken()).toBe('mine')
    expect(localStorage.length).toBe(1)
    expect(sessionStorage.length).toBe(0)
    expect(window.name).toBe('')
  })

  it('draws an empty page where no new one can be loaded', async () => {
    const instead = vi.fn()
    await startAnew(instead, () => Promise.resolve(false))
    expect(instead).toHaveBeenCalledOnce()
  })
})

describe('the line to a visit', () => {
  beforeEach(() => (FakeSocket.made = []))

  it('says who it is, answers each beat, and gives each order its answer', async () => {
    const seen: Visit[] = []
    const over = vi.fn()
    const link = new VisitLink({ token: 'mine', onVisit: (now) => seen.push(now), onState: () => undefined, onOver: over, connect: FakeSocket.connect })
    link.start()
    const socket = FakeSocket.last.open()
    expect(socket.sent[0]).toEqual({ type: 'hello', protocol: 1, token: 'mine' })
    socket.say({ type: 'welcome', now: 5, visit: visit() }).say({ type: 'beat', now: 6 })
    expect(seen).toHaveLength(1)
    expect(socket.sent[1]).toEqual({ type: 'here' })
    const done = link.order('end')
    socket.say({ type: 'done', re: '1' })
    await expect(done).resolves.toMatchObject({ type: 'done' })
    const refused = link.order('callback', { number: '1' })
    socket.say({ type: 'error', re: '2', code: 'bad_number', zh: '号码', en: 'number' })
    await expect(refused).rejects.toMatchObject({ code: 'bad_number' })
    socket.drop(1000)
    expect(over).toHaveBeenCalledOnce()
    await expect(link.order('end')).rejects.toMatchObject({ code: 'away' })
    link.stop()
  })
})

describe('what the machine is like', () => {
  afterEach(() => vi.useRealTimers())

  it('takes the shell at its word, and nonsense for silence', async () => {
    expect(await kioskStatus({ status: () => Promise.resolve({ printer: 'paper_out', documentCamera: 'd' }) })).toEqual({ printer: 'paper_out', documentCamera: 'd' })
    expect(await kioskStatus({ status: () => Promise.resolve({ printer: 'burning' } as never) })).toEqual({ printer: 'unknown' })
    expect(await kioskStatus({ status: () => Promise.reject(new Error('no')) })).toEqual({ printer: 'unknown' })
    expect(await kioskStatus(undefined)).toEqual({ printer: 'unknown' })
  })

  it('finds the camera above the table', () => {
    const face = { deviceId: 'a', label: 'HD webcam' }
    const paper = { deviceId: 'b', label: 'USB 高拍仪' }
    expect(paperCamera([paper, face])).toBe('b')
    expect(paperCamera([face, { deviceId: 'c', label: 'second' }])).toBe('c')
    expect(paperCamera([face, paper], 'HD webcam')).toBe('a')
    expect(paperCamera([face])).toBe('')
  })

  it('speaks of a lost line when it lasts, once, and of its return', () => {
    vi.useFakeTimers()
    const told: boolean[] = []
    const network = useNetwork((lost) => told.push(lost))
    network.lose('visit', true)
    vi.advanceTimersByTime(1_000)
    network.lose('visit', false)
    vi.advanceTimersByTime(10_000)
    expect(told).toEqual([])
    network.lose('visit', true)
    network.lose('room', true)
    vi.advanceTimersByTime(10_000)
    network.lose('visit', false)
    expect(told).toEqual([true])
    network.lose('room', false)
    expect(told).toEqual([true, false])
    network.stop()
  })

  it('knows its own files by their names', () => {
    const page =
      '<script src="/static/assets/terminal-Ab1.js"></script><link href="/static/assets/terminal-C_2.css"><link href="/static/assets/session-9.js">'
    expect(ownVersion(new DOMParser().parseFromString(page, 'text/html'))).toBe('terminal-Ab1.js terminal-C_2.css')
  })

  it('is told in the administration with its age and its troubles', () => {
    const health = { at_ms: 0, camera: 'missing', microphone: 'ok', speaker: 'unknown', printer: 'none', network: 'slow', version: '', current: true }
    expect(troubles(health)).toEqual([['camera', 'missing'], ['network', 'slow']])
    expect(age(null, 0)).toBeNull()
    expect(age(0, 59_000)).toEqual({ unit: 'seconds', n: 59 })
    expect(age(0, 3_600_000)).toEqual({ unit: 'hours', n: 1 })
  })
})

describe('words', () => {
  it('are there in both languages, with the same gaps', () => {
    const gaps = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map(([one]) => one).sort()
    const compare = (zh: object, en: object): void => {
      expect(Object.keys(en).sort()).toEqual(Object.keys(zh).sort())
      for (const [key, value] of Object.entries(zh)) {
        const other = (en as Record<string, unknown>)[key]
        if (typeof value === 'string') expect(gaps(other as string), key).toEqual(gaps(value))
        else compare(value as object, other as object)
      }
    }
    compare(texts.zh, texts.en)
  })

  it('count days as China does', () => {
    expect(dayOf(Date.UTC(2026, 10, 23, 16, 0))).toBe('2026-11-24')
    expect(days(Date.UTC(2026, 10, 23, 8, 0), 2).map((one) => one.day)).toEqual(['2026-11-23', '2026-11-24'])
  })
})
