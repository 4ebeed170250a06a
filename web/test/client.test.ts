import { afterEach, describe, expect, it, vi } from 'vitest'
import { ApiError, forgetSession, query, request, saveSession, token, whenUnauthorized } from '../src/api/client'

afterEach(() => {
  vi.unstubAllGlobals()
  forgetSession()
})

describe('the API client', () => {
  it('forgets a session that has run out', () => {
    saveSession('t1', new Date(Date.now() + 60000).toISOString())
    expect(token()).toBe('t1')
    saveSession('t2', new Date(Date.now() - 1).toISOString())
    expect(token()).toBe('')
  })
  it('throws the problem with its remedy and stages', async () => {
    const body = { code: '206001', title: 'no media', remedy: 'try tcp-passive', stages: [{ name: 'offer', at: '', took_ms: 1 }] }
    vi.stubGlobal('fetch', async () => new Response(JSON.stringify(body), { status: 504 }))
    const e = await request('POST', '/api/v1/streams', {}).catch((x: unknown) => x)
    expect(e).toBeInstanceOf(ApiError)
    expect((e as ApiError).problem).toMatchObject({ status: 504, remedy: 'try tcp-passive', stages: [{ name: 'offer' }] })
  })
  it('ends the session when the server refuses the token', async () => {
    saveSession('old', new Date(Date.now() + 60000).toISOString())
    const told = vi.fn()
    whenUnauthorized(told)
    vi.stubGlobal('fetch', async () => new Response('{}', { status: 401 }))
    await request('GET', '/api/v1/devices').catch(() => undefined)
    expect(told).toHaveBeenCalledOnce()
    expect(token()).toBe('')
  })
  it('leaves empty values out of a query', () => expect(query({ q: '', page: 2, sort: undefined })).toBe('?page=2'))
})
