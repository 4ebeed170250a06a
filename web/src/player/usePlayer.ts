import { onBeforeUnmount, reactive, shallowRef, type Ref } from 'vue'
import { ApiError, request } from '../api/client'
import type { Problem, Stream } from '../api/types'
import { ways, type Way } from './choose'
import { canDecode, openFlv, type Flv } from './flv'
import { canReceive, openWhep, type Whep } from './whep'

export interface Target { device: string; channel: string; name?: string; profile: 'main' | 'sub' }

export type Phase = 'empty' | 'starting' | 'connecting' | 'playing' | 'failed' | 'undecodable' | 'ended'

/** What a picture is doing and, when it is not there, why. */
export interface Picture {
  phase: Phase
  target?: Target
  stream?: Stream
  way?: Way
  problem?: Problem
  why?: string
  kbps: number
  fps: number
  loss: number
  size: string
}

/** usePlayer plays one target at a time in a video element: WHEP, else FLV, else words. */
export function usePlayer(video: Ref<HTMLVideoElement | undefined>) {
  const picture = reactive<Picture>({ phase: 'empty', kbps: 0, fps: 0, loss: 0, size: '' })
  const whep = shallowRef<Whep>()
  const flv = shallowRef<Flv>()
  let abort = new AbortController()
  let timer = 0
  let frames = 0

  async function play(target: Target) {
    stop()
    abort = new AbortController()
    const signal = abort.signal
    Object.assign(picture, { phase: 'starting', target, stream: undefined, problem: undefined, why: undefined, way: undefined })
    try {
      const stream = await request<Stream>('POST', '/api/v1/streams', { device: target.device, channel: target.channel, kind: 'live', profile: target.profile }, signal)
      picture.stream = stream
      await show(stream, signal)
    } catch (e) {
      if (signal.aborted) return
      picture.phase = 'failed'
      picture.problem = e instanceof ApiError ? e.problem : { status: 0, title: String((e as Error).message) }
    }
  }

  async function show(stream: Stream, signal: AbortSignal) {
    const codec = videoCodec(stream)
    const can = ways(codec, { webrtc: canReceive, mse: canDecode })
    if (can.length === 0) {
      picture.phase = 'undecodable'
      return
    }
    picture.phase = 'connecting'
    let why = ''
    for (const way of can) {
      const url = way === 'whep' ? stream.urls?.whep : stream.urls?.flv
      if (!url || !video.value) continue
      try {
        if (way === 'whep') await showWhep(url, video.value, signal)
        else await showFlv(url, video.value, signal)
        picture.way = way
        picture.phase = 'playing'
        timer = window.setInterval(() => void measure(), 1000)
        return
      } catch (e) {
        if (signal.aborted) return
        why = e instanceof ApiError ? (e.problem.detail ?? e.problem.title) : String((e as Error).message)
      }
    }
    picture.phase = 'failed'
    picture.why = why
  }

  async function showWhep(url: string, element: HTMLVideoElement, signal: AbortSignal) {
    const w = await openWhep(url, signal)
    whep.value = w
    element.srcObject = w.stream
    await element.play().catch(() => undefined)
    await firstFrame(element, signal)
    w.pc.onconnectionstatechange = () => {
      if (['failed', 'disconnected', 'closed'].includes(w.pc.connectionState) && picture.phase === 'playing') picture.phase = 'ended'
    }
  }

  async function showFlv(url: string, element: HTMLVideoElement, signal: AbortSignal) {
    whep.value?.close()
    whep.value = undefined
    element.srcObject = null
    let broken: (e: Error) => void = () => undefined
    const failure = new Promise<never>((_, fail) => (broken = fail))
    flv.value = await openFlv(url, element, (why) => {
      if (picture.phase === 'playing') picture.phase = 'ended'
      broken(new Error(why))
    })
    await Promise.race([firstFrame(element, signal), failure])
    failure.catch(() => undefined)
  }

  /** measure reads what the overlay shows, from the browser and from the server. */
  async function measure() {
    const element = video.value
    if (!element) return
    const total = element.getVideoPlaybackQuality?.().totalVideoFrames ?? 0
    picture.fps = Math.max(0, total - frames)
    frames = total
    if (element.videoWidth) picture.size = `${element.videoWidth}×${element.videoHeight}`
    if (!picture.stream) return
    try {
      const s = await request<Stream>('GET', `/api/v1/streams/${picture.stream.id}`)
      picture.kbps = Math.round((s.stats?.bitrate ?? 0) / 1000)
      picture.loss = s.stats?.loss_rate ?? 0
    } catch (e) {
      if (e instanceof ApiError && e.problem.status === 404 && picture.phase === 'playing') picture.phase = 'ended'
    }
  }

  function stop() {
    abort.abort()
    window.clearInterval(timer)
    whep.value?.close()
    flv.value?.close()
    whep.value = flv.value = undefined
    if (video.value) video.value.srcObject = null
    frames = 0
    Object.assign(picture, { phase: 'empty', target: undefined, kbps: 0, fps: 0, loss: 0, size: '' })
  }

  onBeforeUnmount(stop)
  return { picture, play, stop }
}

/** videoCodec is the codec of a stream's picture, 'H264' when the server does not say. */
export function videoCodec(s: Stream): string {
  return s.tracks?.find((t) => t.codec.startsWith('H26'))?.codec ?? s.codec ?? 'H264'
}

function firstFrame(element: HTMLVideoElement, signal: AbortSignal): Promise<void> {
  return new Promise((done, fail) => {
    const timer = setTimeout(() => end(() => fail(new Error('no frame was decoded within 6 s'))), 6000)
    const end = (f: () => void) => {
      clearTimeout(timer)
      element.removeEventListener('timeupdate', seen)
      f()
    }
    const seen = () => {
      if (element.videoWidth > 0) end(done)
    }
    element.addEventListener('timeupdate', seen)
    signal.addEventListener('abort', () => end(() => fail(new DOMException('aborted', 'AbortError'))), { once: true })
  })
}
