/** The prompts of one language and what can be done with them. */
import { computed, onScopeDispose, reactive, ref, shallowRef, watch } from 'vue'

import { ApiError, request, type Words } from '@/shared/api'
import { t } from '@/shared/i18n'

import { upload } from './upload'

export interface Prompt {
  key: string
  language: string
  text: string
  source: 'studio' | 'rendered' | 'fallback' | 'missing'
  ms: number
  series: boolean
  changed_ms: number | null
  earlier: boolean
  problems: string[]
  notes?: string[]
}

export const MOST_MB = 10
const PAGE = 40

/** Prompts whose name or text holds every word of the search. */
export function found(prompts: readonly Prompt[], search: string): Prompt[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean)
  return prompts.filter((one) => words.every((word) => `${one.key} ${one.text}`.toLowerCase().includes(word)))
}

export function usePrompts() {
  const language = ref('zh')
  const languages = shallowRef<string[]>(['zh', 'en'])
  const items = shallowRef<Prompt[] | null>(null)
  const series = ref(false)
  const search = ref('')
  const pages = ref(1)
  const fault = ref<Words | null>(null)
  const done = ref('')
  const notes = shallowRef<string[]>([])
  const playing = ref<string | null>(null)
  /** By key: the share that has gone up, 1 while the server works on it. */
  const sending = reactive(new Map<string, number>())
  const audio = new Audio()

  const matching = computed(() => found(items.value ?? [], search.value))
  const shown = computed(() => matching.value.slice(0, pages.value * PAGE))
  const path = (prompt: Prompt, what: 'sound' | 'earlier' = 'sound'): string =>
    `/api/prompts/${prompt.language}/${encodeURIComponent(prompt.key)}/${what}`

  function tell(error: unknown): void {
    if (!(error instanceof ApiError)) throw error
    fault.value = error.words
    notes.value = [...error.problems]
  }

  async function load(): Promise<void> {
    const wanted = language.value
    try {
      const answer = await request<{ languages: string[]; items: Prompt[] }>(
        'GET',
        `/api/prompts?language=${wanted}&series=${String(series.value)}`,
      )
      if (wanted !== language.value) return
      languages.value = answer.languages
      items.value = answer.items
      fault.value = null
    } catch (error) {
      items.value = items.value ?? []
      tell(error)
    }
  }

  function put(prompt: Prompt): void {
    items.value = (items.value ?? []).map((one) =>
      one.key === prompt.key && one.language === prompt.language ? prompt : one,
    )
  }

  async function replace(prompt: Prompt, file: File): Promise<void> {
    done.value = ''
    fault.value = null
    notes.value = []
    stop()
    if (file.size > MOST_MB * 2 ** 20) {
      done.value = ''
      fault.value = { zh: t('admin.prompts.tooLarge', { n: MOST_MB }), en: t('admin.prompts.tooLarge', { n: MOST_MB }) }
      return
    }
    sending.set(prompt.key, 0)
    try {
      const now = await upload<Prompt>(path(prompt), file, 'audio/wav', (share) => sending.set(prompt.key, share))
      put(now)
      notes.value = [...(now.notes ?? [])]
      done.value = t('admin.prompts.uploaded')
    } catch (error) {
      tell(error)
    } finally {
      sending.delete(prompt.key)
    }
  }

  async function change(prompt: Prompt, method: 'DELETE' | 'POST', what: 'sound' | 'earlier', said: string): Promise<void> {
    done.value = ''
    fault.value = null
    notes.value = []
    stop()
    try {
      await request(method, path(prompt, what))
      await load()
      done.value = said
    } catch (error) {
      tell(error)
    }
  }

  function stop(): void {
    audio.pause()
    audio.removeAttribute('src')
    playing.value = null
  }

  function listen(prompt: Prompt): void {
    if (playing.value === prompt.key) return stop()
    playing.value = prompt.key
    audio.src = `${path(prompt)}?v=${prompt.changed_ms ?? 0}`
    audio.play().catch(() => {
      if (playing.value !== prompt.key) return
      stop()
      fault.value = { zh: t('admin.prompts.notPlayed'), en: t('admin.prompts.notPlayed') }
    })
  }

  audio.onended = stop
  watch([language, series], () => {
    stop()
    pages.value = 1
    void load()
  })
  watch(search, () => (pages.value = 1))
  onScopeDispose(stop)
  void load()

  return {
    language,
    languages,
    items,
    series,
    search,
    matching,
    shown,
    pages,
    fault,
    done,
    notes,
    playing,
    sending,
    load,
    listen,
    replace,
    reset: (prompt: Prompt) => change(prompt, 'DELETE', 'sound', t('admin.prompts.resetDone')),
    takeBack: (prompt: Prompt) => change(prompt, 'POST', 'earlier', t('admin.prompts.earlierDone')),
  }
}
