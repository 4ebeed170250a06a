import { describe, expect, it } from 'vitest'
import { age, stamp } from '../src/age'

describe('age', () => {
  const now = Date.parse('2026-01-02T12:00:00Z')
  it.each([
    ['2026-01-02T11:59:57Z', 'age.seconds', 3],
    ['2026-01-02T11:30:00Z', 'age.minutes', 30],
    ['2026-01-02T02:00:00Z', 'age.hours', 10],
    ['2025-12-30T12:00:00Z', 'age.days', 3],
    ['2026-01-02T12:00:09Z', 'age.seconds', 0],
  ])('of %s is %s %i', (at, key, n) => expect(age(at, now)).toEqual({ key, n }))
  it('of nothing is nothing', () => {
    expect(age(undefined, now)).toBeUndefined()
    expect(age('soon', now)).toBeUndefined()
    expect(stamp('0001-01-01T00:00:00Z')).toBe('')
  })
})
