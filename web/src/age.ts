/** Age of a moment in the largest fitting unit, as a key and number for i18n. */
export function age(at: string | undefined, now: number): { key: string; n: number } | undefined {
  if (!at) return undefined
  const s = Math.max(0, Math.round((now - Date.parse(at)) / 1000))
  if (Number.isNaN(s)) return undefined
  if (s < 120) return { key: 'age.seconds', n: s }
  if (s < 7200) return { key: 'age.minutes', n: Math.floor(s / 60) }
  if (s < 172800) return { key: 'age.hours', n: Math.floor(s / 3600) }
  return { key: 'age.days', n: Math.floor(s / 86400) }
}

/** stamp is a moment in the reader's own zone, to the second. */
export function stamp(at: string | undefined): string {
  if (!at) return ''
  const d = new Date(at)
  if (Number.isNaN(d.getTime()) || d.getFullYear() < 2000) return ''
  const p = (n: number, w = 2) => String(n).padStart(w, '0')
  return `${d.getFullYear()}-${p(d.getMonth() + 1)}-${p(d.getDate())} ${p(d.getHours())}:${p(d.getMinutes())}:${p(d.getSeconds())}`
}
