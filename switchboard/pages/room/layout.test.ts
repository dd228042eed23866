import { describe, expect, it } from 'vitest'

import { gridFor } from './layout'
import { qualityOf, shownOf } from './room-view'
import type { Person } from './session'

const person = (id: string, more: Partial<Person> = {}): Person => ({
  id, name: id, role: 'party', standing: 'here', muted: [], group: null, media: 'up', sends: [], you: false, voice: null, pictures: [], ...more,
})
const picture = (what: 'camera' | 'document' | 'screen') => ({ mid: what, what, state: 'live' as const, track: null, still: null })

describe('the stage', () => {
  it('shows one picture as large as the place allows, whichever side is short', () => {
    expect(gridFor(1, 1600, 400)).toEqual({ columns: 1, width: 711 })
    expect(gridFor(1, 400, 1600)).toEqual({ columns: 1, width: 400 })
  })

  it('never lets pictures leave the stage, however many there are', () => {
    for (let count = 1; count <= 16; count += 1) {
      const { columns, width } = gridFor(count, 744, 380)
      const rows = Math.ceil(count / columns)
      expect(width).toBeGreaterThan(0)
      expect(columns * width + (columns - 1) * 8).toBeLessThanOrEqual(744)
      expect((rows * width * 9) / 16 + (rows - 1) * 8).toBeLessThanOrEqual(380)
    }
  })

  it('puts papers first, leaves oneself out and keeps whoever has no picture', () => {
    const people = [
      person('me', { you: true, pictures: [picture('camera')] }),
      person('a', { pictures: [picture('camera')] }),
      person('b', { via: 'phone' }),
      person('c', { pictures: [picture('document'), picture('camera')] }),
    ]
    expect(shownOf(people).map((one) => one.key)).toEqual(['c-document', 'a', 'b', 'c'])
  })

  it('says the worst of a line that is true', () => {
    expect(qualityOf(person('a'))).toBe('good')
    expect(qualityOf(person('a', { thin: true }))).toBe('thin')
    expect(qualityOf(person('a', { thin: true, media: 'lost' }))).toBe('lost')
    expect(qualityOf(person('a', { standing: 'gone', media: 'lost' }))).toBe('gone')
    expect(qualityOf(person('a', { media: 'none' }))).toBe('none')
  })
})
