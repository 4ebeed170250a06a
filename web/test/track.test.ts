import { expect, it } from 'vitest'
import type { Position } from '../src/api/types'
import { draw, scaleBar } from '../src/track'

const at = (id: number, longitude: number, latitude: number, part: Partial<Position> = {}): Position => ({
  id, device: 'd1', at: '2026-11-20T08:00:00.000Z', received_at: `2026-11-20T08:00:${String(id).padStart(2, '0')}.000Z`, longitude, latitude, ...part,
})

it('north is up, east is right, and the oldest comes first', () => {
  const { tracks } = draw([at(2, 117.01, 36.01), at(1, 117, 36)], 400, 300)
  expect(tracks).toHaveLength(1)
  const [first, second] = tracks[0]!.points
  expect(first!.at.id).toBe(1)
  expect(second!.x).toBeGreaterThan(first!.x)
  expect(second!.y).toBeLessThan(first!.y)
})

it('a metre is as long to the east as to the north', () => {
  const { tracks, metres } = draw([at(1, 117, 60), at(2, 117.02, 60.01)], 400, 400)
  const [a, b] = tracks[0]!.points
  expect((a!.y - b!.y) * metres).toBeCloseTo(1113.2, 0)
  expect((b!.x - a!.x) * metres).toBeCloseTo(0.02 * 111_320 * Math.cos((60.005 * Math.PI) / 180), 0)
})

it('all points lie within the drawing, also across the date line', () => {
  const { tracks } = draw([at(1, 179.99, 0), at(2, -179.99, 0.005)], 400, 300, 20)
  for (const p of tracks[0]!.points) {
    expect(p.x).toBeGreaterThanOrEqual(19.9)
    expect(p.x).toBeLessThanOrEqual(380.1)
    expect(p.y).toBeGreaterThanOrEqual(19.9)
    expect(p.y).toBeLessThanOrEqual(280.1)
  }
  expect(tracks[0]!.points[1]!.x).toBeGreaterThan(tracks[0]!.points[0]!.x)
})

it('devices and channels have tracks of their own', () => {
  const { tracks } = draw([at(1, 1, 1), at(2, 1, 1, { device: 'd2' }), at(3, 1, 1, { channel: 'c' })], 400, 300)
  expect(tracks.map((t) => t.key)).toEqual(['d1/', 'd1/c', 'd2/'])
})

it('what stands still is drawn in the middle, and not blown up', () => {
  const { tracks, metres } = draw([at(1, 117, 36)], 400, 300, 20)
  expect(tracks[0]!.points[0]).toMatchObject({ x: 200, y: 150 })
  expect(metres).toBeCloseTo(20 / 260)
})

it.each([[1, 100, 100, 100], [0.7, 100, 50, 50 / 0.7], [30, 100, 2000, 2000 / 30]])('at %d m a px a scale bar of at most %d px is %d m', (metres, most, want, px) => {
  expect(scaleBar(metres, most)).toEqual({ metres: want, px })
})
