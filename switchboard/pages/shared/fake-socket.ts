/** A WebSocket for tests: it opens, speaks and closes when it is told to. */
export class FakeSocket {
  static made: FakeSocket[] = []
  readyState = 0
  sent: Record<string, unknown>[] = []
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: ((event: { code: number; reason: string }) => void) | null = null

  constructor(readonly url: string) {
    FakeSocket.made.push(this)
  }

  static connect = (url: string): WebSocket => new FakeSocket(url) as unknown as WebSocket

  static get last(): FakeSocket {
    const last = FakeSocket.made.at(-1)
    if (!last) throw new Error('nobody connected')
    return last
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>)
  }

  close(): void {
    this.readyState = 3
  }

  open(): this {
    this.readyState = 1
    this.onopen?.()
    return this
  }

  say(frame: object): this {
    this.onmessage?.({ data: JSON.stringify(frame) })
    return this
  }

  drop(code = 1006, reason = ''): void {
    this.readyState = 3
    this.onclose?.({ code, reason })
  }
}
