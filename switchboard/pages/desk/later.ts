/**
 * Parts of the desk that the first paint does without: fetched as soon as the browser has nothing else to do, so that
 * they are there before anybody asks for them, and without a network too.
 */
import { type Component, defineAsyncComponent } from 'vue'

type Load = () => Promise<{ default: Component }>

const IDLE_WITHIN_MS = 3000

export function later(load: Load): Component {
  if ('requestIdleCallback' in window) requestIdleCallback(() => void load().catch(() => undefined), { timeout: IDLE_WITHIN_MS })
  else setTimeout(() => void load().catch(() => undefined), 500)
  return defineAsyncComponent(load)
}
