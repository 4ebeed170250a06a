import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { endSession, forgetSession, may, renewRights, saveSession, session, token, whenEnded } from '../src/api/session'
import { signIn } from './support'

beforeEach(() => vi.useFakeTimers())
afterEach(() => {
  forgetSession()
  whenEnded(() => undefined)
  vi.useRealTimers()
})

describe('a session', () => {
  it('is kept for the next page', () => {
    signIn()
    expect(token()).toBe('word')
    expect(JSON.parse(localStorage.getItem('fengsui.session')!)).toMatchObject({ token: 'word', username: 'admin' })
  })

  it('takes over other rights while it lasts, and only its own', () => {
    signIn()
    renewRights('word', { roles: ['viewer'], acts: ['look'] })
    expect([may('look'), may('admin'), token()]).toEqual([true, false, 'word'])
    renewRights('another', { roles: [], acts: ['admin'] })
    expect(may('admin')).toBe(false)
  })

  it('ends on time, while nobody does anything', () => {
    const ended = vi.fn()
    whenEnded(ended)
    signIn(5000)
    vi.advanceTimersByTime(4999)
    expect(ended).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(ended).toHaveBeenCalledOnce()
    expect(session.value).toBeUndefined()
    expect(localStorage.getItem('fengsui.session')).toBeNull()
  })

  it('may last longer than a timer can count', () => {
    const ended = vi.fn()
    whenEnded(ended)
    signIn(2 ** 31 + 10_000)
    vi.advanceTimersByTime(2 ** 31)
    expect(ended).not.toHaveBeenCalled()
    vi.advanceTimersByTime(10_000)
    expect(ended).toHaveBeenCalledOnce()
  })

  it('that is forgotten does not end once more', () => {
    const ended = vi.fn()
    whenEnded(ended)
    signIn(5000)
    forgetSession()
    endSession()
    vi.advanceTimersByTime(10_000)
    expect(ended).not.toHaveBeenCalled()
  })

  it('ends with that of another tab, and begins with it', () => {
    const ended = vi.fn()
    whenEnded(ended)
    signIn()
    const saved = localStorage.getItem('fengsui.session')!
    localStorage.removeItem('fengsui.session')
    window.dispatchEvent(new StorageEvent('storage', { key: 'fengsui.session' }))
    expect(ended).toHaveBeenCalledOnce()
    localStorage.setItem('fengsui.session', saved)
    window.dispatchEvent(new StorageEvent('storage', { key: 'fengsui.session' }))
    expect(token()).toBe('word')
  })

  it('lets one do what one has the right to, and try where that is not known', () => {
    saveSession({ token: 't', expires: Date.now() + 1000, acts: ['look', 'configure'] })
    expect([may('look'), may('configure'), may('admin')]).toEqual([true, true, false])
    saveSession({ token: 't', expires: Date.now() + 1000 })
    expect(may('admin')).toBe(true)
  })
})
