/** Puts the desk together: the socket's frames, the phone, the devices, the ring. The view only shows and asks. */
import { computed, nextTick, onScopeDispose, reactive, ref, shallowRef, watch } from 'vue'

import { toSignIn, whoAmI, type Words } from '@/shared/api'
import { ServerClock } from '@/shared/clock'
import { ending } from '@/shared/numbers'
import { pick, t } from '@/shared/i18n'
import type { LinkState } from '@/shared/live-socket'
import { recall, remember } from '@/shared/storage'
import { useNow } from '@/shared/tick'

import { Alerts } from './alerts'
import { deskId } from './desk-id'
import { Earpiece } from './earpiece'
import type { DeskFrame, Directory, Done, PhoneKind } from './frames'
import { CommandError, DeskLink } from './link'
import { Microphone } from './microphone'
import { applyFrame, colleagueAnswered, colleagueHere, emptyModel, isBusy, mayPassOn } from './model'
import { ownPhone } from './own-phone'
import { Softphone } from './phone'
import { exposeProbe } from './probe'
import { Ringer } from './ringer'

const NOTICE_MS = 7000
const LEFT_OVER_MS = 4000
const VOICE_PATIENCE_MS = 2000

export interface Notice {
  kind: 'bad' | 'good' | 'warn'
  text: string
}

/** A colleague's id, or a matter's. */
export type Choice = { agent: string } | { matter: string }

export type Desk = ReturnType<typeof useDesk>

function recalledKind(): PhoneKind {
  const kind = recall('phone')
  return kind === 'sip' || kind === 'trunk' ? kind : 'browser'
}

export function useDesk() {
  const clock = new ServerClock()
  const now = useNow(clock)
  const model = reactive(emptyModel())
  const network = ref<LinkState>('connecting')
  const closeCode = ref<number | null>(null)
  const notice = ref<Notice | null>(null)
  const kind = ref<PhoneKind>(recalledKind())
  const accepting = ref<number | null>(null)
  const acceptedVisit = ref(false)
  const blocked = ref(false)
  const settingUp = ref(false)
  const choosing = ref(false)
  const helpRead = ref<number | null>(null)
  const earpieceDevice = ref(recall('earpiece') ?? '')
  const link = shallowRef<DeskLink | null>(null)

  const microphone = new Microphone()
  const ringer = new Ringer(recall('ringer') ?? '')
  const earpiece = new Earpiece()
  const alerts = new Alerts()
  const phone = new Softphone(async () => {
    // A question of the browser that nobody answers must not keep the caller: whatever is said later, is heard later.
    if (!microphone.stream) await Promise.race([microphone.open(), new Promise((go) => setTimeout(go, VOICE_PATIENCE_MS))])
    if (!microphone.stream) say('bad', t('desk.errors.media'))
    return microphone.forCall()
  })

  earpiece.onBlocked = (value) => (blocked.value = value)
  phone.onRemote = (stream) => (stream ? earpiece.play(stream) : earpiece.stop())
  phone.onSilent = () => {
    const track = microphone.stream?.getAudioTracks()[0]
    if (track) void phone.replaceTrack(track)
  }
  microphone.onTrack = (track) => void phone.replaceTrack(track)
  void earpiece.use(earpieceDevice.value)
  void ringer.look()
  microphone.watch()

  const stage = computed(() => model.contact?.stage ?? null)
  /** The call for help, until its end was read. */
  const help = computed(() => (model.help?.closed != null && model.help.id === helpRead.value ? null : model.help))
  const offline = computed(() => network.value !== 'open')
  const inCall = computed(
    () => stage.value === 'connecting' || stage.value === 'talking' || (!model.contact && model.state.name === 'in_contact'),
  )
  /** A visit has a room of its own: no telephone rings. */
  const visiting = computed(() => (model.contact?.card ?? model.reservation?.card)?.medium === 'visit' || (!model.contact && acceptedVisit.value))
  const legWanted = computed(
    () => kind.value === 'browser' && !visiting.value && (inCall.value || accepting.value !== null),
  )

  let noticeTimer: ReturnType<typeof setTimeout> | undefined
  function say(how: Notice['kind'], text: string): void {
    clearTimeout(noticeTimer)
    notice.value = { kind: how, text }
    noticeTimer = setTimeout(() => (notice.value = null), NOTICE_MS)
  }

  function tell(error: unknown): void {
    if (!(error instanceof CommandError)) throw error
    say('bad', error.words ? pick(error.words as Words) : t('desk.errors.lost'))
  }

  /** Sends one command; true when the server did it. A refusal is shown, not thrown. */
  async function command(type: string, fields: object = {}, onAnswer?: (answer: Done) => void): Promise<boolean> {
    if (!link.value) return false
    if (offline.value) say('warn', t('desk.errors.notSent'))
    try {
      const answer = await link.value.command(type, fields)
      onAnswer?.(answer)
      return true
    } catch (error) {
      tell(error)
      return false
    }
  }

  function order(type: string, fields: object = {}): Promise<boolean> {
    return model.contact ? command(type, { contact: model.contact.id, ...fields }) : Promise.resolve(false)
  }

  /** Like `order`, for what may be refused with something to decide: the refusal itself; null: it was done. */
  async function attempt(type: string, fields: object): Promise<CommandError | null> {
    if (!link.value || !model.contact) return new CommandError('lost', null)
    try {
      await link.value.command(type, { contact: model.contact.id, ...fields })
      return null
    } catch (error) {
      if (error instanceof CommandError) return error
      throw error
    }
  }

  function take(frame: DeskFrame): void {
    if (frame.type === 'welcome' || frame.type === 'beat') clock.observe(frame.now)
    const first = !model.welcomed
    applyFrame(model, frame)
    if (frame.type === 'welcome') {
      if (kind.value === 'browser') void phone.start(frame.phone)
      else phone.stop()
      // Reloaded in mid-call: the phone is about to ring and needs it.
      if (first && kind.value === 'browser' && (frame.contact || frame.reservation)) void microphone.open()
      if (first) settingUp.value = needsSetUp()
      else if (kind.value === 'browser' && microphone.view.state === 'off' && checkedToday()) void microphone.open()
    }
    if (frame.type === 'news') {
      say(['approved', 'upheld'].includes(frame.state) ? 'good' : 'warn', t(`desk.duty.news.${frame.what}.${frame.state}`))
    }
    if (frame.type === 'reservation_gone') {
      // A missed one has a place of its own on the page, and who declined knows it.
      if (frame.why === 'rejected' || frame.why === 'timed_out') return
      say('warn', t(`desk.incoming.gone.${frame.why}`))
    }
  }

  function checkedToday(): boolean {
    return recall('devices-checked') === new Date().toDateString()
  }

  function needsSetUp(): boolean {
    if (model.contact || model.reservation || kind.value === 'sip') return false
    if (kind.value === 'trunk') {
      // No microphone is asked for; but a telephone that nobody knows cannot ring.
      void ownPhone().then((known) => (settingUp.value ||= !known.number), () => undefined)
      return false
    }
    if (!checkedToday()) return true
    void microphone.open().then((open) => (settingUp.value = settingUp.value || !open))
    return false
  }

  async function begin(): Promise<void> {
    const desk = await deskId()
    link.value = new DeskLink({
      desk,
      phone: kind.value,
      inCall: () => phone.view.session !== 'none',
      onFrame: take,
      onState: (state, code) => {
        network.value = state
        if (state === 'closed') closeCode.value = code
        if (code === 4401) toSignIn()
      },
      onUnreachable: () => void whoAmI().then((who) => who === null && toSignIn(), () => undefined),
    })
    link.value.start()
  }

  function wake(): void {
    microphone.wake()
    ringer.wake()
    if (blocked.value) void earpiece.resume()
  }

  async function accept(): Promise<void> {
    const reservation = model.reservation
    if (!reservation || accepting.value !== null) return
    accepting.value = reservation.id
    acceptedVisit.value = reservation.card.medium === 'visit'
    wake()
    if (kind.value === 'browser' && !microphone.stream && !acceptedVisit.value) void microphone.open()
    if (!(await command('accept', { reservation: reservation.id }))) accepting.value = null
  }

  const commands = {
    accept,
    decline: () =>
      model.reservation && command('reject', { reservation: model.reservation.id, reason: 'declined' }),
    ready: () => {
      wake()
      model.pauseAfter = null
      return command('ready')
    },
    pause: async (reason: string) => {
      const busy = isBusy(model)
      if ((await command('pause', { reason })) && busy && isBusy(model)) model.pauseAfter = reason
    },
    hangUp: async () => {
      if (!model.contact) return phone.hangUp()
      if (offline.value) phone.hangUp()
      await command('hang_up', { contact: model.contact.id })
    },
    toggleMute: () => phone.view.session === 'active' && phone.setMuted(!phone.view.muted),
    /** The caller to music, or back; with a colleague here: from one to the other. */
    toggleHold: () => {
      const contact = model.contact
      if (!contact || contact.stage !== 'talking' || contact.part === 'colleague') return
      if (colleagueAnswered(contact) && contact.colleague?.state !== 'three_way') return order('toggle')
      return order(contact.held ? 'resume' : 'hold')
    },
    toggleColleague: () => order('toggle'),
    closeList: () => (choosing.value = false),
    /** The list of colleagues, or, with one in the talk, the hand-over itself. */
    passOn: () => {
      if (model.contact && colleagueAnswered(model.contact)) return order('complete')
      if (model.contact && mayPassOn(model.contact)) choosing.value = !choosing.value
      else if (model.contact?.stage === 'talking') say('warn', t('desk.handOver.oneAtATime'))
      else if (model.contact) say('warn', t('desk.handOver.notYet'))
    },
    join: () => model.contact && colleagueAnswered(model.contact) && order('join'),
    complete: () => model.contact && colleagueAnswered(model.contact) && order('complete'),
    giveUp: () => model.contact && colleagueHere(model.contact) && order('give_up'),
    /** Whom to: a colleague, or whoever serves a matter. Refusals come back, so that the choice can be made again. */
    handOn: (how: 'transfer' | 'consult' | 'invite', to: Choice, note: string, anyway = false) =>
      how === 'transfer'
        ? attempt('transfer', { ...to, note, anyway })
        : attempt('ask_colleague', { ...to, note, three_way: how === 'invite' }),
    openDirectory: async (open: boolean) => {
      if (!open) model.directory = null
      if (offline.value) return
      await command('directory', { open }, (answer) => {
        if (open) model.directory = answer.directory as Directory
      })
    },
    pauseRecording: (paused: boolean) =>
      model.contact
        ? command(paused ? 'pause_recording' : 'resume_recording', { contact: model.contact.id })
        : Promise.resolve(false),
    /** With `stay` all three talk; without it the volunteer's leg ends as soon as the hotline answers. */
    handOver: (to: string, stay: boolean) =>
      model.contact
        ? command('hand_over', { contact: model.contact.id, to, three_way: stay })
        : Promise.resolve(false),
    /** Stops the ringing of a hotline that has not answered yet. */
    callOff: () => (model.contact ? command('call_off', { contact: model.contact.id }) : Promise.resolve(false)),
    /** A link for the caller, to go on with picture; the telephone stays. */
    inviteVideo: () => order('invite_video'),
    endVideo: () => order('end_video'),
    callHelp: () => (model.contact ? command('call_help', { contact: model.contact.id }) : Promise.resolve(false)),
    helpOver: () => command('help_over'),
    readHelp: () => (helpRead.value = model.help?.id ?? null),
    extend: () => (model.contact ? command('extend', { contact: model.contact.id }) : Promise.resolve(false)),
    wrapUp: (fields: { contact: string; matter: string; disposition: string; note: string; then: 'ready' | 'pause' }) =>
      command('wrap_up', fields),
    callMessage: (contact: string) => {
      wake()
      if (kind.value === 'browser' && !microphone.stream) void microphone.open()
      return command('call_message', { contact })
    },
    finishMessage: (fields: { contact: string; matter: string | null; disposition: string; note: string }) =>
      command('finish_message', fields),
    returnMessage: (contact: string, reason: string) => command('return_message', { contact, reason }),
    signOut: async () => {
      if (!offline.value) await command('sign_out')
      phone.stop()
      link.value?.stop()
    },
    takeOver: () => {
      model.refused = null
      closeCode.value = null
      link.value?.takeOver()
    },
  }

  function chooseKind(to: PhoneKind): void {
    if (to === kind.value) return
    kind.value = to
    remember('phone', to)
    phone.stop()
    if (link.value) {
      link.value.phone = to
      link.value.restart()
    }
  }

  function chooseRinger(device: string): void {
    ringer.device = device
    remember('ringer', device)
  }

  function chooseEarpiece(device: string): void {
    earpieceDevice.value = device
    remember('earpiece', device)
    void earpiece.use(device)
  }

  function finishSetUp(): void {
    settingUp.value = false
    remember('devices-checked', new Date().toDateString())
  }

  watch(legWanted, (wanted) => phone.expect(wanted), { immediate: true })
  // Seen and heard through the room, the caller must not be heard twice; the telephone is there again when that ends.
  watch(() => model.contact?.video?.kind === 'lift' && model.contact.video.state === 'up', (inRoom) => {
    earpiece.element.muted = inRoom
    phone.setMuted(inRoom)
  })
  watch([stage, () => model.state.name], ([to, name]) => {
    if (to !== null || !['reserved', 'in_contact'].includes(name)) accepting.value = null
    if (!legWanted.value) setTimeout(dropLeftOver, LEFT_OVER_MS)
  })
  // The talk is over for the server: a leg left over from a lost line must not stay open. The pause is for a
  // switchboard that was started anew and remembers the contact a moment later than it greets the desk.
  function dropLeftOver(): void {
    if (!legWanted.value && !offline.value) phone.hangUp()
  }
  // What was said about the talk would lie over the form that follows it.
  watch(stage, (to) => to === 'wrap_up' && (notice.value = null))
  watch(
    () => [model.reservation?.id ?? null, network.value === 'open'] as const,
    async ([id, open], before) => {
      if (id === null) {
        ringer.stop()
        alerts.clear()
        return
      }
      if (open && (before?.[0] !== id || before[1] !== open)) {
        // A card in a hidden tab counts as shown: ring, title and notification tell of it.
        await nextTick()
        void link.value?.command('seen', { reservation: id }).catch(() => undefined)
      }
      if (before?.[0] === id) return
      if (kind.value !== 'sip' || recall('ringer') !== null) void ringer.start()
      const card = model.reservation?.card
      if (card) {
        const caller = card.terminal ? card.terminal.village : t('common.ending', { digits: ending(card.caller) })
        alerts.raise(`☎ ${t(card.medium === 'callback' ? 'desk.incoming.noticeBack' : card.medium === 'visit' ? 'desk.visit.notice' : card.medium === 'consult' ? 'desk.transfer.asksYou' : 'desk.incoming.notice', { name: card.from?.name ?? '' })}`, [card.matter && pick(card.matter), caller].filter(Boolean).join(' · '))
      }
    },
  )
  watch(() => model.contact !== null && mayPassOn(model.contact), (may) => (choosing.value &&= may))
  watch(accepting, (id) => id !== null && ringer.stop())
  watch(() => model.refused, (refused) => {
    if (!refused) return
    phone.stop()
    ringer.stop()
    microphone.close()
  })
  watch(
    () => `${t(`state.${model.state.name}`)} · ${t('desk.title')} · 12348`,
    (title) => alerts.setTitle(title),
    { immediate: true },
  )

  exposeProbe({ model, phone, earpiece, network, microphone })
  void begin()
  onScopeDispose(() => {
    link.value?.stop()
    phone.stop()
    ringer.stop()
    microphone.close()
  })

  return {
    model,
    now,
    network,
    closeCode,
    notice,
    kind,
    accepting,
    blocked,
    settingUp,
    choosing,
    help,
    offline,
    inCall,
    earpieceDevice,
    microphone,
    ringer,
    earpiece,
    alerts,
    phone,
    ...commands,
    chooseKind,
    chooseRinger,
    chooseEarpiece,
    finishSetUp,
    wake,
    say,
  }
}
