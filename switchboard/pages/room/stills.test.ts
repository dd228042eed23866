import { describe, expect, it } from 'vitest'

import type { StillFrame } from './frames'
import { StillParts } from './stills'

const piece = (part: number, of: number, text: string, still = 1, mid = '3'): StillFrame => ({
  type: 'still', mid, still, part, of, data: text,
})

describe('pieces of a still picture', () => {
  it('become one when the last is there, for each line by itself', async () => {
    const parts = new StillParts()
    expect(parts.take(piece(0, 2, btoa('abc')))).toBeNull()
    expect(parts.take(piece(0, 1, btoa('x'), 2, '4'))?.size).toBe(1)
    const whole = parts.take(piece(1, 2, btoa('def')))
    expect(await whole?.text()).toBe('abcdef')
    expect(whole?.type).toBe('image/jpeg')
  })

  it('are nothing when one is missing, out of turn, too many, or no base64', () => {
    const parts = new StillParts()
    parts.take(piece(0, 3, btoa('abc')))
    expect(parts.take(piece(2, 3, btoa('ghi')))).toBeNull()
    expect(parts.take(piece(1, 2, btoa('abc'), 9))).toBeNull()
    expect(parts.take(piece(0, 1, '***'))).toBeNull()
    expect(parts.take(piece(0, 1000, btoa('abc')))).toBeNull()
  })
})
