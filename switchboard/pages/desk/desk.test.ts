import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { dayAndTime, isToday } from '@/shared/days'
import { FakeSocket } from '@/shared/fake-socket'

import { goertzel } from './earpiece'
import type { Card, Contact, DeskFrame, HandOverState, Message, Welcome } from './frames'
import { actionFor, defaultKeys, isUsable, loadKeys, saveKeys } from './keys'
import { CommandError, DeskLink } from './link'
import { applyFrame, byDue, canHandOver, emptyModel, isBusy, recordingState } from './model'
import { opusFirst } from './phone'

const card: Card = {
  caller: '138****1234',
  region: null,
  matter: null,
  language: 'zh',
  waiting_since: 0,
  priority: 0,
  priority_reason: null,
  earlier: 0,
  demo: false,
}
const welcome = (more: Partial<Welcome> = {}): Welcome => ({
  type: 'welcome',
  protocol: 1,
  now: 0,
  agent: { id: 'v001', name: '王敏', role: 'lawyer' },
  phone: { uri: 'sip:v001@switchboard', password: 'x', socket: '/ws/sip', registrar: '' },
  state: { name: 'available', reason: null, since: 0, until: null },
  reservation: null,
  contact: null,
  queue: { waiting: 0, longest_since: null },
  pause_reasons: [],
  dispositions: [],
  matters: [],
  ...more,
})
const reservation = { id: 7, contact: 'c-1', expires: 15_000, card }
const contact: Contact = {
  id: 'c-1',
  stage: 'talking',
  card,
  since: 0,
  talking_since: 0,
  wrap_up_until: null,
  recording: true,
  recording_paused: false,
  consent: true,
  transfers: [{ id: '12345', zh: '12345政务服务热线', en: '12345 government hotline' }],
  hand_over: null,
}

describe('the desk model', () => {
  const after = (...frames: DeskFrame[]) => {
    const model = emptyModel()
    for (const frame of frames) applyFrame(model, frame)
    return model
  }
  const reserved: DeskFrame = { type: 'state', state: { name: 'reserved', reason: null, since: 0, until: null } }

  it('turns a reservation into the contact that follows', () => {
    const model = after(welcome(), reserved, { type: 'reservation', reservation }, { type: 'contact', contact })
    expect(model.reservation).toBeNull()
    expect(model.contact?.id).toBe('c-1')
  })

  it('takes reservation and state in either order', () => {
    expect(after(welcome(), { type: 'reservation', reservation }, reserved).reservation?.id).toBe(7)
  })

  it('drops the card when it is gone, and says why', () => {
    const model = after(welcome(), { type: 'reservation', reservation }, { type: 'reservation_gone', id: 7, why: 'timed_out' })
    expect(model.reservation).toBeNull()
    expect(model.gone).toEqual({ id: 7, why: 'timed_out' })
  })

  it('ignores the end of another reservation or contact', () => {
    const model = after(welcome({ contact }), { type: 'reservation', reservation }, { type: 'reservation_gone', id: 6, why: 'cancelled' }, { type: 'contact_gone', id: 'c-0' })
    expect(model.reservation?.id).toBe(7)
    expect(model.contact?.id).toBe('c-1')
  })

  it('takes the whole truth from a new welcome', () => {
    const model = after(welcome({ contact, reservation }), welcome())
    expect(model.contact).toBeNull()
    expect(model.reservation).toBeNull()
  })

  it('is busy while reserved, in contact or in wrap-up', () => {
    expect(isBusy(after(welcome(), reserved))).toBe(true)
    expect(isBusy(after(welcome()))).toBe(false)
  })
})

describe('the talk in hand', () => {
  it('tells a pause of the recording from a talk that is not recorded', () => {
    expect(recordingState(contact)).toBe('on')
    expect(recordingState({ ...contact, recording: false, recording_paused: true })).toBe('paused')
    expect(recordingState({ ...contact, recording: false })).toBe('off')
    expect(recordingState({ ...contact, recording: false, consent: false })).toBe('refused')
  })

  it('may be handed over to one hotline at a time, and only while both talk', () => {
    const after = (state: HandOverState): Contact => ({ ...contact, hand_over: { to: '12345', zh: '', en: '', state } })
    expect(canHandOver(contact)).toBe(true)
    expect(canHandOver({ ...contact, stage: 'connecting' })).toBe(false)
    expect(canHandOver({ ...contact, transfers: [] })).toBe(false)
    expect((['ringing', 'joined', 'failed', 'cancelled', 'left'] as const).filter((state) => canHandOver(after(state)))).toEqual(['failed', 'cancelled', 'left'])
  })

  it('shows what becomes of the other hotline as each frame tells it', () => {
    const model = emptyModel()
    applyFrame(model, welcome({ contact }))
    applyFrame(model, { type: 'contact', contact: { ...contact, hand_over: { to: '12345', zh: '', en: '', state: 'ringing' } } })
    expect(model.contact?.hand_over?.state).toBe('ringing')
  })
})

describe('messages on the desk', () => {
  const message = (more: Partial<Message>): Message => ({
    id: 'm-1',
    medium: 'message',
    caller: '138****1234',
    matter: null,
    language: 'zh',
    arrived: 0,
    due: 1000,
    overdue: false,
    state: 'assigned',
    attempts: 0,
    seconds: 12,
    listen: '/api/contacts/m-1/recordings/m-1',
    ...more,
  })

  it('come with the welcome, also from a server that knows none', () => {
    const model = emptyModel()
    applyFrame(model, welcome({ messages: [message({})] }))
    expect(model.messages.map((one) => one.id)).toEqual(['m-1'])
    applyFrame(model, welcome())
    expect(model.messages).toEqual([])
    applyFrame(model, { type: 'messages', messages: [message({ id: 'm-2' })] })
    expect(model.messages.map((one) => one.id)).toEqual(['m-2'])
  })

  it('stand in the order in which they are due, and turn late without a word of the server', () => {
    const messages = [message({ id: 'm-b', due: 2000 }), message({ id: 'm-c', due: null }), message({ id: 'm-a', due: 1000 })]
    expect(byDue(messages, 1500).map((one) => [one.id, one.late])).toEqual([
      ['m-a', true],
      ['m-b', false],
      ['m-c', false],
    ])
  })

  it('are due by the days of China', () => {
    const evening = Date.UTC(2026, 10, 22, 15, 59)
    expect(isToday(evening, Date.UTC(2026, 10, 22, 1))).toBe(true)
    expect(isToday(evening + 60_000, Date.UTC(2026, 10, 22, 1))).toBe(false)
    expect(dayAndTime(evening)).toBe('11-22 23:59')
  })
})

describe('the desk link', () => {
  let link: DeskLink
  let frames: DeskFrame[]

  beforeEach(() => {
    vi.useFakeTimers()
    FakeSocket.made = []
    frames = []
    link = new DeskLink({
      desk: 'd1',
      phone: 'browser',
      onFrame: (frame) => frames.push(frame),
      onState: () => undefined,
      connect: FakeSocket.connect,
    })
    link.start()
  })

  afterEach(() => {
    link.stop()
    vi.useRealTimers()
  })

  it('greets with the same desk after every reconnection', () => {
    FakeSocket.last.open().say(welcome())
    FakeSocket.last.drop(1001)
    vi.advanceTimersByTime(500)
    FakeSocket.last.open()
    expect(FakeSocket.made).toHaveLength(2)
    expect(FakeSocket.last.sent[0]).toEqual({ type: 'hello', protocol: 1, desk: 'd1', phone: 'browser', takeover: false, in_call: false, answers_beats: true })
  })

  it('answers each beat, and nothing else, with a word of its own', () => {
    FakeSocket.last.open().say(welcome()).say({ type: 'queue', waiting: 1, longest_since: 0 })
    const before = FakeSocket.last.sent.length
    FakeSocket.last.say({ type: 'beat', now: 1 })
    expect(FakeSocket.last.sent.slice(before)).toEqual([{ type: 'here' }])
  })

  it('resolves a command with done and rejects it with the words of an error', async () => {
    FakeSocket.last.open().say(welcome())
    const ready = link.command('ready')
    FakeSocket.last.say({ type: 'done', re: FakeSocket.last.sent[1]?.id, kept: 2 })
    await expect(ready).resolves.toMatchObject({ kept: 2 })
    const pause = link.command('pause', { reason: 'meal' })
    FakeSocket.last.say({ type: 'error', re: FakeSocket.last.sent[2]?.id, code: 'busy', zh: '忙', en: 'busy' })
    await expect(pause).rejects.toEqual(new CommandError('busy', { zh: '忙', en: 'busy' }))
  })

  it('sends an unanswered command again under the same id, after the welcome', async () => {
    FakeSocket.last.open().say(welcome())
    const done = link.command('wrap_up', { contact: 'c-1' })
    const id = FakeSocket.last.sent[1]?.id
    FakeSocket.last.drop()
    vi.advanceTimersByTime(500)
    FakeSocket.last.open()
    expect(FakeSocket.last.sent).toHaveLength(1)
    FakeSocket.last.say(welcome())
    expect(FakeSocket.last.sent[1]).toEqual({ type: 'wrap_up', id, contact: 'c-1' })
    FakeSocket.last.say({ type: 'done', re: id })
    await expect(done).resolves.toEqual({ type: 'done', re: id })
  })

  it('gives a command up when nothing answers for long', async () => {
    const lost = expect(link.command('ready')).rejects.toEqual(new CommandError('lost', null))
    vi.advanceTimersByTime(21_000)
    await lost
  })

  it('takes the desk over once, and only when asked', () => {
    FakeSocket.last.open().say({ type: 'refused', code: 'second_tab', zh: '', en: '' })
    FakeSocket.last.drop(4409)
    vi.advanceTimersByTime(10_000)
    expect(FakeSocket.made).toHaveLength(1)
    link.takeOver()
    FakeSocket.last.open()
    expect(FakeSocket.last.sent[0]).toMatchObject({ takeover: true })
    FakeSocket.last.say(welcome())
    FakeSocket.last.drop()
    vi.advanceTimersByTime(500)
    FakeSocket.last.open()
    expect(FakeSocket.last.sent[0]).toMatchObject({ takeover: false })
  })
})

describe('the function keys', () => {
  const press = (key: string, target: Element = document.body, more: KeyboardEventInit = {}): KeyboardEvent => {
    const event = new KeyboardEvent('keydown', { key, bubbles: true, ...more })
    target.dispatchEvent(event)
    return event
  }
  const field = (tag: string): HTMLElement => {
    const element = document.createElement(tag)
    document.body.append(element)
    return element
  }

  it('do what the list says', () => {
    expect(actionFor(press('F2'), defaultKeys())).toBe('accept')
    expect(actionFor(press('F9'), defaultKeys())).toBe('hangUp')
    expect(actionFor(press('?', document.body, { shiftKey: true }), defaultKeys())).toBe('help')
    expect(actionFor(press('x'), defaultKeys())).toBeNull()
  })

  it('are deaf while text is typed', () => {
    for (const tag of ['input', 'textarea', 'select']) {
      expect(actionFor(press('F9', field(tag)), defaultKeys())).toBeNull()
      expect(actionFor(press('?', field(tag)), defaultKeys())).toBeNull()
    }
  })

  it('are deaf to repeats and to combinations', () => {
    expect(actionFor(press('F9', document.body, { repeat: true }), defaultKeys())).toBeNull()
    expect(actionFor(press('F4', document.body, { altKey: true }), defaultKeys())).toBeNull()
  })

  it('can be changed, are remembered, and leave the browser its own', () => {
    saveKeys({ ...defaultKeys(), accept: 'F6' })
    expect(loadKeys().accept).toBe('F6')
    localStorage.setItem('12348.keys', '{"accept":"Enter"}')
    expect(loadKeys()).toEqual(defaultKeys())
    expect(isUsable('F5')).toBe(false)
    expect(isUsable('Enter')).toBe(false)
  })
})

describe('sound', () => {
  it('puts opus first and changes nothing else', () => {
    const sdp = 'v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 8 111 126\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:111 opus/48000/2\r\n'
    expect(opusFirst(sdp)).toBe(sdp.replace('8 111 126', '111 8 126'))
    expect(opusFirst(sdp.replace('opus', 'x'))).toBe(sdp.replace('opus', 'x'))
  })

  it('measures the amplitude of one tone and not of its neighbours', () => {
    const samples = Float32Array.from({ length: 8192 }, (_, n) => 0.25 * Math.sin((2 * Math.PI * 1000 * n) / 48_000))
    expect(goertzel(samples, 1000, 48_000)).toBeCloseTo(0.25, 2)
    expect(goertzel(samples, 1200, 48_000)).toBeLessThan(0.001)
  })
})
