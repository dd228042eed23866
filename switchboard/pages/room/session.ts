/**
 * A place in a room: `start()`, then `onChange` tells how the room stands whenever anything is different.
 *
 * After a cut of the network, a restart of the bridge, or a peer that failed, everything comes back by itself: the
 * line with its `resume`, the peer by an ICE restart or a new one, and what this page sends.
 */
import type { LinkState } from '@/shared/live-socket'

import type {
  Answer, Caption, CaptureFrame, Card, Chat, Done, FrozenFrame, Kind, RoomFrame, ShowFrame, Slot, SlotState, StillFrame,
  Told, Welcome, What,
} from './frames'
import { RoomLink } from './link'
import { type PeerState, type Publication, RoomPeer } from './peer'
import { photograph, still, StillParts } from './stills'
import { RoomError, wordsOf } from './words'

/** A peer that does not come up in this time is replaced: a new one, and one that only changes its path. */
const FRESH_WITHIN_MS = 10_000
const RESTART_WITHIN_MS = 3_000
const PEERS_APART_MS = 1_000

/** Something of somebody that comes in. `thin`: no moving picture now, the voice goes on. */
export interface Incoming {
  mid: string
  what: What
  state: SlotState
  track: MediaStreamTrack | null
  /** The last still picture, while the line is too thin for a moving one. */
  still: Blob | null
}

export interface Person extends Card {
  you: boolean
  voice: Incoming | null
  pictures: readonly Incoming[]
}

export interface RoomState {
  /** The line to the bridge. `away`: coming back by itself. */
  line: 'connecting' | 'open' | 'away' | 'ended'
  /** Sound and picture. `lost`: coming back by itself. */
  media: 'none' | 'connecting' | 'up' | 'lost'
  /** Code of the end; empty before. */
  ended: string
  you: string
  role: Card['role']
  standing: Card['standing']
  /** What a host has silenced of this page. */
  muted: readonly Kind[]
  /** The caucus that this page is in; null in the main room. */
  group: number | null
  groups: readonly (readonly string[])[]
  people: readonly Person[]
  waiting: readonly Card[]
  viewers: number
  recorded: boolean
  /** Since when the room is recorded, by the server's clock; null before. */
  recordedSince: number | null
  /** What the server's clock says more than this computer's, in ms. */
  skew: number
}

export interface RoomSessionOptions {
  /** Where the bridge is: `/video` on this page's origin, or `wss://host/video`. */
  url: string
  room: string
  token: string
  onChange: (state: RoomState) => void
  onChat?: (message: Chat) => void
  onCaption?: (message: Caption) => void
  /** A picture at full resolution has come in, asked for by this page or made of what it shows. */
  onFrozen?: (frame: FrozenFrame) => void
  /** A host has asked for such a picture of what this page shows. */
  onCaptured?: (mid: string) => void
  /** Something that this page sends was not taken, or could not be agreed; `what` null when it is all of it. */
  onRefused?: (error: RoomError, what: What | null) => void
  connect?: (url: string) => WebSocket
  makePeer?: (configuration: RTCConfiguration) => RTCPeerConnection
}

export class RoomSession {
  /** The peer of now; for figures about it. */
  peer: RoomPeer | null = null
  private readonly link: RoomLink
  private readonly place: string
  private readonly publications = new Map<What, Publication>()
  private line: RoomState['line'] = 'connecting'
  private ended = ''
  private welcome: Welcome | null = null
  private view: RoomFrame | null = null
  private slots: readonly Slot[] = []
  private readonly stills = new Map<string, Blob>()
  private readonly parts = new StillParts()
  private number = 0
  private skew = 0
  private greeting = false
  private everUp = false
  private watch: ReturnType<typeof setTimeout> | null = null
  private remake: ReturnType<typeof setTimeout> | null = null
  private madeAt = -Infinity

  constructor(private readonly options: RoomSessionOptions) {
    this.place = `${options.url.replace(/\/$/, '')}/${encodeURIComponent(options.room)}`
    this.link = new RoomLink({
      url: this.place,
      token: options.token,
      onFrame: (frame) => this.take(frame),
      onState: (state) => this.lineIs(state),
      onEnd: (code) => this.finish(code),
      ...(options.connect ? { connect: options.connect } : {}),
    })
  }

  start(): void {
    this.link.start()
  }

  /** Gives the place up. */
  leave(): void {
    this.link.say({ type: 'leave' })
    this.finish('room.left')
  }

  /** Ends this page's part without giving the place up (the tab is going away). */
  stop(): void {
    this.finish('room.left')
  }

  // ------------------------------------------------------------------ what this page sends

  /** Sends a track, now and on every later peer. The session never stops a track: it belongs to the page. */
  publish(what: What, track: MediaStreamTrack, encodings?: RTCRtpEncodingParameters[]): void {
    const one: Publication = { what, track, ...(encodings ? { encodings } : {}) }
    const known = this.publications.has(what)
    this.publications.set(what, one)
    if (known) void this.peer?.replace(what, track)
    else this.peer?.publish(one)
    this.changed()
  }

  /** Another device for what is sent already. */
  async replace(what: What, track: MediaStreamTrack): Promise<void> {
    const known = this.publications.get(what)
    if (!known) return this.publish(what, track)
    this.publications.set(what, { ...known, track })
    await this.peer?.replace(what, track)
    this.changed()
  }

  unpublish(what: What): void {
    if (this.publications.delete(what)) this.peer?.unpublish(what)
    this.changed()
  }

  sent(what: What): MediaStreamTrack | null {
    return this.publications.get(what)?.track ?? null
  }

  // ------------------------------------------------------------------ what one may ask for

  admit = (participant: string): Promise<void> => this.ask({ type: 'admit', participant })
  sendBack = (participant: string): Promise<void> => this.ask({ type: 'send_back', participant })
  remove = (participant: string): Promise<void> => this.ask({ type: 'remove', participant })
  mute = (participant: string, kind: Kind, muted: boolean): Promise<void> =>
    this.ask({ type: 'mute', participant, kind, muted })
  caucus = (groups: readonly (readonly string[])[]): Promise<void> => this.ask({ type: 'caucus', groups })
  chat = (text: string): Promise<void> => this.ask({ type: 'chat', text })
  caption = (text: string, final = true): Promise<void> => this.ask({ type: 'caption', text, final })
  layer = (mid: string, rid: string): Promise<void> => this.ask({ type: 'layer', mid, rid })
  /** Asks somebody's page for a picture at full resolution; `onFrozen` tells when it has come. */
  freeze = (participant: string, what: What = 'camera'): Promise<void> =>
    this.ask({ type: 'freeze', participant, what })
  /** Ends the session for all. */
  end = (): Promise<void> => this.ask({ type: 'end' })

  private async ask(frame: object): Promise<void> {
    await this.link.ask(frame)
  }

  // ------------------------------------------------------------------ how it stands

  get state(): RoomState {
    const view = this.view
    const people = view?.participants ?? []
    return {
      line: this.line,
      media: this.media(),
      ended: this.ended,
      you: this.welcome?.participant ?? '',
      role: this.welcome?.role ?? 'party',
      standing: view?.standing ?? 'waiting',
      muted: view?.muted ?? [],
      group: people.find((one) => one.id === view?.you)?.group ?? null,
      groups: view?.groups ?? [],
      people: people.map((card) => this.person(card)),
      waiting: view?.waiting ?? [],
      viewers: view?.viewers ?? 0,
      recorded: view?.recorded ?? false,
      recordedSince: view?.recorded_since ?? null,
      skew: this.skew,
    }
  }

  private person(card: Card): Person {
    const theirs = this.slots.filter((slot) => slot.participant === card.id)
    const incoming = theirs.map(({ mid, what, state, kind }) => ({
      mid,
      what: what ?? (kind === 'audio' ? 'microphone' : 'camera'),
      state,
      track: this.peer?.incoming(mid) ?? null,
      still: state === 'thin' ? (this.stills.get(mid) ?? null) : null,
    }))
    return {
      ...card,
      you: card.id === this.welcome?.participant,
      voice: incoming.find((one) => one.what === 'microphone') ?? null,
      pictures: incoming.filter((one) => one.what !== 'microphone'),
    }
  }

  private media(): RoomState['media'] {
    if (!this.peer) return 'none'
    if (this.peer.state === 'up') return 'up'
    return this.everUp ? 'lost' : 'connecting'
  }

  private changed(): void {
    this.options.onChange(this.state)
  }

  // ------------------------------------------------------------------ the line

  private lineIs(state: LinkState): void {
    if (this.ended) return
    this.line = state === 'open' ? 'open' : this.welcome ? 'away' : 'connecting'
    this.changed()
  }

  private take(frame: Told): void {
    switch (frame.type) {
      case 'welcome':
        this.welcome = frame
        this.skew = frame.now - Date.now()
        this.greeting = true
        this.line = 'open'
        break
      case 'room':
        this.view = frame
        this.seen()
        break
      case 'slots':
        if (frame.peer === this.peer?.number) this.seated(frame.slots)
        break
      case 'peer':
        this.told(frame.state, frame.peer)
        break
      case 'show':
        return void this.show(frame)
      case 'capture':
        this.options.onCaptured?.(frame.mid)
        return void this.capture(frame)
      case 'frozen':
        return this.options.onFrozen?.(frame)
      case 'still':
        if (!this.piece(frame)) return
        break
      case 'chat':
        return this.options.onChat?.(frame)
      case 'caption':
        return this.options.onCaption?.(frame)
      case 'heartbeat':
        return
    }
    this.changed()
  }

  /** The room as it is. The first one after each `welcome` decides what becomes of the peer. */
  private seen(): void {
    if (!this.greeting) {
      this.peer?.want(this.lines())
      return
    }
    this.greeting = false
    const held = this.welcome?.peer
    const usable = this.peer !== null && this.peer.state !== 'failed' && this.everUp
    if (!usable || (held !== undefined && held !== this.peer?.number)) return this.fresh()
    this.peer?.want(this.lines())
    this.peer?.restart()
    this.expect(RESTART_WITHIN_MS)
  }

  private lines(): Readonly<Record<Kind, number>> {
    return this.view?.lines ?? { audio: 0, video: 0 }
  }

  /** The bridge speaks of our peer: it is over, or nothing has come from it for three seconds. */
  private told(state: 'ended' | 'silent', number: number): void {
    if (number !== this.peer?.number) return
    if (state === 'ended') return this.freshSoon()
    this.peer.restart()
    this.expect(RESTART_WITHIN_MS)
  }

  /** Who is on which line. A still picture goes with whoever was on the line. */
  private seated(slots: readonly Slot[]): void {
    for (const slot of slots) {
      const before = this.slots.find((one) => one.mid === slot.mid)
      if (slot.state !== 'thin' || before?.participant !== slot.participant) this.stills.delete(slot.mid)
    }
    this.slots = slots
  }

  private piece(frame: StillFrame): boolean {
    const whole = this.parts.take(frame)
    if (whole) this.stills.set(frame.mid, whole)
    return whole !== null
  }

  /** Somebody's line is thin: the bridge wants a small picture of what this page sends. */
  private async show(frame: ShowFrame): Promise<void> {
    const track = this.peer?.outgoing(frame.mid)
    const data = track ? await still(track, frame).catch(() => null) : null
    if (data) await this.link.ask({ type: 'picture', ask: frame.ask, mid: frame.mid, data }).catch(() => undefined)
  }

  /** A host wants a picture at full resolution of what this page shows. Nothing comes of it when that fails. */
  private async capture(frame: CaptureFrame): Promise<void> {
    const track = this.peer?.outgoing(frame.mid)
    const picture = track ? await photograph(track).catch(() => null) : null
    if (!picture) return
    const url = `${this.place.replace(/^ws/, 'http')}/captures/${frame.capture}`
    await fetch(url, { method: 'PUT', body: picture, headers: { 'Capture-Key': frame.key } }).catch(() => undefined)
  }

  // ------------------------------------------------------------------ the peer

  private fresh(): void {
    this.forgetTimers()
    this.peer?.close()
    this.number = Math.max(this.number, this.welcome?.peer ?? 0) + 1
    this.madeAt = performance.now()
    this.everUp = false
    this.slots = []
    this.stills.clear()
    const peer: RoomPeer = new RoomPeer({
      number: this.number,
      ice: this.welcome?.ice ?? [],
      publications: this.publications.values(),
      ask: (frame) => this.link.ask(frame) as Promise<Answer | Done> as Promise<Answer>,
      onState: (state) => this.peerIs(peer, state),
      onTracks: () => this.changed(),
      onRefused: (what, code, words) => this.options.onRefused?.(new RoomError(code, words), what),
      ...(this.options.makePeer ? { make: this.options.makePeer } : {}),
    })
    this.peer = peer
    peer.want(this.lines())
    this.expect(FRESH_WITHIN_MS)
  }

  /** A new peer, but never a storm of them; while the line is away the next `welcome` makes it. */
  private freshSoon(): void {
    if (!this.link.open || this.remake !== null || this.ended) return
    const wait = Math.max(0, PEERS_APART_MS - (performance.now() - this.madeAt))
    this.remake = setTimeout(() => {
      this.remake = null
      if (this.link.open) this.fresh()
    }, wait)
  }

  private peerIs(peer: RoomPeer, state: PeerState): void {
    if (peer !== this.peer) return
    if (state === 'up') {
      this.everUp = true
      this.forgetTimers()
    } else if (state === 'failed') {
      this.freshSoon()
    } else if (state === 'shaky' && this.link.open) {
      peer.restart()
      this.expect(RESTART_WITHIN_MS)
    }
    this.changed()
  }

  /** Looks again after a while: a peer that is not up by then is replaced. */
  private expect(withinMs: number): void {
    if (this.watch !== null) clearTimeout(this.watch)
    this.watch = setTimeout(() => {
      this.watch = null
      const peer = this.peer
      if (peer && peer.connection.getTransceivers().length > 0 && peer.state !== 'up') this.freshSoon()
    }, withinMs)
  }

  private forgetTimers(): void {
    for (const timer of [this.watch, this.remake]) if (timer !== null) clearTimeout(timer)
    this.watch = this.remake = null
  }

  private finish(code: string): void {
    if (this.ended) return
    this.ended = code || 'video.room_closed'
    this.line = 'ended'
    this.link.stop()
    this.forgetTimers()
    this.peer?.close()
    this.peer = null
    this.slots = []
    this.changed()
  }
}

/** The words of an end, or null when the person left by themselves. */
export function endWords(code: string): { zh: string; en: string } | null {
  return code === 'room.left' || code === '' ? null : wordsOf(code)
}
