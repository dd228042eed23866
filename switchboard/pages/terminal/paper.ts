/**
 * A sheet of paper in a camera's picture: where its four corners are, how it looks from straight above, and whether it
 * is sharp enough to be read. Plain arithmetic on pixels; no library.
 */
export interface Picture {
  width: number
  height: number
  /** RGBA, as canvas has it. */
  data: Uint8ClampedArray
}

export interface Point {
  x: number
  y: number
}

/** Clockwise from the upper left. */
export type Corners = readonly [Point, Point, Point, Point]

const LOOK_WIDTH = 240
const LEAST_SHARE = 0.12
const MOST_SHARE = 0.97
/** What is bright must fill the shape between its corners, and not much more: else it is a plate, or a lamp. */
const FILL = [0.8, 1.15] as const
/** The longer side of a straightened page: A4 at 150 dots to the inch. */
export const LONGEST = 1754
/** `blurOf` above this: letters run into each other. */
export const BLURRED = 0.62

export function grayOf(picture: Picture, width = picture.width): { width: number; height: number; gray: Uint8Array } {
  const scale = Math.min(1, width / picture.width)
  const w = Math.max(1, Math.round(picture.width * scale))
  const h = Math.max(1, Math.round(picture.height * scale))
  const gray = new Uint8Array(w * h)
  for (let y = 0; y < h; y += 1) {
    const from = Math.min(picture.height - 1, Math.floor((y + 0.5) / scale)) * picture.width
    for (let x = 0; x < w; x += 1) {
      const at = 4 * (from + Math.min(picture.width - 1, Math.floor((x + 0.5) / scale)))
      const { data } = picture
      gray[y * w + x] = ((data[at] ?? 0) * 77 + (data[at + 1] ?? 0) * 150 + (data[at + 2] ?? 0) * 29) >> 8
    }
  }
  return { width: w, height: h, gray }
}

/** The level that parts a picture best into dark and bright (Otsu, 1979). */
export function threshold(gray: Uint8Array): number {
  const counts = new Float64Array(256)
  let sum = 0
  for (const one of gray) {
    counts[one] = (counts[one] ?? 0) + 1
    sum += one
  }
  let [best, level, dark, darkSum] = [-1, 128, 0, 0]
  for (let at = 0; at < 256; at += 1) {
    dark += counts[at] ?? 0
    darkSum += at * (counts[at] ?? 0)
    const bright = gray.length - dark
    if (dark === 0 || bright === 0) continue
    const apart = dark * bright * (darkSum / dark - (sum - darkSum) / bright) ** 2
    if (apart > best) [best, level] = [apart, at]
  }
  return level
}

/** The corners of the sheet in the picture's own pixels, as exact as `lookWidth`; null where nothing looks like one. */
export function findPaper(picture: Picture, lookWidth = LOOK_WIDTH): Corners | null {
  const { width, height, gray } = grayOf(picture, lookWidth)
  const level = threshold(gray)
  const sheet = largest(gray, width, height, level)
  if (!sheet || sheet.count < LEAST_SHARE * gray.length || sheet.count > MOST_SHARE * gray.length) return null
  const area = areaOf(sheet.corners)
  const fill = sheet.filled / area
  if (area < LEAST_SHARE * gray.length || fill < FILL[0] || fill > FILL[1]) return null
  const by = picture.width / width
  return sheet.corners.map(({ x, y }) => ({ x: (x + 0.5) * by, y: (y + 0.5) * by })) as unknown as Corners
}

interface Sheet {
  count: number
  /** With the dark letters within it. */
  filled: number
  corners: Corners
}

function largest(gray: Uint8Array, width: number, height: number, level: number): Sheet | null {
  const seen = new Uint8Array(gray.length)
  const stack = new Int32Array(gray.length)
  let best: Sheet | null = null
  for (let start = 0; start < gray.length; start += 1) {
    if (seen[start] || (gray[start] ?? 0) <= level) continue
    const found = flood(gray, seen, stack, width, height, level, start)
    if (!best || found.count > best.count) best = found
  }
  return best
}

function flood(gray: Uint8Array, seen: Uint8Array, stack: Int32Array, width: number, height: number, level: number, start: number): Sheet {
  const far = [Infinity, -Infinity, -Infinity, Infinity]
  const corners: Point[] = [0, 0, 0, 0].map(() => ({ x: 0, y: 0 }))
  const left = new Int32Array(height).fill(width)
  const right = new Int32Array(height).fill(-1)
  let [size, count] = [1, 0]
  stack[0] = start
  seen[start] = 1
  while (size > 0) {
    const at = stack[--size] ?? 0
    const [x, y] = [at % width, Math.floor(at / width)]
    count += 1
    left[y] = Math.min(left[y] ?? width, x)
    right[y] = Math.max(right[y] ?? -1, x)
    const [sum, difference] = [x + y, x - y]
    if (sum < (far[0] ?? 0)) [far[0], corners[0]] = [sum, { x, y }]
    if (difference > (far[1] ?? 0)) [far[1], corners[1]] = [difference, { x, y }]
    if (sum > (far[2] ?? 0)) [far[2], corners[2]] = [sum, { x, y }]
    if (difference < (far[3] ?? 0)) [far[3], corners[3]] = [difference, { x, y }]
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]] as const) {
      const [nx, ny] = [x + dx, y + dy]
      const next = ny * width + nx
      if (nx < 0 || ny < 0 || nx >= width || ny >= height || seen[next] || (gray[next] ?? 0) <= level) continue
      seen[next] = 1
      stack[size++] = next
    }
  }
  let filled = 0
  for (let y = 0; y < height; y += 1) filled += Math.max(0, (right[y] ?? -1) - (left[y] ?? width) + 1)
  return { count, filled, corners: corners as unknown as Corners }
}

export function areaOf(corners: Corners): number {
  let twice = 0
  corners.forEach((one, at) => {
    const next = corners[(at + 1) % 4] ?? one
    twice += one.x * next.y - next.x * one.y
  })
  return Math.abs(twice) / 2
}

/** How large the straightened page becomes: never larger than it is in the picture, nor than `longest`. */
export function sizeOf([a, b, c, d]: Corners, longest = LONGEST): { width: number; height: number } {
  const apart = (one: Point, other: Point): number => Math.hypot(one.x - other.x, one.y - other.y)
  const [wide, high] = [Math.max(apart(a, b), apart(d, c)), Math.max(apart(a, d), apart(b, c))]
  const scale = Math.min(1, longest / Math.max(wide, high))
  return { width: Math.max(1, Math.round(wide * scale)), height: Math.max(1, Math.round(high * scale)) }
}

/** From a point of the straightened page (0 to 1 each way) to the picture: eight numbers of a projection. */
export function projection([p0, p1, p2, p3]: Corners): readonly number[] {
  const [dx1, dx2, dx3] = [p1.x - p2.x, p3.x - p2.x, p0.x - p1.x + p2.x - p3.x]
  const [dy1, dy2, dy3] = [p1.y - p2.y, p3.y - p2.y, p0.y - p1.y + p2.y - p3.y]
  const apart = dx1 * dy2 - dx2 * dy1
  const g = apart === 0 ? 0 : (dx3 * dy2 - dx2 * dy3) / apart
  const h = apart === 0 ? 0 : (dx1 * dy3 - dx3 * dy1) / apart
  return [
    p1.x - p0.x + g * p1.x, p3.x - p0.x + h * p3.x, p0.x,
    p1.y - p0.y + g * p1.y, p3.y - p0.y + h * p3.y, p0.y,
    g, h,
  ]
}

/** The page as it looks from straight above. */
export function straighten(picture: Picture, corners: Corners, longest = LONGEST): Picture {
  const { width, height } = sizeOf(corners, longest)
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = projection(corners)
  const data = new Uint8ClampedArray(4 * width * height)
  for (let y = 0; y < height; y += 1) {
    const v = (y + 0.5) / height
    for (let x = 0; x < width; x += 1) {
      const u = (x + 0.5) / width
      const w = g * u + h * v + 1
      sample(picture, (a * u + b * v + c) / w - 0.5, (d * u + e * v + f) / w - 0.5, data, 4 * (y * width + x))
    }
  }
  return { width, height, data }
}

/** Between four pixels, each by how near it is. */
function sample({ width, height, data }: Picture, x: number, y: number, into: Uint8ClampedArray, at: number): void {
  const [px, py] = [Math.min(width - 1, Math.max(0, x)), Math.min(height - 1, Math.max(0, y))]
  const [x0, y0] = [Math.floor(px), Math.floor(py)]
  const [x1, y1] = [Math.min(width - 1, x0 + 1), Math.min(height - 1, y0 + 1)]
  const [fx, fy] = [px - x0, py - y0]
  for (let channel = 0; channel < 3; channel += 1) {
    const value = (cx: number, cy: number): number => data[4 * (cy * width + cx) + channel] ?? 0
    const above = value(x0, y0) * (1 - fx) + value(x1, y0) * fx
    const below = value(x0, y1) * (1 - fx) + value(x1, y1) * fx
    into[at + channel] = above * (1 - fy) + below * fy
  }
  into[at + 3] = 255
}

/**
 * 0 (sharp) to 1: how little is lost by blurring once more (Crete et al., 2007). Null where there is too little on the
 * page to tell.
 */
export function blurOf(picture: Picture): number | null {
  const { width, height, gray } = grayOf(picture)
  const across = blurAlong(gray, width, height, 1, width)
  const down = blurAlong(gray, height, width, width, 1)
  return across === null || down === null ? null : Math.max(across, down)
}

const AROUND = 4
const LEAST_CONTRAST = 0.6

function blurAlong(gray: Uint8Array, length: number, lines: number, step: number, lineStep: number): number | null {
  let [changes, lost] = [0, 0]
  for (let line = 0; line < lines; line += 1) {
    const start = line * lineStep
    const at = (n: number): number => gray[start + Math.min(length - 1, Math.max(0, n)) * step] ?? 0
    let around = 0
    for (let n = -AROUND; n <= AROUND; n += 1) around += at(n)
    for (let n = 1; n < length; n += 1) {
      const before = around
      around += at(n + AROUND) - at(n - 1 - AROUND)
      const change = Math.abs(at(n) - at(n - 1))
      changes += change
      lost += Math.max(0, change - Math.abs(around - before) / (2 * AROUND + 1))
    }
  }
  if (changes / (length * lines) < LEAST_CONTRAST) return null
  return (changes - lost) / changes
}
