import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { effectScope, type EffectScope } from 'vue'

import { inWords } from './problems'
import { found, type Prompt } from './prompts'
import { bytesOf, earlier, isOutdated, kindOf, linesNamed, type Rules, useRules, type Version } from './rules'
import { counts, months, type Year } from './year'

const version = (more: Partial<Version>): Version => ({
  number: 1,
  state: 'retired',
  author: 'root',
  note: '',
  created_ms: 1,
  published_ms: 2,
  base: 0,
  restores: null,
  ...more,
})

describe('what a roll-back brings again', () => {
  it('is the text published before, the file before the first, nothing before the file', () => {
    expect(earlier([])).toBeNull()
    expect(earlier([version({ state: 'draft', published_ms: null })])).toBeNull()
    expect(earlier([version({ state: 'published' })])).toBe(0)
    const two = [version({ number: 2, state: 'published' }), version({ number: 1 })]
    expect(earlier(two)).toBe(1)
    expect(earlier([version({ number: 3, state: 'published', restores: 1 }), version({ number: 2 }), ...two.slice(1)])).toBe(0)
    expect(earlier([version({ number: 4, state: 'published', restores: 0 }), version({ number: 3 })])).toBeNull()
  })

  it('passes over drafts that were never in force', () => {
    const draft = version({ number: 2, state: 'draft', published_ms: null })
    expect(earlier([version({ number: 3, state: 'published' }), draft, version({ number: 1 })])).toBe(1)
  })
})

describe('a version in the list', () => {
  it('is outdated when something else was published since it was begun', () => {
    expect(isOutdated(version({ state: 'draft', base: 1 }), 2)).toBe(true)
    expect(isOutdated(version({ state: 'draft', base: 2 }), 2)).toBe(false)
    expect(isOutdated(version({ state: 'retired', base: 1 }), 2)).toBe(false)
  })
})

describe('texts', () => {
  it('are measured in bytes, as the server does', () => {
    expect(bytesOf('abc')).toBe(3)
    expect(bytesOf('热线')).toBe(6)
  })

  it('have their lines named by the problems', () => {
    expect([...linesNamed(['not TOML: Expected "=" (at line 12, column 3)', 'name_zh: missing', 'line 7: odd'])]).toEqual([12, 7])
    expect(kindOf('+a')).toBe('new')
    expect(kindOf('-a')).toBe('gone')
    expect(kindOf('@@ -1 +1 @@')).toBe('place')
    expect(kindOf(' a')).toBe('same')
    expect(kindOf('')).toBe('same')
  })
})

describe('problems in words', () => {
  it('say what comes often in Chinese and keep the place', () => {
    expect(inWords('there is no prompt menu_x')).toBe('没有名为“menu_x”的提示音')
    expect(inWords('hotline 12348: the routing policy has no matter labour')).toBe('热线 12348：“规则”里没有事项“labour”')
    expect(inWords('menu.3.key: Field required')).toBe('menu.3.key：缺少这一项')
    expect(inWords('hotline: submenus[a]: keys used twice: 1, 2')).toBe('hotline：submenus[a]：按键重复：1, 2')
    expect(inWords('not TOML: Expected "=" (at line 3, column 1)')).toContain('at line 3')
    expect(inWords('something: quite new')).toBe('something: quite new')
  })
})

describe('the year', () => {
  const year: Year = {
    year: 2026,
    days: Array.from({ length: 365 }, (_, index) => ({ kind: index === 3 ? 'make_up' : index < 3 ? 'holiday' : 'working', override: false })),
    announced_until: '2026-12-31',
    warning: null,
  }

  it('is laid out by months that begin on their weekday', () => {
    const laid = months(year)
    expect(laid.map((month) => month.days.length)).toEqual([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    expect(laid[0]?.before).toBe(3) // 1 January 2026 is a Thursday
    expect(laid[1]?.before).toBe(6)
    expect(laid[0]?.days[3]).toEqual({ date: 4, kind: 'make_up', override: false })
  })

  it('is counted', () => {
    expect(counts(year)).toEqual({ working: 362, off: 3, makeUp: 1 })
  })
})

describe('prompts', () => {
  it('are found by words of their name or text', () => {
    const prompts = [
      { key: 'welcome', text: '您好，欢迎致电' },
      { key: 'menu_labour', text: '劳动人事请按 2' },
    ] as Prompt[]
    expect(found(prompts, 'MENU 劳动').map((one) => one.key)).toEqual(['menu_labour'])
    expect(found(prompts, ' ')).toHaveLength(2)
    expect(found(prompts, 'nothing')).toEqual([])
  })
})

describe('the rules in hand', () => {
  let answers: Record<string, { status?: number; body: unknown }>
  let scope: EffectScope
  let rules: Rules
  const asked: [string, unknown][] = []

  beforeEach(async () => {
    asked.length = 0
    answers = {
      'GET /api/rules': { body: { items: [{ kind: 'hotline', name: '12348', number: 1 }, { kind: 'policy', name: 'policy', number: 0 }] } },
      'GET /api/rules/hotline/12348': { body: { kind: 'hotline', name: '12348', number: 1, text: 'a = 1', versions: [] } },
      'POST /api/rules/hotline/12348/check': { body: { problems: [] } },
      'POST /api/rules/hotline/12348/drafts': { status: 201, body: version({ number: 2, state: 'draft', base: 1 }) },
      'POST /api/rules/hotline/12348/publish': { body: version({ number: 2, state: 'published' }) },
    }
    vi.useFakeTimers()
    vi.stubGlobal('fetch', (path: string, given: { method: string; body: string | null }) => {
      const answer = answers[`${given.method} ${path}`] ?? { status: 404, body: null }
      asked.push([`${given.method} ${path}`, given.body ? JSON.parse(given.body) : null])
      return Promise.resolve(new Response(JSON.stringify(answer.body), { status: answer.status ?? 200 }))
    })
    scope = effectScope()
    rules = scope.run(() => useRules('hotline')) as Rules
    await rules.begin()
  })

  afterEach(() => {
    scope.stop()
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  it('begin with what is in force', () => {
    expect(rules.items.value?.map((one) => one.name)).toEqual(['12348'])
    expect([rules.name.value, rules.text.value, rules.number.value, rules.changed.value]).toEqual(['12348', 'a = 1', 1, false])
  })

  it('check what was typed once the typing rests', async () => {
    await vi.advanceTimersByTimeAsync(1000)
    asked.length = 0
    answers['POST /api/rules/hotline/12348/check'] = { body: { problems: ['a: wrong'] } }
    rules.text.value = 'a = 2'
    await vi.advanceTimersByTimeAsync(100)
    rules.text.value = 'a = 3'
    await vi.advanceTimersByTimeAsync(600)
    expect(asked).toEqual([['POST /api/rules/hotline/12348/check', { text: 'a = 3' }]])
    expect(rules.problems.value).toEqual(['a: wrong'])
  })

  it('publish the text in hand from the version that the author looked at', async () => {
    rules.text.value = 'a = 2'
    await rules.publish(' why ')
    const sent = asked.filter(([path]) => path.startsWith('POST') && !path.endsWith('check'))
    expect(sent).toEqual([
      ['POST /api/rules/hotline/12348/drafts', { text: 'a = 2', note: 'why', base: 1 }],
      ['POST /api/rules/hotline/12348/publish', { number: 2 }],
    ])
  })

  it('keep what was typed when somebody else has published, and say so', async () => {
    rules.text.value = 'a = 2'
    answers['GET /api/rules/hotline/12348'] = { body: { kind: 'hotline', name: '12348', number: 5, text: 'a = 9', versions: [] } }
    answers['POST /api/rules/hotline/12348/publish'] = { status: 409, body: { code: 'version_moved', zh: '已变', en: 'moved' } }
    expect(await rules.publish('')).toBeUndefined()
    expect([rules.text.value, rules.moved.value, rules.fault.value?.en]).toEqual(['a = 2', 5, 'moved'])
    rules.acceptMoved()
    expect([rules.base.value, rules.moved.value]).toEqual([5, null])
  })

  it('follow what others publish while nothing was typed', async () => {
    answers['GET /api/rules/hotline/12348'] = { body: { kind: 'hotline', name: '12348', number: 5, text: 'a = 9', versions: [] } }
    await vi.advanceTimersByTimeAsync(6000)
    expect([rules.text.value, rules.number.value, rules.moved.value]).toEqual(['a = 9', 5, null])
  })

  it('refuse to keep more than 64 KB', () => {
    rules.text.value = '汉'.repeat(22 * 1024)
    expect(rules.tooLong.value).toBe(true)
  })

  it('show every reason of a refusal', async () => {
    answers['POST /api/rules/hotline/12348/publish'] = {
      status: 422,
      body: { code: 'rules_invalid', zh: '有误', en: 'mistakes', problems: ['a: wrong', 'b: wrong'] },
    }
    rules.text.value = 'a = 2'
    await rules.publish('')
    expect(rules.problems.value).toEqual(['a: wrong', 'b: wrong'])
    expect(rules.fault.value?.zh).toBe('有误')
  })

  it('begin a new number with the text in hand and nothing in force', async () => {
    rules.openNew('12345', 'number = "12345"')
    await vi.advanceTimersByTimeAsync(6000)
    expect([rules.name.value, rules.number.value, rules.changed.value]).toEqual(['12345', 0, true])
    expect(asked.some(([path]) => path === 'GET /api/rules/hotline/12345')).toBe(false)
  })
})
