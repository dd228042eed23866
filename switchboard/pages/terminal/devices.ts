/**
 * Camera, microphone and loudspeaker of the terminal. What is missing is looked for again by itself, every few seconds
 * and whenever something is plugged in; a talk goes on without it.
 */
import { reactive } from 'vue'

import { devices as listed, open } from '@/room/media'
import { RoomError } from '@/room/words'

export type Device = 'ok' | 'missing' | 'denied' | 'busy' | 'unknown'

export interface DeviceState {
  camera: Device
  microphone: Device
  speaker: 'ok' | 'missing' | 'unknown'
}

const AGAIN_MS = 4_000
const WORD: Readonly<Record<string, Device>> = { 'room.denied': 'denied', 'room.device_busy': 'busy' }

export class Devices {
  readonly state = reactive<DeviceState>({ camera: 'unknown', microphone: 'unknown', speaker: 'unknown' })
  camera: MediaStreamTrack | null = null
  microphone: MediaStreamTrack | null = null
  private held = false
  private timer: ReturnType<typeof setInterval> | null = null

  /** `onTrack`: a device has come, or gone. */
  constructor(private readonly onTrack: (what: 'camera' | 'microphone', track: MediaStreamTrack | null) => void) {
    navigator.mediaDevices?.addEventListener('devicechange', () => void this.look())
  }

  /** Whether the machine has them, without opening any. */
  async look(): Promise<void> {
    if (this.held) return this.fill()
    try {
      const found = await navigator.mediaDevices.enumerateDevices()
      const has = (kind: MediaDeviceKind): boolean => found.some((one) => one.kind === kind)
      this.state.camera = has('videoinput') ? 'ok' : 'missing'
      this.state.microphone = has('audioinput') ? 'ok' : 'missing'
      this.state.speaker = has('audiooutput') ? 'ok' : 'unknown' // some browsers list none
    } catch {
      this.state.camera = this.state.microphone = 'missing'
    }
  }

  /** Opens what there is, and keeps trying for the rest until `release`. */
  async hold(): Promise<void> {
    this.held = true
    this.timer ??= setInterval(() => void this.fill(), AGAIN_MS)
    await this.fill()
  }

  release(): void {
    this.held = false
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
    for (const what of ['camera', 'microphone'] as const) {
      this[what]?.stop()
      this[what] = null
    }
  }

  private async fill(): Promise<void> {
    await this.take('microphone')
    await this.take('camera')
  }

  private async take(what: 'camera' | 'microphone'): Promise<void> {
    if (this.has(what)) return
    try {
      const track = await open(what)
      if (!this.held || this.has(what)) return track.stop()
      this[what] = track
      this.state[what] = 'ok'
      track.onended = () => this.gone(what, track)
      this.onTrack(what, track)
    } catch (error) {
      this.state[what] = error instanceof RoomError ? (WORD[error.code] ?? 'missing') : 'missing'
    }
  }

  private has(what: 'camera' | 'microphone'): boolean {
    return this[what]?.readyState === 'live'
  }

  private gone(what: 'camera' | 'microphone', track: MediaStreamTrack): void {
    if (this[what] !== track) return
    this[what] = null
    this.state[what] = 'missing'
    this.onTrack(what, null)
  }
}

const PAPER = /document|visuali[sz]er|scanner|paper|overhead|高拍|文件|实物|展台/i

/** The camera above the table: the one that the shell names, else one that is called so, else the last of several. */
export function paperCamera(cameras: readonly Pick<MediaDeviceInfo, 'deviceId' | 'label'>[], named = ''): string {
  const chosen =
    cameras.find((one) => named !== '' && (one.deviceId === named || one.label === named)) ??
    cameras.find((one) => PAPER.test(one.label)) ??
    (cameras.length > 1 ? cameras.at(-1) : undefined)
  return chosen?.deviceId ?? ''
}

/** The document camera's picture, resolution first. Rejects with a `RoomError`. */
export async function openPaperCamera(named = ''): Promise<MediaStreamTrack> {
  return open('document', paperCamera(await listed('videoinput'), named))
}

/** How loud a microphone is, 0 to 1, told ten times a second until the returned function is called. */
export function meter(context: AudioContext, track: MediaStreamTrack, tell: (level: number) => void): () => void {
  const analyser = new AnalyserNode(context, { fftSize: 1024 })
  const source = context.createMediaStreamSource(new MediaStream([track]))
  source.connect(analyser)
  const samples = new Float32Array(1024)
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples)
    tell(Math.min(1, 4 * Math.sqrt(samples.reduce((sum, one) => sum + one * one, 0) / samples.length)))
  }, 100)
  return () => {
    clearInterval(timer)
    source.disconnect()
  }
}
