/** Camera, microphone, document camera and screen, with errors that a person understands. */
import type { What } from './frames'
import { RoomError } from './words'

/** Sound is worth more than picture: the small one survives a bad village line. */
export const CAMERA_LAYERS: RTCRtpEncodingParameters[] = [
  { rid: 'q', scaleResolutionDownBy: 2, maxBitrate: 120_000, maxFramerate: 15 },
  { rid: 'h', scaleResolutionDownBy: 1, maxBitrate: 700_000 },
]

const WISHES: Readonly<Record<'camera' | 'document', MediaTrackConstraints>> = {
  camera: { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 20, max: 30 } },
  document: { width: { ideal: 1920 }, height: { ideal: 1080 }, frameRate: { ideal: 5, max: 10 } },
}
const CODES: Readonly<Record<string, string>> = {
  NotAllowedError: 'room.denied',
  SecurityError: 'room.denied',
  NotFoundError: 'room.no_device',
  OverconstrainedError: 'room.no_device',
  NotReadableError: 'room.device_busy',
  AbortError: 'room.device_busy',
}

/** A track of this kind, from this device or the usual one. Rejects with a `RoomError` (`room.denied` …). */
export async function open(what: What, device = ''): Promise<MediaStreamTrack> {
  if (!navigator.mediaDevices) throw new RoomError('room.unsupported')
  const chosen: MediaTrackConstraints = device ? { deviceId: { exact: device } } : {}
  try {
    const stream = await take(what, chosen)
    const track = stream.getTracks()[0]
    if (!track) throw new RoomError('room.no_device')
    return track
  } catch (error) {
    if (error instanceof RoomError) throw error
    throw new RoomError(CODES[(error as Error).name] ?? 'room.no_device')
  }
}

function take(what: What, chosen: MediaTrackConstraints): Promise<MediaStream> {
  const devices = navigator.mediaDevices
  if (what === 'screen') return devices.getDisplayMedia({ video: { frameRate: { max: 5 } }, audio: false })
  if (what === 'microphone') {
    return devices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, ...chosen } })
  }
  return devices.getUserMedia({ video: { ...WISHES[what], ...chosen } })
}

/** The cameras or microphones of this computer, once it may be asked. */
export async function devices(kind: 'videoinput' | 'audioinput'): Promise<MediaDeviceInfo[]> {
  const found = await navigator.mediaDevices.enumerateDevices()
  return found.filter((one) => one.kind === kind && one.deviceId !== '')
}
