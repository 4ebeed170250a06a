import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Attempt } from '../src/api/types'
import { forgetSession } from '../src/api/session'
import Attempts from '../src/views/Attempts.vue'
import { answers, device, flush, json, mount, signIn, type Call } from './support'

const attempt = (check: string, part: Partial<Attempt> = {}): Attempt => ({
  id: '34020000001320000401', remote: '192.0.2.9:5060', transport: 'udp', user_agent: 'cam', at: new Date().toISOString(), check, detail: '', count: 2, ...part,
})
let calls: Call[]
let items: Attempt[]
const bans = [{ ip: '198.51.100.66', source: '198.51.100.66/32', reason: '500 refused registrations within 10m0s', since: new Date().toISOString(), until: new Date().toISOString() }]

beforeEach(() => {
  vi.useFakeTimers()
  signIn()
  calls = answers({
    'GET /api/v1/attempts': () => json({ items, total: items.length }),
    'GET /api/v1/bans': () => json({ items: bans, total: bans.length }),
    'POST /api/v1/attempts': () => json(device()),
    'DELETE /api/v1/bans': () => new Response(null, { status: 204 }),
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
  await vi.advanceTimersByTimeAsync(500)
  await flush()
}
const type = async (selector: string, text: string) => {
  const input = document.querySelector<HTMLInputElement>(selector)!
  input.value = text
  input.dispatchEvent(new Event('input'))
  await flush()
}
const sent = () => calls.filter((c) => c.method !== 'GET').map((c) => [c.method, c.path, c.body && (JSON.parse(c.body) as unknown)])

it('a device that waits is approved, with a name and its own password', async () => {
  items = [attempt('pending approval')]
  const { unmount } = await mount(Attempts)
  await press('[data-test=approve]')
  await type('[name=device-name]', 'gate')
  await press('[data-test=save]')
  expect(sent()).toEqual([['POST', '/api/v1/attempts/34020000001320000401/approve', { name: 'gate' }]])
  unmount()
})

it('a wrong password is replaced, and not by none', async () => {
  items = [attempt('password', { detail: 'wrong password' })]
  const { el, unmount } = await mount(Attempts)
  expect(el.textContent).toContain('wrong password')
  await press('[data-test=approve]')
  await press('[data-test=save]')
  expect(sent()).toEqual([])
  await type('[name=device-password]', 'secret')
  await press('[data-test=save]')
  expect(sent()).toEqual([['POST', '/api/v1/attempts/34020000001320000401/approve', { password: 'secret' }]])
  unmount()
})

it('what no click can mend has no button', async () => {
  items = [attempt('realm'), attempt('bad id', { id: '123' }), attempt('unknown id', { id: '123' })]
  const { el, unmount } = await mount(Attempts)
  expect([...el.querySelectorAll('[data-attempt]')].map((r) => r.querySelector('.check')!.textContent)).toEqual(['Realm (SIP domain)', 'ID is not valid', 'ID is unknown'])
  expect(el.querySelector('[data-test=approve]')).toBeNull()
  unmount()
})

it('a banned address is let in again', async () => {
  items = []
  const { el, unmount } = await mount(Attempts)
  expect(el.querySelector('[data-ban]')!.textContent).toContain('500 refused registrations')
  await press('[data-test=lift]')
  expect(sent()).toEqual([['DELETE', '/api/v1/bans/198.51.100.66', '']])
  unmount()
})
