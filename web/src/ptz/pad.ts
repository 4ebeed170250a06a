/** A direction of the pad: pan and tilt of -1, 0 or 1, and the arrow keys that mean it. */
export interface Direction {
  name: string
  pan: number
  tilt: number
}

/** The pad's eight directions with its middle, row by row. */
export const DIRECTIONS: readonly Direction[] = [
  { name: 'upLeft', pan: -1, tilt: 1 }, { name: 'up', pan: 0, tilt: 1 }, { name: 'upRight', pan: 1, tilt: 1 },
  { name: 'left', pan: -1, tilt: 0 }, { name: 'stop', pan: 0, tilt: 0 }, { name: 'right', pan: 1, tilt: 0 },
  { name: 'downLeft', pan: -1, tilt: -1 }, { name: 'down', pan: 0, tilt: -1 }, { name: 'downRight', pan: 1, tilt: -1 },
]

/** directionOf is where the arrow keys that are down lead; nothing when they lead nowhere. */
export function directionOf(keys: ReadonlySet<string>): { pan: number; tilt: number } | undefined {
  const pan = Number(keys.has('ArrowRight')) - Number(keys.has('ArrowLeft'))
  const tilt = Number(keys.has('ArrowUp')) - Number(keys.has('ArrowDown'))
  return pan || tilt ? { pan, tilt } : undefined
}
