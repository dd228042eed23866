/** The live board's data, as the page shows it. Timers stand still when the data does. */
import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'

import { toSignIn, whoAmI } from '@/shared/api'
import { ServerClock } from '@/shared/clock'
import { LiveSocket, type LinkState, socketUrl } from '@/shared/live-socket'
import { recall, remember } from '@/shared/storage'

import { callOut, chime } from './chime'
import { alertKeys, NewAlerts } from './duty'
import { columnOf, isLater, openPromises } from './later'
import {
  type BoardAgent,
  type BoardContact,
  type BoardFrame,
  type BoardMatter,
  BoardStream,
  type Figures,
  type Health,
  type HelpCall,
  type Late,
  type Notice,
  type Overload,
  type Requests,
  type Stage,
  type TerminalAlert,
} from './stream'
import { Breaches, type Level, levelOf, weight } from './thresholds'

const SHOW_EVERY_MS = 200
const SILENCE_MS = 5000
export const OPEN_STAGES: readonly Stage[] = ['intake', 'waiting', 'ringing', 'talking', 'survey']

export type Board = ReturnType<typeof useBoard>

/** Since when somebody is in the stage they are in. */
export function stageSince(contact: BoardContact): number {
  if (contact.stage === 'talking' || contact.stage === 'survey') return contact.talking_since ?? contact.arrived
  if (contact.stage === 'waiting' || contact.stage === 'ringing') return contact.queued ?? contact.arrived
  return contact.arrived
}

export function useBoard() {
  const stream = new BoardStream()
  const clock = new ServerClock()
  const link = ref<LinkState>('connecting')
  const now = ref(clock.now())
  const asOf = ref<number | null>(null)
  const version = ref(0)
  const chimes = ref(recall('chimes') !== 'off')
  const breaches = shallowRef(new Breaches())
  const acknowledgements = ref(0)
  const silent = ref(false)
  let changed = false
  let takenAt = 0

  const socket = new LiveSocket({
    url: socketUrl('/ws/board'),
    onFrame: (frame) => take(frame as unknown as BoardFrame),
    onState: (state, code) => {
      if (state === 'connecting') stream.begin()
      link.value = state
      if (code === 4401) toSignIn()
    },
    onUnreachable: () => void whoAmI().then((who) => who === null && toSignIn(), () => undefined),
    finalCodes: [4401],
  })

  function take(frame: BoardFrame): void {
    if (stream.take(frame) === 'gap') {
      socket.restart()
      return
    }
    clock.observe(frame.now)
    takenAt = performance.now()
    silent.value = false
    changed ||= frame.type !== 'beat'
    asOf.value = frame.now
    if (frame.type === 'snapshot') show()
  }

  function show(): void {
    silent.value = performance.now() - takenAt > SILENCE_MS
    if (!silent.value) now.value = clock.now()
    if (!changed) return
    changed = false
    version.value += 1
  }

  const timer = setInterval(show, SHOW_EVERY_MS)
  socket.start()
  onScopeDispose(() => {
    clearInterval(timer)
    socket.stop()
  })

  /** All items of one kind, made anew when something changed. */
  const items = <T>(kind: string) => computed<T[]>(() => (version.value >= 0 ? stream.all<T>(kind) : []))

  const matters = items<BoardMatter>('matter')
  const agents = items<BoardAgent>('agent')
  const contacts = items<BoardContact>('contact')
  const health = items<Health>('health')
  const allFigures = items<Figures>('figures')
  const notices = items<Notice>('notice')
  const overload = items<Overload>('overload')
  const helpCalls = items<HelpCall>('help')
  const lates = items<Late>('late')
  const terminals = items<TerminalAlert>('terminal')
  /** Its prefix makes it chime as a volunteer's call does. */
  const calling = computed(() => terminals.value.filter((one) => one.asked !== null && one.seen_by === null).map((one) => `help/terminal/${one.id}`))
  const allRequests = items<Requests>('requests')
  const requests = computed(() => allRequests.value[0] ?? { follow_ups: 0, appeals: 0, swaps: 0 })
  const figures = computed(() => allFigures.value[0] ?? null)
  const live = computed(() => asOf.value !== null && !silent.value)
  const loaded = computed(() => asOf.value !== null)

  const second = computed(() => Math.floor(now.value / 1000) * 1000)
  const byStage = computed(() => {
    const groups = new Map<Stage, BoardContact[]>()
    for (const contact of contacts.value) {
      if (isLater(contact, second.value)) continue
      const column = columnOf(contact)
      const group = groups.get(column)
      if (group) group.push(contact)
      else groups.set(column, [contact])
    }
    for (const group of groups.values()) group.sort((a, b) => stageSince(a) - stageSince(b))
    return groups
  })
  const finished = computed(() =>
    [...(byStage.value.get('finished') ?? [])].sort((a, b) => (b.ended ?? 0) - (a.ended ?? 0)),
  )
  const waiting = computed(() => [...(byStage.value.get('waiting') ?? []), ...(byStage.value.get('ringing') ?? [])])
  const promises = computed(() => openPromises(contacts.value, second.value))
  const totals = computed(() => ({
    waiting: waiting.value.length,
    longestSince: waiting.value.reduce<number | null>((oldest, contact) => {
      const since = stageSince(contact)
      return oldest === null || since < oldest ? since : oldest
    }, null),
    talking: byStage.value.get('talking')?.length ?? 0,
    ready: agents.value.filter((agent) => agent.state === 'available').length,
    signedIn: agents.value.filter((agent) => agent.state !== 'offline').length,
  }))

  const levels = computed(
    () => new Map<string, Level>(matters.value.map((matter) => [matter.id, levelOf(matter, second.value)])),
  )
  watch(levels, (current) => {
    const worse = breaches.value.update(current)
    if (worse.length > 0 && chimes.value && live.value) chime()
    acknowledgements.value += worse.length
  })
  const alarms = computed(() => {
    const seen = acknowledgements.value >= 0
    return matters.value.filter(
      (matter) => seen && weight(levels.value.get(matter.id) ?? 'fine') === 2 && breaches.value.isOpen(matter.id),
    )
  })

  const newAlerts = new NewAlerts()
  const contactById = computed(() => new Map(contacts.value.map((one) => [one.id, one])))
  watch(
    () => [...alertKeys(helpCalls.value, lates.value, second.value), ...calling.value].join(' '),
    (keys) => {
      const [help, late] = newAlerts.update(keys === '' ? [] : keys.split(' '))
      if (!chimes.value || !live.value) return
      if (help) callOut()
      else if (late) chime()
    },
  )

  const matterNames = computed(() => new Map(matters.value.map((matter) => [matter.id, matter])))
  const agentNames = computed(() => new Map(agents.value.map((agent) => [agent.id, agent.name])))

  return {
    now,
    asOf,
    link,
    live,
    loaded,
    matters,
    agents,
    health,
    figures,
    byStage,
    finished,
    promises,
    notices,
    overload,
    helpCalls,
    lates,
    terminals,
    requests,
    contactById,
    second,
    totals,
    levels,
    alarms,
    matterNames,
    agentNames,
    chimes,
    toggleChimes: () => {
      chimes.value = !chimes.value
      remember('chimes', chimes.value ? 'on' : 'off')
    },
    acknowledge: (id: string) => {
      breaches.value.acknowledge(id)
      acknowledgements.value += 1
    },
  }
}
