import { afterEach, describe, expect, it, vi } from 'vitest'
import { api, ApiError, problem, raw, setApiLanguage, take } from '../src/api/client'
import { forgetSession, token, whenEnded } from '../src/api/session'
import { answers, json, signIn } from './support'

afterEach(() => {
  vi.unstubAllGlobals()
  whenEnded(() => undefined)
  forgetSession()
})

describe('the API client', () => {
  it('sends the token and the language, and gives the data', async () => {
    signIn()
    setApiLanguage('en')
    const calls = answers({ 'GET /api/v1/devices': () => json({ items: [], total: 0 }) })
    expect(await take(api.GET('/api/v1/devices', { params: { query: { page: 2, q: undefined } } }))).toEqual({ items: [], total: 0 })
    expect(calls[0]!.path).toBe('/api/v1/devices?page=2')
    expect(calls[0]!.headers.get('Authorization')).toBe('Bearer word')
    expect(calls[0]!.headers.get('Accept-Language')).toBe('en')
  })

  it('sends a body as JSON', async () => {
    const calls = answers({ 'POST /api/v1/streams': () => json({ id: 's' }, 201) })
    await take(api.POST('/api/v1/streams', { body: { device: 'd', channel: 'c' } }))
    expect(calls[0]!.headers.get('Content-Type')).toBe('application/json')
    expect(JSON.parse(calls[0]!.body)).toEqual({ device: 'd', channel: 'c' })
  })

  it('takes an answer without a body', async () => {
    answers({ 'DELETE /api/v1/devices/d': () => new Response(null, { status: 204 }) })
    await expect(take(api.DELETE('/api/v1/devices/{device}', { params: { path: { device: 'd' } } }))).resolves.toBeUndefined()
  })

  it('throws the problem with its remedy and stages', async () => {
    const body = { code: 147001, title: 'No media arrived', remedy: 'try tcp-passive', stages: [{ name: 'offer', at: '', took_ms: 1 }] }
    answers({ POST: () => json(body, 504) })
    const e = await take(api.POST('/api/v1/streams', { body: { device: 'd', channel: 'c' } })).catch((x: unknown) => x)
    expect(e).toBeInstanceOf(ApiError)
    expect(problem(e)).toMatchObject({ status: 504, code: 147001, remedy: 'try tcp-passive', stages: [{ name: 'offer' }] })
  })

  it('makes a problem of an answer that is none', async () => {
    answers({ GET: () => new Response('<html>Bad Gateway</html>', { status: 502, statusText: 'Bad Gateway' }) })
    expect(problem(await take(api.GET('/api/v1/system')).catch((x: unknown) => x))).toMatchObject({ status: 502, title: 'Bad Gateway' })
  })

  it('says that no server answered', async () => {
    answers({})
    expect(problem(await take(api.GET('/api/v1/system')).catch((x: unknown) => x))).toMatchObject({ status: 0, name: 'network' })
    expect(problem(await raw('/nowhere').catch((x: unknown) => x))).toMatchObject({ status: 0 })
  })

  it('leaves an abort an abort', async () => {
    const stop = new AbortController()
    vi.stubGlobal('fetch', async (r: Request) => {
      await new Promise((done) => r.signal.addEventListener('abort', done))
      throw new DOMException('stopped', 'AbortError')
    })
    const call = take(api.GET('/api/v1/system', { signal: stop.signal })).catch((x: unknown) => x)
    await new Promise((next) => setTimeout(next))
    stop.abort()
    expect(await call).toMatchObject({ name: 'AbortError' })
  })

  it.each(['api', 'raw'])('ends the session when the server refuses the token of a call by %s', async (by) => {
    signIn()
    const ended = vi.fn()
    whenEnded(ended)
    answers({ GET: () => json({ title: 'Session ended' }, 401) })
    await (by === 'api' ? take(api.GET('/api/v1/devices')) : raw('/api/v1/trace.pcap', { headers: { Authorization: 'Bearer word' } })).catch(() => undefined)
    expect(ended).toHaveBeenCalledOnce()
    expect(token()).toBe('')
  })

  it('does not take a wrong password for the end of a session', async () => {
    const ended = vi.fn()
    whenEnded(ended)
    answers({ POST: () => json({ title: 'User name or password is wrong' }, 401) })
    await take(api.POST('/api/v1/sessions', { body: { username: 'a', password: 'b' } })).catch(() => undefined)
    expect(ended).not.toHaveBeenCalled()
  })
})
