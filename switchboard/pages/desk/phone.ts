/** The softphone: registers through `/ws/sip` and answers the one call leg it was told to expect. */
import type { DTMF_TRANSPORT } from 'jssip/lib/Constants'
import type { RTCSession } from 'jssip/lib/RTCSession'
import type { IncomingRTCSessionEvent, RTCSessionEvent, UA } from 'jssip/lib/UA'
import { reactive } from 'vue'

import { socketUrl } from '@/shared/live-socket'

import type { PhoneAccount } from './frames'

/** Comes beside the page and not before it: nothing that is painted first needs a telephone. */
const library = import('jssip').then((module) => module.default)

export type LineState = 'off' | 'connecting' | 'registered' | 'failed'
export type SessionState = 'none' | 'answering' | 'active'

const REGISTER_EXPIRES_S = 120
/** How long an INVITE that came before its word on the desk socket may wait. */
const EARLY_MS = 5000
const ICE_PATIENCE_MS = 400

export class Softphone {
  readonly view = reactive({
    line: 'off' as LineState,
    session: 'none' as SessionState,
    muted: false,
    held: false,
    /** How many legs were answered since the page opened. */
    answered: 0,
  })
  /** A call was answered without a microphone: whoever has one by now may give its track. */
  onSilent: (() => void) | null = null
  onRemote: ((stream: MediaStream | null) => void) | null = null
  private ua: UA | null = null
  private account = ''
  private session: RTCSession | null = null
  private early: RTCSession | null = null
  private wanted = false

  /** `voice` gives a fresh stream for each call; null when the microphone is not open. */
  constructor(private readonly voice: () => Promise<MediaStream | null>) {}

  /** Registers with this account; the same account again changes nothing. */
  async start(account: PhoneAccount): Promise<void> {
    const key = `${account.uri} ${account.password} ${account.socket}`
    if (key === this.account) return
    this.unregister()
    this.account = key
    this.view.line = 'connecting'
    const JsSIP = await library
    if (key !== this.account) return
    const socket = new JsSIP.WebSocketInterface(socketUrl(account.socket))
    socket.via_transport = window.location.protocol === 'https:' ? 'wss' : 'ws'
    const ua = new JsSIP.UA({
      sockets: [socket],
      uri: account.uri,
      password: account.password,
      register: true,
      register_expires: REGISTER_EXPIRES_S,
      session_timers: false,
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 5,
      user_agent: '12348 desk',
    })
    this.ua = ua
    const line = (state: LineState) => (): void => {
      if (this.ua === ua) this.view.line = state
    }
    ua.on('registered', line('registered'))
    ua.on('unregistered', line('connecting'))
    ua.on('disconnected', line('connecting'))
    ua.on('registrationFailed', () => {
      line('failed')()
      setTimeout(() => this.ua === ua && ua.isConnected() && !ua.isRegistered() && ua.register(), 2000)
    })
    ua.on('newRTCSession', (event: RTCSessionEvent) => this.invited(event as IncomingRTCSessionEvent))
    ua.start()
  }

  stop(): void {
    this.hangUp()
    this.unregister()
  }

  /** Says whether a call leg is expected now; one that waits is answered at once. */
  expect(wanted: boolean): void {
    this.wanted = wanted
    if (wanted && this.early) {
      const session = this.early
      this.early = null
      void this.answer(session)
    }
  }

  hangUp(): void {
    if (this.session && !this.session.isEnded()) this.session.terminate()
  }

  setMuted(muted: boolean): void {
    if (muted) this.session?.mute({ audio: true })
    else this.session?.unmute({ audio: true })
  }

  setHeld(held: boolean): void {
    if (held) this.session?.hold()
    else this.session?.unhold()
  }

  /** One key as RFC 4733 telephone event. */
  key(tone: string): void {
    this.session?.sendDTMF(tone, { transportType: 'RFC2833' as DTMF_TRANSPORT })
  }

  /** Another microphone in mid-call. */
  async replaceTrack(track: MediaStreamTrack): Promise<void> {
    const sender = this.session?.connection?.getSenders().find((one) => one.track?.kind === 'audio')
    const copy = track.clone()
    copy.enabled = !this.view.muted
    await sender?.replaceTrack(copy)
  }

  private unregister(): void {
    const ua = this.ua
    this.ua = null
    this.account = ''
    this.view.line = 'off'
    ua?.stop()
  }

  private invited(event: IncomingRTCSessionEvent): void {
    if (String(event.originator) !== 'remote') return
    const session = event.session
    if (this.wanted) {
      void this.answer(session)
      return
    }
    this.early = session
    session.on('failed', () => {
      if (this.early === session) this.early = null
    })
    setTimeout(() => {
      if (this.early !== session) return
      this.early = null
      session.terminate({ status_code: 480 })
    }, EARLY_MS)
  }

  private async answer(session: RTCSession): Promise<void> {
    // The server made a new leg, after a reload or a lost line: the older one is dead.
    const older = this.session
    this.session = session
    if (older && !older.isEnded()) older.terminate()
    Object.assign(this.view, { session: 'answering', muted: false, held: false })
    const voice = await this.voice()
    const stream = voice ?? silence()
    this.follow(session, stream)
    if (!voice) session.on('confirmed', () => this.session === session && this.onSilent?.())
    if (session.isEnded()) return
    session.answer({ mediaStream: stream, pcConfig: { iceServers: [] } })
  }

  private follow(session: RTCSession, stream: MediaStream): void {
    const mine = (change: () => void) => (): void => {
      if (this.session === session) change()
    }
    const ended = (): void => {
      stream.getTracks().forEach((track) => track.stop())
      mine(() => {
        this.session = null
        Object.assign(this.view, { session: 'none', muted: false, held: false })
        this.onRemote?.(null)
      })()
    }
    session.on('peerconnection', ({ peerconnection }) => {
      peerconnection.addEventListener('track', (event) => {
        const remote = event.streams[0] ?? new MediaStream([event.track])
        mine(() => this.onRemote?.(remote))()
      })
    })
    session.on('sdp', (event) => {
      if (String(event.originator) === 'local') event.sdp = opusFirst(event.sdp)
    })
    let patience = false
    session.on('icecandidate', (event) => {
      if (!patience) setTimeout(event.ready, ICE_PATIENCE_MS)
      patience = true
    })
    session.on('confirmed', mine(() => {
      this.view.session = 'active'
      this.view.answered += 1
    }))
    session.on('muted', mine(() => (this.view.muted = true)))
    session.on('unmuted', mine(() => (this.view.muted = false)))
    session.on('hold', (event) => String(event.originator) === 'local' && mine(() => (this.view.held = true))())
    session.on('unhold', (event) => String(event.originator) === 'local' && mine(() => (this.view.held = false))())
    session.on('ended', ended)
    session.on('failed', ended)
  }
}

/** A track that says nothing, so that a volunteer without microphone at least hears the caller. */
function silence(): MediaStream {
  return new AudioContext().createMediaStreamDestination().stream
}

/** Moves opus to the front of the audio line of a session description. */
export function opusFirst(sdp: string): string {
  const opus = /^a=rtpmap:(\d+) opus\//im.exec(sdp)?.[1]
  if (opus === undefined) return sdp
  return sdp.replace(/^(m=audio \d+ \S+) (.+?)(\r?)$/m, (_line, head: string, list: string, end: string) => {
    const others = list.split(' ').filter((type) => type !== opus)
    return `${head} ${[opus, ...others].join(' ')}${end}`
  })
}
