/**
 * Nobody is there any more: after a minute without a touch the person is asked, and a while after the question the page
 * is wiped. Neither happens while somebody talks, waits, or is read to.
 */
export const IDLE_MS = 60_000
export const GRACE_MS = 20_000

export interface IdleOptions {
  /** Something goes on that needs no touch: a talk, the queue. */
  busy: () => boolean
  /** Something is being said aloud. */
  speaking: () => boolean
  /** There is nothing to wipe: an untouched first page. */
  pristine: () => boolean
  onAsk: () => void
  onWipe: () => void
  now?: () => number
}

export class Idle {
  asked = false
  private since: number
  private readonly now: () => number

  constructor(private readonly options: IdleOptions) {
    this.now = options.now ?? (() => performance.now())
    this.since = this.now()
  }

  touch(): void {
    this.since = this.now()
    this.asked = false
  }

  /** Once a second. */
  tick(): void {
    const { busy, speaking, pristine, onAsk, onWipe } = this.options
    if (busy() || pristine()) return this.touch()
    if (speaking()) {
      this.since = this.now() // the pause counts from the last word, the question's own too
      return
    }
    const still = this.now() - this.since
    if (!this.asked && still >= IDLE_MS) {
      this.asked = true
      this.since = this.now()
      onAsk()
    } else if (this.asked && still >= GRACE_MS) {
      this.asked = false
      onWipe()
    }
  }
}
