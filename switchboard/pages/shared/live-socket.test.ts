import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { FakeSocket } from './fake-socket'
import { type Frame, LiveSocket, type LinkState } from './live-socket'

let states: [LinkState, number | null][]
let frames: Frame[]
let unreachable: number
let link: LiveSocket

beforeEach(() => {
  vi.useFakeTimers()
  FakeSocket.made = []
  states = []
  frames = []
  unreachable = 0
  link = new LiveSocket({
    url: 'ws://here/ws',
    hello: () => ({ type: 'hello' }),
    onFrame: (frame) => frames.push(frame),
    onState: (state, code) => states.push([state, code]),
    onUnreachable: () => (unreachable += 1),
    finalCodes: [4401, 4409],
    random: () => 0.5,
    connect: FakeSocket.connect,
  })
  link.start()
})

afterEach(() => {
  link.stop()
  vi.useRealTimers()
})

describe('a live socket', () => {
  it('says hello first and is open from the first frame on', () => {
    FakeSocket.last.open()
    expect(FakeSocket.last.sent).toEqual([{ type: 'hello' }])
    expect(link.state).toBe('connecting')
    FakeSocket.last.say({ type: 'welcome' })
    expect(link.state).toBe('open')
    expect(frames).toEqual([{ type: 'welcome' }])
  })

  it('is stale after 5 s of silence, live again with the next frame', () => {
    FakeSocket.last.open().say({ type: 'beat' })
    vi.advanceTimersByTime(4900)
    expect(link.state).toBe('open')
    vi.advanceTimersByTime(400)
    expect(link.state).toBe('stale')
    FakeSocket.last.say({ type: 'beat' })
    expect(link.state).toBe('open')
  })

  it('gives a line up that stays silent and makes a new one', () => {
    FakeSocket.last.open().say({ type: 'beat' })
    vi.advanceTimersByTime(9000)
    expect(FakeSocket.made).toHaveLength(2)
  })

  it('comes back with growing pauses, and quickly again after a success', () => {
    const pauses: number[] = []
    for (let round = 0; round < 6; round += 1) {
      const before = FakeSocket.made.length
      FakeSocket.last.drop()
      let pause = 0
      while (FakeSocket.made.length === before) {
        vi.advanceTimersByTime(50)
        pause += 50
      }
      pauses.push(pause)
    }
    expect(pauses).toEqual([150, 400, 900, 1500, 2000, 2000])
    FakeSocket.last.open().say({ type: 'beat' })
    FakeSocket.last.drop()
    vi.advanceTimersByTime(150)
    expect(FakeSocket.made).toHaveLength(8)
  })

  it('asks whether anybody is signed in after two attempts that never opened', () => {
    FakeSocket.last.drop()
    vi.advanceTimersByTime(200)
    expect(unreachable).toBe(0)
    FakeSocket.last.drop()
    expect(unreachable).toBe(1)
  })

  it('stays away after a final close code', () => {
    FakeSocket.last.open().say({ type: 'refused' })
    FakeSocket.last.drop(4409)
    vi.advanceTimersByTime(60_000)
    expect(FakeSocket.made).toHaveLength(1)
    expect(states.at(-1)).toEqual(['closed', 4409])
  })

  it('hears nothing more from a socket it left', () => {
    const old = FakeSocket.last.open()
    link.restart()
    old.say({ type: 'beat' })
    expect(frames).toEqual([])
    expect(FakeSocket.made).toHaveLength(2)
  })

  it('does not restart in a tight loop', () => {
    link.restart()
    link.restart()
    link.restart()
    expect(FakeSocket.made).toHaveLength(2)
    vi.advanceTimersByTime(1000)
    expect(FakeSocket.made).toHaveLength(3)
  })

  it('starts anew when a frame is no JSON', () => {
    FakeSocket.last.open().onmessage?.({ data: '<html>' })
    expect(FakeSocket.made).toHaveLength(2)
  })
})
