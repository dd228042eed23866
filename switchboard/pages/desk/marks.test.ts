import { describe, expect, it } from 'vitest'

import { citation, inserted, pieces } from './marks'

describe('marks', () => {
  it('cuts a text at its words and loses no letter', () => {
    const text = '拖欠工资的，支付工资。'
    const made = pieces(text, ['工资', '拖欠'])
    expect(made.map((piece) => piece.text).join('')).toBe(text)
    expect(made.filter((piece) => piece.marked).map((piece) => piece.text)).toEqual(['拖欠工资', '工资'])
  })

  it('joins pairs that overlap and knows no capitals', () => {
    expect(pieces('LPR四倍', ['lpr', '四倍'])).toEqual([{ text: 'LPR四倍', marked: true }])
    expect(pieces('甲乙丙', ['甲乙', '乙丙'])).toEqual([{ text: '甲乙丙', marked: true }])
  })

  it('is never markup, and never fails', () => {
    expect(pieces('<b>x</b>', ['<b>'])[0]).toEqual({ text: '<b>', marked: true })
    expect(pieces('', ['x'])).toEqual([])
    expect(pieces('İx', ['x'])).toEqual([{ text: 'İx', marked: false }])
    expect(pieces('abc', [''])).toEqual([{ text: 'abc', marked: false }])
  })

  it('puts a citation where the cursor is', () => {
    expect(citation('民法典', '第五条')).toBe('《民法典》第五条')
    expect(inserted('依据，办理', 2, 2, '《甲法》')).toEqual({ text: '依据《甲法》，办理', at: 6 })
  })
})
