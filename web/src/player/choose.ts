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
