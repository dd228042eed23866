/** What the room view knows: one place in a room, its talk, its captions, its frozen pictures, and what went wrong. */
import { computed, onScopeDispose, ref, shallowRef } from 'vue'

import type { Caption, Chat, FrozenFrame, What } from './frames'
import { type Incoming, type Person, RoomSession, type RoomState } from './session'
import { RoomError } from './words'

export interface Line {
  key: number
  from: string
  name: string
  text: string
  at_ms: number
  mine: boolean
}

/** A frozen picture that has come in. `url`: for whoever is allowed to see it again. */
export interface Frozen extends FrozenFrame {
  name: string
  url: string
}

export interface Shown {
  key: string
  person: Person
  picture: Incoming | null
  voice: Incoming | null
}

export type Quality = 'good' | 'thin' | 'lost' | 'none' | 'gone'

const LINES_MAX = 500
const FROZEN_WITHIN_MS = 30_000
const CAPTION_MS = 8_000

export function qualityOf(person: Pick<Person, 'standing' | 'media' | 'thin'>): Quality {
  if (person.standing === 'gone') return 'gone'
  if (person.media === 'lost') return 'lost'
  if (person.media === 'none') return 'none'
  return person.thin ? 'thin' : 'good'
}

/** One tile for each picture; whoever has none still has a name and a voice. Papers come first: they are to be read. */
export function shownOf(people: readonly Person[]): Shown[] {
  const all = people
    .filter((person) => !person.you)
    .flatMap((person) => {
      const camera = person.pictures.find((one) => one.what === 'camera') ?? null
      const papers = person.pictures.filter((one) => one !== camera)
      return [
        ...papers.map((picture) => ({ key: `${person.id}-${picture.what}`, person, picture, voice: null })),
        { key: person.id, person, picture: camera, voice: person.voice },
      ]
    })
  return all.sort((one, other) => Number(isPaper(other)) - Number(isPaper(one)))
}

export function isPaper(shown: Shown): boolean {
  return shown.picture !== null && shown.picture.what !== 'camera'
}

export interface RoomViewOptions {
  url: string
  room: string
  token: string
  onChange: (state: RoomState) => void
  onEnded: (code: string) => void
  onChat: (message: Chat) => void
  onFrozen: (picture: Frozen) => void
}

export function roomView(options: () => RoomViewOptions) {
  const session = shallowRef<RoomSession | null>(null)
  const state = shallowRef<RoomState | null>(null)
  const lines = ref<Line[]>([])
  const unread = ref(0)
  const caption = ref('')
  const frozen = ref<Frozen[]>([])
  const freezing = ref(0)
  const trouble = ref<RoomError | null>(null)
  const captured = ref(false)
  const now = ref(Date.now())
  const timers = new Set<ReturnType<typeof setTimeout>>()
  let captionTimer: ReturnType<typeof setTimeout> | undefined

  const tick = setInterval(() => (now.value = Date.now()), 500)
  onScopeDispose(() => {
    clearInterval(tick)
    clearTimeout(captionTimer)
    for (const one of timers) clearTimeout(one)
  })

  const shown = computed(() => shownOf(state.value?.people ?? []))
  const host = computed(() => state.value?.role === 'host')
  const serverNow = computed(() => now.value + (state.value?.skew ?? 0))

  function nameOf(id: string): string {
    return state.value?.people.find((one) => one.id === id)?.name ?? ''
  }

  function enter(): RoomSession {
    trouble.value = null
    const { url, room, token, ...tell } = options()
    const made: RoomSession = new RoomSession({
      url,
      room,
      token,
      onChange: (is) => {
        if (session.value !== made) return
        const before = state.value?.ended
        state.value = is
        tell.onChange(is)
        if (is.ended && !before) tell.onEnded(is.ended)
      },
      onChat: (message) => {
        write(message, false)
        tell.onChat(message)
      },
      onCaption: heard,
      onFrozen: (frame) => {
        freezing.value = Math.max(0, freezing.value - 1)
        const place = `${url.replace(/\/$/, '').replace(/^ws/, 'http')}/${encodeURIComponent(room)}`
        const picture = { ...frame, name: nameOf(frame.participant), url: `${place}/captures/${frame.capture}` }
        frozen.value = [picture, ...frozen.value].slice(0, 50)
        tell.onFrozen(picture)
      },
      onCaptured: () => {
        captured.value = true
        later(() => (captured.value = false), 6_000)
      },
      onRefused: (error) => (trouble.value = error),
    })
    state.value = null
    session.value = made
    made.start()
    return made
  }

  function write(message: Chat, mine: boolean): void {
    const key = (lines.value.at(-1)?.key ?? 0) + 1
    const line = { key, from: message.from, name: nameOf(message.from), text: message.text, at_ms: message.at_ms, mine }
    lines.value = [...lines.value, line].slice(-LINES_MAX)
    if (!mine) unread.value += 1
  }

  function heard(message: Caption): void {
    caption.value = message.text ? `${nameOf(message.from)}：${message.text}` : ''
    clearTimeout(captionTimer)
    captionTimer = setTimeout(() => (caption.value = ''), CAPTION_MS)
  }

  function later(work: () => void, ms: number): void {
    const timer = setTimeout(() => {
      timers.delete(timer)
      work()
    }, ms)
    timers.add(timer)
  }

  /** Does something that the bridge may refuse; what is wrong is said in words. True when it was done. */
  async function attempt(work: Promise<unknown> | undefined): Promise<boolean> {
    try {
      await work
      trouble.value = null
      return true
    } catch (error) {
      trouble.value = error instanceof RoomError ? error : new RoomError('room.lost')
      return false
    }
  }

  async function say(text: string): Promise<boolean> {
    const words = text.trim()
    if (!words) return false
    const done = await attempt(session.value?.chat(words))
    if (done) write({ type: 'chat', from: state.value?.you ?? '', text: words, at_ms: serverNow.value }, true)
    return done
  }

  /** Asks for a picture at full resolution; says so when none has come. */
  async function freeze(person: string, what: What): Promise<void> {
    if (!(await attempt(session.value?.freeze(person, what)))) return
    freezing.value += 1
    const had = frozen.value.length
    later(() => {
      if (freezing.value > 0 && frozen.value.length === had) {
        freezing.value -= 1
        trouble.value = new RoomError('video.capture')
      }
    }, FROZEN_WITHIN_MS)
  }

  return {
    session, state, lines, unread, caption, frozen, freezing, trouble, captured, shown, host, serverNow,
    enter, attempt, say, freeze, nameOf,
  }
}

export type RoomView = ReturnType<typeof roomView>
