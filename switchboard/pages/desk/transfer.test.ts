import { describe, expect, it } from 'vitest'

import type { Colleague, Contact, Directory } from './frames'
import { applyFrame, canHandOver, colleagueAnswered, colleagueHere, emptyModel, findInDirectory, mayPassOn, recordingState } from './model'

const contact: Contact = {
  id: 'c-1',
  stage: 'talking',
  card: { caller: '138****1234', region: null, matter: null, language: 'zh', waiting_since: 0, priority: 0, priority_reason: null, earlier: 0, demo: false },
  since: 0,
  talking_since: 0,
  wrap_up_until: null,
  recording: true,
  recording_paused: false,
  consent: true,
  transfers: [{ id: '12345', zh: '12345政务服务热线', en: '12345 government hotline' }],
  hand_over: null,
}
const colleague = (state: Colleague['state']): Colleague => ({ who: { id: 'v002', name: '李强', role: 'notary' }, matter: null, since: 0, state })
const row = { role: 'lawyer', languages: ['zh'], reason: null, since: 0, demo: false } as const
const directory: Directory = {
  now: 0,
  colleagues: [
    { ...row, id: 'v003', name: '陈静', matters: ['labour'], languages: ['zh', 'en'], state: 'in_contact' },
    { ...row, id: 'v002', name: '李强', role: 'notary', matters: ['notarization'], languages: ['zh'], state: 'available' },
  ],
  matters: [{ id: 'labour', zh: '劳动人事', en: 'Labour', role: 'lawyer', on_duty: 1, free: 0, estimate: [3, 5] }],
  roles: [
    { id: 'notary', zh: '公证员', en: 'Notary', matter: 'notarization', on_duty: 1, free: 1 },
    { id: 'mediator', zh: '人民调解员', en: 'Mediator', matter: 'mediation', on_duty: 0, free: 0 },
  ],
}
const words = (_kind: string, id: string): string =>
  ({ lawyer: '律师', notary: '公证员', labour: '劳动人事', notarization: '公证', zh: '普通话', en: '英语' })[id] ?? ''
const found = (typed: string): string[] => findInDirectory(directory, typed, words).map((one) => one.key)

describe('a colleague in the talk', () => {
  it('is here while asked or answering, and gone when it is over', () => {
    for (const state of ['asked', 'ringing', 'consulting', 'parked', 'three_way'] as const) {
      expect(colleagueHere({ ...contact, colleague: colleague(state) })?.state).toBe(state)
    }
    for (const state of ['declined', 'no_answer', 'nobody', 'withdrawn', 'left'] as const) {
      expect(colleagueHere({ ...contact, colleague: colleague(state) })).toBeNull()
    }
    expect(colleagueHere(contact)).toBeNull()
  })

  it('can be joined or handed the caller only once answered', () => {
    expect(colleagueAnswered({ ...contact, colleague: colleague('asked') })).toBe(false)
    expect(colleagueAnswered({ ...contact, colleague: colleague('ringing') })).toBe(false)
    expect(colleagueAnswered({ ...contact, colleague: colleague('parked') })).toBe(true)
    expect(colleagueAnswered({ ...contact, colleague: colleague('left') })).toBe(false)
  })

  it('keeps everybody else out, and lets them in again afterwards', () => {
    expect(mayPassOn(contact)).toBe(true)
    expect(canHandOver(contact)).toBe(true)
    expect(mayPassOn({ ...contact, colleague: colleague('consulting') })).toBe(false)
    expect(canHandOver({ ...contact, colleague: colleague('three_way') })).toBe(false)
    expect(mayPassOn({ ...contact, colleague: colleague('declined') })).toBe(true)
    expect(mayPassOn({ ...contact, part: 'colleague' })).toBe(false)
    expect(mayPassOn({ ...contact, stage: 'wrap_up' })).toBe(false)
    expect(mayPassOn({ ...contact, hand_over: { to: '12345', zh: '', en: '', state: 'ringing' } })).toBe(false)
  })

  it('leaves nothing of a hold in the recording, and the light says so', () => {
    expect(recordingState(contact)).toBe('on')
    expect(recordingState({ ...contact, held: true })).toBe('paused')
  })

  it('may be asked while the caller is on hold; another hotline may not', () => {
    expect(mayPassOn({ ...contact, held: true })).toBe(true)
    expect(canHandOver({ ...contact, held: true })).toBe(false)
  })
})

describe('the directory', () => {
  it('shows who is free first, roles that are on duty, and matters only when searched for', () => {
    expect(found('')).toEqual(['role-notary', 'v002', 'v003'])
  })

  it('finds by name, role, matter and language, every word counting', () => {
    expect(found('公证')).toEqual(['role-notary', 'v002'])
    expect(found('劳动')).toEqual(['v003', 'matter-labour'])
    expect(found('律师 英语')).toEqual(['v003'])
    expect(found('调解')).toEqual(['role-mediator'])
    expect(found('没有这个人')).toEqual([])
  })

  it('is what the last frame said', () => {
    const model = emptyModel()
    applyFrame(model, { type: 'directory', directory })
    expect(model.directory?.colleagues).toHaveLength(2)
    applyFrame(model, { type: 'directory', directory: { ...directory, colleagues: [] } })
    expect(model.directory?.colleagues).toEqual([])
  })
})
