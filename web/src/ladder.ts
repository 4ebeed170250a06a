import type { Message } from './api/types'

const KEPT = 1000 // messages that a ladder holds

/** mark tells messages of one ladder apart. */
export const mark = (m: Message) => `${m.at} ${m.dir} ${m.remote} ${m.call_id} ${m.cseq} ${m.status}`

const bytes = (m: Message) => `${m.dir} ${m.remote} ${m.text}`

/**
 * merge appends to list, which is in the order of time, those of more that it does not have: a later reading begins with
 * the moment of the last message. It reports whether there were any.
 */
export function merge(list: Message[], more: Message[]): boolean {
  const known = new Set(list.map(mark))
  const fresh = more.filter((m) => !known.has(mark(m)) && known.add(mark(m)))
  if (!fresh.length) return false
  // The server marks what repeats within one reading; here it may repeat what an earlier one brought.
  const sent = new Set(list.map(bytes))
  list.push(...fresh.map((m) => (m.repeat || !sent.has(bytes(m)) ? m : { ...m, repeat: true })))
  list.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0)) // stable: equal times stay in the order received
  if (list.length > KEPT) list.splice(0, list.length - KEPT)
  return true
}

/** A REGISTER or keepalive with the status of its answer, 0 without one. */
export interface Exchange {
  request: Message
  status: number
}

const LAST = 3 // of each kind, as the server keeps them

/** lastExchanges are the last three REGISTERs and keepalives of a device among its messages, the oldest first. */
export function lastExchanges(list: Message[]): { registers: Exchange[]; keepalives: Exchange[] } {
  const answered = new Map<string, number>()
  const key = (m: Message) => `${m.remote} ${m.call_id} ${m.cseq}`
  for (const m of list) if (m.dir === 'out' && m.status) answered.set(key(m), m.status)
  const of = (is: (m: Message) => boolean) =>
    list.filter((m) => m.dir === 'in' && !m.status && !m.repeat && is(m)).slice(-LAST).map((request) => ({ request, status: answered.get(key(request)) ?? 0 }))
  return { registers: of((m) => m.method === 'REGISTER'), keepalives: of((m) => /^MESSAGE keepalive$/i.test(m.label)) }
}

/** countdown is a number of ms as minutes and seconds: 9:05. */
export function countdown(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000))
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}`
}
