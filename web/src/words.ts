import { useI18n } from 'vue-i18n'
import { age } from './age'
import type { Device, Problem } from './api/types'
import { useNow } from './clock'
import { serverWords } from './i18n/server'

/** useWords puts what the API says into the reader's words. */
export function useWords() {
  const { t, te, locale } = useI18n()
  const now = useNow()

  /** ageOf is how long ago a moment was: "3 min"; '' for none. */
  function ageOf(at: string | undefined): string {
    const a = age(at, now.value)
    return a ? t(a.key, { n: a.n }) : ''
  }

  /** ago is the same as a phrase: "3 min ago". */
  function ago(at: string | undefined): string {
    const a = ageOf(at)
    return a && t('age.ago', { age: a })
  }

  const server = (text: string | undefined) => serverWords(text ?? '', locale.value)

  /** reason is why a device is in its state. The age of a sign of life goes on between two answers of the server. */
  function reason(d: Pick<Device, 'state' | 'state_reason' | 'state_evidence' | 'state_at'>): string {
    const key = `evidence.${d.state_evidence}`
    return d.state === 'online' && d.state_at && te(key) ? t(key, { age: ageOf(d.state_at) }) : server(d.state_reason)
  }

  /** title is what went wrong. */
  const title = (p: Problem) => (p.status === 0 ? t('error.network') : p.title)

  /** remedy is what to do: the server's words are for programs in places. */
  const remedy = (p: Problem) => (p.name && te(`remedy.${p.name}`) ? t(`remedy.${p.name}`) : p.remedy)

  /** said is a problem in one paragraph, for places without room. */
  const said = (p: Problem) => [title(p), p.detail && server(p.detail), remedy(p)].filter(Boolean).join(' · ')

  return { t, te, locale, now, ageOf, ago, server, reason, title, remedy, said }
}
