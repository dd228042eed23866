/**
 * A JSON WebSocket that stays: it reconnects with growing pauses, notices silence and never keeps a dead line.
 *
 * States: `connecting` -> `open` -> (`stale` after `silenceMs` without a frame, back to `open` with the next one)
 * -> `waiting` (closed, trying again soon) ... `closed` (a final close code, or `stop()`).
 */
export type LinkState = 'connecting' | 'open' | 'stale' | 'waiting' | 'closed'

export interface Frame {
  type: string
  [field: string]: unknown
}

export interface LiveSocketOptions {
  url: string
  /** Sent as soon as the socket opens. */
  hello?: () => object
  onFrame: (frame: Frame) => void
  onState?: (state: LinkState, closeCode: number | null) => void
  /** Two attempts in a row never opened: perhaps nobody is signed in any more. */
  onUnreachable?: () => void
  silenceMs?: number
  deadMs?: number
  /** An attempt that has not opened by then is given up. */
  connectMs?: number
  /** Close codes after which coming back by itself would be wrong. */
  finalCodes?: readonly number[]
  /** The same where the code alone does not tell. */
  isFinal?: (code: number, reason: string) => boolean
  /** A final close, with the reason that the server gave. */
  onFinal?: (reason: string) => void
  /** Pauses before the next attempts. */
  backOffMs?: readonly number[]
  random?: () => number
  connect?: (url: string) => WebSocket
}

const RESTART_APART_MS = 1000
/** The computer or the tab has slept: nobody should wait for a timer that slept too. */
const WAKES = ['resume', 'visibilitychange'] as const
const BACK_OFF_MS = [150, 400, 900, 1500, 2000] as const

export class LiveSocket {
  state: LinkState = 'closed'
  lastFrameAt = 0
  private socket: WebSocket | null = null
  private retry: ReturnType<typeof setTimeout> | null = null
  private watch: ReturnType<typeof setInterval> | null = null
  private failures = 0
  private restartedAt = -Infinity
  private stopped = true
  private readonly silenceMs: number
  private readonly deadMs: number

  constructor(private readonly options: LiveSocketOptions) {
    this.silenceMs = options.silenceMs ?? 5000
    this.deadMs = options.deadMs ?? 8000
  }

  start(): void {
    if (!this.stopped) return
    this.stopped = false
    this.failures = 0
    this.watch = setInterval(() => this.look(), 250)
    window.addEventListener('online', this.hurry)
    for (const wake of WAKES) document.addEventListener(wake, this.hurry)
    this.open()
  }

  stop(closeCode: number | null = null): void {
    if (this.stopped) return
    this.stopped = true
    this.drop()
    window.removeEventListener('online', this.hurry)
    for (const wake of WAKES) document.removeEventListener(wake, this.hurry)
    if (this.watch !== null) clearInterval(this.watch)
    if (this.retry !== null) clearTimeout(this.retry)
    this.watch = this.retry = null
    this.become('closed', closeCode)
  }

  /** Closes and connects again, for instance after a gap in a numbered stream: at once, but not in a loop. */
  restart(): void {
    if (this.stopped) return
    this.drop()
    const soon = performance.now() - this.restartedAt < RESTART_APART_MS
    this.restartedAt = performance.now()
    if (!soon) return this.open()
    this.become('waiting', null)
    if (this.retry !== null) clearTimeout(this.retry)
    this.retry = setTimeout(() => this.open(), RESTART_APART_MS)
  }

  /** True when the frame went to an open socket. */
  send(frame: object): boolean {
    if (this.socket?.readyState !== 1) return false
    this.socket.send(JSON.stringify(frame))
    return true
  }

  private readonly hurry = (): void => {
    if (this.state === 'waiting') this.open()
    else this.look()
  }

  private open(): void {
    if (this.retry !== null) clearTimeout(this.retry)
    this.retry = null
    this.become('connecting', null)
    const socket = (this.options.connect ?? ((url) => new WebSocket(url)))(this.options.url)
    let opened = false
    this.socket = socket
    this.lastFrameAt = performance.now()
    socket.onopen = () => {
      if (socket !== this.socket) return
      opened = true
      this.lastFrameAt = performance.now()
      if (this.options.hello) this.send(this.options.hello())
    }
    socket.onmessage = (event: MessageEvent) => {
      if (socket === this.socket) this.take(event.data)
    }
    socket.onclose = (event: CloseEvent) => {
      if (socket === this.socket) this.lost(event.code, opened, event.reason)
    }
  }

  private take(data: unknown): void {
    let frame: Frame
    try {
      frame = JSON.parse(String(data)) as Frame
    } catch {
      this.restart()
      return
    }
    this.lastFrameAt = performance.now()
    this.failures = 0
    this.become('open', null)
    this.options.onFrame(frame)
  }

  private lost(code: number, opened: boolean, reason = ''): void {
    this.drop()
    if (this.options.finalCodes?.includes(code) || this.options.isFinal?.(code, reason)) {
      this.stop(code)
      this.options.onFinal?.(reason)
      return
    }
    const pauses = this.options.backOffMs ?? BACK_OFF_MS
    const base = pauses[Math.min(this.failures, pauses.length - 1)] ?? 2000
    this.failures += 1
    if (!opened && this.failures === 2) this.options.onUnreachable?.()
    const jitter = 0.75 + (this.options.random ?? Math.random)() * 0.5
    this.become('waiting', code)
    this.retry = setTimeout(() => this.open(), base * jitter)
  }

  private look(): void {
    if (this.socket === null) return
    const silent = performance.now() - this.lastFrameAt
    const patience = this.state === 'connecting' ? (this.options.connectMs ?? this.deadMs) : this.deadMs
    if (silent > patience) {
      this.lost(1006, this.state !== 'connecting')
    } else if (silent > this.silenceMs && this.state === 'open') {
      this.become('stale', null)
    }
  }

  private drop(): void {
    const socket = this.socket
    this.socket = null
    if (socket === null) return
    socket.onopen = socket.onmessage = socket.onclose = null
    if (socket.readyState < 2) socket.close()
  }

  private become(state: LinkState, code: number | null): void {
    if (state === this.state) return
    this.state = state
    this.options.onState?.(state, code)
  }
}

/** The address of a socket on the page's own origin. */
export function socketUrl(path: string, base: Location = window.location): string {
  return `${base.protocol === 'https:' ? 'wss' : 'ws'}://${base.host}${path}`
}
