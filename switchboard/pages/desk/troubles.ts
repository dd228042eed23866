/** What is wrong with this computer just now, in plain words: each goes away by itself once it is right again. */
import { computed, onScopeDispose, ref, watch } from 'vue'

import type { Desk } from './desk'
import { microphonePermission } from './microphone'

export type TroubleId = 'denied' | 'none' | 'busy' | 'unheard' | 'speaker' | 'line' | 'ringer'

/** A line that is made anew, after a reload for instance, is no trouble yet; nor is a microphone being opened. */
const LINE_PATIENCE_MS = 3000
const MICROPHONE_PATIENCE_MS = 2000

/** How many loudspeakers and headsets there are; null while the browser does not tell. */
export function useSpeakers(desk: Desk) {
  const speakers = ref<number | null>(null)

  async function look(): Promise<void> {
    const all = (await navigator.mediaDevices?.enumerateDevices().catch(() => null)) ?? null
    // Without a permission the browser may tell of no device at all; some browsers never tell of loudspeakers.
    const known = (await microphonePermission())?.state === 'granted' && 'setSinkId' in HTMLMediaElement.prototype
    speakers.value = all && known ? all.filter((device) => device.kind === 'audiooutput').length : null
  }

  watch(() => desk.microphone.view.state, () => void look(), { immediate: true })
  navigator.mediaDevices?.addEventListener('devicechange', look)
  onScopeDispose(() => navigator.mediaDevices?.removeEventListener('devicechange', look))
  return speakers
}

/** True once it has been so for this long without a break. */
function lasting(isSo: () => boolean, patienceMs: number) {
  const lasts = ref(false)
  let patience: ReturnType<typeof setTimeout> | undefined
  watch(
    isSo,
    (so) => {
      clearTimeout(patience)
      lasts.value = false
      if (so) patience = setTimeout(() => (lasts.value = true), patienceMs)
    },
    { immediate: true },
  )
  onScopeDispose(() => clearTimeout(patience))
  return lasts
}

export function useTroubles(desk: Desk) {
  const speakers = useSpeakers(desk)
  const lineLost = lasting(() => ['connecting', 'failed'].includes(desk.phone.view.line), LINE_PATIENCE_MS)
  const unheard = lasting(
    () => desk.phone.view.session === 'active' && desk.microphone.view.state !== 'live',
    MICROPHONE_PATIENCE_MS,
  )

  return computed<TroubleId[]>(() => {
    if (desk.kind.value !== 'browser' || desk.model.state.name === 'offline') return []
    const microphone = desk.microphone.view.state
    const found: TroubleId[] = []
    if (microphone === 'denied' || microphone === 'none' || microphone === 'busy') found.push(microphone)
    else if (unheard.value) found.push('unheard')
    if (speakers.value === 0) found.push('speaker')
    if (lineLost.value && !desk.offline.value) found.push('line')
    if (desk.ringer.view.asleep) found.push('ringer')
    return found
  })
}
