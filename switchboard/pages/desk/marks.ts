/** A text cut into pieces that are to be marked and pieces that are not: shown as text, never as markup. */

export interface Piece {
  text: string
  marked: boolean
}

export function pieces(text: string, words: readonly string[]): Piece[] {
  const low = text.toLowerCase()
  // Where a letter changes its length in lower case, places would not fit any more: mark nothing rather than wrongly.
  if (low.length !== text.length) return [{ text, marked: false }]
  const marked = new Uint8Array(text.length)
  for (const word of words) {
    if (word === '') continue
    for (let at = low.indexOf(word); at >= 0; at = low.indexOf(word, at + 1)) marked.fill(1, at, at + word.length)
  }
  const made: Piece[] = []
  for (let from = 0; from < text.length; ) {
    let to = from + 1
    while (to < text.length && marked[to] === marked[from]) to += 1
    made.push({ text: text.slice(from, to), marked: marked[from] === 1 })
    from = to
  }
  return made
}

/** As a law is cited: 《中华人民共和国劳动合同法》第八十二条. */
export function citation(law: string, article: string): string {
  return `《${law}》${article}`
}

/** `put` in place of what is selected in `text`, and where the cursor stands afterwards. */
export function inserted(text: string, from: number, to: number, put: string): { text: string; at: number } {
  return { text: text.slice(0, from) + put + text.slice(to), at: from + put.length }
}
