import { describe, expect, it } from 'vitest'

import { areaOf, BLURRED, blurOf, type Corners, findPaper, type Picture, projection, sizeOf, straighten, threshold } from './paper'

function picture(width: number, height: number, light: (x: number, y: number) => number): Picture {
  const data = new Uint8ClampedArray(4 * width * height)
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) data.set([light(x, y), light(x, y), light(x, y), 255], 4 * (y * width + x))
  }
  return { width, height, data }
}

const QUAD: Corners = [{ x: 120, y: 60 }, { x: 500, y: 90 }, { x: 530, y: 400 }, { x: 90, y: 380 }]

function within(x: number, y: number, corners: Corners): boolean {
  return corners.every((one, at) => {
    const next = corners[(at + 1) % 4] ?? one
    return (next.x - one.x) * (y - one.y) - (next.y - one.y) * (x - one.x) >= 0
  })
}

/** Rows of dark strokes on a light sheet, as writing is. */
const written = (x: number, y: number): number => (y % 12 < 6 && x % 5 < 2 ? 30 : 235)

describe('a sheet in a picture', () => {
  it('is found with its four corners, writing and all', () => {
    const found = findPaper(picture(640, 480, (x, y) => (within(x, y, QUAD) ? written(x, y) : 60 + (x % 7))))
    expect(found).not.toBeNull()
    found?.forEach(({ x, y }, at) => {
      expect(Math.hypot(x - (QUAD[at]?.x ?? 0), y - (QUAD[at]?.y ?? 0))).toBeLessThan(12)
    })
  })

  it('is not found where there is none: an empty table, a round plate, a bright wall', () => {
    expect(findPaper(picture(640, 480, (x) => 60 + (x % 7)))).toBeNull()
    expect(findPaper(picture(640, 480, (x, y) => (Math.hypot(x - 320, y - 240) < 150 ? 240 : 50)))).toBeNull()
    expect(findPaper(picture(640, 480, () => 240))).toBeNull()
  })

  it('looks as from straight above afterwards', () => {
    const left = picture(640, 480, (x, y) => (!within(x, y, QUAD) ? 40 : x < 310 ? 200 : 240))
    const page = straighten(left, QUAD)
    expect(page).toMatchObject(sizeOf(QUAD))
    const at = (u: number, v: number): number => page.data[4 * (Math.floor(v * page.height) * page.width + Math.floor(u * page.width))] ?? 0
    for (const v of [0.03, 0.5, 0.97]) {
      expect(at(0.03, v)).toBe(200)
      expect(at(0.97, v)).toBe(240)
    }
  })

  it('has corners that the projection hits', () => {
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = projection(QUAD)
    const to = (u: number, v: number): [number, number] => [(a * u + b * v + c) / (g * u + h * v + 1), (d * u + e * v + f) / (g * u + h * v + 1)]
    for (const [at, [u, v]] of ([[0, 0], [1, 0], [1, 1], [0, 1]] as const).entries()) {
      expect(to(u, v)[0]).toBeCloseTo(QUAD[at]?.x ?? 0, 6)
      expect(to(u, v)[1]).toBeCloseTo(QUAD[at]?.y ?? 0, 6)
    }
    expect(areaOf([{ x: 0, y: 0 }, { x: 2, y: 0 }, { x: 2, y: 3 }, { x: 0, y: 3 }])).toBe(6)
  })

  it('is never made larger than it was, nor than a page need be', () => {
    expect(sizeOf([{ x: 0, y: 0 }, { x: 100, y: 0 }, { x: 100, y: 200 }, { x: 0, y: 200 }])).toEqual({ width: 100, height: 200 })
    expect(sizeOf([{ x: 0, y: 0 }, { x: 2000, y: 0 }, { x: 2000, y: 4000 }, { x: 0, y: 4000 }], 1000)).toEqual({ width: 500, height: 1000 })
  })
})

describe('sharpness', () => {
  const sharp = picture(320, 240, written)
  const blurred = (by: number): Picture =>
    picture(320, 240, (x, y) => {
      let sum = 0
      for (let dx = -by; dx <= by; dx += 1) for (let dy = -by; dy <= by; dy += 1) sum += written(Math.max(0, x + dx), Math.max(0, y + dy))
      return sum / (2 * by + 1) ** 2
    })

  it('tells letters from letters that run into each other', () => {
    expect(blurOf(sharp)).toBeLessThan(BLURRED)
    expect(blurOf(blurred(4))).toBeGreaterThan(blurOf(sharp) ?? 1)
  })

  it('says nothing of an empty sheet', () => {
    expect(blurOf(picture(320, 240, () => 240))).toBeNull()
  })

  it('parts dark from bright', () => {
    expect(threshold(Uint8Array.from([10, 12, 11, 200, 205, 210]))).toBeGreaterThanOrEqual(12)
    expect(threshold(Uint8Array.from([10, 12, 11, 200, 205, 210]))).toBeLessThan(200)
  })
})
