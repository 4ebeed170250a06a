import { raw, sessionHeaders } from '../api/client'

const GATHER = 1000 // ms for candidates; those of the host come at once

/** A microphone on its way to a device. */
export interface Whip {
  close(): void
}

/** canSpeak says whether this page may ask for a microphone: browsers give one to HTTPS and to this machine only. */
export function canSpeak(): boolean {
  return window.isSecureContext && !!navigator.mediaDevices?.getUserMedia && 'RTCPeerConnection' in window
}

/**
 * openWhip asks for the microphone and sends it to a channel until closed. over is called once when the device, the server or the
 * network ends it; not after close.
 */
export async function openWhip(device: string, channel: string, over: () => void): Promise<Whip> {
  const sound = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true, channelCount: 1 } })
  const pc = new RTCPeerConnection()
  let location = ''
  let closed = false
  const close = () => {
    if (closed) return
    closed = true
    pc.onconnectionstatechange = null
    for (const track of sound.getTracks()) track.stop()
    pc.close()
    if (location) void fetch(location, { method: 'DELETE', headers: sessionHeaders(), keepalive: true }).catch(() => undefined)
  }
  try {
    const sender = pc.addTransceiver(sound.getAudioTracks()[0], { direction: 'sendonly' })
    // Devices hear nothing but G.711: what is not offered cannot be agreed on.
    const codecs = RTCRtpSender.getCapabilities('audio')?.codecs.filter((c) => /^audio\/pcm[au]$/i.test(c.mimeType)) ?? []
    if (codecs.length) sender.setCodecPreferences(codecs)
    await pc.setLocalDescription(await pc.createOffer())
    await gathered(pc)
    const url = `/whip/talk/${encodeURIComponent(device)}/${encodeURIComponent(channel)}`
    const answer = await raw(url, { method: 'POST', headers: { ...sessionHeaders(), 'Content-Type': 'application/sdp' }, body: pc.localDescription?.sdp })
    location = answer.headers.get('Location') ?? ''
    await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() })
    pc.onconnectionstatechange = () => {
      if (['disconnected', 'failed', 'closed'].includes(pc.connectionState) && !closed) {
        close()
        over()
      }
    }
  } catch (e) {
    close()
    throw e
  }
  return { close }
}

/** gathered waits for the candidates of an offer: the server takes none one by one. */
function gathered(pc: RTCPeerConnection): Promise<void> {
  return new Promise((done) => {
    const late = window.setTimeout(done, GATHER)
    const look = () => {
      if (pc.iceGatheringState !== 'complete') return
      window.clearTimeout(late)
      done()
    }
    pc.addEventListener('icegatheringstatechange', look)
    look()
  })
}
