import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { forgetSession, saveSession } from '../src/api/session'
import type { Act, Channel } from '../src/api/types'
import CruiseList from '../src/components/CruiseList.vue'
import DeviceActs from '../src/components/DeviceActs.vue'
import FrontEnd from '../src/components/FrontEnd.vue'
import { answers, device, flush, json, mount, signIn, type Call } from './support'

let calls: Call[]
const none = () => new Response(null, { status: 204 })

beforeEach(() => {
  vi.useFakeTimers()
  signIn()
  calls = answers({ 'GET /api/v1/devices/d1/channels/c1/cruises': () => json({ items: [{ cruise: 3, name: 'yard' }], total: 1, complete: true }), 'POST /': none, 'PUT /': none, 'DELETE /': none })
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
const sent = () => calls.filter((c) => c.method !== 'GET').map((c) => [c.path, c.body && (JSON.parse(c.body) as unknown)])
const at = { device: 'd1', channel: 'c1' }

it('a camera of 2022 is asked for its cruises, and told by their number', async () => {
  const { el, unmount } = await mount(CruiseList, { ...at, edition: '2022' })
  expect(el.querySelector('[data-cruise="3"]')!.textContent).toContain('yard')
  await press('[data-cruise="3"] button')
  expect(sent()).toEqual([['/api/v1/devices/d1/channels/c1/cruises/3/start', {}]])
  unmount()
})

it('an older camera is not asked, and told all the same', async () => {
  const { el, unmount } = await mount(CruiseList, { ...at, edition: '2016' })
  expect(calls).toEqual([])
  expect(el.textContent).toContain('Only devices of the 2022 edition')
  await press('[data-test=cruise-stop]')
  expect(sent()).toEqual([['/api/v1/devices/d1/channels/c1/cruises/1/stop', '']])
  unmount()
})

it.each([
  ['scan-left_limit', 'scan', { do: 'left_limit', scan: 0 }], ['aux-on', 'aux', { switch: 1, on: true }], ['home-on', 'home_position', { enabled: true, preset: 1, reset_seconds: 60 }], ['home-off', 'home_position', { enabled: false }],
])('%s tells the camera', async (button, path, body) => {
  const { unmount } = await mount(FrontEnd, at)
  await press(`[data-test=${button}]`)
  expect(sent()).toEqual([[`/api/v1/devices/d1/channels/c1/${path}`, body]])
  unmount()
})

const channels = [{ id: 'c1', name: 'gate' }, { id: 'c2', name: 'yard' }] as Channel[]

it('what concerns a channel waits until one is chosen, what concerns the device does not', async () => {
  const d = device({ id: 'd1' })
  const { el, unmount } = await mount(DeviceActs, { device: d, channels })
  expect(el.querySelector<HTMLButtonElement>('[data-act=record]')!.disabled).toBe(true)
  await press('[data-act=guard]')
  const choice = el.querySelector<HTMLSelectElement>('[name=act-channel]')!
  choice.value = 'c2'
  choice.dispatchEvent(new Event('change'))
  await flush()
  await press('[data-act=record]')
  expect(sent()).toEqual([['/api/v1/devices/d1/commands', { command: 'GuardCmd', on: true }], ['/api/v1/devices/d1/commands', { command: 'RecordCmd', on: true, channel: 'c2' }]])
  unmount()
})

it('a restart is asked for twice', async () => {
  const { unmount } = await mount(DeviceActs, { device: device({ id: 'd1' }), channels })
  await press('[data-act=reboot]')
  expect(sent()).toEqual([])
  await press('.el-message-box__btns .el-button--danger')
  expect(sent()).toEqual([['/api/v1/devices/d1/commands', { command: 'TeleBoot' }]])
  unmount()
})

it.each([
  ['offline', () => device({ id: 'd1', state: 'offline', state_reason: 'registration expired' }), undefined, /registration expired/],
  ['of a caller without the right', () => device({ id: 'd1' }), ['look'] as Act[], /role/],
])('a device %s is told nothing, and why is said', async (_, make, acts, why) => {
  if (acts) saveSession({ token: 'word', expires: Date.now() + 60_000, acts })
  const { el, unmount } = await mount(DeviceActs, { device: make(), channels })
  const button = el.querySelector<HTMLButtonElement>('[data-act=reboot]')!
  expect(button.disabled).toBe(true)
  expect(button.title).toMatch(why)
  unmount()
})
