/** The ring: made by the browser itself, played on the device the volunteer chose. */
import { reactive } from 'vue'

const CADENCE_S = 3

type Sinkable = { setSinkId?: (id: string) => Promise<void> }

export class Ringer {
  private context: AudioContext | null = null
  private timer: ReturnType<typeof setInterval> | null = null
  private sounding: OscillatorNode[] = []

  /** `asleep`: the browser lets nothing sound before the first click on the page, and there was none yet. */
  readonly view = reactive({ asleep: false })

  constructor(public device = '') {}

  /** Looks whether a ring would be heard. */
  async look(): Promise<void> {
    const context = await this.ready()
    const state = (): void => void (this.view.asleep = context.state === 'suspended')
    context.onstatechange = state
    state()
  }

  get ringing(): boolean {
    return this.timer !== null
  }

  /** Call from a click: browsers keep sound asleep until the first one. */
  wake(): void {
    void this.ready().then((context) => context.resume())
  }

  async start(): Promise<void> {
    if (this.timer !== null) return
    this.timer = setInterval(() => void this.ringOnce(), CADENCE_S * 1000)
    await this.ringOnce()
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
    for (const oscillator of this.sounding) {
      try {
        oscillator.stop()
      } catch {
        // it had ended already
      }
    }
    this.sounding = []
  }

  /** One ring, on `device` if given: the test sound. */
  async test(device = this.device): Promise<void> {
    await this.ringOnce(device)
  }

  private async ready(device = this.device): Promise<AudioContext> {
    this.context ??= new AudioContext()
    try {
      await (this.context as AudioContext & Sinkable).setSinkId?.(device)
    } catch {
      // the device is gone: the default one rings
    }
    return this.context
  }

  private async ringOnce(device = this.device): Promise<void> {
    const context = await this.ready(device)
    if (context.state === 'suspended') void context.resume()
    const begin = context.currentTime + 0.03
    this.sounding = []
    for (const [at, frequency] of [
      [0, 659.3],
      [0.22, 784],
      [0.44, 987.8],
      [0.95, 659.3],
      [1.17, 784],
      [1.39, 987.8],
    ] as const) {
      this.note(context, begin + at, frequency)
    }
  }

  private note(context: AudioContext, at: number, frequency: number): void {
    const oscillator = context.createOscillator()
    const gain = context.createGain()
    oscillator.type = 'triangle'
    oscillator.frequency.value = frequency
    gain.gain.setValueAtTime(0, at)
    gain.gain.linearRampToValueAtTime(0.35, at + 0.02)
    gain.gain.exponentialRampToValueAtTime(0.001, at + 0.5)
    oscillator.connect(gain).connect(context.destination)
    oscillator.start(at)
    oscillator.stop(at + 0.55)
    this.sounding.push(oscillator)
  }
}
