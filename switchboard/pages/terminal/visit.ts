/** The line to a visit: docs/protocol.md, `/ws/visit`. The view comes whole at every change. */
import { ApiError, type Words } from '@/shared/api'
import { type Frame, LiveSocket, type LinkState, socketUrl } from '@/shared/live-socket'

export interface Way {
  url: string
  room: string
  token: string
}

export interface Visit {
  id: string
  stage: 'intake' | 'waiting' | 'ringing' | 'talking' | 'survey' | 'finished'
  matter: (Words & { id: string }) | null
  arrived: number
  ahead: number | null
  band: [number, number | null] | null
  served: boolean
  choices: string[]
  notice: 'closed' | 'timed_out' | 'volunteer_lost' | null
  opens: number | null
  promised: { code: string; due: number; next: number | null } | null
  recording: boolean
  recording_paused: boolean
  agent: { name: string; role: string } | null
  room: Way | null
  survey: { questions: string[]; keys: string } | null
  answered: Record<string, string>
  ended: string | null
  /** How to get into the room by telephone, where the house says so. */
  dial?: { number: string; code: string } | null
}

export interface Answer {
  type: 'done' | 'error'
  re: string
  code?: string
  zh?: string
  en?: string
  paper?: { url: string; key: string }
}

const LOST: Words = { zh: '没有收到答复，请再按一次。', en: 'There was no answer. Touch it again.' }
const FINAL = [1000, 4400, 4401, 4409] as const
const ANSWER_MS = 10_000

export interface VisitLinkOptions {
  token: string
  onVisit: (visit: Visit, now: number) => void
  onState: (state: LinkState) => void
  /** No more frames: the visit is over, or was never there. */
  onOver: () => void
  connect?: (url: string) => WebSocket
}

export class VisitLink {
  private readonly socket: LiveSocket
  private readonly asked = new Map<string, (answer: Answer) => void>()
  private next = 1

  constructor(options: VisitLinkOptions) {
    this.socket = new LiveSocket({
      url: socketUrl('/ws/visit'),
      hello: () => ({ type: 'hello', protocol: 1, token: options.token }),
      onFrame: (frame) => this.take(frame, options),
      onState: (state) => options.onState(state),
      finalCodes: FINAL,
      onFinal: () => options.onOver(),
      silenceMs: 4_000,
      ...(options.connect ? { connect: options.connect } : {}),
    })
  }

  start(): void {
    this.socket.start()
  }

  stop(): void {
    this.socket.stop()
    this.asked.clear()
  }

  /** An order and its answer. Rejects with an `ApiError`. Saying the same twice changes nothing. */
  order(type: string, fields: object = {}): Promise<Answer> {
    const id = String(this.next++)
    return new Promise((done, failed) => {
      const timer = setTimeout(() => this.settle({ type: 'error', re: id, code: 'away', ...LOST }), ANSWER_MS)
      this.asked.set(id, (answer) => {
        clearTimeout(timer)
        if (answer.type === 'done') done(answer)
        else failed(new ApiError(0, answer.code ?? 'odd', { zh: answer.zh ?? LOST.zh, en: answer.en ?? LOST.en }))
      })
      if (!this.socket.send({ type, id, ...fields })) this.settle({ type: 'error', re: id, code: 'away', ...LOST })
    })
  }

  private take(frame: Frame, options: VisitLinkOptions): void {
    if (frame.type === 'beat') this.socket.send({ type: 'here' })
    else if (frame.type === 'welcome' || frame.type === 'visit') {
      options.onVisit(frame['visit'] as Visit, Number(frame['now'] ?? 0))
    } else if (frame.type === 'done' || frame.type === 'error') this.settle(frame as unknown as Answer)
  }

  private settle(answer: Answer): void {
    this.asked.get(answer.re)?.(answer)
    this.asked.delete(answer.re)
  }
}
