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
