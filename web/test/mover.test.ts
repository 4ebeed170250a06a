import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { LEASE, Mover, RENEW, type Motion } from '../src/ptz/mover'
import { directionOf } from '../src/ptz/pad'
import { flush } from './support'

let sent: (Motion & { duration_ms?: number })[]
let answer: (() => void)[]
let failed: unknown[]
let mover: Mover

beforeEach(() => {
  vi.useFakeTimers()
  sent = []
  answer = []
  failed = []
  mover = new Mover((m) => (sent.push(m), new Promise<void>((done) => answer.push(done))), (e) => failed.push(e))
})
afterEach(() => vi.useRealTimers())
const answered = async () => {
  answer.shift()!()
  await flush()
}

it('a camera moves while it is held, and stops at the release', async () => {
  mover.hold({ pan: 0.5 })
  await answered()
  mover.release()
  await answered()
  expect(sent).toEqual([{ pan: 0.5, duration_ms: LEASE }, {}])
  await vi.advanceTimersByTimeAsync(3 * RENEW)
  expect(sent).toHaveLength(2)
})

it('a stop waits for the movement before it, so that it cannot overtake it', async () => {
  mover.hold({ tilt: 1 })
  mover.release()
  await flush()
  expect(sent).toEqual([{ tilt: 1, duration_ms: LEASE }])
  await answered()
  expect(sent.at(-1)).toEqual({})
})

it('only what is wanted last is sent after a slow answer', async () => {
  mover.hold({ pan: 1 })
  mover.hold({ pan: -1 })
  mover.hold({ tilt: 1 })
  await answered()
  expect(sent).toEqual([{ pan: 1, duration_ms: LEASE }, { tilt: 1, duration_ms: LEASE }])
})

it('what is held long is renewed before it runs out', async () => {
  expect(RENEW).toBeLessThan(LEASE)
  mover.hold({ zoom: 1 })
  await answered()
  await vi.advanceTimersByTimeAsync(RENEW)
  expect(sent).toHaveLength(2)
  await answered()
  mover.release()
  await answered()
  expect(sent.at(-1)).toEqual({})
})

it('a movement that fails is told once and not renewed', async () => {
  const refused = new Mover(() => Promise.reject(new Error('offline')), (e) => failed.push(e))
  refused.hold({ pan: 1 })
  await flush()
  refused.release()
  await vi.advanceTimersByTimeAsync(3 * RENEW)
  expect(failed).toHaveLength(1)
})

it('stop stops what it did not begin: a cruise', async () => {
  mover.stop()
  await answered()
  expect(sent).toEqual([{}])
  mover.release()
  await flush()
  expect(sent).toHaveLength(1)
})

it.each([
  [['ArrowUp'], { pan: 0, tilt: 1 }], [['ArrowUp', 'ArrowRight'], { pan: 1, tilt: 1 }], [['ArrowLeft', 'ArrowRight'], undefined], [[], undefined],
])('the arrow keys %j lead to %j', (keys, to) => expect(directionOf(new Set(keys))).toEqual(to))
