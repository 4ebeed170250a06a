import type { Position } from './api/types'

/** A point of a track in the drawing, in px. */
export interface Point {
  x: number
  y: number
  at: Position
}

/** Where one device, or one of its channels, was; the oldest first. */
export interface Track {
  key: string
  device: string
  channel: string
  points: Point[]
}

/** A drawing of positions: north is up, and a metre is as long in all directions. */
export interface Drawing {
  tracks: Track[]
  /** metres per px */
  metres: number
}

const METRES_PER_DEGREE = 111_320 // of latitude
const LEAST = 20 // m across: what stands still is not drawn as a storm of noise

/** draw lays positions out in a drawing of a width and height, with a margin on all sides. Order does not matter. */
export function draw(positions: readonly Position[], width: number, height: number, margin = 24): Drawing {
  if (!positions.length) return { tracks: [], metres: 1 }
  const lats = positions.map((p) => p.latitude)
  const [south, north] = [Math.min(...lats), Math.max(...lats)]
  const middle = (south + north) / 2
  const shrink = Math.max(0.01, Math.cos((middle * Math.PI) / 180)) // of a degree of longitude
  const base = positions[0]!.longitude
  const east = (p: Position) => turn(p.longitude - base) * METRES_PER_DEGREE * shrink
  const easts = positions.map(east)
  const [left, right] = [Math.min(...easts), Math.max(...easts)]
  const metres = Math.max((right - left) / (width - 2 * margin), ((north - south) * METRES_PER_DEGREE) / (height - 2 * margin), LEAST / (Math.min(width, height) - 2 * margin))
  const tracks = new Map<string, Track>()
  for (const at of [...positions].sort((a, b) => (a.received_at < b.received_at ? -1 : 1))) {
    const key = `${at.device}/${at.channel ?? ''}`
    if (!tracks.has(key)) tracks.set(key, { key, device: at.device, channel: at.channel ?? '', points: [] })
    tracks.get(key)!.points.push({
      x: width / 2 + (east(at) - (left + right) / 2) / metres,
      y: height / 2 - ((at.latitude - middle) * METRES_PER_DEGREE) / metres,
      at,
    })
  }
  return { tracks: [...tracks.values()].sort((a, b) => (a.key < b.key ? -1 : 1)), metres }
}

/** turn is a difference of longitudes across the date line the short way round. */
const turn = (degrees: number) => ((((degrees + 180) % 360) + 360) % 360) - 180

/** scaleBar is a round length of at most so many px: its metres and px. */
export function scaleBar(metres: number, most: number): { metres: number; px: number } {
  const step = 10 ** Math.floor(Math.log10(metres * most))
  const length = [5, 2, 1].map((n) => n * step).find((n) => n <= metres * most) ?? step
  return { metres: length, px: length / metres }
}
