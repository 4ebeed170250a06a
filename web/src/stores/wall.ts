import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import type { Target } from '../player/player'

export const SIZES = [1, 4, 6, 9] as const
export type Size = (typeof SIZES)[number]

/** useWall holds what the live page shows where. It outlives the page, so that coming back brings the pictures back. */
export const useWall = defineStore('wall', () => {
  const size = ref<Size>(4)
  const chosen = ref(0)
  const targets = shallowRef<(Target | undefined)[]>(Array.from({ length: SIZES.at(-1)! }))
  const shown = computed(() => targets.value.filter(Boolean).length)

  function set(place: number, target: Target | undefined) {
    targets.value = targets.value.map((old, i) => (i === place ? target : old))
  }

  /**
   * put shows a target in the chosen place and chooses the next free one. One that is shown already is started anew where
   * it is, which does nothing to a picture that plays: see PlayerTile.
   */
  function put(target: Target) {
    const there = targets.value.findIndex((t, i) => i < size.value && same(t, target))
    if (there >= 0) {
      set(there, { ...target })
      chosen.value = there
      return
    }
    set(chosen.value, target)
    for (let i = 1; i <= size.value; i++) {
      const next = (chosen.value + i) % size.value
      if (!targets.value[next] || i === size.value) {
        chosen.value = i === size.value ? (chosen.value + 1) % size.value : next
        return
      }
    }
  }

  /** resize keeps what still has a place and closes the rest. */
  function resize(n: Size) {
    size.value = n
    targets.value = targets.value.map((t, i) => (i < n ? t : undefined))
    if (chosen.value >= n) chosen.value = 0
  }

  function clear() {
    targets.value = targets.value.map(() => undefined)
    chosen.value = 0
  }

  return { size, chosen, targets, shown, set, put, resize, clear }
})

export function same(a: Target | undefined, b: Target | undefined): boolean {
  return !!a && !!b && a.device === b.device && a.channel === b.channel && a.profile === b.profile && a.stream === b.stream
}
