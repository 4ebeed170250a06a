import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { ConfigType } from '../src/api/types'
import { forgetSession } from '../src/api/session'
import ConfigForm from '../src/components/ConfigForm.vue'
import { blank, check, outgoing, type Schema } from '../src/config/schema'
import { answers, flush, json, mount, signIn, type Call } from './support'

const schema: Schema = {
  type: 'object', 'x-order': ['on', 'name', 'rate', 'area', 'lines', 'able', 'more'], required: ['on', 'rate', 'lines'],
  properties: {
    on: { type: 'boolean', title: 'On' },
    name: { type: 'string', title: 'Name', minLength: 1, maxLength: 4 },
    rate: { type: 'integer', title: 'Rate', minimum: 5, maximum: 60, 'x-unit': 's' },
    area: { type: 'array', title: 'Area', minItems: 4, maxItems: 4, items: { type: 'integer' } },
    lines: {
      type: 'array', title: 'Lines', minItems: 0, maxItems: 2,
      items: { type: 'object', 'x-order': ['text', 'kind'], required: ['text', 'kind'], properties: { text: { type: 'string', title: 'Text', minLength: 0, maxLength: 8 }, kind: { type: 'integer', title: 'Kind', oneOf: [{ const: 3, title: 'three' }, { const: 4, title: 'four' }] } } },
    },
    able: { type: 'integer', title: 'Able to', readOnly: true },
    more: { type: 'object', title: 'More', 'x-order': ['x'], required: ['x'], properties: { x: { type: 'integer', title: 'X', minimum: 0, maximum: 9 } } },
  },
}
const good = { on: true, rate: 30, lines: [{ text: '', kind: 3 }] }
const rules = (v: Record<string, unknown>) => [...check(schema, v)].map(([path, f]) => `${path} ${f.rule}`)

it('values that keep to the schema have nothing wrong', () => expect(rules(good)).toEqual([]))

it.each([
  [{ rate: 30, lines: [] }, 'on required'], [{ ...good, rate: 4 }, 'rate range'], [{ ...good, rate: 30.5 }, 'rate whole'], [{ ...good, name: '烽燧烽燧烽' }, 'name length'],
  [{ ...good, area: [10, 0, 5, 9] }, 'area box'], [{ ...good, lines: [1, 2, 3].map(() => ({ text: '', kind: 3 })) }, 'lines count'], [{ ...good, lines: [{ text: 'a', kind: 5 }] }, 'lines[0].kind choice'],
  [{ ...good, lines: [{ text: 'a' }] }, 'lines[0].kind required'], [{ ...good, more: { x: 10 } }, 'more.x range'],
])('%j is refused at its place: %s', (v, want) => expect(rules(v)).toEqual([want]))

it('what was left empty and what can only be read is not sent', () => {
  expect(outgoing(schema, { ...good, name: '', able: 7, more: {}, area: undefined })).toEqual(good)
})

it('a new line is one that may be sent', () => {
  expect(blank(schema.properties!.lines!.items!)).toEqual({ text: '', kind: 3 })
})

let calls: Call[]
let put: () => Response
const type = (part: Partial<ConfigType> = {}): ConfigType => ({ type: 'OSDConfig', title: 'On-screen text', since: '2022', settable: true, schema: schema as unknown as Record<string, never>, ...part })
const show = (part?: Partial<ConfigType>) => mount(ConfigForm, { device: 'd1', channel: 'c1', edition: '2022', type: type(part) })

beforeEach(() => {
  vi.useFakeTimers()
  signIn()
  put = () => json({ type: 'OSDConfig', values: good, answered: true })
  calls = answers({ 'GET /api/v1/devices/d1/config/OSDConfig': () => json({ type: 'OSDConfig', values: { ...good, able: 7 } }), 'PUT /api/v1/devices/d1/config/OSDConfig': () => put() })
})
afterEach(() => {
  forgetSession()
  vi.useRealTimers()
  vi.unstubAllGlobals()
  document.body.replaceChildren()
})
const enter = async (el: HTMLElement, field: string, text: string) => {
  const input = el.querySelector<HTMLInputElement>(`[data-field="${field}"] input`)!
  input.value = text
  input.dispatchEvent(new Event('input'))
  await flush()
}
const save = async (el: HTMLElement) => {
  el.querySelector('form')!.dispatchEvent(new Event('submit'))
  await vi.advanceTimersByTimeAsync(300)
  await flush()
}
const sent = () => calls.filter((c) => c.method === 'PUT')

it('a form is filled with what the device has, and sends what was changed in it', async () => {
  const { el, unmount } = await show()
  expect(el.querySelector('[data-field=able]')!.textContent).toContain('7')
  await enter(el, 'rate', '45')
  await save(el)
  expect(sent().map((c) => [c.path, JSON.parse(c.body)])).toEqual([['/api/v1/devices/d1/config/OSDConfig?channel=c1&edition=2022', { values: { ...good, rate: 45 } }]])
  unmount()
})

it('a value out of range is told at its field and not sent', async () => {
  const { el, unmount } = await show()
  await enter(el, 'rate', '4')
  await save(el)
  expect(el.querySelector('[data-field=rate] [role=alert]')!.textContent).toBe('Must be 5 to 60.')
  expect(sent()).toEqual([])
  unmount()
})

it('a value that the server refuses is told at its field, with the remedy', async () => {
  put = () => json({ title: 'The device cannot be told this value', status: 422, name: 'out_of_range', remedy: 'Correct the field', errors: [{ location: 'body.values.lines[0].text', message: 'want another' }] }, 422)
  const { el, unmount } = await show()
  await enter(el, 'lines[0].text', 'new')
  await save(el)
  expect(el.querySelector('[data-field="lines[0].text"] [role=alert]')!.textContent).toBe('want another')
  expect(el.querySelector('[data-test=problem]')!.textContent).toContain('Correct the field')
  unmount()
})

it('lines are added up to the most', async () => {
  const { el, unmount } = await show()
  el.querySelector<HTMLElement>('[data-test=add-lines]')!.click()
  await flush()
  expect(el.querySelectorAll('[data-field=lines] .item')).toHaveLength(2)
  expect(el.querySelector('[data-test=add-lines]')).toBeNull()
  unmount()
})

it('what cannot be set is only shown', async () => {
  const { el, unmount } = await show({ settable: false })
  expect(el.querySelector('[data-test=save]')).toBeNull()
  expect(el.querySelector('input')).toBeNull()
  unmount()
})
