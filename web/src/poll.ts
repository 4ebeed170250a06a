import { onBeforeUnmount, onMounted, ref, shallowRef } from 'vue'
import { problem } from './api/client'
import type { Problem } from './api/types'

/**
 * usePoll calls load when the component is mounted, every so many ms while the page is visible, and on demand. Calls never
 * overlap: one that is asked for during another follows it. The signal of a call is aborted when the component goes.
 */
export function usePoll(load: (signal: AbortSignal) => Promise<void>, every: number) {
  const trouble = shallowRef<Problem>()
  /** loaded is true once a call has worked. */
  const loaded = ref(false)
  const gone = new AbortController()
  let running: Promise<void> | undefined
  let again = false
  let timer = 0

  async function once(): Promise<void> {
    window.clearTimeout(timer)
    try {
      do {
        again = false
        await load(gone.signal)
      } while (again && !gone.signal.aborted)
      trouble.value = undefined
      loaded.value = true
    } catch (e) {
      if (!gone.signal.aborted) trouble.value = problem(e)
    }
    running = undefined
    if (!gone.signal.aborted && every > 0) timer = window.setTimeout(tick, every)
  }

  /** refresh loads now, or once more after the call that runs. */
  function refresh(): Promise<void> {
    if (running) again = true
    else running = once()
    return running!
  }

  function tick() {
    if (document.hidden) timer = window.setTimeout(tick, every)
    else void refresh()
  }

  onMounted(() => void refresh())
  onBeforeUnmount(() => {
    gone.abort()
    window.clearTimeout(timer)
  })
  return { trouble, loaded, refresh }
}
