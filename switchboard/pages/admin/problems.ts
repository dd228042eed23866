/** The checks of the server speak English and name places of a TOML text; what comes often is said in Chinese too. */
import { language } from '@/shared/i18n'

const THINGS: Record<string, string> = { matter: '事项', language: '语言', priority: '优先原因' }

const RULES: readonly [RegExp, (found: string[]) => string][] = [
  [/^not TOML: (.*)$/, ([, why]) => `不是有效的 TOML 格式：${why}`],
  [/^there is no prompt (.+)$/, ([, key]) => `没有名为“${key}”的提示音`],
  [/^the routing policy has no (matter|language|priority) (.+)$/, ([, what, id]) => `“规则”里没有${THINGS[what ?? ''] ?? what}“${id}”`],
  [/^keys used twice: (.+)$/, ([, keys]) => `按键重复：${keys}`],
  [/^ids used twice: (.+)$/, ([, ids]) => `标识重复：${ids}`],
  [/^numbers given twice: (.+)$/, ([, numbers]) => `号码重复：${numbers}`],
  [/^number (\d+) belongs to hotline (\d+)$/, ([, number, other]) => `号码 ${number} 已属于热线 ${other}`],
  [/^(\d+) is not the number of this hotline, (\d+)$/, ([, wrong, right]) => `${wrong} 不是这条热线的号码 ${right}`],
  [/^the text is longer than (.+)$/, ([, most]) => `内容超过 ${most}`],
  [/^Field required$/, () => '缺少这一项'],
  [/^Extra inputs are not permitted$/, () => '没有这一项，请删去或改正名称'],
  [/^is not known$/, () => '没有这一项，请删去或改正名称'],
  [/^there is no (submenu|information|transfer) (.+)$/, ([, what, id]) => `没有 ${what} “${id}”`],
  [/^no line of the menu leads there$/, () => '菜单里没有通向这里的按键'],
  [/^has no lines$/, () => '没有任何按键'],
  [/^the menu has no lines$/, () => '菜单里没有任何按键'],
  [/^a menu has at most (\d+) lines.*$/, ([, most]) => `菜单最多 ${most} 项，再多就记不住了`],
  [/^a menu has two levels at most$/, () => '菜单最多两层'],
  [/^leads to exactly one of .*$/, () => '每个按键只能通向一处：matter、submenu、information、transfer 或 message'],
  [/^is both a day off and a working day$/, () => '既写作放假又写作上班'],
  [/^at least one is needed$/, () => '至少需要一项'],
  [/^the id is used twice$/, () => '标识重复'],
]

/** One problem in the page's language; places (`menu.3.key: `, `hotline 12348: `) stay as they are. */
export function inWords(problem: string): string {
  if (language.value !== 'zh') return problem
  const parts = problem.split(': ')
  for (let from = 0; from < parts.length; from += 1) {
    const rest = parts.slice(from).join(': ')
    for (const [pattern, say] of RULES) {
      const found = pattern.exec(rest)
      if (found) return [...parts.slice(0, from).map((place) => place.replace(/^hotline (\d+)$/, '热线 $1')), say(found)].join('：')
    }
  }
  return problem
}
