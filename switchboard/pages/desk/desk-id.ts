/** The id of this tab's desk: kept over reloads, but not copied when somebody duplicates the tab. */
import { recall, remember } from '@/shared/storage'

import { newId } from './link'

const ASK_MS = 60

/** The kept id, or a new one when another living tab answers to it. */
export async function deskId(): Promise<string> {
  const kept = recall('desk', 'tab')
  const id = kept !== null && !(await livesElsewhere(kept)) ? kept : newId()
  remember('desk', id, 'tab')
  answerFor(id)
  return id
}

function livesElsewhere(id: string): Promise<boolean> {
  return new Promise((resolve) => {
    const channel = new BroadcastChannel('12348.desk')
    const end = (found: boolean): void => {
      clearTimeout(timer)
      channel.close()
      resolve(found)
    }
    const timer = setTimeout(() => end(false), ASK_MS)
    channel.onmessage = (event: MessageEvent<{ mine?: string }>) => {
      if (event.data.mine === id) end(true)
    }
    channel.postMessage({ whose: id })
  })
}

function answerFor(id: string): void {
  const channel = new BroadcastChannel('12348.desk')
  channel.onmessage = (event: MessageEvent<{ whose?: string }>) => {
    if (event.data.whose === id) channel.postMessage({ mine: id })
  }
}
