import { describe, expect, it, vi } from 'vitest'
import { inSight, Levels, PAGE, type Fetch } from '../src/tree/levels'
import { node } from './support'

const settle = () => new Promise((next) => setTimeout(next))

/** forest answers from a table of levels. */
function forest(levels: Record<string, ReturnType<typeof node>[]>) {
  const fetch = vi.fn<Fetch>(async (root, page, size, q) => {
    const all = (levels[root] ?? []).filter((n) => !q || n.device === q)
    return { items: all.slice((page - 1) * size, page * size), total: all.length }
  })
  return { fetch, levels }
}

describe('the levels of the tree', () => {
  it('are read when they are opened, once', async () => {
    const f = forest({ '': [node('d1'), node('d2')], d1: [node('d1/c1'), node('d1/c2')] })
    const t = new Levels(f.fetch, () => undefined)
    await t.more('')
    expect(t.rows.map((r) => r.node?.root)).toEqual(['d1', 'd2'])
    t.toggle(t.rows[0]!)
    expect(t.rows.map((r) => r.kind)).toEqual(['node', 'loading', 'node'])
    await settle()
    expect(t.rows.map((r) => [r.node?.root, r.depth])).toEqual([['d1', 0], ['d1/c1', 1], ['d1/c2', 1], ['d2', 0]])
    t.toggle(t.rows[0]!)
    t.toggle(t.rows[0]!)
    expect(t.rows).toHaveLength(4)
    expect(f.fetch).toHaveBeenCalledTimes(2)
  })

  it('are read page by page', async () => {
    const many = Array.from({ length: 2 * PAGE + 10 }, (_, i) => node(`d${i}`))
    const f = forest({ '': many })
    const t = new Levels(f.fetch, () => undefined)
    await t.more('')
    expect(t.rows).toHaveLength(PAGE + 1)
    expect(t.rows.at(-1)!.kind).toBe('loading')
    await Promise.all([t.more(''), t.more('')])
    await t.more('')
    expect(t.rows).toHaveLength(many.length)
    expect(f.fetch).toHaveBeenCalledTimes(3)
  })

  it('can be tried again when they could not be read', async () => {
    const f = forest({ '': [node('d1')] })
    f.fetch.mockRejectedValueOnce(new Error('down'))
    const t = new Levels(f.fetch, () => undefined)
    await t.more('')
    expect(t.rows.map((r) => r.kind)).toEqual(['failed'])
    await t.more('')
    expect(t.rows.map((r) => r.kind)).toEqual(['node'])
  })

  it('say that they are empty', async () => {
    const t = new Levels(forest({ '': [node('d1')] }).fetch, () => undefined)
    await t.more('')
    t.toggle(t.rows[0]!)
    await settle()
    expect(t.rows.map((r) => r.kind)).toEqual(['node', 'none'])
  })

  it('stay open over a reading anew, and keep what is shown when it fails', async () => {
    const f = forest({ '': [node('d1')], d1: [node('d1/c1')] })
    const t = new Levels(f.fetch, () => undefined)
    await t.more('')
    t.toggle(t.rows[0]!)
    await settle()
    f.levels[''] = [node('d0'), node('d1', { state: 'offline' })]
    await t.reload('')
    expect(t.rows.map((r) => [r.node?.root, r.node?.state])).toEqual([['d0', 'online'], ['d1', 'offline'], ['d1/c1', 'online']])
    f.fetch.mockRejectedValueOnce(new Error('down'))
    await t.reload('')
    expect(t.rows).toHaveLength(3)
  })

  it('take one device anew', async () => {
    const f = forest({ '': [node('d1'), node('d2')] })
    const t = new Levels(f.fetch, () => undefined)
    await t.more('')
    f.levels['']![1] = node('d2', { state: 'offline', name: 'new' })
    await t.renew('d2')
    expect(t.rows[1]!.node).toMatchObject({ name: 'new', state: 'offline' })
    expect([t.has('d2'), t.has('d3')]).toEqual([true, false])
  })

  it('tell apart a channel that stands in two places', async () => {
    const f = forest({ '': [node('d1')], d1: [node('d1/o1', { children: 1 }), node('d1/o2', { children: 1 })], 'd1/o1': [node('d1/c1')], 'd1/o2': [node('d1/c1')] })
    const t = new Levels(f.fetch, () => undefined)
    await t.more('')
    for (const root of ['d1', 'd1/o1', 'd1/o2']) {
      t.toggle(t.rows.find((r) => r.node?.root === root)!)
      await settle()
    }
    expect(new Set(t.rows.map((r) => r.key)).size).toBe(5)
    expect(t.loadedUnder('d1')).toEqual(['d1', 'd1/o1', 'd1/o2'])
  })

  it('of a hundred thousand nodes are laid flat in no time', async () => {
    const levels: Record<string, ReturnType<typeof node>[]> = { '': Array.from({ length: PAGE }, (_, d) => node(`d${d}`)) }
    for (let d = 0; d < PAGE; d++) levels[`d${d}`] = Array.from({ length: 200 }, (_, c) => node(`d${d}/c${c}`))
    const t = new Levels(forest(levels).fetch, () => undefined)
    await t.more('')
    for (const r of [...t.rows]) t.toggle(r)
    await settle()
    expect(t.rows).toHaveLength(PAGE * 201)
  })
})

describe('what is in sight', () => {
  it.each([
    [0, 600, 1000, [0, 30]], [2800, 600, 1000, [92, 130]], [0, 600, 5, [0, 5]], [99_999, 600, 10, [10, 10]], [0, 0, 0, [0, 0]],
  ])('from %i px over %i px of %i rows is %j', (top, height, count, want) => expect(inSight(top, height, 28, count)).toEqual(want))
})
