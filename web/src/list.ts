import { computed, onBeforeUnmount, ref, shallowRef, watch } from 'vue'
import { usePoll } from './poll'

/** What of a list is asked for, in the API's words. */
export interface Pages {
  page: number
  page_size: number
}

/**
 * useList shows one page of a list of the server. It is read anew when filter, which is reactive, or the page changes,
 * every so many ms, and on demand. lines are those of a page at first. Many calls of soon make one reading a second.
 */
export function useList<T, F extends object>(load: (pages: Pages, signal: AbortSignal) => Promise<{ items: T[] | null; total: number }>, filter: F, every: number, lines = 50) {
  const items = shallowRef<T[]>([])
  const total = ref(0)
  const page = ref(1)
  const size = ref(lines)
  const blank = JSON.stringify(filter)
  const filtered = computed(() => JSON.stringify(filter) !== blank)

  const { trouble, loaded, refresh } = usePoll(async (signal) => {
    const l = await load({ page: page.value, page_size: size.value }, signal)
    items.value = l.items ?? []
    total.value = l.total
  }, every)

  let typing = 0
  let due = 0
  watch(filter, () => {
    window.clearTimeout(typing)
    typing = window.setTimeout(() => ((page.value = 1), void refresh()), 250)
  })
  watch(size, () => ((page.value = 1), void refresh()))
  watch(page, () => void refresh())
  function soon() {
    if (due) return
    due = window.setTimeout(() => {
      due = 0
      void refresh()
    }, 1000)
  }
  /** clear takes what narrows the list away. */
  function clear() {
    Object.assign(filter, JSON.parse(blank))
  }
  onBeforeUnmount(() => {
    window.clearTimeout(typing)
    window.clearTimeout(due)
  })
  return { items, total, page, size, filtered, trouble, loaded, refresh, soon, clear }
}
