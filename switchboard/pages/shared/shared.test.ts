import { describe, expect, it } from 'vitest'

import { safeNext } from './api'
import { ServerClock } from './clock'
import { duration, percent, secondsLeft, shareLeft } from './format'
import { pick, setLanguage, t, word } from './i18n'
import { ending, grouped, masked } from './numbers'
import { en } from './words/en'
import { zh } from './words/zh'

describe('the server clock', () => {
  it('believes the quickest frame, not the latest', () => {
    let mono = 0
    const clock = new ServerClock(() => mono)
    clock.observe(100_000)
    mono = 1000
    clock.observe(100_700) // 300 ms late
    expect(clock.now()).toBe(101_000)
  })

  it('follows a server whose clock was set, at once', () => {
    let mono = 0
    const clock = new ServerClock(() => mono)
    clock.observe(10_000_000)
    mono = 1000
    clock.observe(6_401_000)
    expect(clock.now()).toBe(6_401_000)
  })

  it('forgets an old offset after a dozen frames', () => {
    let mono = 0
    const clock = new ServerClock(() => mono)
    clock.observe(1500)
    for (let beat = 0; beat < 12; beat += 1) {
      mono += 1000
      clock.observe(mono)
    }
    expect(clock.now()).toBe(mono)
  })
})

describe('a countdown', () => {
  it('shows 1 until the very end and never less than 0', () => {
    expect(secondsLeft(15_000, 0)).toBe(15)
    expect(secondsLeft(15_000, 14_999)).toBe(1)
    expect(secondsLeft(15_000, 15_000)).toBe(0)
    expect(secondsLeft(15_000, 99_000)).toBe(0)
  })

  it('gives the share that is left between 0 and 1', () => {
    expect(shareLeft(0, 15_000, 3000)).toBeCloseTo(0.8)
    expect(shareLeft(0, 15_000, -50)).toBe(1)
    expect(shareLeft(0, 0, 0)).toBe(0)
  })
})

describe('figures', () => {
  it('reads durations as people do', () => {
    expect(duration(-5)).toBe('0:00')
    expect(duration(247_000)).toBe('4:07')
    expect(duration(3_729_000)).toBe('1:02:09')
  })

  it('never divides by nothing', () => {
    expect(percent(0, 0)).toBe('–')
    expect(percent(7, 8)).toBe('87.5%')
    expect(percent(8, 8)).toBe('100%')
  })
})

describe("a caller's number", () => {
  it('is masked even when it comes in full', () => {
    expect(masked('13812341234')).toBe('138****1234')
    expect(masked('138****1234')).toBe('138****1234')
    expect(grouped('13812341234')).toBe('138 **** 1234')
    expect(ending('138****1234')).toBe('1234')
  })
})

describe('words', () => {
  const keys = (value: unknown, path = ''): string[] =>
    typeof value === 'object' && value !== null
      ? Object.entries(value).flatMap(([key, inner]) => keys(inner, `${path}.${key}`))
      : [path]

  it('are there in both languages', () => {
    expect(keys(en).sort()).toEqual(keys(zh).sort())
  })

  it('change with one switch and are remembered', () => {
    setLanguage('en')
    expect(t('state.available')).toBe('Ready')
    expect(pick({ zh: '劳动', en: 'Labour' })).toBe('Labour')
    expect(document.documentElement.lang).toBe('en')
    expect(localStorage.getItem('12348.language')).toBe('en')
    setLanguage('zh')
    expect(t('state.available')).toBe('就绪')
  })

  it('show a code that is unknown rather than nothing', () => {
    expect(word('reason', 'fire_drill')).toBe('fire_drill')
    expect(word('reason', null)).toBe('')
  })
})

describe('the way back after signing in', () => {
  it('stays on this origin', () => {
    expect(safeNext('?next=%2Fboard%3Fwall')).toBe('/board?wall')
    expect(safeNext('?next=//evil.example')).toBeNull()
    expect(safeNext('?next=https://evil.example')).toBeNull()
    expect(safeNext('?next=/%5Cevil')).toBeNull()
    expect(safeNext('')).toBeNull()
  })
})
