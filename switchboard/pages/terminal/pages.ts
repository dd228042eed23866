/** From the document camera to a page that can be read and sent: photographs, their size, their way out. */
import { blurOf, BLURRED, findPaper, straighten } from './paper'

export interface Page {
  /** Straightened, as it is shown and sent. */
  canvas: HTMLCanvasElement
  blurred: boolean
  /** The edges were found; else it is the whole picture. */
  cut: boolean
  state: 'kept' | 'sending' | 'sent' | 'failed'
}

/** A corner that is a letter's width off bends the first lines. */
const CUT_WIDTH = 640
/** A line of 150 kbit/s carries the smaller one in some ten seconds beside a voice. */
const MOST_BYTES = 700_000
const MOST_BYTES_THIN = 140_000
const QUALITIES = [0.85, 0.7, 0.55, 0.4, 0.3] as const

/** The picture that is on the screen now, whole. Null while there is none. */
export function frameOf(video: HTMLVideoElement): HTMLCanvasElement | null {
  if (video.videoWidth === 0) return null
  const canvas = document.createElement('canvas')
  canvas.width = video.videoWidth
  canvas.height = video.videoHeight
  canvas.getContext('2d', { willReadFrequently: true })?.drawImage(video, 0, 0)
  return canvas
}

export function pageOf(frame: HTMLCanvasElement): Page {
  const context = frame.getContext('2d', { willReadFrequently: true })
  const whole = context?.getImageData(0, 0, frame.width, frame.height)
  const corners = whole ? findPaper(whole, CUT_WIDTH) : null
  if (!whole || !corners) return { canvas: frame, blurred: whole ? isBlurred(whole) : false, cut: false, state: 'kept' }
  const page = straighten(whole, corners)
  const canvas = document.createElement('canvas')
  canvas.width = page.width
  canvas.height = page.height
  canvas.getContext('2d')?.putImageData(new ImageData(new Uint8ClampedArray(page.data), page.width, page.height), 0, 0)
  return { canvas, blurred: isBlurred(page), cut: true, state: 'kept' }
}

function isBlurred(picture: Parameters<typeof blurOf>[0]): boolean {
  const blur = blurOf(picture)
  return blur !== null && blur > BLURRED
}

/** A JPEG that this line can carry. */
export async function jpegOf(canvas: HTMLCanvasElement, thin: boolean): Promise<Blob | null> {
  let last: Blob | null = null
  for (const quality of QUALITIES) {
    last = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/jpeg', quality))
    if (!last || last.size <= (thin ? MOST_BYTES_THIN : MOST_BYTES)) return last
  }
  return last
}

/** A track that shows one page until it shows another: what the other one sees while it is spoken about. */
export class PageTrack {
  readonly track: MediaStreamTrack | null
  private readonly canvas = document.createElement('canvas')
  private page: HTMLCanvasElement | null = null
  private readonly timer: ReturnType<typeof setInterval>

  constructor(private readonly longest = 1280) {
    this.canvas.width = this.canvas.height = 16
    this.track = this.canvas.captureStream(2).getVideoTracks()[0] ?? null
    // A still picture has to be drawn again and again, or whoever comes later sees nothing.
    this.timer = setInterval(() => this.draw(), 500)
  }

  show(page: HTMLCanvasElement): void {
    this.page = page
    const scale = Math.min(1, this.longest / Math.max(page.width, page.height))
    this.canvas.width = 2 * Math.round((page.width * scale) / 2)
    this.canvas.height = 2 * Math.round((page.height * scale) / 2)
    this.draw()
  }

  stop(): void {
    clearInterval(this.timer)
    this.track?.stop()
    this.page = null
  }

  private draw(): void {
    if (this.page) this.canvas.getContext('2d')?.drawImage(this.page, 0, 0, this.canvas.width, this.canvas.height)
  }
}

/** To where the house wants it. False when it did not arrive. */
export async function sendPage(blob: Blob, place: { url: string; key: string }): Promise<boolean> {
  try {
    const answer = await fetch(place.url, { method: 'PUT', body: blob, credentials: 'omit', headers: { 'Capture-Key': place.key, 'Content-Type': blob.type } })
    return answer.ok
  } catch {
    return false
  }
}
