/** `2026-11-22 20:47` in China, wherever this computer stands. */
export function when(ms: number): string {
  return new Date(ms).toLocaleString('sv-SE', { timeZone: 'Asia/Shanghai' }).slice(0, 16)
}
