import { createPinia } from 'pinia'
import { createApp, nextTick, type Component } from 'vue'
import { createMemoryHistory, createRouter } from 'vue-router'
import { vi } from 'vitest'
import type { Device, Message, Stream, TreeNode } from '../src/api/types'
import { saveSession } from '../src/api/session'
import { i18n } from '../src/i18n'

/** signIn makes a session that lasts so many ms. */
export function signIn(ms = 60_000): void {
  saveSession({ token: 'word', expires: Date.now() + ms, username: 'admin', roles: ['administrator'], acts: ['look', 'ptz', 'playback', 'talk', 'configure', 'admin'] })
}

export interface Call {
  method: string
  path: string
  headers: Headers
  body: string
}

/** answers makes fetch answer by method and path, "GET /api/v1/system"; the longest that fits counts. It returns what was asked. */
export function answers(table: Record<string, (call: Call) => Response | Promise<Response>>): Call[] {
  const calls: Call[] = []
  vi.stubGlobal('fetch', async (input: Request | string, init?: RequestInit) => {
    const request = typeof input === 'string' ? undefined : input
    const url = new URL(request?.url ?? (input as string), window.location.href)
    const call: Call = {
      method: request?.method ?? init?.method ?? 'GET', path: url.pathname + url.search, headers: new Headers(request?.headers ?? init?.headers),
      body: request ? await request.text() : String(init?.body ?? ''),
    }
    calls.push(call)
    const key = Object.keys(table).filter((k) => `${call.method} ${call.path}`.startsWith(k)).sort((a, b) => b.length - a.length)[0]
    if (!key) throw new TypeError(`nothing answers ${call.method} ${call.path}`)
    return table[key]!(call)
  })
  return calls
}

export const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } })

export function stream(part: Partial<Stream> = {}): Stream {
  return {
    id: 's1', device: 'd1', channel: 'c1', kind: 'live', profile: 'main', state: 'playing', codec: 'H264', tracks: [{ codec: 'H264' }], transport: 'udp', ssrc: '0200000001', call_id: 'x',
    urls: { flv: 'http://other:80/live/d1_c1.flv?token=t', whep: 'http://other:80/whep/live/d1_c1?token=t' }, stages: [], trace: '', ...part,
  }
}

export function device(part: Partial<Device> = {}): Device {
  return {
    id: '34020000001320000001', name: '前门', kind: 'gb28181', state: 'online', state_reason: 'keepalive 3 s ago', state_evidence: 'keepalive', transport: 'udp', remote: '192.0.2.20:5060',
    manufacturer: 'Acme', model: 'C1', firmware: 'V1', user_agent: '', edition: '2022', charset: 'GB2312', channels: 1, online_channels: 1,
    catalog: { expected: 1, received: 1, complete: true, skipped: 0 }, owner: '', provisioned: false, approved: true, auth: 'digest', password_set: false, ...part,
  }
}

export function node(root: string, part: Partial<TreeNode> = {}): TreeNode {
  const [dev = '', item] = root.split('/')
  return { root, id: item ?? dev, device: dev, name: root, kind: item ? 'channel' : 'device', children: item ? 0 : 1, state: 'online', invitable: !!item, ...part }
}

export function message(part: Partial<Message> = {}): Message {
  return {
    at: '2026-01-02T03:04:05.006Z', dir: 'in', from: '192.0.2.20:5060', to: 'server', label: 'INVITE', repeat: false, transport: 'udp', local: '192.0.2.1:5060', remote: '192.0.2.20:5060',
    device: '34020000001320000001', call_id: 'c@x', method: 'INVITE', cseq: '1 INVITE', status: 0, size: 300, text: 'INVITE sip:x SIP/2.0', ...part,
  }
}

/** mount shows a component in the page, in English, and returns its element and what takes it away. */
export async function mount(component: Component, props: Record<string, unknown> = {}): Promise<{ el: HTMLElement; unmount: () => void }> {
  const el = document.createElement('div')
  document.body.append(el)
  i18n.global.locale.value = 'en'
  const page = { render: () => null }
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [
      { path: '/devices/:device', name: 'device', component: page }, { path: '/devices/:device/channels/:channel', name: 'channel', component: page }, { path: '/:rest(.*)*', name: 'any', component: page },
    ],
  })
  const app = createApp(component, props).use(createPinia()).use(i18n).use(router)
  app.mount(el)
  await flush()
  return { el, unmount: () => (app.unmount(), el.remove()) }
}

/** flush lets calls be answered and the page be drawn. */
export async function flush(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve()
  await nextTick()
}
