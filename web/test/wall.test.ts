import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it } from 'vitest'
import { useWall } from '../src/stores/wall'

const t = (channel: string, profile: 'main' | 'sub' = 'main') => ({ device: 'd', channel, profile })
beforeEach(() => setActivePinia(createPinia()))

describe('the wall', () => {
  it('fills one place after the other, then goes round', () => {
    const w = useWall()
    for (const c of ['a', 'b', 'c', 'd', 'e']) w.put(t(c))
    expect(w.targets.slice(0, 4).map((x) => x?.channel)).toEqual(['e', 'b', 'c', 'd'])
    expect(w.chosen).toBe(1)
  })
  it('fills the place that the user chose, then the free ones', () => {
    const w = useWall()
    w.put(t('a'))
    w.chosen = 3
    w.put(t('b'))
    expect(w.chosen).toBe(1)
  })
  it('shows a channel once, its sub stream beside it', () => {
    const w = useWall()
    w.put(t('a'))
    w.put(t('b'))
    w.put(t('a'))
    w.put(t('a', 'sub'))
    expect(w.shown).toBe(3 - 1)
    expect(w.targets[0]).toMatchObject({ channel: 'a', profile: 'sub' })
  })
  it('closes what has no place any more', () => {
    const w = useWall()
    w.resize(9)
    for (let i = 0; i < 9; i++) w.put(t(String(i)))
    w.resize(4)
    expect(w.shown).toBe(4)
    w.resize(9)
    expect(w.shown).toBe(4)
    w.clear()
    expect(w.shown).toBe(0)
  })
})
