import { expect, it } from 'vitest'
import type { Stage } from '../src/api/types'
import StageList from '../src/components/StageList.vue'
import { i18n } from '../src/i18n'
import { flush, mount } from './support'

const stages: Stage[] = [
  { name: 'device', at: '2026-01-02T03:04:05.000Z', took_ms: 0, detail: 'online, udp 192.0.2.20:5060', attempt: 1 },
  { name: 'offer', at: '2026-01-02T03:04:05.000Z', took_ms: 12, detail: 'v=0\r\no=34020000002000000001 0 0 IN IP4 192.0.2.1\r\n', attempt: 1 },
  { name: 'first_packet', at: '2026-01-02T03:04:05.000Z', took_ms: 5000, detail: 'no media packet arrived within 5s', failed: true, attempt: 2 },
  { name: 'new_stage', at: '2026-01-02T03:04:05.000Z', took_ms: 1 },
]

it('the stages of a start are named, timed, and open where it failed', async () => {
  const { el, unmount } = await mount(StageList, { stages })
  const items = [...el.querySelectorAll('li')]
  expect(items.map((li) => li.querySelector('.name')!.textContent)).toEqual(['Device found', 'INVITE sent', 'First packet', 'new_stage'])
  expect(items.map((li) => li.querySelector('details')!.open)).toEqual([false, false, true, false])
  expect(items[2]!.className).toContain('failed')
  expect(items[2]!.textContent).toContain('attempt 2')
  expect(items[2]!.textContent).toContain('5000 ms')
  expect(items[1]!.querySelector('pre')!.textContent).toBe('v=0\r\no=34020000002000000001 0 0 IN IP4 192.0.2.1')
  i18n.global.locale.value = 'zh'
  await flush()
  expect(items[2]!.textContent).toContain('首个数据包')
  expect(items[2]!.querySelector('pre')!.textContent).toBe('5 秒内没有收到媒体数据包')
  unmount()
})

it('all details can be open, for reading SDP', async () => {
  const { el, unmount } = await mount(StageList, { stages, open: true })
  expect([...el.querySelectorAll('details')].every((d) => d.open)).toBe(true)
  unmount()
})
