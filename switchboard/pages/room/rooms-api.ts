/** What the page `/room` asks of the switchboard (docs/protocol.md, Rooms). */
import { request } from '@/shared/api'

export type RoomKind = 'mediation' | 'notarization' | 'meeting'

export interface RoomCall {
  id: string
  shown: string
  number: string
  since_ms: number
  state: string
}

export interface HostedRoom {
  room: string
  contact: string
  kind: RoomKind
  title: string
  owner: string
  staff: readonly string[]
  records: boolean
  recording: 'off' | 'on' | 'paused'
  opened_ms: number
  people: number
  number: string | null
  code: string | null
  calls_out: boolean
  calls: readonly RoomCall[]
}

export interface Way {
  url: string
  room: string
  token: string
}

export interface Invited {
  url: string
  qr: string
  expires_ms: number
}

const at = (room: string): string => `/api/rooms/${encodeURIComponent(room)}`

export const myRooms = async (): Promise<HostedRoom[]> => (await request<{ items: HostedRoom[] }>('GET', '/api/rooms')).items
export const openRoom = (kind: RoomKind, title: string, records: boolean): Promise<HostedRoom> =>
  request('POST', '/api/rooms', { kind, title, records })
export const roomOf = (room: string): Promise<HostedRoom> => request('GET', at(room))
export const wayInto = (room: string): Promise<Way> => request('POST', `${at(room)}/pass`, {})
export const inviteTo = (room: string, name: string): Promise<Invited> => request('POST', `${at(room)}/links`, { name })
export const recordRoom = (room: string, recording: HostedRoom['recording']): Promise<HostedRoom> =>
  request('PUT', `${at(room)}/recording`, { recording })
export const callInto = (room: string, number: string, name: string): Promise<RoomCall> =>
  request('POST', `${at(room)}/calls`, { number, name })
export const hangUpIn = (room: string, call: string): Promise<void> => request('DELETE', `${at(room)}/calls/${encodeURIComponent(call)}`)
