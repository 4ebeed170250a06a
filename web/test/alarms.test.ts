import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Alarm } from '../src/api/types'
import { forgetSession } from '../src/api/session'
import Alarms from '../src/views/Alarms.vue'
import { answers, flush, json, mount, signIn, type Call } from './support'

const alarm = (id: number, part: Partial<Alarm> = {}): Alarm => ({
  id, device: '34020000001320000001', priority: 2, method: 5, type: 6, event_type: 1, name: 'intrusion', at: new Date().toISOString(), received_at: new Date().toISOString(), description: 'gate', acknowledged: false, ...part,
})
let calls: Call[]
let items: Alarm[]
let tell: (text: string) => void

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('ResizeObserver', class { observe() {} disconnect() {} })
  signIn()
  items = [alarm(1)]
  calls = answers({
    'GET /api/v1/events': () => new Response(new ReadableStream({ start: (c) => (tell = (text) => c.enqueue(new TextEncoder().encode(text))) })),
    'GET /api/v1/devices': () => json({ items: [], total: 0 }),
    'GET /api/v1/alarms.csv': () => new Response('id\n1\n'),
    'GET /api/v1/alarms': () => json({ items, total: items.length }),
    'PATCH /api/v1/alarms': () => json({ ...items[0], acknowledged: true }),
  })
})
afterEach(() => {
  forgetSession()
  vi.useRealTimers()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
  document.body.replaceChildren()
})
const asked = () => calls.filter((c) => c.path.startsWith('/api/v1/alarms'))
const wait = async (ms: number) => {
  await vi.advanceTimersByTimeAsync(ms)
  await flush()
}

it('an alarm is told in words, and seen to by a click', async () => {
  const { el, unmount } = await mount(Alarms)
  expect(el.querySelector('[data-alarm="1"]')!.textContent).toMatch(/intrusion · entering.*2 high.*gate/s)
  el.querySelector<HTMLElement>('[data-test=acknowledge]')!.click()
  await wait(500)
  expect(asked().find((c) => c.method === 'PATCH')).toMatchObject({ path: '/api/v1/alarms/1', body: '{"acknowledged":true}' })
  unmount()
})

it('the filter is what the server is asked for, and what the file holds', async () => {
  const { el, unmount } = await mount(Alarms)
  const method = el.querySelector<HTMLSelectElement>('[name=method]')!
  method.value = '5'
  method.dispatchEvent(new Event('change'))
  const since = el.querySelector<HTMLInputElement>('[name=since]')!
  since.value = '2026-11-20T08:00'
  since.dispatchEvent(new Event('input'))
  await wait(500)
  const want = `method=5&since=${encodeURIComponent(new Date(2026, 10, 20, 8).toISOString())}`
  expect(decodeURIComponent(asked().at(-1)!.path)).toContain(decodeURIComponent(want))
  const file = vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(() => undefined)
  el.querySelector<HTMLElement>('[data-test=csv]')!.click()
  await wait(500)
  expect(asked().find((c) => c.path.startsWith('/api/v1/alarms.csv?'))!.path).toContain('method=5')
  expect(file).toHaveBeenCalledOnce()
  unmount()
})

it('a new alarm appears by itself, and is marked', async () => {
  const { el, unmount } = await mount(Alarms)
  await wait(100)
  items = [alarm(2), alarm(1)]
  tell('id: 1\ndata: {"id":1,"type":"alarm.raised","device":"34020000001320000001","data":{"id":2}}\n\n')
  await wait(1500)
  expect(el.querySelector('[data-alarm="2"]')!.className).toContain('fresh')
  expect(el.querySelector('[data-alarm="1"]')!.className).not.toContain('fresh')
  unmount()
})

it('a list that is empty says what to do', async () => {
  items = []
  const { el, unmount } = await mount(Alarms)
  expect(el.textContent).toContain('subscribed to')
  unmount()
})

it('a refusal is shown with its remedy', async () => {
  answers({ 'GET /api/v1/alarms': () => json({ title: 'You have not the right', status: 403, detail: 'name a device', remedy: 'Ask an administrator', name: 'not_allowed' }, 403), 'GET /': () => json({ items: [], total: 0 }) })
  const { el, unmount } = await mount(Alarms)
  await wait(100)
  expect(el.querySelector('[data-test=trouble]')!.textContent).toMatch(/not the right.*name a device.*Ask an administrator/s)
  unmount()
})
