/** The walk of a simulated caller, as the server tells it. */
import type { Words } from '@/shared/api'

export interface Line {
  who: 'hotline' | 'caller'
  /** What is spoken, or the key that was pressed; empty: no key. */
  text: string
  language: string | null
  key: string | null
}

export interface Walked {
  said: Line[]
  /** Whether a key is waited for now. */
  asks: boolean
  /** How it ends; null while it goes on. */
  ends: string | null
  /** The matter that the caller came to. */
  about: Words | null
  /** The information or the other hotline that it ends at. */
  to: string | null
}
