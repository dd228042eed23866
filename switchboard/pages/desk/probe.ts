/** What a browser test may look at: `window.__desk`. It can change nothing and shows no secret. */
import type { Ref } from 'vue'

import type { LinkState } from '@/shared/live-socket'

import type { Earpiece } from './earpiece'
import type { Microphone } from './microphone'
import type { DeskModel } from './model'
import type { Softphone } from './phone'

export interface DeskProbe {
  /** The line is registered. */
  readonly registered: boolean
  readonly line: string
  /** `none`, `answering` or `active`. */
  readonly session: string
  readonly answered: number
  readonly muted: boolean
  readonly held: boolean
  /** The agent's state by its name, e.g. `available`. */
  readonly state: string
  readonly reservation: number | null
  readonly contact: string | null
  readonly stage: string | null
  readonly network: LinkState
  readonly microphone: string
  /** Root mean square of what the volunteer hears now (full scale 1). */
  level(): number
  /** Amplitude of one frequency in what the volunteer hears now (full scale 1). */
  tone(frequency: number): number
}

declare global {
  interface Window {
    __desk?: DeskProbe
  }
}

export function exposeProbe(parts: {
  model: DeskModel
  phone: Softphone
  earpiece: Earpiece
  network: Ref<LinkState>
  microphone: Microphone
}): void {
  const { model, phone, earpiece, network, microphone } = parts
  window.__desk = Object.freeze({
    get registered() {
      return phone.view.line === 'registered'
    },
    get line() {
      return phone.view.line
    },
    get session() {
      return phone.view.session
    },
    get answered() {
      return phone.view.answered
    },
    get muted() {
      return phone.view.muted
    },
    get held() {
      return phone.view.held
    },
    get state() {
      return model.state.name
    },
    get reservation() {
      return model.reservation?.id ?? null
    },
    get contact() {
      return model.contact?.id ?? null
    },
    get stage() {
      return model.contact?.stage ?? null
    },
    get network() {
      return network.value
    },
    get microphone() {
      return microphone.view.state
    },
    level: () => earpiece.level(),
    tone: (frequency: number) => earpiece.tone(frequency),
  })
}
