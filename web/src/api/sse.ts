import { ApiError, raw, sessionHeaders } from './client'
import type { ServerEvent } from './types'

/** SseParser cuts a text/event-stream into messages. */
export class SseParser {
  private rest = ''
  private id = ''
  private data: string[] = []

  /** push takes the next piece of the stream and returns the messages that it completes. */
  push(piece: string): { id: string; data: string }[] {
    const out: { id: string; data: string }[] = []
    const lines = (this.rest + piece).split(/\r\n|\n|\r(?!$)/)
    this.rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line === '') {
        if (this.data.length) out.push({ id: this.id, data: this.data.join('\n') })
        this.data = []
        continue
      }
      const colon = line.indexOf(':')
      if (colon === 0) continue // comment: heartbeat
      const field = colon < 0 ? line : line.slice(0, colon)
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
      if (field === 'data') this.data.push(value)
      if (field === 'id') this.id = value
    }
    return out
  }
}

export interface Watch {
  event: (e: ServerEvent) => void
  /** connected tells whether events arrive now. */
  connected: (yes: boolean) => void
}

const QUIET = 45_000 // ms without a byte, the server's heartbeat being 15 s
const WAITS = [1000, 2000, 5000, 10_000]

/**
 * watchEvents follows the server's events until the returned function is called. It reads by fetch instead of
 * EventSource, which can neither send the token in a header nor tell a refusal from a broken line.
 */
export function watchEvents(watch: Watch): () => void {
  const stop = new AbortController()
  void follow(watch, stop.signal)
  return () => stop.abort()
}

async function follow(watch: Watch, signal: AbortSignal): Promise<void> {
  let last = ''
  let before = false // there was a line before this one
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      let first = true
      await read(last, watch, signal, (id) => {
        if (first && before && !last) watch.event({ type: 'lost' }) // no id to replay from
        first = false
        before = true
        last = id || last
        failures = 0
      })
    } catch (e) {
      if (signal.aborted || (e instanceof ApiError && e.problem.status === 401)) break
    }
    watch.connected(false)
    await pause(WAITS[Math.min(failures, WAITS.length - 1)]!, signal)
  }
  watch.connected(false)
}

async function read(last: string, watch: Watch, signal: AbortSignal, alive: (id: string) => void): Promise<void> {
  const line = new AbortController()
  const cut = () => line.abort()
  signal.addEventListener('abort', cut, { once: true })
  let quiet = setTimeout(cut, QUIET)
  try {
    const headers = { ...sessionHeaders(), Accept: 'text/event-stream', ...(last ? { 'Last-Event-ID': last } : {}) }
    const response = await raw('/api/v1/events', { headers, cache: 'no-store', signal: line.signal })
    const reader = response.body!.getReader()
    const text = new TextDecoder()
    const parser = new SseParser()
    watch.connected(true)
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      clearTimeout(quiet)
      quiet = setTimeout(cut, QUIET)
      alive('')
      for (const m of parser.push(text.decode(value, { stream: true }))) {
        alive(m.id)
        const e = parse(m.data)
        if (e) watch.event(e)
      }
    }
  } finally {
    clearTimeout(quiet)
    signal.removeEventListener('abort', cut)
    line.abort()
  }
}

function parse(data: string): ServerEvent | undefined {
  try {
    const e = JSON.parse(data) as ServerEvent
    return typeof e.type === 'string' ? e : undefined
  } catch {
    return undefined // not an event of ours
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(end, ms)
    function end() {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      done()
    }
    signal.addEventListener('abort', end, { once: true })
  })
}
