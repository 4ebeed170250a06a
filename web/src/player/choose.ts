import type { Stream } from '../api/types'

export type Way = 'whep' | 'flv'

/** Abilities of a browser, by codec. */
export interface Abilities {
  webrtc: (codec: string) => boolean
  mse: (codec: string) => boolean
}

/**
 * ways lists how a codec can be shown here, best first: WebRTC for its latency,
 * then FLV over Media Source. Empty means that the browser cannot decode it.
 */
export function ways(codec: string, a: Abilities): Way[] {
  const out: Way[] = []
  if (a.webrtc(codec)) out.push('whep')
  if (a.mse(codec)) out.push('flv')
  return out
}

/** videoCodec is the codec of a stream's picture, 'H264' when the server does not say. */
export function videoCodec(s: Pick<Stream, 'tracks' | 'codec'>): string {
  return s.tracks.find((t) => t.codec.startsWith('H26'))?.codec || s.codec || 'H264'
}

/** hasSound reports whether a stream's sound comes through: browsers take G.711 by WebRTC, AAC by Media Source. */
export function hasSound(s: Pick<Stream, 'tracks'>, way: Way | undefined): boolean {
  return s.tracks.some((t) => (way === 'flv' ? t.codec === 'AAC' : way === 'whep' && /^(PCM|G711|OPUS)/i.test(t.codec)))
}

/** addressOf is where a way gets a stream, as this page reaches the server, whatever a proxy made of its name. */
export function addressOf(s: Pick<Stream, 'urls'>, way: Way): string | undefined {
  const given = s.urls[way]
  if (!given) return undefined
  const u = new URL(given, window.location.href)
  return window.location.origin + u.pathname + u.search
}
