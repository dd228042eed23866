/** Calls for help and volunteers who are not there: what alerts, and when it alerts again. */
import type { HelpCall, Late } from './stream'

/** A call for help that nobody has seen alerts again after each minute. */
export const AGAIN_MS = 60_000

/** How many whole minutes a call has waited without anybody seeing to it. */
export function roundOf(call: HelpCall, now: number): number {
  return call.seen_by !== null ? 0 : Math.max(0, Math.floor((now - call.asked) / AGAIN_MS))
}

/** One key for each alert that should have been heard by now; a new round of a call is a new key. */
export function alertKeys(calls: readonly HelpCall[], lates: readonly Late[], now: number): string[] {
  const unseen = calls.filter((call) => call.seen_by === null)
  return [...unseen.map((call) => `help/${call.id}/${roundOf(call, now)}`), ...lates.map((late) => `late/${late.id}`)]
}

/** Remembers which alerts were heard already. */
export class NewAlerts {
  private known = new Set<string>()

  /** Whether there is a new call for help (or a new round of one), and whether there is a new latecomer. */
  update(keys: readonly string[]): [help: boolean, late: boolean] {
    const fresh = keys.filter((key) => !this.known.has(key))
    this.known = new Set(keys)
    return [fresh.some((key) => key.startsWith('help/')), fresh.some((key) => key.startsWith('late/'))]
  }
}
