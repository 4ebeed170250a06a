import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Message } from '../src/api/types'
import SipLadder from '../src/components/SipLadder.vue'
import { forgetSession } from '../src/api/session'
import { countdown, lastExchanges, mark, merge } from '../src/ladder'
import { answers, flush, json, message, mount, signIn } from './support'

describe('merging readings of the trace', () => {
  const at = (n: number, part: Partial<Message> = {}) => message({ at: `2026-01-02T03:04:0${n}.000Z`, cseq: `${n} INVITE`, text: `m${n}`, ...part })
  it('adds what is new, in the order of time', () => {
    const list = [at(1), at(3)]
    expect(merge(list, [at(3), at(4), at(2)])).toBe(true)
    expect(list.map((m) => m.text)).toEqual(['m1', 'm2', 'm3', 'm4'])
    expect(merge(list, [at(4)])).toBe(false)
  })
  it('marks what repeats an earlier reading', () => {
    const list = [at(1)]
    merge(list, [at(2, { cseq: '1 INVITE', text: 'm1' })])
    expect(list.map((m) => m.repeat)).toEqual([false, true])
  })
  it('keeps a thousand', () => {
    const list: Message[] = []
    merge(list, Array.from({ length: 1500 }, (_, i) => at(1, { cseq: `${i} MESSAGE`, text: String(i) })))
    expect(list).toHaveLength(1000)
    expect(list.at(-1)!.text).toBe('1499')
    expect(new Set(list.map(mark)).size).toBe(1000)
  })
})

describe('the last exchanges', () => {
  const beat = (n: number, part: Partial<Message> = {}) => message({ at: `2026-01-02T03:04:0${n}.000Z`, label: 'MESSAGE Keepalive', method: 'MESSAGE', call_id: `k${n}`, cseq: `${n} MESSAGE`, ...part })
  it('are three of each kind, with the status of their answer', () => {
    const list = [1, 2, 3, 4].map((n) => beat(n))
    list.push(beat(3, { dir: 'out', status: 200, label: '200 OK (MESSAGE)' }), beat(4, { dir: 'out', status: 403, label: '403 (MESSAGE)' }), beat(5, { label: 'MESSAGE Alarm' }), beat(6, { dir: 'out' }))
    list.push(message({ method: 'REGISTER', label: 'REGISTER', cseq: '1 REGISTER' }))
    const { registers, keepalives } = lastExchanges(list)
    expect(keepalives.map((e) => [e.request.call_id, e.status])).toEqual([['k2', 0], ['k3', 200], ['k4', 403]])
    expect(registers).toHaveLength(1)
  })
  it.each([[600_000, '10:00'], [65_400, '1:05'], [-1, '0:00']])('count %d ms down as %s', (ms, text) => expect(countdown(ms)).toBe(text))
})

describe('the ladder', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    signIn()
  })
  afterEach(() => {
    forgetSession()
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  const items = [
    message({ at: '2026-01-02T03:04:05.006Z', dir: 'out', from: 'server', to: '192.0.2.20:5060', label: 'INVITE', call_id: 'a', text: 'INVITE sip:x SIP/2.0\r\n\r\nv=0' }),
    message({ at: '2026-01-02T03:04:05.010Z', dir: 'in', label: '486 Busy Here (INVITE)', status: 486, call_id: 'a', text: 'SIP/2.0 486 Busy Here' }),
    message({ at: '2026-01-02T03:04:06.000Z', dir: 'in', label: 'MESSAGE Keepalive', call_id: 'b', cseq: '2 MESSAGE', text: 'MESSAGE sip:y SIP/2.0' }),
  ]

  it('draws arrows by their direction, and shows a message when it is pressed', async () => {
    const calls = answers({ 'GET /api/v1/trace': () => json({ items, total: 3, routine: { registers: 2, refused: 1, keepalives: 9, failed: 0 } }) })
    const { el, unmount } = await mount(SipLadder, { device: '34020000001320000001' })
    const arrows = [...el.querySelectorAll<HTMLElement>('[data-test=arrow]')]
    expect(arrows.map((a) => [a.dataset.dir, a.querySelector('.label')!.textContent])).toEqual([['out', 'INVITE'], ['in', '486 Busy Here (INVITE)'], ['in', 'MESSAGE Keepalive']])
    expect(arrows[1]!.className).toContain('bad')
    expect(el.textContent).toContain('Keepalives 9')
    expect(el.querySelectorAll('[data-test=last]')).toHaveLength(1)
    expect(el.querySelector('[data-test=message]')).toBeNull()
    arrows[0]!.querySelector('button')!.click()
    await flush()
    expect(el.querySelector('[data-test=message]')!.textContent).toBe('INVITE sip:x SIP/2.0\r\n\r\nv=0')
    expect(el.textContent).toContain('192.0.2.1:5060 → 192.0.2.20:5060')

    await vi.advanceTimersByTimeAsync(3000)
    expect(calls.map((c) => new URLSearchParams(c.path.split('?')[1]).get('since'))).toEqual([null, '2026-01-02T03:04:06.000Z'])
    expect(el.querySelectorAll('[data-test=arrow]')).toHaveLength(3)
    unmount()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(calls).toHaveLength(2)
  })

  it('has all of a device recorded, counts down and stops', async () => {
    let watch: unknown
    const calls = answers({
      'GET /api/v1/trace': () => json({ items, total: 3, redact: true, routine: { registers: 2, refused: 1, keepalives: 9, failed: 0 }, watch }),
      'PUT /api/v1/trace/watches/d': () => json((watch = { peer: 'd', by: 'admin', since: '', until: '', remaining: 600, kept: 4 })),
      'DELETE /api/v1/trace/watches/d': () => ((watch = undefined), new Response(null, { status: 204 })),
    })
    const { el, unmount } = await mount(SipLadder, { device: 'd' })
    expect(el.querySelector('[data-test=routine]')!.textContent).toContain('Only the last three')
    el.querySelector<HTMLElement>('[data-test=watch]')!.click()
    await flush()
    await vi.advanceTimersByTimeAsync(0)
    expect(JSON.parse(calls.find((c) => c.method === 'PUT')!.body)).toEqual({ seconds: 600 })
    await vi.advanceTimersByTimeAsync(2000)
    expect(el.querySelector('[data-test=watching]')!.textContent).toBe('Recording all, 9:58 left, 4 exchanges')
    expect(el.querySelector('[data-test=routine]')!.textContent).toContain('All of them are kept')
    expect(el.querySelector('[data-test=watch]')).toBeNull()
    el.querySelector<HTMLElement>('[data-test=unwatch]')!.click()
    await flush()
    await vi.advanceTimersByTimeAsync(0)
    expect(el.querySelector('[data-test=watching]')).toBeNull()
    expect(el.querySelector('[data-test=watch]')!.textContent).toBe('Record all for 10 min')
    unmount()
  })

  it('opens one of the last keepalives', async () => {
    answers({ 'GET /api/v1/trace': () => json({ items, total: 3, routine: { registers: 2, refused: 1, keepalives: 9, failed: 0 } }) })
    const { el, unmount } = await mount(SipLadder, { device: 'd' })
    el.querySelector<HTMLElement>('[data-test=last]')!.click()
    await flush()
    expect(el.querySelector('[data-test=message]')!.textContent).toBe('MESSAGE sip:y SIP/2.0')
    unmount()
  })

  it('says that there is nothing, or why it could not be read', async () => {
    answers({ 'GET /api/v1/trace': () => json({ items: [], total: 0 }) })
    const empty = await mount(SipLadder, { device: 'd' })
    expect(empty.el.textContent).toContain('No message of this device is kept')
    empty.unmount()
    answers({ 'GET /api/v1/trace': () => json({ title: 'You have not the right to do this', detail: 'joe has not the right to admin', remedy: 'Ask an administrator' }, 403) })
    const refused = await mount(SipLadder, { device: 'd' })
    expect(refused.el.querySelector('[role=alert]')!.textContent).toContain('You have not the right to do this')
    refused.unmount()
  })
})
