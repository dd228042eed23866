/** The microphone: opened once, kept open while the desk is, with its level for a moving bar. */
import { reactive } from 'vue'

import { recall, remember } from '@/shared/storage'

export type MicrophoneState = 'off' | 'asking' | 'live' | 'denied' | 'none' | 'busy'

/** Below this root mean square (full scale 1) a headset is silent for the eye. */
const HEARD = 0.006
const LOOK_AGAIN_MS = 2000
const TROUBLED: ReadonlySet<MicrophoneState> = new Set(['denied', 'none', 'busy'])

export class Microphone {
  readonly view = reactive({
    state: 'off' as MicrophoneState,
    /** 0 to 1, on a scale that moves with a speaking voice. */
    level: 0,
    /** Something was heard since the microphone was opened. */
    heard: false,
    device: recall('microphone') ?? '',
    /** The browser gives no sound to measure before the first click. */
    asleep: false,
  })
  stream: MediaStream | null = null
  /** Called with the new track when the device changes while in use. */
  onTrack: ((track: MediaStreamTrack) => void) | null = null
  private context: AudioContext | null = null
  private meter: ReturnType<typeof setInterval> | null = null
  private opening: { device: string; open: Promise<boolean> } | null = null
  private watching: ReturnType<typeof setInterval> | null = null

  /** Opens the chosen device; true when it is live. Asked for twice, it is opened once. */
  open(device = this.view.device): Promise<boolean> {
    if (this.opening?.device === device) return this.opening.open
    const open = this.openNow(device).finally(() => {
      if (this.opening?.open === open) this.opening = null
    })
    this.opening = { device, open }
    return open
  }

  /** A microphone that was denied, absent or in use is live as soon as it can be, without a click. */
  watch(): void {
    navigator.mediaDevices?.addEventListener('devicechange', () => this.again())
    void microphonePermission().then((permission) => permission?.addEventListener('change', () => void this.look()))
    // No event tells that another program has let go of it, and not every browser tells that it is allowed now.
    this.watching ??= setInterval(() => void this.look(), LOOK_AGAIN_MS)
  }

  private async look(): Promise<void> {
    if (this.view.state === 'busy') return this.again()
    if (this.view.state !== 'denied' && this.view.state !== 'live') return
    const permission = (await microphonePermission())?.state
    if (this.view.state === 'denied' && permission === 'granted') this.again()
    if (this.view.state === 'live' && permission === 'denied') {
      this.close()
      this.view.state = 'denied'
    }
  }

  private again(): void {
    if (TROUBLED.has(this.view.state)) void this.open()
  }

  private async openNow(device: string): Promise<boolean> {
    if (!TROUBLED.has(this.view.state)) this.view.state = 'asking'
    try {
      this.use(await this.ask(device))
    } catch (error) {
      this.close()
      this.view.state = stateOf(error)
      return false
    }
    this.view.device = device
    remember('microphone', device)
    return true
  }

  /** A stream of its own for one call, so that muting it leaves the meter alone. */
  forCall(): MediaStream | null {
    const track = this.stream?.getAudioTracks()[0]
    return track && track.readyState === 'live' ? new MediaStream([track.clone()]) : null
  }

  close(): void {
    if (this.meter !== null) clearInterval(this.meter)
    this.meter = null
    this.stream?.getTracks().forEach((track) => track.stop())
    this.stream = null
    this.view.level = 0
    this.view.state = 'off'
    void this.context?.close()
    this.context = null
  }

  /** Call from a click: browsers keep sound asleep until the first one. */
  wake(): void {
    void this.context?.resume()
  }

  private async ask(device: string): Promise<MediaStream> {
    if (!navigator.mediaDevices) throw new DOMException('', 'NotAllowedError')
    const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true }
    const wanted = device ? { ...audio, deviceId: { exact: device } } : audio
    try {
      return await navigator.mediaDevices.getUserMedia({ audio: wanted })
    } catch (error) {
      // The headset of yesterday is not plugged in today: any other is better than none.
      const gone = error instanceof DOMException && ['OverconstrainedError', 'NotFoundError'].includes(error.name)
      if (!device || !gone) throw error
      return await navigator.mediaDevices.getUserMedia({ audio })
    }
  }

  private use(stream: MediaStream): void {
    this.close()
    this.stream = stream
    this.view.state = 'live'
    this.view.heard = false
    const track = stream.getAudioTracks()[0]
    if (track) {
      track.onended = () => {
        this.close()
        this.view.state = 'none'
        void this.open() // another one, or the reason why there is none
      }
      this.onTrack?.(track)
    }
    this.context = new AudioContext()
    const context = this.context
    const look = (): boolean => (this.view.asleep = context.state === 'suspended')
    context.onstatechange = look
    look()
    const analyser = context.createAnalyser()
    analyser.fftSize = 1024
    context.createMediaStreamSource(stream).connect(analyser)
    const samples = new Float32Array(analyser.fftSize)
    this.meter = setInterval(() => {
      analyser.getFloatTimeDomainData(samples)
      const level = rms(samples)
      if (level > HEARD) this.view.heard = true
      this.view.level = Math.max(loudness(level), this.view.level * 0.8 - 0.01, 0)
    }, 80)
  }
}

/** What the browser says of the microphone, where it says anything. */
export async function microphonePermission(): Promise<PermissionStatus | null> {
  const name = 'microphone' as Parameters<Permissions['query']>[0]['name']
  return (await navigator.permissions?.query({ name }).catch(() => null)) ?? null
}

function stateOf(error: unknown): MicrophoneState {
  const name = error instanceof DOMException ? error.name : ''
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return 'none'
  return name === 'NotAllowedError' || name === 'SecurityError' ? 'denied' : 'busy'
}

export function rms(samples: Float32Array): number {
  let sum = 0
  for (const sample of samples) sum += sample * sample
  return Math.sqrt(sum / samples.length)
}

/** 0 to 1 from -55 dB to -10 dB. */
export function loudness(level: number): number {
  if (level <= 0) return 0
  return Math.min(1, Math.max(0, (20 * Math.log10(level) + 55) / 45))
}
