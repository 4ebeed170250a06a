/** A running HTTP-FLV player. */
export interface Flv {
  close(): void
}

/** canDecode reports whether Media Source takes a codec, 'H264' or 'H265'. */
export function canDecode(codec: string): boolean {
  const ms = globalThis.MediaSource ?? (globalThis as { ManagedMediaSource?: typeof MediaSource }).ManagedMediaSource
  if (!ms) return false
  const type = codec === 'H265' ? 'hvc1.1.6.L93.B0' : 'avc1.42E01E'
  return ms.isTypeSupported(`video/mp4; codecs="${type}"`)
}

/** openFlv plays url in the video element by mpegts.js, which is loaded on first use. */
export async function openFlv(url: string, video: HTMLVideoElement, failed: (why: string) => void): Promise<Flv> {
  const { default: mpegts } = await import('mpegts.js')
  mpegts.LoggingControl.enableAll = false
  // G.711 cannot be played by Media Source, and mpegts.js stops at it: leave it out.
  const silent = new URL(url, window.location.href)
  silent.searchParams.set('audio', 'off')
  const player = mpegts.createPlayer(
    { type: 'flv', isLive: true, url: silent.toString(), hasAudio: false },
    { enableWorker: false, liveBufferLatencyChasing: true, liveBufferLatencyMaxLatency: 1.5, liveBufferLatencyMinRemain: 0.3, autoCleanupSourceBuffer: true },
  )
  player.on(mpegts.Events.ERROR, (kind: string, detail: string) => failed(`${kind}: ${detail}`))
  player.on(mpegts.Events.LOADING_COMPLETE, () => failed('ended'))
  player.attachMediaElement(video)
  player.load()
  void Promise.resolve(player.play()).catch(() => undefined)
  return {
    close() {
      player.unload()
      player.detachMediaElement()
      player.destroy()
    },
  }
}
