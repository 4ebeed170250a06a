import { overHttp1, Slots } from './slots'

const slots = new Slots(overHttp1) // of the page, as the connections are

/** A running HTTP-FLV or WebSocket-FLV player. */
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

/**
 * openFlv plays url in the video element by mpegts.js, which is loaded on first use. over is called once, when the stream
 * ends or breaks. Without sound the server leaves it out: G.711, which Media Source cannot play, would stop mpegts.js.
 */
export async function openFlv(url: string, video: HTMLVideoElement, sound: boolean, over: (why: string) => void, signal: AbortSignal): Promise<Flv> {
  const { default: mpegts } = await import('mpegts.js')
  signal.throwIfAborted()
  mpegts.LoggingControl.enableAll = false
  const address = new URL(url, window.location.href)
  const giveBack = address.protocol.startsWith('ws') ? () => undefined : slots.take()
  if (!sound) address.searchParams.set('audio', 'off')
  const player = mpegts.createPlayer(
    { type: 'flv', isLive: true, url: address.toString(), hasAudio: sound, hasVideo: true },
    { enableWorker: false, liveBufferLatencyChasing: true, liveBufferLatencyMaxLatency: 1.5, liveBufferLatencyMinRemain: 0.3, autoCleanupSourceBuffer: true },
  )
  let closed = false
  const end = (why: string) => {
    if (!closed) over(why)
  }
  player.on(mpegts.Events.ERROR, (kind: string, detail: string) => end(`${kind}: ${detail}`))
  player.on(mpegts.Events.LOADING_COMPLETE, () => end('the server ended it'))
  player.attachMediaElement(video)
  player.load()
  void Promise.resolve(player.play()).catch(() => undefined)
  return {
    close() {
      if (closed) return
      closed = true
      player.destroy()
      giveBack()
    },
  }
}
