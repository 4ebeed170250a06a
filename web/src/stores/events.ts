import { defineStore } from 'pinia'
import { ref } from 'vue'
import { token } from '../api/client'
import type { ServerEvent } from '../api/types'

type Listener = (e: ServerEvent) => void

/** useEvents shares one event stream of the server among all views. */
export const useEvents = defineStore('events', () => {
  const connected = ref(false)
  const listeners = new Set<Listener>()
  let source: EventSource | undefined

  function open() {
    if (source || !token()) return
    source = new EventSource(`/api/v1/events?token=${encodeURIComponent(token())}`)
    source.onopen = () => (connected.value = true)
    source.onerror = () => (connected.value = false) // the browser reconnects with Last-Event-ID
    const take = (m: MessageEvent) => {
      try {
        const e = JSON.parse(m.data) as ServerEvent
        for (const l of listeners) l(e)
      } catch {
        // not an event of ours
      }
    }
    source.onmessage = take
    for (const type of ['event', 'journal']) source.addEventListener(type, take)
  }

  function close() {
    source?.close()
    source = undefined
    connected.value = false
  }

  /** on calls f for each event until the returned function is called. */
  function on(f: Listener): () => void {
    listeners.add(f)
    open()
    return () => listeners.delete(f)
  }

  return { connected, on, close }
})
