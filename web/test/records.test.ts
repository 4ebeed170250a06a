import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { forgetSession, saveSession } from '../src/api/session'
import type { Act, Records, Stream } from '../src/api/types'
import PlaybackBar from '../src/components/PlaybackBar.vue'
import RecordPanel from '../src/components/RecordPanel.vue'
import SlotNote from '../src/components/SlotNote.vue'
import { answers, flush, json, mount, signIn, stream, type Call } from './support'

const today = new Date()
const at = (hour: number, minute = 0) => new Date(today.getFullYear(), today.getMonth(), today.getDate(), hour, minute).toISOString()
const found = (part: Partial<Records> = {}): Records => ({
  items: [{ name: 'gate', start: at(1), end: at(2), type: 'alarm', size: 5_000_000, recorder: '', file_path: '/rec/1', address: '', location: '', secrecy: false, channel: 'c1' }],
  ranges: [{ start: at(1), end: at(2) }], missing: [], complete: true, announced: 1, skipped: 0, rounds: 1, ...part,
})
const props = { device: 'd1', channel: 'c1', name: 'gate', edition: '2016' }
let calls: Call[]
let answer: () => Response
let start: () => Response

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('ResizeObserver', class { observe() {} disconnect() {} })
  signIn()
  answer = () => json(found())
  start = () => json(playing(), 201)
  calls = answers({
    'GET /api/v1/devices/d1/channels/c1/records': () => answer(), 'POST /api/v1/streams': () => start(), 'GET /api/v1/streams': () => json(playing()),
    'PATCH /api/v1/streams': () => json(playing()), 'DELETE /api/v1/streams': () => new Response(null, { status: 204 }), 'POST /whep': () => json({}, 404), 'GET /playback': () => json({}, 404),
  })
})
afterEach(() => {
  forgetSession()
  vi.useRealTimers()
  vi.unstubAllGlobals()
  document.body.replaceChildren()
})
const playing = (part: Partial<NonNullable<Stream['recording']>> = {}): Stream =>
  stream({ id: 'p1', kind: 'playback', recording: { start: at(1), end: at(2), duration: 3600, position: 0, paused: false, scale: 1, pace: 0, by: 'admin', ...part } })
const wait = async (ms: number) => {
  await vi.advanceTimersByTimeAsync(ms)
  await flush()
}
const asked = (method: string) => calls.filter((c) => c.method === method).map((c) => [c.path, c.body && (JSON.parse(c.body) as unknown)])

it('today is searched at once, and what was recorded is drawn', async () => {
  const { el, unmount } = await mount(RecordPanel, props)
  await wait(100)
  const query = new URL(calls[0]!.path, 'http://x').searchParams
  expect(query.get('start')).toBe(at(0))
  expect(Date.parse(query.get('end')!) - Date.parse(query.get('start')!)).toBeGreaterThanOrEqual(23 * 3_600_000)
  expect(el.querySelector('[data-test=complete]')!.textContent).toContain('1 recordings, 1:00:00')
  const range = el.querySelector<HTMLElement>('[data-test=range]')!
  expect(parseFloat(range.style.left)).toBeCloseTo(100 / 24, 1)
  expect(el.querySelector('[data-test=record]')!.textContent).toMatch(/on alarm.*5.0 MB/s)
  unmount()
})

it('what is not complete says what is missing and why, and can be asked for again', async () => {
  answer = () => json(found({ complete: false, announced: 9, reason: 'device did not answer in time', missing: [{ start: at(2), end: at(3) }] }))
  const { el, unmount } = await mount(RecordPanel, props)
  await wait(100)
  expect(el.querySelector('[data-test=partial]')!.textContent).toMatch(/1 recordings, 9 announced.*did not answer in time.*02:00:00.*03:00:00/s)
  expect(el.querySelectorAll('[data-test=missing]')).toHaveLength(1)
  el.querySelector<HTMLElement>('[data-test=ask-again]')!.click()
  await wait(100)
  expect(asked('GET')).toHaveLength(2)
  unmount()
})

it('a click into a gap plays from where the next recording begins', async () => {
  const { el, unmount } = await mount(RecordPanel, props)
  await wait(100)
  const line = el.querySelector<HTMLElement>('[role=slider]')!
  line.getBoundingClientRect = () => ({ left: 0, width: 2400 }) as DOMRect
  line.dispatchEvent(new MouseEvent('click', { clientX: 10, bubbles: true }))
  await wait(100)
  expect(asked('POST')[0]).toEqual(['/api/v1/streams', { device: 'd1', channel: 'c1', kind: 'playback', start: at(1), end: at(2) }])
  unmount()
  await wait(0)
  expect(asked('DELETE')).toEqual([['/api/v1/streams/p1', '']]) // what it began ends with the page
})

it('a click within what plays seeks in it', async () => {
  const { el, unmount } = await mount(RecordPanel, props)
  await wait(100)
  const line = el.querySelector<HTMLElement>('[role=slider]')!
  line.getBoundingClientRect = () => ({ left: 0, width: 2400 }) as DOMRect
  line.dispatchEvent(new MouseEvent('click', { clientX: 110, bubbles: true }))
  await wait(100)
  start = () => json({}, 500)
  line.dispatchEvent(new MouseEvent('click', { clientX: 150, bubbles: true }))
  await wait(100)
  expect(asked('PATCH')).toEqual([['/api/v1/streams/p1', { position: 1800 }]])
  unmount()
})

it('a search that fails shows the remedy', async () => {
  answer = () => json({ title: 'The device is offline', status: 409, remedy: 'Check its power' }, 409)
  const { el, unmount } = await mount(RecordPanel, props)
  await wait(100)
  expect(el.querySelector('[data-test=trouble]')!.textContent).toContain('Check its power')
  unmount()
})

const noSlot = { title: 'No slot', status: 409, name: 'no_playback_slot', remedy: 'End one', holders: [{ stream: 'p9', kind: 'download', channel: 'c2', by: 'key recorder' }] }

it('who has the slots is told, and one of them is ended by who may', async () => {
  const { el, unmount } = await mount(SlotNote, { problem: noSlot })
  expect(el.textContent).toMatch(/No slot.*End one.*Download by key recorder.*c2/s)
  el.querySelector<HTMLElement>('[data-test=free]')!.click()
  await wait(100)
  expect(asked('DELETE')).toEqual([['/api/v1/streams/p9', '']])
  unmount()
})

it('who may not end what others watch is told so', async () => {
  saveSession({ token: 'word', expires: Date.now() + 60_000, acts: ['look'] as Act[] })
  const { el, unmount } = await mount(SlotNote, { problem: noSlot })
  expect(el.querySelector<HTMLButtonElement>('[data-test=free]')!.disabled).toBe(true)
  unmount()
})

it.each([
  ['[data-test=pause]', { paused: false }, { paused: true }], ['[data-test=pause]', { paused: true }, { paused: false }], ['[data-test=reverse]', { scale: 2 }, { scale: -2 }], ['[data-test=reverse]', { scale: -4 }, { scale: 4 }],
])('%s of a playback that stands at %j asks for %j', async (button, recording, want) => {
  const told: unknown[] = []
  const { el, unmount } = await mount(PlaybackBar, { stream: playing(recording), reverse: true, busy: false, onControl: (body: unknown) => told.push(body) })
  el.querySelector<HTMLElement>(button)!.click()
  expect(told).toEqual([want])
  unmount()
})

it('a device of 2016 is not asked to run backwards', async () => {
  const { el, unmount } = await mount(PlaybackBar, { stream: playing(), reverse: false, busy: false })
  const button = el.querySelector<HTMLButtonElement>('[data-test=reverse]')!
  expect(button.disabled).toBe(true)
  expect(button.title).toMatch(/2022/)
  unmount()
})
