import { problem } from '../api/client'
import type { Problem, Profile, Stream } from '../api/types'
import { addressOf, hasSound, videoCodec, ways, type Abilities, type Way } from './choose'
import type { Flv } from './flv'
import { Unreachable, type Whep } from './whep'

export interface Target {
  device: string
  channel: string
  name?: string
  profile: Profile
  /** stream is a playback that runs already, by its ID; without it the channel's live picture is meant. */
  stream?: string
}

export type Phase = 'empty' | 'starting' | 'connecting' | 'playing' | 'reconnecting' | 'paused' | 'failed' | 'undecodable' | 'ended'

/** What a picture is doing and, when it is not there, why. */
export interface Picture {
  phase: Phase
  target?: Target
  stream?: Stream
  way?: Way
  /** problem of the server's, when the start failed. */
  problem?: Problem
  /** why the browser does not show what the server has, or why the stream ended. */
  why?: string
  /** try that runs or is waited for, from 1, while reconnecting. */
  attempt: number
  kbps: number
  fps: number
  /** loss from camera to server, 0 to 1; net: from server to browser. */
  loss: number
  net: number
  size: string
}

export const blank: Readonly<Picture> = {
  phase: 'empty', target: undefined, stream: undefined, way: undefined, problem: undefined, why: undefined,
  attempt: 0, kbps: 0, fps: 0, loss: 0, net: 0, size: '',
}

/** What a player works with. */
export interface Means {
  start(t: Target, signal: AbortSignal): Promise<Stream>
  read(id: string, signal: AbortSignal): Promise<Stream>
  whep(url: string, signal: AbortSignal, over: (why: string) => void): Promise<Whep>
  flv(url: string, video: HTMLVideoElement, sound: boolean, over: (why: string) => void, signal: AbortSignal): Promise<Flv>
  can: Abilities
  network: Network
}

/** Network is what the players of a page found out about it together. */
export interface Network {
  /** avoidWebRTC is until when, by performance.now, FLV goes first: where UDP is blocked, every tile would wait for WebRTC in vain. */
  avoidWebRTC: number
}

/** Waits before each try to bring a picture back, in ms; after the last it is given up. */
export const WAITS = [1000, 2000, 5000, 10_000, 20_000]

const FIRST_FRAME = 8000 // ms from the connection to a decoded frame
const STALL = 8000 // ms without a new frame
const STEADY = 30_000 // ms of picture after which the tries are counted anew
const AVOID = 300_000 // ms in which WebRTC is not tried after it found no way through

const OVER = 'the stream has ended'

/** NoPicture says that the server has the stream, but this browser did not show it. */
class NoPicture extends Error {}

/** Opened is a picture that is shown: over resolves with the reason when it ends. */
interface Opened {
  over: Promise<string>
  close(): void
}

/** Player shows one target at a time in a video element: WHEP, else FLV, else words. It owns what it opens. */
export class Player {
  private run = new AbortController()

  constructor(
    readonly picture: Picture,
    private readonly video: () => HTMLVideoElement | undefined,
    private readonly means: Means,
  ) {}

  /** play shows a target until stop, pause or another play; what fails is in the picture. */
  async play(target: Target): Promise<void> {
    this.stop()
    const { signal } = (this.run = new AbortController())
    Object.assign(this.picture, { phase: 'starting', target })
    try {
      await this.keep(target, signal)
    } catch (e) {
      if (signal.aborted) return
      Object.assign(this.picture, { phase: 'failed', ...(e instanceof NoPicture ? { why: e.message } : { problem: problem(e) }) })
    }
  }

  /** stop ends the picture and forgets its target. */
  stop(): void {
    this.run.abort(new DOMException('stopped', 'AbortError'))
    Object.assign(this.picture, blank)
  }

  /** pause ends the picture and keeps its target, for play to take up. */
  pause(): void {
    const { target, phase } = this.picture
    if (!target || phase === 'failed' || phase === 'undecodable' || phase === 'ended') return
    this.stop()
    Object.assign(this.picture, { phase: 'paused', target })
  }

  /** keep plays and, when a picture that was there ends, brings it back a few times. */
  private async keep(target: Target, signal: AbortSignal): Promise<void> {
    const p = this.picture
    for (let tries = 0, seen = false; ; ) {
      let why: string
      try {
        const stream = await this.means.start(target, signal)
        signal.throwIfAborted()
        p.stream = stream
        const opened = await this.show(stream, signal)
        if (!opened) return
        seen = true
        const began = performance.now()
        try {
          signal.throwIfAborted()
          Object.assign(p, { phase: 'playing', attempt: 0, problem: undefined, why: undefined })
          why = await opened.over
        } finally {
          opened.close()
        }
        if (performance.now() - began > STEADY) tries = 0
        if (tries >= WAITS.length || (target.stream && why === OVER)) {
          Object.assign(p, { phase: 'ended', why })
          return
        }
      } catch (e) {
        if (!signal.aborted && target.stream && problem(e).status === 404) {
          Object.assign(p, { phase: 'ended', why: OVER })
          return
        }
        if (signal.aborted || !seen || tries >= WAITS.length) throw e
        why = e instanceof NoPicture ? e.message : problem(e).title
      }
      Object.assign(p, { phase: 'reconnecting', attempt: tries + 1, why, kbps: 0, fps: 0, loss: 0, net: 0 })
      await wait(WAITS[tries++]!, signal)
    }
  }

  /** show opens a stream by the first way that brings a picture; nothing when the browser cannot decode it. */
  private async show(stream: Stream, signal: AbortSignal): Promise<Opened | undefined> {
    const p = this.picture
    const can = ways(videoCodec(stream), this.means.can)
    if (can.length === 0) {
      p.phase = 'undecodable'
      return undefined
    }
    if (performance.now() < this.means.network.avoidWebRTC) can.reverse()
    if (p.phase === 'starting') p.phase = 'connecting'
    let why = 'the server offers no play address for this browser'
    for (const way of can) {
      const url = addressOf(stream, way)
      const video = this.video()
      if (!url || !video) continue
      try {
        return await this.open(way, url, stream, video, signal)
      } catch (e) {
        signal.throwIfAborted()
        if (e instanceof Unreachable) this.means.network.avoidWebRTC = performance.now() + AVOID
        why = problem(e).detail || problem(e).title
      }
    }
    throw new NoPicture(why)
  }

  private async open(way: Way, url: string, stream: Stream, video: HTMLVideoElement, signal: AbortSignal): Promise<Opened> {
    let end!: (why: string) => void
    let fail!: (e: unknown) => void
    const over = new Promise<string>((resolve, reject) => {
      end = resolve
      fail = reject
    })
    over.catch(() => undefined) // nobody may be waiting yet
    const aborted = () => fail(signal.reason)
    signal.addEventListener('abort', aborted)
    let whep: Whep | undefined
    let flv: Flv | undefined
    let timer = 0
    const close = () => {
      signal.removeEventListener('abort', aborted)
      window.clearInterval(timer)
      whep?.close()
      flv?.close()
      if (whep && video.srcObject === whep.stream) video.srcObject = null
    }
    try {
      if (way === 'whep') {
        whep = await this.means.whep(url, signal, end)
        signal.throwIfAborted()
        video.srcObject = whep.stream
        void video.play().catch(() => undefined)
      } else {
        flv = await this.means.flv(url, video, hasSound(stream, 'flv'), end, signal)
      }
      signal.throwIfAborted()
      await Promise.race([
        firstFrame(video, signal),
        over.then((why) => {
          throw new Error(why)
        }),
      ])
      signal.throwIfAborted()
      this.picture.way = way
      timer = this.measure(stream, video, whep, signal, end)
      return { over, close }
    } catch (e) {
      close()
      throw e
    }
  }

  /** measure reads each second what the overlay shows, and ends a picture that stands still. */
  private measure(stream: Stream, video: HTMLVideoElement, whep: Whep | undefined, signal: AbortSignal, end: (why: string) => void): number {
    const p = this.picture
    const count = () => video.getVideoPlaybackQuality?.().totalVideoFrames ?? 0
    let frames = count()
    let moved = performance.now()
    let seconds = 0
    let asking = false
    const fromServer = async () => {
      const s = await this.means.read(stream.id, signal)
      const net = (await whep?.lost()) ?? 0
      // Sound may be found only after the picture began, so the tracks are taken anew too.
      if (!signal.aborted) Object.assign(p, { stream: s, kbps: Math.round((s.stats?.bitrate ?? 0) / 1000), loss: s.stats?.loss_rate ?? 0, net })
    }
    const step = () => {
      const now = count()
      p.fps = Math.max(0, now - frames)
      if (now !== frames || document.hidden || p.stream?.recording?.paused) moved = performance.now()
      frames = now
      if (video.videoWidth) p.size = `${video.videoWidth}×${video.videoHeight}`
      if (performance.now() - moved > STALL) end(`no new frame for ${STALL / 1000} s`)
      if (seconds++ % 2 || asking) return
      asking = true
      fromServer()
        .catch((e: unknown) => {
          if (!signal.aborted && problem(e).status === 404) end(OVER)
        })
        .finally(() => (asking = false))
    }
    step()
    return window.setInterval(step, 1000)
  }
}

function firstFrame(video: HTMLVideoElement, signal: AbortSignal): Promise<void> {
  const signs = ['timeupdate', 'loadeddata', 'resize'] as const
  return new Promise((done, fail) => {
    const end = (f: () => void) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', aborted)
      for (const s of signs) video.removeEventListener(s, look)
      f()
    }
    const look = () => {
      if (video.videoWidth > 0 && video.readyState >= 2) end(done)
    }
    const aborted = () => end(() => fail(signal.reason as Error))
    const timer = setTimeout(() => end(() => fail(new Error(`no frame was decoded within ${FIRST_FRAME / 1000} s`))), FIRST_FRAME)
    signal.addEventListener('abort', aborted)
    for (const s of signs) video.addEventListener(s, look)
    look()
  })
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done, fail) => {
    const end = (f: () => void) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', aborted)
      f()
    }
    const aborted = () => end(() => fail(signal.reason as Error))
    const timer = setTimeout(() => end(done), ms)
    signal.addEventListener('abort', aborted)
  })
}
