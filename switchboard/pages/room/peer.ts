/**
 * One RTCPeerConnection of a place: what is sent, the lines on which others come in, and its negotiations, one at a
 * time. The page always offers. A peer that is no good is closed by the session, which makes the next.
 */
import type { Answer, Kind, Refusal, What } from './frames'
import { RoomError } from './words'

export type PeerState = 'new' | 'up' | 'shaky' | 'failed'

/** Something that this page sends. `encodings`: several layers of one picture, smallest first. */
export interface Publication {
  what: What
  track: MediaStreamTrack
  encodings?: RTCRtpEncodingParameters[]
}

export interface RoomPeerOptions {
  number: number
  ice: RTCIceServer[]
  publications: Iterable<Publication>
  /** Sends an offer and waits for its answer. */
  ask: (frame: object) => Promise<Answer>
  onState: (state: PeerState) => void
  onTracks: () => void
  /** Lines that the bridge did not take, or an offer that it refused altogether. */
  onRefused: (what: What | null, code: string, words: { zh: string; en: string }) => void
  make?: (configuration: RTCConfiguration) => RTCPeerConnection
}

const STATES: Partial<Record<RTCPeerConnectionState, PeerState>> = {
  connected: 'up',
  disconnected: 'shaky',
  failed: 'failed',
  closed: 'failed',
}

export class RoomPeer {
  readonly number: number
  readonly connection: RTCPeerConnection
  state: PeerState = 'new'
  private readonly sending = new Map<What, RTCRtpTransceiver>()
  private wanted: Readonly<Record<Kind, number>> = { audio: 0, video: 0 }
  private busy = false
  private again = false
  private changed = true
  private restarting = false
  private closed = false

  constructor(private readonly options: RoomPeerOptions) {
    this.number = options.number
    const make = options.make ?? ((configuration) => new RTCPeerConnection(configuration))
    const connection = make({ iceServers: options.ice, bundlePolicy: 'max-bundle' })
    this.connection = connection
    connection.ontrack = () => options.onTracks()
    connection.onconnectionstatechange = () => this.look()
    connection.oniceconnectionstatechange = () => {
      if (connection.iceConnectionState === 'disconnected') this.become('shaky')
      else this.look()
    }
    for (const one of options.publications) this.add(one)
  }

  /** Sends one track more. */
  publish(one: Publication): void {
    this.add(one)
    this.changed = true
    void this.negotiate()
  }

  /** Another camera on the same line: nobody needs to be asked. */
  async replace(what: What, track: MediaStreamTrack): Promise<void> {
    await this.sending.get(what)?.sender.replaceTrack(track)
  }

  unpublish(what: What): void {
    const transceiver = this.sending.get(what)
    if (!transceiver) return
    this.sending.delete(what)
    transceiver.direction = 'inactive'
    void transceiver.sender.replaceTrack(null)
    this.changed = true
    void this.negotiate()
  }

  /** So many lines on which to receive. */
  want(lines: Readonly<Record<Kind, number>>): void {
    this.wanted = lines
    void this.negotiate()
  }

  /** After a cut, or on a new network: the same peer by a new path. */
  restart(): void {
    this.restarting = true
    void this.negotiate()
  }

  /** What comes in on a line. */
  incoming(mid: string): MediaStreamTrack | null {
    return this.transceiver(mid)?.receiver.track ?? null
  }

  /** What this page sends as a track with this number of the bridge's. */
  outgoing(mid: string): MediaStreamTrack | null {
    return this.transceiver(mid)?.sender.track ?? null
  }

  close(): void {
    this.closed = true
    this.connection.ontrack = null
    this.connection.onconnectionstatechange = this.connection.oniceconnectionstatechange = null
    this.connection.close()
  }

  private transceiver(mid: string): RTCRtpTransceiver | undefined {
    return this.connection.getTransceivers().find((one) => one.mid === mid)
  }

  private add({ what, track, encodings }: Publication): void {
    if (what === 'document' || what === 'screen') track.contentHint = 'detail' // resolution first
    const more = encodings && what === 'camera' ? { sendEncodings: encodings } : {}
    this.sending.set(what, this.connection.addTransceiver(track, { direction: 'sendonly', ...more }))
  }

  /** Adds the lines that are missing; false when there are enough. */
  private grow(): boolean {
    let grown = false
    for (const kind of ['audio', 'video'] as const) {
      const have = this.connection
        .getTransceivers()
        .filter((one) => one.direction === 'recvonly' && one.receiver.track.kind === kind).length
      for (let index = have; index < this.wanted[kind]; index += 1) {
        this.connection.addTransceiver(kind, { direction: 'recvonly' })
        grown = true
      }
    }
    return grown
  }

  /** Offers whatever changed. One at a time; what changes meanwhile is offered next. */
  async negotiate(): Promise<void> {
    if (this.busy) {
      this.again = true
      return
    }
    this.busy = true
    try {
      do {
        this.again = false
        if (!this.closed) await this.once()
      } while (this.again)
    } catch (error) {
      this.failedToAgree(error)
    } finally {
      this.busy = false
    }
  }

  private async once(): Promise<void> {
    const connection = this.connection
    const grown = this.grow()
    if (!grown && !this.changed && !this.restarting && connection.signalingState === 'stable') return
    if (connection.getTransceivers().length === 0) return
    const iceRestart = this.restarting && connection.remoteDescription !== null
    this.changed = this.restarting = false
    try {
      await connection.setLocalDescription(await connection.createOffer({ iceRestart }))
      const tracks: Record<string, What> = {}
      for (const [what, { mid }] of this.sending) if (mid !== null) tracks[mid] = what
      const sdp = connection.localDescription?.sdp ?? ''
      const answer = await this.options.ask({ type: 'offer', peer: this.number, sdp, tracks })
      if (this.closed) return
      await connection.setRemoteDescription({ type: 'answer', sdp: answer.sdp })
      for (const one of answer.refused) this.tellRefused(tracks, one)
      this.options.onTracks()
    } catch (error) {
      this.changed = true // whatever it was that should be agreed still has to be
      this.restarting = iceRestart
      throw error
    }
  }

  private tellRefused(tracks: Readonly<Record<string, What>>, { mid, code, zh, en }: Refusal): void {
    this.options.onRefused(tracks[mid] ?? null, code, { zh, en })
  }

  /** A lost line is the session's business (it comes back and asks again); anything else makes this peer useless. */
  private failedToAgree(error: unknown): void {
    if (this.closed || (error instanceof RoomError && error.code === 'room.lost')) return
    if (error instanceof RoomError) this.options.onRefused(null, error.code, error.words)
    this.become('failed')
  }

  private look(): void {
    const state = STATES[this.connection.connectionState]
    if (state) this.become(state)
  }

  private become(state: PeerState): void {
    if (this.closed || state === this.state) return
    this.state = state
    this.options.onState(state)
  }
}
