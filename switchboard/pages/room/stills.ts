/** Still pictures: made of what this page sends when the bridge asks, put together from pieces when its line is thin. */
import type { ShowFrame, StillFrame } from './frames'

const QUALITIES = [0.6, 0.45, 0.3, 0.15] as const
const PIECES_MAX = 64

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
