/** When a queue needs eyes (attention) and when it needs hands (alarm). One breach, one chime. */
import type { BoardMatter, Figures } from './stream'

export const ATTENTION = { longestMs: 15_000, waiting: 3 } as const
export const ALARM = { longestMs: 60_000 } as const
export const TARGETS = { within15: 0.8, connected: 0.95 } as const

export type Level = 'fine' | 'attention' | 'alarm' | 'unstaffed'

const WEIGHT: Record<Level, number> = { fine: 0, attention: 1, alarm: 2, unstaffed: 2 }

export function levelOf(matter: BoardMatter, now: number): Level {
  const longest = matter.longest_since === null ? 0 : now - matter.longest_since
  if (matter.waiting > 0 && matter.staffed === 0) return 'unstaffed'
  if (matter.waiting > 0 && longest >= ALARM.longestMs) return 'alarm'
  if (matter.waiting >= ATTENTION.waiting || (matter.waiting > 0 && longest >= ATTENTION.longestMs)) return 'attention'
  return 'fine'
}

/** 0 fine, 1 attention, 2 alarm. */
export function weight(level: Level): number {
  return WEIGHT[level]
}

/** answered within 15 s / (answered + abandoned); null without a case. */
export function within15(figures: Figures): number | null {
  const whole = figures.answered + figures.abandoned
  return whole > 0 ? figures.answered_15s / whole : null
}

/** answered / (answered + abandoned + timed out); null without a case. */
export function connected(figures: Figures): number | null {
  const whole = figures.answered + figures.abandoned + figures.timed_out
  return whole > 0 ? figures.answered / whole : null
}

/** Remembers which breaches were told already. */
export class Breaches {
  private readonly told = new Map<string, number>()
  private readonly acknowledged = new Set<string>()

  /** The ids that got worse since the last look: each deserves one chime. */
  update(levels: ReadonlyMap<string, Level>): string[] {
    const worse: string[] = []
    for (const [id, level] of levels) {
      const before = this.told.get(id) ?? 0
      const now = weight(level)
      if (now > before) {
        worse.push(id)
        this.acknowledged.delete(id)
      }
      if (now === 0) this.acknowledged.delete(id)
      this.told.set(id, now)
    }
    return worse
  }

  acknowledge(id: string): void {
    this.acknowledged.add(id)
  }

  isOpen(id: string): boolean {
    return (this.told.get(id) ?? 0) === 2 && !this.acknowledged.has(id)
  }
}
