import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { problem } from '../src/api/client'
import { canReceive, openWhep, Unreachable } from '../src/player/whep'
import { answers, json, type Call } from './support'

class FakeTrack {
  stopped = false
  stop() {
    this.stopped = true
  }
}
class FakeStream {
  tracks: FakeTrack[] = []
  addTrack(t: FakeTrack) {
    this.tracks.push(t)
  }
  getTracks() {
    return this.tracks
  }
}
class FakePeer {
  static made: FakePeer[] = []
  iceGatheringState = 'complete'
  connectionState = 'new'
  localDescription?: { sdp: string }
  remote?: { type: string; sdp: string }
  transceivers: [string, string][] = []
  closed = false
  ontrack: ((e: { track: FakeTrack }) => void) | null = null
  onconnectionstatechange: (() => void) | null = null
  onicegatheringstatechange: (() => void) | null = null
  reports: { type: string; kind: string; packetsLost: number; packetsReceived: number }[] = []
  constructor() {
    FakePeer.made.push(this)
  }
  addTransceiver(kind: string, o: { direction: string }) {
    this.transceivers.push([kind, o.direction])
  }
  async createOffer() {
    return { type: 'offer', sdp: 'v=0 offer' }
  }
  async setLocalDescription(d: { sdp: string }) {
    this.localDescription = d
  }
  async setRemoteDescription(d: { type: string; sdp: string }) {
    this.remote = d
    this.ontrack?.({ track: new FakeTrack() })
    queueMicrotask(() => this.become(FakePeer.outcome))
  }
  static outcome = 'connected'
  become(state: string) {
    this.connectionState = state
    this.onconnectionstatechange?.()
  }
  async getStats() {
    return new Map(this.reports.map((r, i) => [String(i), r]))
  }
  close() {
    this.closed = true
    this.connectionState = 'closed'
  }
}

const url = `${window.location.origin}/whep/live/d_c?token=t`
const answered = () => new Response('v=0 answer', { status: 201, headers: { Location: '/whep/live/d_c/v1?token=t' } })
const peer = () => FakePeer.made.at(-1)!
const never = new AbortController().signal
const settle = () => new Promise((next) => setTimeout(next))

beforeEach(() => {
  FakePeer.made = []
  FakePeer.outcome = 'connected'
  vi.stubGlobal('RTCPeerConnection', FakePeer)
  vi.stubGlobal('MediaStream', FakeStream)
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('a WHEP session', () => {
  it('offers to receive, takes the answer and says farewell once', async () => {
    const calls = answers({ 'POST /whep': answered, 'DELETE /whep': () => new Response(null, { status: 200 }) })
    const w = await openWhep(url, never, () => undefined)
    expect(peer().transceivers).toEqual([['video', 'recvonly'], ['audio', 'recvonly']])
    expect(calls[0]).toMatchObject({ method: 'POST', path: '/whep/live/d_c?token=t', body: 'v=0 offer' })
    expect(calls[0]!.headers.get('Content-Type')).toBe('application/sdp')
    expect(peer().remote).toEqual({ type: 'answer', sdp: 'v=0 answer' })
    w.close()
    w.close()
    await settle()
    expect(calls.slice(1)).toMatchObject([{ method: 'DELETE', path: '/whep/live/d_c/v1?token=t' }])
    expect(peer().closed).toBe(true)
    expect((w.stream as unknown as FakeStream).tracks[0]!.stopped).toBe(true)
  })

  it('closes its connection though the server does not answer the farewell', async () => {
    answers({ 'POST /whep': answered, 'DELETE /whep': () => new Promise<Response>(() => undefined) })
    const w = await openWhep(url, never, () => undefined)
    vi.useFakeTimers()
    w.close()
    expect(peer().closed).toBe(false)
    vi.advanceTimersByTime(2000)
    expect(peer().closed).toBe(true)
  })

  it('gives up with the problem of the server', async () => {
    answers({ 'POST /whep': () => json({ title: 'No such codec', code: 154001, detail: 'H265' }, 406) })
    expect(problem(await openWhep(url, never, () => undefined).catch((e: unknown) => e))).toMatchObject({ status: 406, code: 154001 })
    expect(peer().closed).toBe(true)
  })

  it('says that media found no way', async () => {
    FakePeer.outcome = 'failed'
    const calls = answers({ 'POST /whep': answered, 'DELETE /whep': () => new Response(null, { status: 200 }) })
    await expect(openWhep(url, never, () => undefined)).rejects.toBeInstanceOf(Unreachable)
    await settle()
    expect(calls.map((c) => c.method)).toEqual(['POST', 'DELETE'])
    expect(peer().closed).toBe(true)
  })

  it('waits for a connection only so long', async () => {
    vi.useFakeTimers()
    FakePeer.outcome = 'connecting'
    answers({ 'POST /whep': answered, 'DELETE /whep': () => new Response(null, { status: 200 }) })
    const open = openWhep(url, never, () => undefined).catch((e: unknown) => e)
    await vi.advanceTimersByTimeAsync(8000)
    expect(await open).toBeInstanceOf(Unreachable)
  })

  it('ends the viewer that the server made while the user had left already', async () => {
    const stop = new AbortController()
    let answer!: (r: Response) => void
    const calls: Call[] = answers({ 'POST /whep': () => new Promise((done) => (answer = done)), 'DELETE /whep': () => new Response(null, { status: 200 }) })
    const open = openWhep(url, stop.signal, () => undefined).catch((e: unknown) => e)
    await settle()
    stop.abort()
    answer(answered())
    expect(await open).toMatchObject({ name: 'AbortError' })
    await settle()
    expect(calls.map((c) => c.method)).toEqual(['POST', 'DELETE'])
    expect(peer().closed).toBe(true)
  })

  it('tells when the connection is lost, and not what comes back by itself', async () => {
    vi.useFakeTimers()
    answers({ 'POST /whep': answered })
    const over = vi.fn()
    const open = openWhep(url, never, over)
    await vi.advanceTimersByTimeAsync(0)
    await open
    peer().become('disconnected')
    vi.advanceTimersByTime(3000)
    peer().become('connected')
    vi.advanceTimersByTime(10_000)
    expect(over).not.toHaveBeenCalled()
    peer().become('disconnected')
    vi.advanceTimersByTime(4000)
    expect(over).toHaveBeenCalledOnce()
  })

  it('is quiet after it was closed', async () => {
    answers({ 'POST /whep': answered, 'DELETE /whep': () => new Response(null, { status: 200 }) })
    const over = vi.fn()
    const w = await openWhep(url, never, over)
    w.close()
    peer().become('failed')
    expect(over).not.toHaveBeenCalled()
  })

  it('counts what got lost since the last look', async () => {
    answers({ 'POST /whep': answered })
    const w = await openWhep(url, never, () => undefined)
    peer().reports = [{ type: 'inbound-rtp', kind: 'video', packetsLost: 10, packetsReceived: 90 }, { type: 'inbound-rtp', kind: 'audio', packetsLost: 99, packetsReceived: 1 }]
    expect(await w.lost()).toBeCloseTo(0.1)
    peer().reports[0]!.packetsReceived = 190
    expect(await w.lost()).toBe(0)
  })
})

it('a browser without WebRTC receives nothing', () => {
  vi.stubGlobal('RTCRtpReceiver', undefined)
  expect(canReceive('H264')).toBe(false)
  vi.stubGlobal('RTCRtpReceiver', { getCapabilities: () => ({ codecs: [{ mimeType: 'video/H264' }] }) })
  expect([canReceive('H264'), canReceive('H265')]).toEqual([true, false])
})
