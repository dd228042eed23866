import { afterEach, describe, expect, it } from 'vitest'
import { effectScope, nextTick, ref } from 'vue'

import { useFocus } from './focus'

const main = document.createElement('main')
main.id = 'main'
document.body.append(main)
const scope = effectScope()

/** Shows another view: its markup takes the place of what was there. */
async function show(view: { value: string }, name: string, markup: string): Promise<void> {
  view.value = name
  await Promise.resolve()
  main.innerHTML = markup
  await nextTick()
  await new Promise((go) => setTimeout(go, 30))
}

function begin(name: string) {
  const view = ref(name)
  scope.run(() => useFocus(() => view.value, (one) => one === 'card'))
  return view
}

const named = (name: string): HTMLElement => document.querySelector<HTMLElement>(`[data-test="${name}"]`) as HTMLElement

afterEach(() => {
  main.innerHTML = ''
  ;(document.activeElement as HTMLElement | null)?.blur()
})

describe('the focus', () => {
  it('stays in the field somebody types in, with its selection, when the next view has it too', async () => {
    const view = begin('call')
    main.innerHTML = '<h2 data-begin tabindex="-1"></h2><textarea data-test="facts">one two</textarea>'
    const field = named('facts') as HTMLTextAreaElement
    field.focus()
    field.setSelectionRange(3, 3)
    await show(view, 'wrap-up', '<h2 data-begin tabindex="-1"></h2><textarea data-test="facts">one two</textarea>')
    expect(document.activeElement).toBe(named('facts'))
    expect((named('facts') as HTMLTextAreaElement).selectionStart).toBe(3)
  })

  it('goes to where the next view begins when what had it is gone', async () => {
    const view = begin('call')
    main.innerHTML = '<h2 data-begin tabindex="-1"></h2><button data-test="hold"></button>'
    named('hold').focus()
    await show(view, 'wrap-up', '<h2 data-begin data-test="head" tabindex="-1"></h2>')
    expect(document.activeElement).toBe(named('head'))
  })

  it('is left alone when the page has just come', async () => {
    const view = begin('')
    await show(view, 'set-up', '<h2 data-begin data-test="head" tabindex="-1"></h2>')
    expect(document.activeElement).not.toBe(named('head'))
  })

  it('is back after a card where it was before', async () => {
    const outside = document.createElement('button')
    document.body.append(outside)
    const view = begin('rest')
    outside.focus()
    await show(view, 'card', '<h2 data-begin tabindex="-1"></h2><button data-test="accept"></button>')
    named('accept').focus()
    await show(view, 'rest', '<h2 data-begin tabindex="-1"></h2>')
    expect(document.activeElement).toBe(outside)
    outside.remove()
  })
})
