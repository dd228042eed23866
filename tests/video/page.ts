/** What tests drive through `window.Room`: the pages' own library for rooms, with ears and eyes that count. */
import type { RoomState } from '@/room/session'
import { RoomSession } from '@/room/session'
import type { Caption, Chat, Slot, What } from '@/room/frames'

interface Options {
  hertz?: number
  video?: MediaTrackConstraints | null
  encodings?: RTCRtpEncodingParameters[]
}

class Room {
  state: RoomState | null = null
  errors: string[] = []
  chats: Chat[] = []
  captions: Caption[] = []
  session: RoomSession
  readonly context = new AudioContext({ sampleRate: 48000 })
  private readonly oscillator = this.context.createOscillator()
  private readonly analysers = new Map<MediaStreamTrack, AnalyserNode>()
  private readonly seen: Blob[] = []
  private readonly shown = new Set<MediaStreamTrack>()
  /** As if the network were gone for the socket: it hears nothing and is heard by nobody. */
  cut = false

  constructor(name: string, token: string, readonly options: Options) {
    this.session = new RoomSession({
      url: '/video',
      room: name,
      token,
      onChange: (state) => {
        this.state = state
        this.listen()
      },
      onChat: (message) => this.chats.push(message),
      onCaption: (message) => this.captions.push(message),
      onRefused: (error) => this.errors.push(error.code),
      connect: (url) => this.connect(url),
    })
  }

  async start(): Promise<void> {
    await this.context.resume()
    if (this.options.hertz) {
      const { oscillator } = this
      this.hum(this.options.hertz)
      const gain = this.context.createGain()
      gain.gain.value = 0.25
      const out = this.context.createMediaStreamDestination()
      oscillator.connect(gain).connect(out)
      oscillator.start()
      this.session.publish('microphone', out.stream.getAudioTracks()[0]!)
    }
    if (this.options.video) this.session.publish('camera', await camera(this.options.video), this.options.encodings)
    this.session.start()
  }

  /** Says another tone from now on. */
  hum(hertz: number): void {
    this.oscillator.frequency.value = hertz
  }

  /** Figures of what this page sends. */
  async sending(what: What = 'camera'): Promise<Record<string, number>[]> {
    const sender = this.pc?.getSenders().find((one) => one.track !== null && one.track === this.session.sent(what))
    return [...((await sender?.getStats()) ?? new Map()).values()].filter((one) => one.type === 'outbound-rtp')
  }

  get me(): string {
    return this.state?.you ?? ''
  }
  get ended(): string | null {
    return this.state?.ended || null
  }
  get number(): number {
    return this.session.peer?.number ?? 0
  }
  get pc(): RTCPeerConnection | null {
    return this.session.peer?.connection ?? null
  }
  get view(): RoomState | null {
    return this.state
  }

  /** Everybody who is on a line of this page. */
  get slots(): Slot[] {
    return (this.state?.people ?? []).flatMap((person) =>
      [...(person.voice ? [person.voice] : []), ...person.pictures].map((one) => ({
        mid: one.mid,
        kind: one.what === 'microphone' ? ('audio' as const) : ('video' as const),
        participant: person.id,
        what: one.what,
        state: one.state,
      })),
    )
  }

  slot(participant: string, what: What): Slot | undefined {
    return this.slots.find((one) => one.participant === participant && one.what === what)
  }

  private connect(url: string): WebSocket {
    const socket = new WebSocket(this.cut ? 'ws://127.0.0.1:9/' : url)
    const send = socket.send.bind(socket)
    socket.send = (data) => {
      if (!this.cut) send(data)
    }
    socket.addEventListener('message', (event) => {
      if (this.cut) event.stopImmediatePropagation()
    })
    return socket
  }

  async show(what: What, constraints: MediaTrackConstraints): Promise<void> {
    this.session.publish(what, await camera(constraints))
  }

  hide(what: What): void {
    this.session.sent(what)?.stop()
    this.session.unpublish(what)
  }

  async changeCamera(constraints: MediaTrackConstraints): Promise<void> {
    this.session.sent('camera')?.stop()
    await this.session.replace('camera', await camera(constraints))
  }

  private listen(): void {
    for (const { mid, kind } of this.slots) {
      const track = this.session.peer?.incoming(mid)
      if (!track || this.shown.has(track)) continue
      this.shown.add(track)
      const element = document.createElement(kind)
      element.autoplay = true
      element.muted = true
      element.srcObject = new MediaStream([track])
      document.body.append(element)
      if (kind !== 'audio') continue
      const analyser = this.context.createAnalyser()
      analyser.fftSize = 4096
      analyser.smoothingTimeConstant = 0
      this.context.createMediaStreamSource(new MediaStream([track])).connect(analyser)
      this.analysers.set(track, analyser)
    }
  }

  async stats(participant: string, what: What = 'camera'): Promise<Record<string, number>> {
    const slot = this.slot(participant, what)
    const transceiver = slot && this.pc?.getTransceivers().find((one) => one.mid === slot.mid)
    // A peer that is closed meanwhile never answers.
    const late = new Promise<RTCStatsReport | null>((done) => setTimeout(() => done(null), 1000))
    const reports = transceiver ? await Promise.race([transceiver.receiver.getStats(), late]) : null
    for (const report of reports?.values() ?? []) if (report.type === 'inbound-rtp') return report
    return {}
  }

  async frames(participant: string, what: What = 'camera'): Promise<number> {
    return (await this.stats(participant, what))['framesDecoded'] ?? 0
  }

  /** Size of the last still picture of somebody, and which it is; null while there is none. */
  still(participant: string): string | null {
    const person = this.state?.people.find((one) => one.id === participant)
    const blob = person?.pictures.find((one) => one.still)?.still
    if (!blob) return null
    if (!this.seen.includes(blob)) this.seen.push(blob)
    return `${this.seen.indexOf(blob)}: ${blob.size}`
  }

  /** Resolves when a new picture of somebody has come, and their tone is heard. */
  async again(participant: string, hertz: number, loud: number): Promise<void> {
    const peer = this.number
    const before = await this.frames(participant)
    for (;;) {
      const now = await this.frames(participant)
      if (now > (this.number === peer ? before : 0) && this.tone(participant, hertz) > loud) return
      await new Promise((done) => setTimeout(done, 150))
    }
  }

  /** Amplitude of a tone in somebody's voice as it is heard here, full scale 1. */
  tone(participant: string, hertz: number): number {
    const slot = this.slot(participant, 'microphone')
    const track = slot && this.session.peer?.incoming(slot.mid)
    const analyser = track && this.analysers.get(track)
    if (!analyser) return 0
    const bins = new Float32Array(analyser.frequencyBinCount)
    analyser.getFloatFrequencyData(bins)
    const at = Math.round((hertz * analyser.fftSize) / 48000)
    return Math.max(...[at - 1, at, at + 1].map((bin) => 10 ** ((bins[bin] ?? -200) / 20)))
  }
}

async function camera(video: MediaTrackConstraints): Promise<MediaStreamTrack> {
  const stream = await navigator.mediaDevices.getUserMedia({ video })
  return stream.getVideoTracks()[0]!
}

Object.assign(window, { Room })
