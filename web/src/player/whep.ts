import { raw } from '../api/client'

const GATHER = 1000 // ms for candidates; those of the host come at once
const CONNECT = 8000 // ms
const LEAVE = 2000 // ms for the server to take the farewell
const GRACE = 4000 // ms in which a broken connection may come back

/** A WHEP session: RTCPeerConnection towards the server. */
export interface Whep {
  stream: MediaStream
  /** lost is the share of video packets, 0 to 1, that got lost to this browser since the last call. */
  lost(): Promise<number>
  close(): void
}

/** Unreachable says that the offer was answered, but no media connection came about. */
export class Unreachable extends Error {}

/** canReceive reports whether this browser can take a codec by WebRTC, 'H264' or 'H265'. */
export function canReceive(codec: string): boolean {
  const list = globalThis.RTCRtpReceiver?.getCapabilities?.('video')?.codecs ?? []
  return list.some((c) => c.mimeType.toUpperCase() === `VIDEO/${codec.toUpperCase()}`)
}

/**
 * openWhep connects to url, whose token opens it. It ends with an AbortError when signal does. over is called once, when a
 * connection that was there is gone.
 */
export async function openWhep(url: string, signal: AbortSignal, over: (why: string) => void): Promise<Whep> {
  signal.throwIfAborted()
  const pc = new RTCPeerConnection()
  const stream = new MediaStream()
  let location = ''
  let closed = false
  let lost = false
  let grace = 0
  // The server is told before the connection goes, or it would not know the viewer any more.
  const leave = () => {
    if (!location || lost) return pc.close()
    const late = setTimeout(() => pc.close(), LEAVE)
    void fetch(location, { method: 'DELETE', keepalive: true }) // keepalive: also while the page is being left
      .catch(() => undefined)
      .finally(() => {
        clearTimeout(late)
        pc.close()
      })
  }
  const close = () => {
    if (closed) return
    closed = true
    window.clearTimeout(grace)
    signal.removeEventListener('abort', close)
    pc.ontrack = pc.onconnectionstatechange = pc.onicegatheringstatechange = null
    for (const track of stream.getTracks()) track.stop()
    leave()
  }
  signal.addEventListener('abort', close)
  try {
    pc.addTransceiver('video', { direction: 'recvonly' })
    pc.addTransceiver('audio', { direction: 'recvonly' })
    pc.ontrack = (e) => stream.addTrack(e.track)
    await pc.setLocalDescription(await pc.createOffer())
    await gathered(pc)
    // Without signal: an offer that the server has taken must be known here, or its viewer could not be ended.
    const answer = await raw(url, { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: pc.localDescription?.sdp })
    const at = answer.headers.get('Location')
    if (at) location = new URL(at, url).toString()
    if (closed) leave()
    signal.throwIfAborted()
    await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() })
    await connected(pc, signal)
    pc.onconnectionstatechange = () => {
      window.clearTimeout(grace)
      const end = () => {
        lost = true
        if (!closed) over('the WebRTC connection was lost')
      }
      if (pc.connectionState === 'disconnected') grace = window.setTimeout(end, GRACE)
      if (pc.connectionState === 'failed' || pc.connectionState === 'closed') end()
    }
    return { stream, lost: counter(pc), close }
  } catch (e) {
    close()
    signal.throwIfAborted()
    throw e
  }
}

function gathered(pc: RTCPeerConnection): Promise<void> {
  if (pc.iceGatheringState === 'complete') return Promise.resolve()
  return new Promise((done) => {
    const timer = setTimeout(done, GATHER)
    pc.onicegatheringstatechange = () => {
      if (pc.iceGatheringState !== 'complete') return
      clearTimeout(timer)
      done()
    }
  })
}

function connected(pc: RTCPeerConnection, signal: AbortSignal): Promise<void> {
  return new Promise((done, fail) => {
    const end = (f: () => void) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', aborted)
      f()
    }
    const aborted = () => end(() => fail(signal.reason as Error))
    const timer = setTimeout(() => end(() => fail(new Unreachable(`no WebRTC connection within ${CONNECT / 1000} s`))), CONNECT)
    signal.addEventListener('abort', aborted)
    const look = () => {
      if (pc.connectionState === 'connected') end(done)
      if (pc.connectionState === 'failed') end(() => fail(new Unreachable('the WebRTC connection failed')))
    }
    pc.onconnectionstatechange = look
    look()
  })
}

function counter(pc: RTCPeerConnection): () => Promise<number> {
  let lost = 0
  let received = 0
  return async () => {
    let share = 0
    for (const s of (await pc.getStats()).values() as Iterable<{ type: string; kind?: string; packetsLost?: number; packetsReceived?: number }>) {
      if (s.type !== 'inbound-rtp' || s.kind !== 'video') continue
      const l = Math.max(0, (s.packetsLost ?? 0) - lost)
      const r = Math.max(0, (s.packetsReceived ?? 0) - received)
      lost = s.packetsLost ?? 0
      received = s.packetsReceived ?? 0
      share = l + r > 0 ? l / (l + r) : 0
    }
    return share
  }
}
