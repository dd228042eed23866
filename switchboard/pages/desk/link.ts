/** The desk's line to the switchboard: hello, commands that are done exactly once, takeover. */
import type { Words } from '@/shared/api'
import { LiveSocket, type LinkState, socketUrl } from '@/shared/live-socket'

import type { DeskFrame, Done, PhoneKind } from './frames'

export const PROTOCOL = 1
const FINAL_CODES = [4400, 4401, 4409] as const
const ANSWER_WITHIN_MS = 20_000

/** A command that was refused, or that got no answer in time (`code` "lost"). */
export class CommandError extends Error {
  constructor(
    readonly code: string,
    readonly words: Words | null,
    /** Further fields of the refusal, such as how long somebody would have to wait. */
    readonly detail: Readonly<Record<string, unknown>> = {},
  ) {
    super(code)
  }
}

interface Pending {
  frame: object
  done: (answer: Done) => void
  failed: (error: CommandError) => void
  timer: ReturnType<typeof setTimeout>
}

export interface DeskLinkOptions {
  desk: string
  phone: PhoneKind
  /** Whether this page's phone has a call up right now; after a reload it has none and wants to be rung again. */
  inCall?: () => boolean
  onFrame: (frame: DeskFrame) => void
  onState: (state: LinkState, closeCode: number | null) => void
  onUnreachable?: () => void
  connect?: (url: string) => WebSocket
}

/** Random enough to be nobody else's; works without a secure context. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export class DeskLink {
  private readonly pending = new Map<string, Pending>()
  private readonly socket: LiveSocket
  private takeover = false
  private greeted = false
  phone: PhoneKind

  constructor(private readonly options: DeskLinkOptions) {
    this.phone = options.phone
    this.socket = new LiveSocket({
      url: socketUrl('/ws/desk'),
      hello: () => this.hello(),
      onFrame: (frame) => this.take(frame as unknown as DeskFrame),
      onState: (state, code) => {
        if (state !== 'open' && state !== 'stale') this.greeted = false
        options.onState(state, code)
      },
      ...(options.onUnreachable ? { onUnreachable: options.onUnreachable } : {}),
      finalCodes: FINAL_CODES,
      ...(options.connect ? { connect: options.connect } : {}),
    })
  }

  start(): void {
    this.socket.start()
  }

  stop(): void {
    this.socket.stop()
  }

  /** Moves the desk to this tab. */
  takeOver(): void {
    this.takeover = true
    this.socket.stop()
    this.socket.start()
  }

  /** Says hello again, with another kind of phone for instance. */
  restart(): void {
    this.socket.restart()
  }

  /** Resolves with the answer when the server did it; a lost line sends it again, under the same id, after the next welcome. */
  command(type: string, fields: object = {}): Promise<Done> {
    const id = newId()
    const frame = { type, id, ...fields }
    return new Promise((done, failed) => {
      const timer = setTimeout(() => this.settle(id, new CommandError('lost', null)), ANSWER_WITHIN_MS)
      this.pending.set(id, { frame, done, failed, timer })
      if (this.greeted) this.socket.send(frame)
    })
  }

  private hello(): object {
    return {
      type: 'hello',
      protocol: PROTOCOL,
      desk: this.options.desk,
      phone: this.phone,
      takeover: this.takeover,
      in_call: this.options.inCall?.() ?? false,
      answers_beats: true,
    }
  }

  private take(frame: DeskFrame): void {
    if (frame.type === 'done') return this.settle(frame.re, frame)
    if (frame.type === 'error') {
      return this.settle(frame.re, new CommandError(frame.code, { zh: frame.zh, en: frame.en }, detailOf(frame)))
    }
    // Said by the page itself, not by the browser behind it: a page that is frozen must not look alive.
    if (frame.type === 'beat') this.socket.send({ type: 'here' })
    this.options.onFrame(frame)
    if (frame.type !== 'welcome') return
    this.takeover = false
    this.greeted = true
    for (const waiting of this.pending.values()) this.socket.send(waiting.frame)
  }

  private settle(id: string, answer: Done | CommandError): void {
    const waiting = this.pending.get(id)
    if (!waiting) return
    clearTimeout(waiting.timer)
    this.pending.delete(id)
    if (answer instanceof CommandError) waiting.failed(answer)
    else waiting.done(answer)
  }
}

function detailOf(frame: object): Record<string, unknown> {
  const known = ['type', 're', 'code', 'zh', 'en']
  return Object.fromEntries(Object.entries(frame).filter(([name]) => !known.includes(name)))
}
