/** A span of time in ms since 1970. */
export interface Span {
  from: number
  to: number
}

/** spanOf reads a span of the API's. */
export const spanOf = (s: { start?: string; end?: string }): Span => ({ from: Date.parse(s.start ?? ''), to: Date.parse(s.end ?? '') })

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const STEPS = [10 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY]

/** LEAST is the shortest time that a line shows, in ms. */
export const LEAST = 2 * MINUTE

/** ticksOf are at most so many round moments of the reader's own day within a span, with the step between two, in ms. */
export function ticksOf(s: Span, most: number): { step: number; at: number[] } {
  const step = STEPS.find((n) => (s.to - s.from) / n <= most) ?? STEPS.at(-1)!
  const midnight = new Date(s.from)
  midnight.setHours(0, 0, 0, 0)
  const at: number[] = []
  for (let t = midnight.getTime() + Math.ceil((s.from - midnight.getTime()) / step) * step; t <= s.to; t += step) at.push(t)
  return { step, at }
}

/** zoomed is a span so many times as long around a moment that keeps its place, within the whole. */
export function zoomed(s: Span, whole: Span, around: number, times: number): Span {
  const length = Math.min(whole.to - whole.from, Math.max(LEAST, (s.to - s.from) * times))
  const share = (around - s.from) / (s.to - s.from)
  return moved({ from: around - length * share, to: around + length * (1 - share) }, whole, 0)
}

/** moved is a span so many ms later, kept within the whole. */
export function moved(s: Span, whole: Span, by: number): Span {
  const length = Math.min(s.to - s.from, whole.to - whole.from)
  const from = Math.min(Math.max(s.from + by, whole.from), whole.to - length)
  return { from, to: from + length }
}

/** coverAt is the recorded span that holds a moment, else the next one after it; nothing behind the last. */
export function coverAt(ranges: readonly Span[], at: number): Span | undefined {
  return ranges.find((r) => at < r.to)
}

/** drawn cuts a span to what is shown, as shares of the width; nothing when none of it is shown. */
export function drawn(s: Span, shown: Span): { left: number; width: number } | undefined {
  const from = Math.max(s.from, shown.from)
  const to = Math.min(s.to, shown.to)
  if (to <= from) return undefined
  const length = shown.to - shown.from
  return { left: (from - shown.from) / length, width: (to - from) / length }
}
