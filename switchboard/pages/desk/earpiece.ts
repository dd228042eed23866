/** The caller's voice: an audio element on the chosen device, and a measuring tap for tests. */
import { rms } from './microphone'

const WINDOW = 8192

export class Earpiece {
  readonly element = document.createElement('audio')
  /** The browser refused to play before the first click. */
  onBlocked: ((blocked: boolean) => void) | null = null
  private context: AudioContext | null = null
  private source: MediaStreamAudioSourceNode | null = null
  private analyser: AnalyserNode | null = null

  constructor() {
    this.element.autoplay = true
    this.element.dataset.test = 'remote-audio'
    document.body.append(this.element)
  }

  async use(device: string): Promise<void> {
    try {
      await this.element.setSinkId?.(device)
    } catch {
      // the device is gone: the default one plays
    }
  }

  play(stream: MediaStream): void {
    this.element.srcObject = stream
    this.listen(stream)
    void this.resume()
  }

  async resume(): Promise<void> {
    try {
      void this.context?.resume()
      if (this.element.srcObject) await this.element.play()
      this.onBlocked?.(false)
    } catch (error) {
      this.onBlocked?.(error instanceof DOMException && error.name === 'NotAllowedError')
    }
  }

  stop(): void {
    this.element.srcObject = null
    this.source?.disconnect()
    this.source = null
    this.onBlocked?.(false)
  }

  /** Root mean square of the last 170 ms, full scale 1. */
  level(): number {
    return rms(this.samples())
  }

  /** Amplitude (full scale 1) of one frequency in the last 170 ms: Goertzel behind a Hann window. */
  tone(frequency: number): number {
    return goertzel(this.samples(), frequency, this.context?.sampleRate ?? 48_000)
  }

  private samples(): Float32Array {
    const samples = new Float32Array(WINDOW)
    if (this.source) this.analyser?.getFloatTimeDomainData(samples)
    return samples
  }

  private listen(stream: MediaStream): void {
    this.context ??= new AudioContext()
    this.analyser ??= new AnalyserNode(this.context, { fftSize: WINDOW })
    this.source?.disconnect()
    this.source = this.context.createMediaStreamSource(stream)
    this.source.connect(this.analyser)
  }
}

export function goertzel(samples: Float32Array, frequency: number, rate: number): number {
  const length = samples.length
  const turn = 2 * Math.cos((2 * Math.PI * frequency) / rate)
  let [before, last] = [0, 0]
  for (let index = 0; index < length; index += 1) {
    const hann = 0.5 - 0.5 * Math.cos((2 * Math.PI * index) / (length - 1))
    const value = (samples[index] ?? 0) * hann + turn * last - before
    before = last
    last = value
  }
  const power = last * last + before * before - turn * last * before
  // A Hann window halves the amplitude, and a real tone splits into two halves.
  return (Math.sqrt(Math.max(0, power)) * 4) / length
}
