import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Grant } from '../src/api/types'
import { forgetSession } from '../src/api/session'
import GrantEditor from '../src/components/GrantEditor.vue'
import PasswordDialog from '../src/components/PasswordDialog.vue'
import { allowances, grantsOf, sensible } from '../src/grants'
import Audit from '../src/views/Audit.vue'
import Keys from '../src/views/Keys.vue'
import Roles from '../src/views/Roles.vue'
import { answers, flush, json, mount, signIn, type Call } from './support'

const camera = '34020000001320000001'
let calls: Call[]

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('ResizeObserver', class { observe() {} disconnect() {} })
  signIn()
  calls = answers({
    'GET /api/v1/roles': () => json({ items: [{ name: 'viewer', about: '', builtin: true, users: 1, grants: [{ act: 'look', subtree: '*' }] }, { name: 'gate', about: 'doors', builtin: false, users: 0, grants: [{ act: 'ptz', subtree: camera }] }], total: 2 }),
    'GET /api/v1/keys': () => json({ items: [], total: 0 }),
    'POST /api/v1/keys': () => json({ id: 'k1', name: 'recorder', grants: [], created_by: 'admin', key: 'fsk_SECRET' }, 201),
    'GET /api/v1/audit': () => json({ items: [], total: 0, chain: { ok: false, rows: 9, broken: 4, detail: 'row 4 was changed' } }),
    'PUT /api/v1/users/me/password': () => json({ title: 'Not acceptable', status: 422, remedy: 'Correct it', errors: [{ location: 'body.current', message: 'is not the current password' }] }, 422),
  })
})
afterEach(() => {
  forgetSession()
  vi.useRealTimers()
  vi.unstubAllGlobals()
  document.body.replaceChildren()
})
const wait = async (ms = 400) => {
  await vi.advanceTimersByTimeAsync(ms)
  await flush()
}
const press = async (selector: string) => {
  document.querySelector<HTMLElement>(selector)!.click()
  await wait()
}
const enter = async (selector: string, text: string) => {
  const input = document.querySelector<HTMLInputElement>(selector)!
  input.value = text
  input.dispatchEvent(new Event('input'))
  await flush()
}

it('grants are put together by their place, and taken apart again without what is included', () => {
  const grants: Grant[] = [{ act: 'talk', subtree: camera }, { act: 'playback', subtree: '*' }, { act: 'ptz', subtree: camera }]
  const places = allowances(grants)
  expect(places).toEqual([{ subtree: '*', acts: ['playback'] }, { subtree: camera, acts: ['ptz', 'talk'] }])
  expect(grantsOf(places)).toEqual([{ act: 'playback', subtree: '*' }, { act: 'ptz', subtree: camera }, { act: 'talk', subtree: camera }])
  expect(grantsOf([{ subtree: '*', acts: ['look', 'ptz', 'admin'] }])).toEqual([{ act: 'admin', subtree: '*' }])
  expect(grantsOf([{ subtree: camera, acts: ['look'] }, { subtree: camera, acts: ['look', 'ptz'] }])).toEqual([{ act: 'look', subtree: camera }, { act: 'ptz', subtree: camera }])
})

it.each([['*', true], [camera, true], [`${camera}/3402`, true], ['', false], ['a b', false], ['a/b/c', false], ['*/a', false]])('the subtree %j can be one: %s', (subtree, can) => expect(sensible(subtree)).toBe(can))

it('administration is for everywhere: a part of the tree cannot have it', async () => {
  let grants: Grant[] = [{ act: 'admin', subtree: '*' }]
  const { el, unmount } = await mount(GrantEditor, { modelValue: grants, 'onUpdate:modelValue': (g: Grant[]) => (grants = g) })
  const where = el.querySelector<HTMLSelectElement>('[name=place]')!
  where.value = 'part'
  where.dispatchEvent(new Event('change'))
  await flush()
  expect(grants).toEqual([])
  expect(el.querySelector<HTMLElement>('[data-act=admin]')!.className).toContain('is-disabled')
  unmount()
})

it('a role of the program cannot be changed, one of ours can', async () => {
  const { el, unmount } = await mount(Roles)
  const buttons = (role: string) => [...el.querySelectorAll<HTMLButtonElement>(`tr[data-role=${role}] button`)].map((b) => b.disabled)
  expect(buttons('viewer')).toEqual([true, true])
  expect(buttons('gate')).toEqual([false, false])
  expect(el.querySelector('tr[data-role=gate]')!.textContent).toMatch(/doors.*move cameras.*in.*34020000001320000001/s)
  unmount()
})

it('a key is made with its grants, shown once, and then gone', async () => {
  const { unmount } = await mount(Keys)
  await press('[data-test=add]')
  await enter('[name=key-name]', 'recorder')
  await press('[data-test=save]')
  expect(JSON.parse(calls.find((c) => c.method === 'POST')!.body)).toEqual({ name: 'recorder', grants: [{ act: 'look', subtree: '*' }] })
  expect(document.querySelector('[data-test=secret]')!.textContent).toContain('fsk_SECRET')
  await press('[data-test=kept]')
  expect(document.body.textContent).not.toContain('fsk_SECRET')
  unmount()
})

it('a chain that is broken says where', async () => {
  const { el, unmount } = await mount(Audit)
  await press('[data-test=verify]')
  expect(el.querySelector('[data-test=chain]')!.textContent).toMatch(/breaks at row 4: row 4 was changed/)
  expect(calls.at(-1)!.path).toContain('verify=true')
  unmount()
})

it('a password is only sent when it was typed twice alike, and a refusal is shown', async () => {
  const { unmount } = await mount(PasswordDialog)
  await enter('[name=current-password]', 'old')
  await enter('[name=new-password]', 'a new one')
  await enter('[name=new-password-again]', 'another')
  await press('[data-test=save]')
  expect(calls.filter((c) => c.method === 'PUT')).toEqual([])
  await enter('[name=new-password-again]', 'a new one')
  await press('[data-test=save]')
  expect(document.querySelector('[data-test=problem]')!.textContent).toMatch(/is not the current password.*Correct it/s)
  unmount()
})
