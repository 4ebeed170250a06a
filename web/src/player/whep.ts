import { ApiError, token } from '../api/client'
import type { Problem } from '../api/types'

/** A WHEP session: RTCPeerConnection towards the server (RFC draft WHEP). */
export interface Whep {
  stream: MediaStream
  pc: RTCPeerConnection
  close(): void
}

/** canReceive reports whether this browser can take a codec by WebRTC, 'H264' or 'H265'. */
export function canReceive(codec: string): boolean {
  const list = globalThis.RTCRtpReceiver?.getCapabilities?.('video')?.codecs ?? []
  return list.some((c) => c.mimeType.toUpperCase() === `VIDEO/${codec.toUpperCase()}`)
}

export async function openWhep(url: string, signal: AbortSignal): Promise<Whep> {
  const pc = new RTCPeerConnection()
  const stream = new MediaStream()
  let location = ''
  const close = () => {
    pc.close()
    if (location) void fetch(location, { method: 'DELETE', headers: bearer(), keepalive: true }).catch(() => undefined)
  }
  signal.addEventListener('abort', close, { once: true })
  try {
    pc.addTransceiver('video', { direction: 'recvonly' })
    pc.addTransceiver('audio', { direction: 'recvonly' })
    pc.ontrack = (e) => stream.addTrack(e.track)
    await pc.setLocalDescription(await pc.createOffer())
    await gathered(pc)
    const res = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp', ...bearer() },
      body: pc.localDescription?.sdp,
      signal,
    })
    if (!res.ok) throw new ApiError(await problemOf(res))
    location = new URL(res.headers.get('Location') ?? '', new URL(url, window.location.href)).toString()
    await pc.setRemoteDescription({ type: 'answer', sdp: await res.text() })
    await connected(pc, signal)
    return { stream, pc, close }
  } catch (e) {
    close()
    throw e
  }
}

function bearer(): Record<string, string> {
  const t = token()
  return t ? { Authorization: `Bearer ${t}` } : {}
}

async function problemOf(res: Response): Promise<Problem> {
  try {
    return { ...((await res.json()) as Problem), status: res.status }
  } catch {
    return { status: res.status, title: res.statusText }
  }
}

function gathered(pc: RTCPeerConnection): Promise<void> {
  if (pc.iceGatheringState === 'complete') return Promise.resolve()
  return new Promise((done) => {
    const timer = setTimeout(done, 1000)
    pc.onicegatheringstatechange = () => {
      if (pc.iceGatheringState === 'complete') {
        clearTimeout(timer)
        done()
      }
    }
  })
}

function connected(pc: RTCPeerConnection, signal: AbortSignal): Promise<void> {
  return new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error('no WebRTC connection within 8 s')), 8000)
    const end = (f: () => void) => {
      clearTimeout(timer)
      f()
    }
    signal.addEventListener('abort', () => end(() => fail(new DOMException('aborted', 'AbortError'))), { once: true })
    pc.onconnectionstatechange = () => {
      if (pc.connectionState === 'connected') end(done)
      if (pc.connectionState === 'failed') end(() => fail(new Error('WebRTC connection failed')))
    }
  })
}
