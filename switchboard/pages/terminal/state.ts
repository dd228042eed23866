/** The terminal as one object: what is on the screen, what goes on, and what each touch does. */
import { computed, reactive, ref, shallowReactive, shallowRef } from 'vue'

import { ApiError, type Words } from '@/shared/api'

import { bookingsOf, newKey } from './bookings'
import { Devices } from './devices'
import { follow, type Service, SERVICES, type View, waitPrompts } from './flow'
import { type Help, type Home, House, ownVersion, pair } from './house'
import { Idle } from './idle'
import { kioskStatus, type Printer, printSheet } from './kiosk'
import { useNetwork } from './network'
import type { Page, PageTrack } from './pages'
import { type Visit, VisitLink } from './visit'
import { Voice } from './voice'
import { keepToken, keptToken, startAnew } from './wipe'
import { language, pick, setLanguage } from './words'

export const SIZES = [18, 22, 26, 30] as const
const REPORT_MS = 60_000
const SOON_MS = 5_000
const SLOW_MS = 1_500
const BUSY_VIEWS = new Set<View>(['session', 'pairing', 'starting'])

export function useTerminal(restart: () => void) {
  const version = ownVersion()
  const house = shallowRef<House | null>(null)
  const home = shallowRef<Home | null>(null)
  const s = reactive({
    view: 'starting' as View,
    service: 'lawyer' as Service,
    matter: null as string | null,
    priority: null as string | null,
    spoken: 'zh',
    size: 0,
    dark: false,
    help: null as Help | null,
    printer: 'unknown' as Printer,
    printed: false,
    trouble: null as Words | null,
    asking: false,
    touched: false,
    busy: false,
  })
  const visit = shallowRef<Visit | null>(null)
  const paperCamera = ref('')
  /** Who served, for the paper to take home. */
  const served = shallowRef<Visit['agent']>(null)
  const pages = shallowReactive<Page[]>([])
  let shown: PageTrack | null = null
  const voice = new Voice(() => house.value)
  const tracks = reactive({ camera: shallowRef<MediaStreamTrack | null>(null), microphone: shallowRef<MediaStreamTrack | null>(null) })
  const devices = new Devices((what, track) => {
    tracks[what] = track
    if (track === null || (what === 'camera' && devices.state.camera !== 'ok')) tellMissing(what)
    void report()
  })
  const bookings = bookingsOf(() => house.value)
  let link: VisitLink | null = null
  let key = ''
  let slow = false
  let serverAhead = 0
  let reportTimer: ReturnType<typeof setTimeout> | null = null
  let over = false

  // ---- beginning

  async function start(): Promise<void> {
    const token = keptToken()
    await devices.look()
    if (!token) return show('pairing')
    house.value = new House(token)
    await enter()
  }

  /** What this terminal is, from the switchboard; tried again until it answers. */
  async function enter(): Promise<void> {
    const known = house.value
    if (!known || over) return
    try {
      home.value = await known.home()
      lose('house', false)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.status === 401) return unpair(error.words)
      lose('house', true)
      setTimeout(() => void enter(), SOON_MS)
      return
    }
    setDark(s.dark)
    void report()
    // A visit that is open here goes on: the power was cut, or the page was begun anew.
    if (home.value.terminal.visit) connect()
    else if (s.view === 'starting') show('home')
    void voice.prepare(() => visit.value !== null)
  }

  async function pairWith(code: string): Promise<void> {
    s.trouble = null
    try {
      const token = await pair(code)
      keepToken(token)
      house.value = new House(token)
      s.view = 'starting'
      await enter()
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      s.trouble = error.words
    }
  }

  function unpair(words: Words): void {
    keepToken(null)
    house.value = null
    s.trouble = words
    show('pairing')
  }

  // ---- moving about

  function show(view: View, ...say: string[]): void {
    s.view = view
    if (view !== 'pairing') s.trouble = null
    if (say.length > 0) void voice.say(...say)
  }

  function choose(service: Service): void {
    s.service = service
    s.matter = SERVICES[service]
    if (service === 'lawyer') show('about', 'terminal_about')
    else show('record', 'terminal_record')
  }

  function first(priority: string): void {
    s.priority = s.priority === priority ? null : priority
  }

  function about(matter: string | null): void {
    s.matter = matter
    show('record', 'terminal_record')
  }

  /** The wish is complete: into the queue at once; the devices are looked at while the person waits. */
  async function begin(consent: boolean): Promise<void> {
    const known = house.value
    if (!known || s.busy) return
    s.busy = true
    s.trouble = null
    key ||= newKey()
    try {
      await known.begin({ key, matter: s.matter, language: s.spoken, priority: s.priority, consent })
      connect()
      show('test')
      void devices.hold()
      voice.chime()
      void voice.say('terminal_test')
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.code === 'visit_open') return connect()
      s.trouble = error.words
    } finally {
      s.busy = false
    }
  }

  function tested(): void {
    if (s.view === 'test') show('waiting', 'terminal_waiting', ...(visit.value ? waitPrompts(visit.value) : []))
  }

  /** A visit that the house has begun for somebody who had booked. */
  function arrived(): void {
    connect()
    show('test', 'terminal_test')
    void devices.hold()
  }

  // ---- the visit

  function connect(): void {
    if (link || !house.value) return
    link = new VisitLink({
      token: house.value.token,
      onVisit: (now, at) => {
        if (at) serverAhead = at - Date.now()
        take(now)
      },
      onState: (state) => lose('visit', state === 'waiting' || state === 'stale'),
      onOver: gone,
    })
    link.start()
  }

  function take(now: Visit): void {
    const step = follow(s.view, visit.value, now)
    visit.value = now
    if (now.agent) served.value = now.agent
    if (now.room && devices.camera === null && devices.microphone === null) void devices.hold()
    if (!now.room && ['survey', 'thanks'].includes(step.view)) {
      devices.release()
      keepShown(null)
    }
    if (step.view !== s.view) show(step.view)
    if (step.ring) voice.ring()
    if (step.say.length > 0) void voice.say(...step.say)
  }

  /** The last word was said: nothing more comes of this visit. */
  function gone(): void {
    link = null
    lose('visit', false)
    lose('room', false)
    if (!visit.value) return show('home')
    if (!visit.value.ended && (s.view === 'session' || s.view === 'test')) show('thanks', 'terminal_thanks')
    else if (s.view === 'test') show('waiting')
    devices.release()
  }

  async function order(type: string, fields: object = {}): Promise<boolean> {
    s.trouble = null
    try {
      await link?.order(type, fields)
      return true
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      s.trouble = error.words
      return false
    }
  }

  /** Where a picture of a paper may be put; null where it cannot be sent now. */
  async function paperPlace(): Promise<{ url: string; key: string } | null> {
    try {
      return (await link?.order('paper'))?.paper ?? null
    } catch {
      return null
    }
  }

  /** The page that the other one sees stays shown until another is. */
  function keepShown(track: PageTrack | null): void {
    if (track === shown) return
    shown?.stop()
    shown = track
  }

  async function callback(number: string, later: boolean): Promise<void> {
    await order('callback', { number, later })
  }

  async function answer(question: string, given: string): Promise<void> {
    await order('answer', { question, answer: given })
  }

  /** Out of everything, at once: the person said so. */
  async function leave(): Promise<void> {
    if (link && !visit.value?.ended) await order('leave')
    await wipe()
  }

  // ---- after it

  async function print(): Promise<void> {
    s.printed = false
    s.busy = true
    try {
      const after = await printSheet()
      if (after !== 'unknown') s.printer = after
      if (after === 'ok' || after === 'unknown') s.printed = true
      else void voice.say('terminal_printer')
    } finally {
      s.busy = false
    }
    void report()
  }

  async function wipe(): Promise<void> {
    over = true
    stop()
    await startAnew(() => restart())
  }

  /** Everything that is held is given back, and what was known of the visitor is let go. */
  function stop(): void {
    voice.hush()
    link?.stop()
    link = null
    devices.release()
    visit.value = served.value = null
    key = ''
    keepShown(null)
    for (const page of pages.splice(0)) page.canvas.width = page.canvas.height = 0
    if (reportTimer !== null) clearTimeout(reportTimer)
    network.stop()
    clearInterval(ticking)
    document.removeEventListener('pointerdown', touch, true)
  }

  const pristine = computed(
    () => s.view === 'pairing' || s.view === 'starting' || (s.view === 'home' && !visit.value && s.size === 0 && !s.dark && language.value === 'zh' && s.spoken === 'zh'),
  )
  const waits = computed(() => (s.view === 'waiting' || s.view === 'test') && visit.value !== null && !visit.value.ended && !['closed', 'timed_out'].includes(visit.value.notice ?? ''))
  const idle = new Idle({
    busy: () => BUSY_VIEWS.has(s.view) || waits.value || s.busy,
    speaking: () => voice.speaking.value,
    pristine: () => pristine.value,
    onAsk: () => {
      s.asking = true
      void voice.say('terminal_anything_else')
    },
    onWipe: () => void (link && !visit.value?.ended ? leave() : wipe()),
  })

  function touch(): void {
    idle.touch()
    s.asking = false
    if (!s.touched) {
      s.touched = true
      voice.sound()
    }
  }

  // ---- how the terminal is

  const network = useNetwork((is) => {
    if (!pristine.value) void voice.say(is ? 'terminal_network_lost' : 'terminal_network_back')
    if (!is) void report()
  })
  const { lose } = network

  function tellMissing(what: 'camera' | 'microphone'): void {
    if (['test', 'waiting', 'session'].includes(s.view)) void voice.say(`terminal_${what}_missing`)
  }

  async function report(): Promise<void> {
    const known = house.value
    if (!known || over) return
    if (reportTimer !== null) clearTimeout(reportTimer)
    const shell = await kioskStatus()
    s.printer = shell.printer
    paperCamera.value = shell.documentCamera ?? ''
    if (s.view === 'home') await devices.look()
    const begun = performance.now()
    try {
      const told = await known.report({ ...devices.state, printer: s.printer, network: slow ? 'slow' : 'ok', version })
      slow = performance.now() - begun > SLOW_MS
      lose('house', false)
      helped(told.help)
      if (told.version && version && told.version !== version && pristine.value && s.view === 'home') return void wipe()
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.status === 401) return unpair(error.words)
      if (error.status === 0) lose('house', true)
    }
    const soon = network.away('house') || s.help !== null || ['paper_out', 'offline'].includes(s.printer) || devices.state.camera !== 'ok'
    if (!over) reportTimer = setTimeout(() => void report(), soon ? SOON_MS : REPORT_MS)
  }

  function helped(now: Help | null): void {
    const coming = now?.seen_ms != null && s.help?.seen_ms == null && s.help !== null
    s.help = now
    if (coming) void voice.say('terminal_help_coming')
  }

  async function help(): Promise<void> {
    const known = house.value
    if (!known) return
    try {
      if (s.help) {
        await known.noHelp()
        s.help = null
      } else {
        s.help = (await known.help()).help
        void voice.say('terminal_help')
        void report()
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      s.trouble = error.words
    }
  }

  // ---- how it looks and sounds

  function larger(): void {
    s.size = (s.size + 1) % SIZES.length
    document.documentElement.style.setProperty('--size', `${SIZES[s.size] ?? 18}pt`)
  }

  function setDark(dark: boolean): void {
    s.dark = dark
    document.documentElement.classList.toggle('dark', dark)
  }

  function otherLanguage(): void {
    speak(language.value === 'zh' ? 'en' : 'zh')
  }

  /** A dialect is heard; what is shown stays Chinese. */
  function speak(to: string): void {
    s.spoken = voice.spoken = to
    setLanguage(to === 'en' ? 'en' : 'zh')
    const say = { home: 'terminal_home', about: 'terminal_about', record: 'terminal_record', waiting: 'terminal_waiting' }[s.view as string]
    if (say) void voice.say(say)
  }

  document.documentElement.style.setProperty('--size', `${SIZES[0]}pt`)
  setLanguage('zh')
  document.addEventListener('pointerdown', touch, true)
  const ticking = setInterval(() => idle.tick(), 1_000)

  return {
    s, home, visit, voice, devices, tracks, paperCamera, bookings, networkLost: network.lost, start, pairWith, show, choose, first, about, begin, tested, arrived,
    callback, answer, order, served, pages, keepShown, leave, print, wipe, stop, help, larger, setDark, otherLanguage, speak, paperPlace,
    roomLost: (is: boolean) => lose('room', is),
    now: () => Date.now() + serverAhead,
    words: pick,
  }
}

export type Terminal = ReturnType<typeof useTerminal>
