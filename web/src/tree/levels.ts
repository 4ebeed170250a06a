import type { TreeNode } from '../api/types'

/** A line of the tree as it is shown. */
export interface Row {
  key: string
  depth: number
  kind: 'node' | 'loading' | 'failed' | 'none'
  node?: TreeNode
  /** root of the level that the line belongs to, to load more of it or again. */
  level: string
  open: boolean
}

/** Level is what is known of one level of the tree. */
interface Level {
  items: TreeNode[]
  total: number
  state: 'loading' | 'ready' | 'failed'
}

/** Fetch reads one page of a level; root '' is the top. Pages count from 1. With q only nodes that match. */
export type Fetch = (root: string, page: number, size: number, q?: string) => Promise<{ items: TreeNode[]; total: number }>

export const PAGE = 500

/**
 * Levels are the loaded parts of the resource tree. A level is read when its node is opened, page by page as it is scrolled
 * to; rows is the flat list of lines, of which the view draws only those in sight.
 */
export class Levels {
  private levels = new Map<string, Level>()
  private opened = new Set<string>()
  private lines: Row[] | undefined

  /** changed is called after every change of rows. */
  constructor(private readonly fetch: Fetch, private readonly changed: () => void) {}

  get rows(): readonly Row[] {
    if (!this.lines) {
      this.lines = []
      this.flatten('', '', 0, this.lines)
    }
    return this.lines
  }

  private flatten(root: string, path: string, depth: number, out: Row[]): void {
    const level = this.levels.get(root)
    if (!level) return
    for (const node of level.items) {
      const key = `${path}>${node.root}`
      const open = this.opened.has(key)
      out.push({ key, depth, kind: 'node', node, level: root, open })
      if (open) this.flatten(node.root, key, depth + 1, out)
    }
    const rest = level.items.length < level.total
    if (level.state === 'failed') out.push({ key: `${path}!`, depth, kind: 'failed', level: root, open: false })
    else if (level.state === 'loading' || rest) out.push({ key: `${path}…`, depth, kind: 'loading', level: root, open: false })
    else if (!level.items.length && root) out.push({ key: `${path}-`, depth, kind: 'none', level: root, open: false })
  }

  private touch(): void {
    this.lines = undefined
    this.changed()
  }

  /** toggle opens or closes the node of a row. */
  toggle(row: Row): void {
    if (!row.node || !expandable(row.node)) return
    if (!this.opened.delete(row.key)) {
      this.opened.add(row.key)
      if (this.levels.get(row.node.root)?.state !== 'ready') void this.more(row.node.root)
    }
    this.touch()
  }

  /** more reads the next page of a level, or the first one. It does nothing while one is being read. */
  async more(root: string): Promise<void> {
    const level = this.levels.get(root) ?? { items: [], total: 0, state: 'ready' as const }
    if (level.state === 'loading') return
    const next: Level = { ...level, state: 'loading' }
    this.levels.set(root, next)
    this.touch()
    try {
      const page = Math.floor(next.items.length / PAGE) + 1
      const got = await this.fetch(root, page, PAGE)
      const known = new Set(next.items.map((n) => n.root))
      next.items.push(...got.items.filter((n) => !known.has(n.root)))
      next.total = got.items.length < PAGE ? next.items.length : Math.max(got.total, next.items.length)
      next.state = 'ready'
    } catch {
      next.state = 'failed'
    }
    this.touch()
  }

  /** reload reads anew all that is loaded of a level. What is shown stays until the answer is there, and when there is none. */
  async reload(root: string): Promise<void> {
    const level = this.levels.get(root)
    if (!level || level.state === 'loading') return
    const pages = Math.max(1, Math.ceil(level.items.length / PAGE))
    const items: TreeNode[] = []
    let total = 0
    try {
      for (let page = 1; page <= pages; page++) {
        const got = await this.fetch(root, page, PAGE)
        items.push(...got.items)
        total = got.total
        if (items.length >= total || got.items.length < PAGE) break
      }
    } catch {
      return
    }
    if (this.levels.get(root) !== level) return // another page came meanwhile
    this.levels.set(root, { items, total: Math.max(total, items.length), state: 'ready' })
    this.touch()
  }

  /** renew reads the node of one loaded device anew. What is shown stays when it cannot be read. */
  async renew(device: string): Promise<void> {
    const got = await this.fetch('', 1, 10, device).catch(() => undefined)
    const node = got?.items.find((n) => n.device === device)
    const level = this.levels.get('')
    const at = level?.items.findIndex((n) => n.device === device) ?? -1
    if (!node || !level || at < 0) return
    level.items[at] = node
    this.touch()
  }

  /** has reports whether a device is among the loaded ones. */
  has(device: string): boolean {
    return !!this.levels.get('')?.items.some((n) => n.device === device)
  }

  /** loadedUnder are the loaded levels of a device: its own and those of its items. */
  loadedUnder(device: string): string[] {
    return [...this.levels.keys()].filter((root) => root === device || root.startsWith(`${device}/`))
  }
}

/** expandable reports whether a node can have a level below it; a device without a catalog yet may get one. */
export function expandable(n: TreeNode): boolean {
  return n.children > 0 || n.kind === 'device'
}

/** inSight are the bounds, start included and end not, of the rows to draw for a scroll position, all in px. */
export function inSight(top: number, height: number, row: number, count: number, spare = 8): [start: number, end: number] {
  const start = Math.max(0, Math.floor(top / row) - spare)
  return [Math.min(start, count), Math.min(count, Math.ceil((top + height) / row) + spare)]
}
