/** This page's microphone, camera and screen, as the room view's buttons use them. */
import { reactive } from 'vue'

import type { What } from './frames'
import { CAMERA_LAYERS, devices, open } from './media'
import type { RoomSession } from './session'
import { RoomError } from './words'

export interface OwnMedia {
  microphone: boolean
  camera: boolean
  sharing: boolean
  /** A document camera is on, as the second picture. */
  paper: boolean
  cameras: MediaDeviceInfo[]
  chosen: string
  trouble: RoomError | null
}

export function ownMedia(session: () => RoomSession | null) {
  const own = reactive<OwnMedia>({
    microphone: false,
    camera: false,
    sharing: false,
    paper: false,
    cameras: [],
    chosen: '',
    trouble: null,
  })

  /** Opens what is not open; a page without one of them goes on with the other. */
  async function begin(): Promise<void> {
    own.trouble = null
    await start('microphone')
    await start('camera')
    own.cameras = await devices('videoinput').catch(() => [])
  }

  async function start(what: What, device = ''): Promise<void> {
    try {
      const track = await open(what, device)
      const current = session()
      if (!current) return track.stop()
      track.onended = () => ended(what, track)
      const before = current.sent(what)
      if (before) await current.replace(what, track)
      else current.publish(what, track, what === 'camera' ? CAMERA_LAYERS : undefined)
      before?.stop()
      mark(what, true)
    } catch (error) {
      const known = error instanceof RoomError ? error : new RoomError('room.no_device')
      if (what !== 'screen') own.trouble = known // whoever cancels sharing knows it
    }
  }

  function mark(what: What, on: boolean): void {
    if (what === 'microphone') own.microphone = on
    else if (what === 'camera') own.camera = on
    else if (what === 'document') own.paper = on
    else own.sharing = on
  }

  /** The device is gone, or the browser's own button ended the sharing. */
  function ended(what: What, track: MediaStreamTrack): void {
    const current = session()
    if (current?.sent(what) !== track) return
    current.unpublish(what)
    mark(what, false)
    if (what !== 'screen') own.trouble = new RoomError('room.no_device')
  }

  async function toggle(what: 'microphone' | 'camera'): Promise<void> {
    const track = session()?.sent(what)
    if (!track) return start(what)
    track.enabled = !track.enabled
    mark(what, track.enabled)
  }

  async function share(): Promise<void> {
    const track = session()?.sent('screen')
    if (!track) return start('screen')
    track.stop()
    session()?.unpublish('screen')
    own.sharing = false
  }

  /** A document camera as the second picture; resolution first. Again: not any more. */
  async function showPaper(device = ''): Promise<void> {
    const track = session()?.sent('document')
    if (!track) return start('document', device)
    track.stop()
    session()?.unpublish('document')
    own.paper = false
  }

  async function change(device: string): Promise<void> {
    own.chosen = device
    await start('camera', device)
  }

  function stop(): void {
    for (const what of ['microphone', 'camera', 'document', 'screen'] as const) session()?.sent(what)?.stop()
  }

  return { own, begin, toggle, share, showPaper, change, stop }
}
