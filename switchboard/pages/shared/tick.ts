/** One heartbeat for every timer on a page. */
import { onScopeDispose, readonly, ref, type Ref } from 'vue'

import type { ServerClock } from './clock'

export function useNow(clock: ServerClock, everyMs = 200): Readonly<Ref<number>> {
  const now = ref(clock.now())
  const timer = setInterval(() => (now.value = clock.now()), everyMs)
  onScopeDispose(() => clearInterval(timer))
  return readonly(now)
}
