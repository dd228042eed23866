/** Where the keyboard stays when one view takes the place of another: nobody who works by keys alone is thrown back to
 * the top of the page, and who was typing goes on typing. */
import { nextTick, watch } from 'vue'

const LOOK_MS = 10
const MOST_LOOKS = 200

type Field = HTMLInputElement | HTMLTextAreaElement

interface Place {
  element: HTMLElement | null
  /** Its name on the page: the next view may have the same field. */
  name: string | undefined
  selection: [number, number] | null
}

export function isTextField(element: unknown): element is Field {
  if (element instanceof HTMLTextAreaElement) return true
  return element instanceof HTMLInputElement && ['text', 'search', 'tel', 'password'].includes(element.type)
}

function here(): Place {
  const active = document.activeElement
  const element = active instanceof HTMLElement && active !== document.body ? active : null
  const selection: Place['selection'] = isTextField(element) ? [element.selectionStart ?? 0, element.selectionEnd ?? 0] : null
  return { element, name: element?.dataset.test, selection }
}

function go(to: HTMLElement, selection: Place['selection'] = null): void {
  to.focus({ preventScroll: selection === null })
  if (selection && isTextField(to)) to.setSelectionRange(...selection)
}

/** `view` names what is shown, '' nothing yet; `transient` says whether it only comes in between, as a card does. */
export function useFocus(view: () => string, transient: (view: string) => boolean): void {
  let before: Place | null = null

  watch(view, async (to, from) => {
    const place = here()
    if (transient(to) && !transient(from)) before = place
    const back = transient(from) ? before : place
    if (from === '') return // the page has just come: it begins at its beginning
    await nextTick()
    await shown()
    const active = document.activeElement
    if (active && active !== document.body) return // where it was, or where the new view wants it
    settle(back)
  })
}

/** Until the new view is there: some of them are fetched. */
async function shown(): Promise<void> {
  for (let look = 0; look < MOST_LOOKS && !document.querySelector('#main [data-begin]'); look += 1) {
    await new Promise((go) => setTimeout(go, LOOK_MS))
  }
}

/** To where the present view begins: a heading, so that no key that was meant for a text presses anything. */
export function toBegin(): void {
  document.getElementById('main')?.querySelector<HTMLElement>('[data-begin]')?.focus()
}

function settle(place: Place | null): void {
  const main = document.getElementById('main')
  if (place?.element?.isConnected) return go(place.element, place.selection)
  const same = place?.name ? main?.querySelector<HTMLElement>(`[data-test="${CSS.escape(place.name)}"]`) : null
  const heading = main?.querySelector<HTMLElement>('[data-begin]')
  const to = same ?? heading ?? main
  if (to) go(to, same ? place?.selection : null)
}
