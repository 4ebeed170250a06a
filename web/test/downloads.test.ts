import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Download } from '../src/api/types'
import { forgetSession } from '../src/api/session'
import DownloadDialog from '../src/components/DownloadDialog.vue'
import Downloads from '../src/views/Downloads.vue'
import { answers, flush, json, mount, signIn, type Call } from './support'

const job = (id: string, state: Download['state'], part: Partial<Download> = {}): Download => ({
  id, device: 'd1', channel: 'c1', profile: 'main', start: '2026-11-20T00:00:00.000Z', end: '2026-11-20T01:00:00.000Z', state, bytes: 12_000_000, expected_bytes: 0, duration: 3600, covered: 900, progress: 0.25,
  pictures: 1, dropped: 0, speed: 4, asked: 1, codecs: ['H264'], by: 'admin', file: `http://inner:80/api/v1/downloads/${id}/file`, name: `${id}.ps`, created_at: '2026-11-20T02:00:00.000Z', ...part,
})
let calls: Call[]
let items: Download[]

beforeEach(() => {
  vi.useFakeTimers()
  signIn()
  calls = answers({
    'GET /api/v1/events': () => new Response(new ReadableStream({})), 'GET /api/v1/downloads': () => json({ items, total: items.length }),
    'POST /api/v1/downloads/': () => json(items[0]), 'POST /api/v1/downloads': () => json({ title: 'No space', status: 507, remedy: 'Delete what is named' }, 507), 'DELETE /api/v1/downloads': () => new Response(null, { status: 204 }),
  })
})
afterEach(() => {
  forgetSession()
  vi.useRealTimers()
  vi.unstubAllGlobals()
  document.body.replaceChildren()
})
const press = async (selector: string) => {
  document.querySelector<HTMLElement>(selector)!.click()
  await vi.advanceTimersByTimeAsync(400)
  await flush()
}
const acts = (el: HTMLElement, id: string) => [...el.querySelectorAll(`[data-download=${id}] .acts [data-test]`)].map((b) => b.getAttribute('data-test'))

it('each state offers what can be done with it', async () => {
  items = [job('a', 'running'), job('b', 'done', { progress: 1 }), job('c', 'partial', { reason: 'the device fell silent' }), job('e', 'waiting', { bytes: 0 })]
  const { el, unmount } = await mount(Downloads)
  expect(acts(el, 'a')).toEqual(['file', 'cancel'])
  expect(acts(el, 'b')).toEqual(['file', 'remove'])
  expect(acts(el, 'c')).toEqual(['file', 'continue', 'remove'])
  expect(acts(el, 'e')).toEqual(['cancel'])
  expect(el.querySelector('[data-download=c]')!.textContent).toMatch(/25 %.*15:00 of 1:00:00.*fell silent/s)
  unmount()
})

it('a file is fetched from where this page came from', async () => {
  items = [job('b', 'done')]
  const { el, unmount } = await mount(Downloads)
  const link = el.querySelector<HTMLAnchorElement>('[data-test=file]')!
  expect(link.getAttribute('href')).toBe('/api/v1/downloads/b/file')
  expect(link.download).toBe('b.ps')
  unmount()
})

it('what broke off is continued, and what runs is canceled', async () => {
  items = [job('c', 'interrupted'), job('a', 'running')]
  const { unmount } = await mount(Downloads)
  await press('[data-download=c] [data-test=continue]')
  await press('[data-download=a] [data-test=cancel]')
  expect(calls.filter((c) => c.method === 'POST').map((c) => c.path)).toEqual(['/api/v1/downloads/c/continue', '/api/v1/downloads/a/cancel'])
  unmount()
})

const span = { from: new Date(2026, 10, 20, 8).getTime(), to: new Date(2026, 10, 20, 9).getTime() }

it('a recording is asked for as it was chosen, and a refusal shows the remedy', async () => {
  const { unmount } = await mount(DownloadDialog, { device: 'd1', channel: 'c1', span })
  await press('[data-test=begin]')
  expect(JSON.parse(calls.find((c) => c.method === 'POST')!.body)).toEqual({ device: 'd1', channel: 'c1', start: new Date(span.from).toISOString(), end: new Date(span.to).toISOString(), speed: 4 })
  expect(document.querySelector('[data-test=problem]')!.textContent).toMatch(/No space.*Delete what is named/s)
  unmount()
})

it('more than a day is not asked for', async () => {
  const { unmount } = await mount(DownloadDialog, { device: 'd1', channel: 'c1', span: { from: span.from, to: span.from + 25 * 3_600_000 } })
  await press('[data-test=begin]')
  expect(calls.filter((c) => c.method === 'POST')).toEqual([])
  expect(document.body.textContent).toContain('At most 24 hours')
  unmount()
})
