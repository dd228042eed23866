/**
 * The server's clock as this page knows it.
 *
 * An observation can only be late, never early, so the largest offset of the last few is the truest. The base is
 * the monotonic clock: somebody setting the computer's time moves nothing on the screen.
 */
const KEPT = 12
const JUMP_MS = 2000

export class ServerClock {
  private offsets: number[] = []

  constructor(private readonly monotonic: () => number = () => performance.now()) {}

  /** Takes the `now` of a frame (milliseconds since 1970, UTC) as it arrives. */
  observe(serverNow: number): void {
    const offset = serverNow - this.monotonic()
    if (this.offsets.length > 0 && Math.abs(offset - Math.max(...this.offsets)) > JUMP_MS) this.offsets = []
    this.offsets.push(offset)
    if (this.offsets.length > KEPT) this.offsets.shift()
  }

  /** Milliseconds since 1970 by the server's clock; this computer's own clock before the first frame. */
  now(): number {
    if (this.offsets.length === 0) return Date.now()
    return Math.round(this.monotonic() + Math.max(...this.offsets))
  }
}
