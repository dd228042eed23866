import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { FakeSocket } from '@/shared/fake-socket'

import { RoomSession, type RoomState } from './session'
import { texts } from './texts'
import { knownCodes, RoomError, wordsOf } from './words'

class FakeTransceiver {
  mid: string | null = null
  sender = { track: null as unknown, replaceTrack: vi.fn(async (track: unknown) => void (this.sender.track = track)) }
  receiver: { track: { kind: string } }
  constructor(
    readonly kind: string,
    public direction: string,
  ) {
    this.receiver = { track: { kind } }
  }
}

/** A peer connection that agrees to everything and is connected when it is told to be. */
class FakePeer {
  static made: FakePeer[] = []
  transceivers: FakeTransceiver[] = []
  connectionState = 'new'
  iceConnectionState = 'new'
  signalingState = 'stable'
  localDescription: { sdp: string } | null = null
  remoteDescription: object | null = null
  restarts = 0
  closed = false
  ontrack: (() => void) | null = null
  onconnectionstatechange: (() => void) | null = null
  oniceconnectionstatechange: (() => void) | null = null

  constructor(readonly configuration: RTCConfiguration) {
    FakePeer.made.push(this)
  }
  static get last(): FakePeer {
    return FakePeer.made.at(-1) as FakePeer
  }
  addTransceiver(track: string | { kind: string }, init: { direction: string }): FakeTransceiver {
    const made = new FakeTransceiver(typeof track === 'string' ? track : track.kind, init.direction)
    if (typeof track !== 'string') made.sender.track = track
    this.transceivers.push(made)
    return made
  }
  getTransceivers = (): FakeTransceiver[] => this.transceivers
  createOffer = async ({ iceRestart = false } = {}): Promise<{ sdp: string }> => {
    if (iceRestart) this.restarts += 1
    return { sdp: `v=0 offer ${this.restarts}` }
  }
  setLocalDescription = async (offer: { sdp: string }): Promise<void> => {
    this.transceivers.forEach((one, index) => (one.mid = String(index)))
    this.localDescription = offer
    this.signalingState = 'have-local-offer'
  }
  setRemoteDescription = async (answer: object): Promise<void> => {
    this.remoteDescription = answer
    this.signalingState = 'stable'
  }
  close(): void {
    this.closed = true
  }
  become(state: string): void {
    this.connectionState = state
    this.onconnectionstatechange?.()
  }
}

const track = (kind: string): MediaStreamTrack => ({ kind, enabled: true, stop: vi.fn() }) as unknown as MediaStreamTrack
const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)
const WELCOME = { type: 'welcome', participant: 'a', role: 'host', resume: 'secret', heartbeat_ms: 1000, peer: 0, ice: [], now: 1 }
const card = (id: string): object => ({ id, name: id, role: 'party', standing: 'here', muted: [], group: null, media: 'up', sends: [] })
const VIEW = {
  type: 'room', room: 'r', you: 'a', standing: 'here', muted: [], participants: [card('a'), card('b')], groups: [],
  viewers: 0, lines: { audio: 1, video: 1 }, recorded: false, waiting: [],
}

describe('a place in a room', () => {
  let session: RoomSession
  let state: RoomState
  const chats: string[] = []
  const refused: string[] = []

  const offers = (): Record<string, unknown>[] => FakeSocket.last.sent.filter((one) => one['type'] === 'offer')
  const answer = async (more: object = {}): Promise<void> => {
    await settle()
    const re = offers().at(-1)?.['id']
    FakeSocket.last.say({ type: 'answer', re, peer: offers().at(-1)?.['peer'], sdp: 'v=0', refused: [], ...more })
    await settle()
  }
  const enter = async (welcome: object = {}): Promise<void> => {
    FakeSocket.last.open().say({ ...WELCOME, ...welcome }).say(VIEW)
    await answer()
    FakePeer.last.become('connected')
  }

  beforeEach(() => {
    vi.useFakeTimers()
    FakeSocket.made = []
    FakePeer.made = []
    chats.length = refused.length = 0
    session = new RoomSession({
      url: 'wss://bridge/video',
      room: 'r',
      token: 't',
      onChange: (now) => (state = now),
      onChat: (message) => chats.push(message.text),
      onRefused: (error, what) => refused.push(`${what} ${error.code}`),
      connect: FakeSocket.connect,
      makePeer: (configuration) => new FakePeer(configuration) as unknown as RTCPeerConnection,
    })
    session.publish('microphone', track('audio'))
    session.start()
  })

  afterEach(() => {
    session.stop()
    vi.useRealTimers()
  })

  it('says hello with its token, then offers what it sends and the lines that the room asks for', async () => {
    expect(FakeSocket.last.url).toBe('wss://bridge/video/r')
    await enter()
    expect(FakeSocket.last.sent[0]).toMatchObject({ type: 'hello', v: 1, token: 't', resume: '' })
    expect(offers()[0]).toMatchObject({ peer: 1, tracks: { 0: 'microphone' } })
    expect(FakePeer.last.transceivers.map((one) => `${one.kind} ${one.direction}`)).toEqual([
      'audio sendonly', 'audio recvonly', 'video recvonly',
    ])
    expect(state).toMatchObject({ line: 'open', media: 'up', you: 'a', role: 'host' })
  })

  it('beats every second', async () => {
    await enter()
    await vi.advanceTimersByTimeAsync(2000)
    expect(FakeSocket.last.sent.filter((one) => one['type'] === 'heartbeat')).toHaveLength(2)
  })

  it('shows who is on which line, without a new offer', async () => {
    await enter()
    FakeSocket.last.say({ type: 'slots', peer: 1, slots: [{ mid: '1', kind: 'audio', participant: 'b', what: 'microphone', state: 'live' }] })
    expect(state.people[1]?.voice).toMatchObject({ mid: '1', state: 'live' })
    expect(state.people[1]?.voice?.track).toBe(FakePeer.last.transceivers[1]?.receiver.track)
    expect(state.people[0]?.you).toBe(true)
    expect(offers()).toHaveLength(1)
  })

  it('comes back with its secret and keeps the peer by an ICE restart', async () => {
    await enter()
    FakeSocket.last.drop()
    expect(state.line).toBe('away')
    await vi.advanceTimersByTimeAsync(100)
    FakeSocket.last.open().say({ ...WELCOME, peer: 1 }).say(VIEW)
    await answer()
    expect(FakeSocket.last.sent[0]).toMatchObject({ type: 'hello', resume: 'secret' })
    expect(FakePeer.made).toHaveLength(1)
    expect(FakePeer.last.restarts).toBe(1)
    expect(state.line).toBe('open')
  })

  it('tries every second for as long as the network is away', async () => {
    await enter()
    for (let gone = 0; gone < 40; gone += 1) {
      FakeSocket.last.drop()
      await vi.advanceTimersByTimeAsync(1300)
    }
    expect(FakeSocket.made.length).toBeGreaterThanOrEqual(40)
  })

  it('makes a new peer when the bridge has none of ours any more', async () => {
    await enter()
    FakeSocket.last.drop()
    await vi.advanceTimersByTimeAsync(100)
    FakeSocket.last.open().say(WELCOME).say(VIEW)
    await answer()
    expect(FakePeer.made.map((one) => one.closed)).toEqual([true, false])
    expect(offers().at(-1)).toMatchObject({ peer: 2, tracks: { 0: 'microphone' } })
  })

  it('begins above the number of a peer that an earlier page of this place had', async () => {
    await enter({ peer: 7 })
    expect(offers()[0]).toMatchObject({ peer: 8 })
  })

  it('replaces a peer that failed, and one that does not come back in time', async () => {
    await enter()
    FakePeer.last.become('failed')
    await vi.advanceTimersByTimeAsync(1000)
    expect(FakePeer.made).toHaveLength(2)
    await answer()
    FakePeer.last.become('connected')
    FakePeer.last.iceConnectionState = 'disconnected'
    FakePeer.last.oniceconnectionstatechange?.()
    await answer()
    expect(FakePeer.last.restarts).toBe(1)
    for (let beat = 0; beat < 5; beat += 1) {
      FakeSocket.last.say({ type: 'heartbeat', now: 1 })
      await vi.advanceTimersByTimeAsync(1000)
    }
    expect(FakePeer.made).toHaveLength(3)
  })

  it('offers again after an answer that never came', async () => {
    FakeSocket.last.open().say(WELCOME).say(VIEW)
    await settle()
    FakeSocket.last.drop()
    await vi.advanceTimersByTimeAsync(100)
    FakeSocket.last.open().say(WELCOME).say(VIEW)
    await answer()
    expect(offers()).toHaveLength(1)
    expect(FakePeer.last.remoteDescription).not.toBeNull()
  })

  it('changes the camera without a word to the bridge', async () => {
    session.publish('camera', track('video'))
    await enter()
    const another = track('video')
    await session.replace('camera', another)
    expect(session.sent('camera')).toBe(another)
    expect(FakePeer.last.transceivers[1]?.sender.replaceTrack).toHaveBeenCalledWith(another)
    expect(offers()).toHaveLength(1)
  })

  it('holds up a second picture, resolution first, and takes it down', async () => {
    await enter()
    const paper = track('video')
    session.publish('document', paper)
    await answer()
    expect(paper.contentHint).toBe('detail')
    expect(offers().at(-1)?.['tracks']).toMatchObject({ 3: 'document' })
    session.unpublish('document')
    await answer()
    expect(FakePeer.last.transceivers[3]?.direction).toBe('inactive')
  })

  it('tells which track was not taken, in words', async () => {
    FakeSocket.last.open().say(WELCOME).say(VIEW)
    await answer({ refused: [{ mid: '0', code: 'video.codec', zh: '不行', en: 'no' }] })
    expect(refused).toEqual(['microphone video.codec'])
  })

  it('rejects what the bridge refuses, with its words', async () => {
    await enter()
    const asked = session.admit('x')
    const failed = expect(asked).rejects.toMatchObject({ code: 'video.no_participant', words: { zh: '没有', en: 'none' } })
    FakeSocket.last.say({ type: 'error', re: FakeSocket.last.sent.at(-1)?.['id'], code: 'video.no_participant', zh: '没有', en: 'none' })
    await failed
  })

  it('says that there was no answer', async () => {
    await enter()
    const failed = expect(session.chat('hello')).rejects.toMatchObject({ code: 'room.lost' })
    FakeSocket.last.drop()
    await failed
    await expect(session.chat('hello')).rejects.toBeInstanceOf(RoomError)
  })

  it('hears chat', async () => {
    await enter()
    FakeSocket.last.say({ type: 'chat', from: 'b', text: 'hello', at_ms: 1 })
    expect(chats).toEqual(['hello'])
  })

  it('ends with a reason, and comes back from those that are only about the line', async () => {
    await enter()
    FakeSocket.last.drop(4400, 'video.silent')
    expect(state.line).toBe('away')
    await vi.advanceTimersByTimeAsync(100)
    FakeSocket.last.open().say({ ...WELCOME, peer: 1 }).say(VIEW)
    FakeSocket.last.drop(4400, 'video.sent_back')
    expect(state).toMatchObject({ line: 'ended', ended: 'video.sent_back', media: 'none' })
    await vi.advanceTimersByTimeAsync(60_000)
    expect(FakeSocket.made).toHaveLength(2)
    expect(FakePeer.last.closed).toBe(true)
  })
})

describe('the words of a room', () => {
  it('are there for every code in both languages', () => {
    for (const code of knownCodes()) {
      expect(wordsOf(code).zh).toMatch(/[。！]$/)
      expect(wordsOf(code).en).toMatch(/\.$/)
    }
    expect(wordsOf('video.unheard_of').zh).toContain('重试')
  })

  it('are the same set in both languages', () => {
    expect(Object.keys(texts.en).sort()).toEqual(Object.keys(texts.zh).sort())
  })
})
