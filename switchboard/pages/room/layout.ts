/** How pictures share a stage: as large as they can be, all of one shape. */
export const SHAPE = 16 / 9

export interface Grid {
  columns: number
  /** Width of one picture in CSS pixels. */
  width: number
}

/** For `count` pictures on a stage of this size (CSS pixels) with `gap` between them. */
export function gridFor(count: number, width: number, height: number, gap = 8): Grid {
  let best: Grid = { columns: 1, width: 0 }
  for (let columns = 1; columns <= Math.max(1, count); columns += 1) {
    const rows = Math.ceil(count / columns)
    const wide = (width - gap * (columns - 1)) / columns
    const high = (height - gap * (rows - 1)) / rows
    const fits = Math.floor(Math.min(wide, high * SHAPE))
    if (fits > best.width) best = { columns, width: fits }
  }
  return best
}
