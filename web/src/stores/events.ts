import { defineStore } from 'pinia'
import { ref } from 'vue'
import { token } from '../api/session'
import { watchEvents } from '../api/sse'
import type { ServerEvent } from '../api/types'

type Listener = (e: ServerEvent) => void

/** useEvents shares one event stream of the server among all views. */
export const useEvents = defineStore('events', () => {
  const connected = ref(false)
  /** broken is true when the stream was there and no longer is. */
  const broken = ref(false)
  const listeners = new Set<Listener>()
  let stop: (() => void) | undefined

  function open() {
    if (stop || !token()) return
    stop = watchEvents({
      event: (e) => {
        for (const l of [...listeners]) l(e)
      },
      connected: (yes) => {
        broken.value = connected.value || broken.value ? !yes : false
        connected.value = yes
      },
    })
  }

  function close() {
    stop?.()
    stop = undefined
    connected.value = broken.value = false
  }

  /** on calls f for each event until the returned function is called. */
  function on(f: Listener): () => void {
    listeners.add(f)
    open()
    return () => listeners.delete(f)
  }

  return { connected, broken, on, open, close }
})
