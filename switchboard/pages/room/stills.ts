/** Still pictures: made of what this page sends when the bridge asks, put together from pieces when its line is thin. */
import type { ShowFrame, StillFrame } from './frames'

const QUALITIES = [0.6, 0.45, 0.3, 0.15] as const
const PIECES_MAX = 64
const PHOTO_MS = 4_000

/** A frame of a track as it is now, at most `width` wide; null when it shows nothing. */
export async function frameOf(track: MediaStreamTrack, width = Infinity): Promise<HTMLCanvasElement | null> {
  if (track.readyState !== 'live' || !track.enabled) return null
  const video = document.createElement('video')
  video.muted = true
  video.srcObject = new MediaStream([track])
  try {
    await video.play()
    if (video.videoWidth === 0) return null
    const scale = Math.min(1, width / video.videoWidth)
    const canvas = document.createElement('canvas')
    canvas.width = Math.max(1, Math.round(video.videoWidth * scale))
    canvas.height = Math.max(1, Math.round(video.videoHeight * scale))
    canvas.getContext('2d')?.drawImage(video, 0, 0, canvas.width, canvas.height)
    return canvas
  } finally {
    video.pause()
    video.srcObject = null
  }
}

export function blobOf(canvas: HTMLCanvasElement, type: string, quality?: number): Promise<Blob | null> {
  return new Promise((done) => canvas.toBlob(done, type, quality))
}

/** A JPEG as small as the bridge asked for, in base64; null when the track shows nothing. */
export async function still(track: MediaStreamTrack, asked: ShowFrame): Promise<string | null> {
  const canvas = await frameOf(track, asked.width)
  if (!canvas) return null
  for (const quality of QUALITIES) {
    const blob = await blobOf(canvas, 'image/jpeg', quality)
    if (blob && blob.size <= asked.bytes) return base64(new Uint8Array(await blob.arrayBuffer()))
  }
  return null
}

interface PhotoMaker {
  takePhoto: (settings?: { imageWidth: number; imageHeight: number }) => Promise<Blob>
  getPhotoCapabilities: () => Promise<{ imageWidth?: { max: number }; imageHeight?: { max: number } }>
}

/** A picture at the camera's full resolution: its own photograph where that is larger than its frames, else a frame. */
export async function photograph(track: MediaStreamTrack): Promise<Blob | null> {
  if (track.readyState !== 'live' || !track.enabled) return null
  const { width = 0, height = 0 } = track.getSettings()
  const photo = await within(largePhoto(track, width * height), PHOTO_MS)
  if (photo) return photo
  const canvas = await frameOf(track)
  return canvas ? blobOf(canvas, 'image/png') : null
}

async function largePhoto(track: MediaStreamTrack, pixels: number): Promise<Blob | null> {
  const Maker = (window as { ImageCapture?: new (track: MediaStreamTrack) => PhotoMaker }).ImageCapture
  if (!Maker) return null
  const maker = new Maker(track)
  const { imageWidth, imageHeight } = await maker.getPhotoCapabilities()
  if (!imageWidth || !imageHeight || imageWidth.max * imageHeight.max <= pixels) return null
  const photo = await maker.takePhoto({ imageWidth: imageWidth.max, imageHeight: imageHeight.max })
  const picture = await createImageBitmap(photo)
  const larger = picture.width * picture.height > pixels
  picture.close()
  return larger && ['image/jpeg', 'image/png'].includes(photo.type) ? photo : null
}

/** Null when it fails or takes too long: a screen has no photograph. */
async function within<T>(work: Promise<T>, ms: number): Promise<T | null> {
  const late = new Promise<null>((done) => setTimeout(() => done(null), ms))
  return Promise.race([work.catch(() => null), late])
}

function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
}

/** Pieces of one line become a picture when the last one is there; a piece that is missing loses the picture. */
export class StillParts {
  private readonly parts = new Map<string, { still: number; data: string[] }>()

  take(frame: StillFrame): Blob | null {
    if (frame.of > PIECES_MAX) return null
    if (frame.part === 0) this.parts.set(frame.mid, { still: frame.still, data: [] })
    const known = this.parts.get(frame.mid)
    if (!known || known.still !== frame.still || known.data.length !== frame.part) return null
    known.data.push(frame.data)
    if (known.data.length < frame.of) return null
    this.parts.delete(frame.mid)
    try {
      const bytes = Uint8Array.from(atob(known.data.join('')), (letter) => letter.charCodeAt(0))
      return new Blob([bytes], { type: 'image/jpeg' })
    } catch {
      return null
    }
  }
}
