import type { Act, Grant } from './api/types'

/** ACTS are what a grant can allow, the least first. Each includes look, admin all. */
export const ACTS: readonly Act[] = ['look', 'ptz', 'playback', 'talk', 'configure', 'admin']

/** EVERYWHERE is the subtree of all devices. */
export const EVERYWHERE = '*'

/** A place with what is allowed there: how people think of grants, which name one act each. */
export interface Allowance {
  subtree: string
  acts: Act[]
}

/** allowances are grants put together by their place, everywhere first. */
export function allowances(grants: readonly Grant[]): Allowance[] {
  const places = new Map<string, Set<Act>>()
  for (const g of grants) {
    if (!places.has(g.subtree)) places.set(g.subtree, new Set())
    places.get(g.subtree)!.add(g.act)
  }
  return [...places]
    .map(([subtree, acts]) => ({ subtree, acts: ACTS.filter((a) => acts.has(a)) }))
    .sort((a, b) => Number(b.subtree === EVERYWHERE) - Number(a.subtree === EVERYWHERE) || (a.subtree < b.subtree ? -1 : 1))
}

/** grantsOf are the grants of places, each once; an act that another at the same place includes is left out. */
export function grantsOf(places: readonly Allowance[]): Grant[] {
  const seen = new Set<string>()
  return places.flatMap(({ subtree, acts }) => {
    const own: Act[] = acts.includes('admin') ? ['admin'] : acts.length > 1 ? acts.filter((a) => a !== 'look') : acts
    return own.filter((act) => !seen.has(act + subtree) && seen.add(act + subtree)).map((act) => ({ act, subtree: subtree.trim() }))
  })
}

/** sensible reports whether a subtree can be one: everywhere, a device, or a device's item. */
export const sensible = (subtree: string) => subtree === EVERYWHERE || /^[^\s/*]{1,64}(\/[^\s/*]{1,64})?$/.test(subtree)
