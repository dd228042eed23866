/** The frames of video/protocol.md, version 1, as far as a page says or hears them. */
import type { Words } from '@/shared/api'

export const VERSION = 1
/** The close code of every ending that has a reason; the reason is a code. */
export const CLOSED = 4400

export type Kind = 'audio' | 'video'
export type What = 'microphone' | 'camera' | 'document' | 'screen'
export type Role = 'host' | 'party' | 'viewer'
export type Standing = 'waiting' | 'here' | 'gone'
export type SlotState = 'live' | 'silent' | 'thin' | 'empty'

export interface Sends {
  track: string
  what: What
  kind: Kind
}

/** One person as the room shows them. */
export interface Card {
  id: string
  name: string
  role: Role
  standing: Standing
  muted: readonly Kind[]
  group: number | null
  media: 'none' | 'up' | 'lost'
  /** `phone`: heard and hearing by telephone, without a picture. */
  via?: 'page' | 'phone'
  /** The line of this person carries no moving pictures now. */
  thin?: boolean
  /** When the place of somebody who is gone is given up, by the server's clock. */
  kept_until?: number | null
  sends: readonly Sends[]
}

export interface Slot {
  mid: string
  kind: Kind
  participant: string | null
  what: What | null
  state: SlotState
}

export interface Refusal extends Words {
  mid: string
  code: string
}

export interface Welcome {
  type: 'welcome'
  participant: string
  role: Role
  resume: string
  heartbeat_ms: number
  /** The number of the peer that the bridge holds for this place; 0 for none. */
  peer?: number
  ice: RTCIceServer[]
  now: number
}

export interface RoomFrame {
  type: 'room'
  room: string
  you: string
  standing: Standing
  muted: readonly Kind[]
  participants: readonly Card[]
  groups: readonly (readonly string[])[]
  viewers: number
  lines: Readonly<Record<Kind, number>>
  recorded: boolean
  /** Since when the room is recorded at all, pauses included; null before. */
  recorded_since?: number | null
  waiting?: readonly Card[]
}

export interface SlotsFrame {
  type: 'slots'
  peer: number
  slots: readonly Slot[]
}

export interface PeerFrame {
  type: 'peer'
  state: 'ended' | 'silent'
  peer: number
  code?: string
}

export interface Answer {
  type: 'answer'
  re: number
  peer: number
  sdp: string
  refused: readonly Refusal[]
}

export interface Done {
  type: 'done'
  re: number
}

export interface Refused extends Words {
  type: 'error'
  re: number
  code: string
}

export interface Chat {
  type: 'chat'
  from: string
  text: string
  at_ms: number
}

export interface Caption {
  type: 'caption'
  from: string
  text: string
  at_ms: number
  final: boolean
}

/** The bridge asks for a still picture of what this page sends on a line. */
export interface ShowFrame {
  type: 'show'
  ask: number
  mid: string
  width: number
  bytes: number
}

/** A host wants a picture at full resolution of what this page sends on a line: to be uploaded with this key. */
export interface CaptureFrame {
  type: 'capture'
  capture: string
  key: string
  mid: string
}

/** Such a picture has come in. */
export interface FrozenFrame {
  type: 'frozen'
  capture: string
  participant: string
  what: What
  width: number
  height: number
  sha256: string
}

/** A piece (base64) of a still picture for a line that carries no moving one. */
export interface StillFrame {
  type: 'still'
  mid: string
  still: number
  part: number
  of: number
  data: string
}

export interface Beat {
  type: 'heartbeat'
  now: number
}

export type Told = Welcome | RoomFrame | SlotsFrame | PeerFrame | Chat | Caption | ShowFrame | StillFrame | CaptureFrame | FrozenFrame | Beat
export type Heard = Told | Answer | Done | Refused
