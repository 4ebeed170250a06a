const two = (n: number) => String(n).padStart(2, '0')

/** dayOf is the day of a moment in the reader's own zone, as date inputs have it: 2026-11-20. */
export function dayOf(at: Date): string {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
}

/** clockOf is the time of day of a moment in the reader's own zone: 08:05:09. */
export function clockOf(at: Date): string {
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

/** momentOf reads what a date input, with or without a time, holds in the reader's own zone; undefined when it holds none. */
export function momentOf(text: string): Date | undefined {
  if (!text) return undefined
  const at = new Date(text.includes('T') ? text : `${text}T00:00:00`)
  return Number.isNaN(at.getTime()) ? undefined : at
}

/** isoOf is the same for the API; undefined for an empty or unreadable input. */
export function isoOf(text: string): string | undefined {
  return momentOf(text)?.toISOString()
}

/** lengthOf is a number of seconds as h:mm:ss, or m:ss below an hour. */
export function lengthOf(seconds: number): string {
  const s = Math.max(0, Math.round(seconds))
  const h = Math.floor(s / 3600)
  const m = Math.floor((s % 3600) / 60)
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`
}
