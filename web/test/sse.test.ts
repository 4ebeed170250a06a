import { afterEach, describe, expect, it, vi } from 'vitest'
import { forgetSession } from '../src/api/session'
import { SseParser, watchEvents } from '../src/api/sse'
import type { ServerEvent } from '../src/api/types'
import { answers, json, signIn, type Call } from './support'

afterEach(() => {
  forgetSession()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

describe('the parser of event streams', () => {
  const text = 'retry: 2000\n\nid: 7\ndata: {"a":1}\n\n: \n\ndata: one\r\ndata: two\r\n\r\n'
  const want = [{ id: '7', data: '{"a":1}' }, { id: '7', data: 'one\ntwo' }]
  it('reads messages, comments and all line ends', () => expect(new SseParser().push(text)).toEqual(want))
  it('does so wherever the stream is cut', () => {
    for (let cut = 0; cut <= text.length; cut++) {
      const p = new SseParser()
      expect([...p.push(text.slice(0, cut)), ...p.push(text.slice(cut))], `cut at ${cut}`).toEqual(want)
    }
  })
})

/** line is an event stream that the test writes. */
function line() {
  let write!: (text: string) => void
  let end!: () => void
  const body = new ReadableStream<Uint8Array>({
    start(c) {
      write = (text) => c.enqueue(new TextEncoder().encode(text))
      end = () => c.close()
    },
  })
  return { response: new Response(body, { status: 200 }), write, end }
}

describe('the watch of events', () => {
  const settle = () => vi.advanceTimersByTimeAsync(0)

  it('carries the token, and comes back where it broke off', async () => {
    vi.useFakeTimers()
    signIn()
    const lines = [line(), line()]
    const calls: Call[] = answers({ 'GET /api/v1/events': () => lines[calls.length - 1]!.response })
    const events: ServerEvent[] = []
    const states: boolean[] = []
    const stop = watchEvents({ event: (e) => events.push(e), connected: (yes) => states.push(yes) })
    await settle()
    lines[0]!.write('id: 41\ndata: {"id":41,"type":"device.online","device":"d"}\n\ndata: nonsense\n\n')
    await settle()
    expect(events).toEqual([{ id: 41, type: 'device.online', device: 'd' }])
    lines[0]!.end()
    await settle()
    expect(states).toEqual([true, false])
    await vi.advanceTimersByTimeAsync(1000)
    expect(states).toEqual([true, false, true])
    expect(calls.map((c) => [c.headers.get('Authorization'), c.headers.get('Last-Event-ID'), c.path])).toEqual([
      ['Bearer word', null, '/api/v1/events'], ['Bearer word', '41', '/api/v1/events'],
    ])
    stop()
  })

  it('tells that events were missed when there is nothing to replay from', async () => {
    vi.useFakeTimers()
    signIn()
    const lines = [line(), line()]
    const calls: Call[] = answers({ 'GET /api/v1/events': () => lines[calls.length - 1]!.response })
    const events: string[] = []
    const stop = watchEvents({ event: (e) => events.push(e.type), connected: () => undefined })
    await settle()
    lines[0]!.write('retry: 2000\n\n')
    await settle()
    lines[0]!.end()
    await vi.advanceTimersByTimeAsync(1000)
    lines[1]!.write('retry: 2000\n\n')
    await settle()
    expect(events).toEqual(['lost'])
    stop()
  })

  it('leaves a line on which nothing comes, not even heartbeats', async () => {
    vi.useFakeTimers()
    signIn()
    let calls = 0
    vi.stubGlobal('fetch', async (_: string, { signal }: { signal: AbortSignal }) => {
      calls++
      const body = new ReadableStream({ start: (c) => signal.addEventListener('abort', () => c.error(new DOMException('', 'AbortError'))) })
      return new Response(body, { status: 200 })
    })
    const stop = watchEvents({ event: () => undefined, connected: () => undefined })
    await vi.advanceTimersByTimeAsync(44_000)
    expect(calls).toBe(1)
    await vi.advanceTimersByTimeAsync(3000)
    expect(calls).toBe(2)
    stop()
  })

  it('ends when the session has ended', async () => {
    vi.useFakeTimers()
    signIn()
    const calls = answers({ 'GET /api/v1/events': () => json({ title: 'ended' }, 401) })
    watchEvents({ event: () => undefined, connected: () => undefined })
    await vi.advanceTimersByTimeAsync(60_000)
    expect(calls).toHaveLength(1)
  })

  it('waits longer after each failure', async () => {
    vi.useFakeTimers()
    signIn()
    const calls = answers({ 'GET /api/v1/events': () => json({ title: 'busy' }, 503) })
    const stop = watchEvents({ event: () => undefined, connected: () => undefined })
    await vi.advanceTimersByTimeAsync(500)
    expect(calls).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1000)
    expect(calls).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(2000)
    expect(calls).toHaveLength(3)
    await vi.advanceTimersByTimeAsync(4000)
    expect(calls).toHaveLength(3)
    stop()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(calls).toHaveLength(3)
  })
})
