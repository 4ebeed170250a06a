import { ref } from 'vue'
import { problem } from './api/client'
import type { Problem } from './api/types'

/** What a form sends, once at a time, and what went wrong with it. */
export function useSubmission() {
  const busy = ref(false)
  const trouble = ref<Problem>()
  async function submit(send: () => Promise<void>) {
    if (busy.value) return
    busy.value = true
    trouble.value = undefined
    try {
      await send()
    } catch (e) {
      trouble.value = problem(e)
    } finally {
      busy.value = false
    }
  }
  return { busy, trouble, submit }
}
