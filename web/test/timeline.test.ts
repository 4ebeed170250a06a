import { expect, it } from 'vitest'
import { coverAt, drawn, LEAST, moved, ticksOf, zoomed } from '../src/records/timeline'

const HOUR = 3_600_000
const day = new Date(2026, 10, 20).getTime()
const whole = { from: day, to: day + 24 * HOUR }

it('a day has ticks at round hours of the reader, as many as fit', () => {
  const { step, at } = ticksOf(whole, 12)
  expect(step).toBe(2 * HOUR)
  expect(at[0]).toBe(day)
  expect(at).toHaveLength(13)
  const odd = ticksOf({ from: day + 17 * 60_000, to: day + HOUR }, 12)
  expect(odd.step).toBe(5 * 60_000)
  expect(odd.at[0]).toBe(day + 20 * 60_000)
})

it('zooming keeps the moment under the pointer in its place', () => {
  const around = day + 6 * HOUR
  const near = zoomed(whole, whole, around, 0.5)
  expect(near.to - near.from).toBe(12 * HOUR)
  expect((around - near.from) / (near.to - near.from)).toBeCloseTo(0.25)
})

it('nothing outside of the search is shown, however far one goes', () => {
  expect(zoomed(whole, whole, day, 4)).toEqual(whole)
  expect(moved({ from: day, to: day + HOUR }, whole, -HOUR)).toEqual({ from: day, to: day + HOUR })
  expect(moved({ from: day, to: day + HOUR }, whole, 99 * HOUR)).toEqual({ from: whole.to - HOUR, to: whole.to })
  const least = zoomed(whole, whole, day + HOUR, 1e-9)
  expect(least.to - least.from).toBe(LEAST)
})

it('a click in a gap means the next recording', () => {
  const ranges = [{ from: day, to: day + HOUR }, { from: day + 3 * HOUR, to: day + 4 * HOUR }]
  expect(coverAt(ranges, day + HOUR / 2)).toBe(ranges[0])
  expect(coverAt(ranges, day + HOUR)).toBe(ranges[1])
  expect(coverAt(ranges, day + 5 * HOUR)).toBeUndefined()
})

it('a range is cut to what is shown', () => {
  expect(drawn({ from: day - HOUR, to: day + 6 * HOUR }, whole)).toEqual({ left: 0, width: 0.25 })
  expect(drawn({ from: whole.to, to: whole.to + HOUR }, whole)).toBeUndefined()
})
