/** Whether the line is gone: by the browser's word, the switchboard's silence, or the room's. Told once it lasts. */
import { computed, reactive, ref } from 'vue'

/** Shorter gaps are the business of the connection alone. */
export const LOST_MS = 2_500

type What = 'house' | 'visit' | 'room'

export function useNetwork(tell: (lost: boolean) => void) {
  const from = reactive({ house: false, visit: false, room: false, offline: !navigator.onLine })
  const now = computed(() => from.offline || from.house || from.visit || from.room)
  const lost = ref(false)
  let timer: ReturnType<typeof setTimeout> | null = null

  function look(): void {
    if (now.value) {
      timer ??= setTimeout(last, LOST_MS)
      return
    }
    if (timer !== null) clearTimeout(timer)
    timer = null
    if (!lost.value) return
    lost.value = false
    tell(false)
  }

  function last(): void {
    timer = null
    if (!now.value || lost.value) return
    lost.value = true
    tell(true)
  }

  function lose(what: What, is: boolean): void {
    from[what] = is
    look()
  }

  function changed(): void {
    from.offline = !navigator.onLine
    look()
  }

  for (const event of ['online', 'offline'] as const) window.addEventListener(event, changed)

  function stop(): void {
    if (timer !== null) clearTimeout(timer)
    for (const event of ['online', 'offline'] as const) window.removeEventListener(event, changed)
  }

  return { lost, lose, stop, away: (what: What): boolean => from[what] }
}
