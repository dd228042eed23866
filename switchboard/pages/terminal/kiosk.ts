/**
 * What the shell around the browser may offer (docs/terminal.md): `window.kiosk`. A page in an ordinary browser has
 * none, and does without.
 */
export type Printer = 'ok' | 'paper_out' | 'offline' | 'none' | 'unknown'

export interface KioskStatus {
  printer: Printer
  /** `deviceId` or label of the camera above the table. */
  documentCamera?: string
}

export interface Kiosk {
  status: () => Promise<KioskStatus>
  /** Prints the page's print view without a dialogue; how the printer is afterwards. */
  print?: () => Promise<Printer>
  /** Clears what the browser itself keeps: history, caches, form data. Called after the page has wiped its own. */
  wipe?: () => Promise<void>
}

declare global {
  interface Window {
    kiosk?: Kiosk
  }
}

const PRINTERS: readonly Printer[] = ['ok', 'paper_out', 'offline', 'none', 'unknown']
const PATIENCE_MS = 5_000

/** How the shell says the machine is; a shell that does not answer, or answers nonsense, is one that says nothing. */
export async function kioskStatus(kiosk: Kiosk | undefined = window.kiosk): Promise<KioskStatus> {
  if (!kiosk) return { printer: 'unknown' }
  try {
    const told = await within(kiosk.status(), PATIENCE_MS)
    const printer = PRINTERS.includes(told.printer) ? told.printer : 'unknown'
    return { printer, ...(typeof told.documentCamera === 'string' ? { documentCamera: told.documentCamera } : {}) }
  } catch {
    return { printer: 'unknown' }
  }
}

/** Prints what the print style sheet leaves; how the printer is afterwards. */
export async function printSheet(kiosk: Kiosk | undefined = window.kiosk): Promise<Printer> {
  if (kiosk?.print) {
    const after = await within(kiosk.print(), 60_000).catch(() => 'offline' as const)
    return PRINTERS.includes(after) ? after : 'unknown'
  }
  window.print()
  return 'unknown'
}

function within<T>(work: Promise<T>, ms: number): Promise<T> {
  return Promise.race([work, new Promise<never>((_, late) => setTimeout(() => late(new Error('late')), ms))])
}
