/**
 * A page's line to a room: hello and resume, heartbeats, questions with one answer each, and coming back by itself.
 *
 * Media goes on while the line is away; what to do with the peer after a cut is the session's business.
 */
import { LiveSocket, type LinkState, socketUrl } from '@/shared/live-socket'

import { type Answer, CLOSED, type Done, type Heard, type Told, VERSION } from './frames'
import { RoomError } from './words'

/** The server misses us after three seconds; we give a line up as soon. */
const SILENCE_MS = 2_000
const DEAD_MS = 3_000
/** A first packet that was lost is sent again only after a second and after three: asking anew is quicker. */
const CONNECT_MS = 2_500
const BACK_OFF_MS = [50, 200, 400] as const
const ANSWER_WITHIN_MS = 15_000
/** Endings after which the page comes back by itself. */
const COMES_BACK = new Set(['video.silent', 'video.too_slow'])

interface Pending {
  done: (answer: Answer | Done) => void
  failed: (error: RoomError) => void
  timer: ReturnType<typeof setTimeout>
}

export interface RoomLinkOptions {
  /** `ws(s)://host/video/ROOM`, or a path on this page's own origin. */
  url: string
  token: string
  onFrame: (frame: Told) => void
  onState: (state: LinkState) => void
  /** The room has ended for this page; the code says why. */
  onEnd: (code: string) => void
  connect?: (url: string) => WebSocket
}

export class RoomLink {
  /** Heard and read once: changes for every connection. */
  private greeted = false
  private resume = ''
  private next = 1
  private readonly asked = new Map<number, Pending>()
  private readonly socket: LiveSocket
  private beating: ReturnType<typeof setInterval> | null = null
  private ended = false

  constructor(private readonly options: RoomLinkOptions) {
    this.socket = new LiveSocket({
      url: options.url.startsWith('/') ? socketUrl(options.url) : options.url,
      hello: () => ({ type: 'hello', v: VERSION, id: this.next++, token: options.token, resume: this.resume }),
      onFrame: (frame) => this.take(frame as unknown as Heard),
      onState: (state) => this.became(state),
      isFinal: (code, reason) => code === CLOSED && !COMES_BACK.has(reason),
      onFinal: (reason) => this.finish(reason),
      silenceMs: SILENCE_MS,
      deadMs: DEAD_MS,
      connectMs: CONNECT_MS,
      backOffMs: BACK_OFF_MS,
      ...(options.connect ? { connect: options.connect } : {}),
    })
  }

  get open(): boolean {
    return this.greeted
  }

  start(): void {
    this.socket.start()
  }

  /** Ends the line without giving the place up. */
  stop(): void {
    this.ended = true
    this.socket.stop()
    this.quiet()
    this.forget()
  }

  /** Says something that has no answer; lost while the line is away. */
  say(frame: object): void {
    if (this.greeted) this.socket.send(frame)
  }

  /** Resolves with `done` or `answer`. Rejects with a `RoomError`: what the bridge says, or `room.lost`. */
  ask(frame: object): Promise<Answer | Done> {
    return new Promise((done, failed) => {
      const id = this.next++
      if (!this.greeted || !this.socket.send({ ...frame, id })) return failed(new RoomError('room.lost'))
      const timer = setTimeout(() => this.settle(id, new RoomError('room.lost')), ANSWER_WITHIN_MS)
      this.asked.set(id, { done, failed, timer })
    })
  }

  private became(state: LinkState): void {
    if (state !== 'open' && state !== 'stale') {
      this.greeted = false
      this.quiet()
      this.forget()
    }
    if (!this.ended) this.options.onState(state)
  }

  private take(frame: Heard): void {
    if (frame.type === 'done' || frame.type === 'answer') return this.settle(frame.re, frame)
    if (frame.type === 'error') return this.settle(frame.re, new RoomError(frame.code, { zh: frame.zh, en: frame.en }))
    if (frame.type === 'welcome') {
      this.greeted = true
      this.resume = frame.resume
      this.quiet()
      this.beating = setInterval(() => this.socket.send({ type: 'heartbeat' }), frame.heartbeat_ms)
    }
    this.options.onFrame(frame)
  }

  private settle(id: number, answer: Answer | Done | RoomError): void {
    const waiting = this.asked.get(id)
    if (!waiting) return
    clearTimeout(waiting.timer)
    this.asked.delete(id)
    if (answer instanceof RoomError) waiting.failed(answer)
    else waiting.done(answer)
  }

  private forget(): void {
    for (const id of [...this.asked.keys()]) this.settle(id, new RoomError('room.lost'))
  }

  private quiet(): void {
    if (this.beating !== null) clearInterval(this.beating)
    this.beating = null
  }

  private finish(code: string): void {
    this.ended = true
    this.quiet()
    this.forget()
    this.options.onEnd(code)
  }
}
