import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiError } from '../src/api/client'
import type { Stream } from '../src/api/types'
import { blank, Player, WAITS, type Means, type Picture, type Target } from '../src/player/player'
import { Unreachable } from '../src/player/whep'
import { stream } from './support'

const target: Target = { device: 'd1', channel: 'c1', name: '前门', profile: 'main' }

/** bench is a player whose server and browser the test plays. */
function bench(part: Partial<Means> = {}) {
  const video = Object.assign(document.createElement('video'), { frames: 0 })
  Object.defineProperties(video, {
    videoWidth: { value: 640 }, videoHeight: { value: 360 }, readyState: { value: 4 }, srcObject: { value: null, writable: true },
  })
  video.play = async () => undefined
  video.getVideoPlaybackQuality = () => ({ totalVideoFrames: video.frames }) as VideoPlaybackQuality
  const open = { whep: 0, flv: 0 }
  const ends: ((why: string) => void)[] = []
  const means: Means = {
    start: vi.fn(async () => stream()),
    read: vi.fn(async () => stream({ tracks: [{ codec: 'H264' }, { codec: 'PCMA' }], stats: { bitrate: 2_048_000, loss_rate: 0.015 } as Stream['stats'] })),
    whep: vi.fn(async (_url, _signal, over) => {
      open.whep++
      ends.push(over)
      return { stream: {} as MediaStream, lost: async () => 0.25, close: () => void open.whep-- }
    }),
    flv: vi.fn(async (_url, _video, _sound, over) => {
      open.flv++
      ends.push(over)
      return { close: () => void open.flv-- }
    }),
    can: { webrtc: () => true, mse: () => true },
    network: { avoidWebRTC: 0 },
    ...part,
  }
  const picture: Picture = { ...blank }
  const frames = setInterval(() => video.frames++, 40)
  return { player: new Player(picture, () => video, means), picture, means, video, open, end: (why: string) => ends.at(-1)!(why), freeze: () => clearInterval(frames) }
}
const run = (ms = 0) => vi.advanceTimersByTimeAsync(ms)

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('a picture', () => {
  it('goes by WebRTC, and shows codec, rate and loss', async () => {
    const b = bench()
    void b.player.play(target)
    expect(b.picture.phase).toBe('starting')
    await run(3000)
    expect(b.picture).toMatchObject({ phase: 'playing', way: 'whep', kbps: 2048, loss: 0.015, net: 0.25, size: '640×360', fps: 25 })
    expect(b.picture.stream!.tracks).toHaveLength(2) // the sound was found later
    expect(b.means.flv).not.toHaveBeenCalled()
  })

  it('goes by FLV when WebRTC finds no way, and then at once', async () => {
    const b = bench({ whep: vi.fn(async () => Promise.reject(new Unreachable('no way'))) })
    void b.player.play(target)
    await run()
    expect(b.picture).toMatchObject({ phase: 'playing', way: 'flv' })
    void b.player.play(target)
    await run()
    expect(b.means.whep).toHaveBeenCalledOnce() // the network will not have changed
    await run(300_000)
    void b.player.play(target)
    await run()
    expect(b.means.whep).toHaveBeenCalledTimes(2)
    b.player.stop()
  })

  it('goes by words when the browser cannot decode it', async () => {
    const b = bench({ start: async () => stream({ codec: 'H265', tracks: [{ codec: 'H265' }] }), can: { webrtc: (c) => c === 'H264', mse: (c) => c === 'H264' } })
    void b.player.play(target)
    await run()
    expect(b.picture.phase).toBe('undecodable')
    expect(b.open).toEqual({ whep: 0, flv: 0 })
  })

  it('that does not start keeps the problem with its stages, and is not tried again by itself', async () => {
    const problem = { status: 504, title: 'No media arrived', code: 147001, remedy: 'try', stages: [] }
    const b = bench({ start: vi.fn(async () => Promise.reject(new ApiError(problem))) })
    void b.player.play(target)
    await run(60_000)
    expect(b.picture).toMatchObject({ phase: 'failed', problem })
    expect(b.means.start).toHaveBeenCalledOnce()
  })

  it('that neither way shows says why', async () => {
    const b = bench({ whep: async () => Promise.reject(new Error('one')), flv: async () => Promise.reject(new Error('two')) })
    void b.player.play(target)
    await run()
    expect(b.picture).toMatchObject({ phase: 'failed', why: 'two', problem: undefined })
  })

  it('comes back when its stream has ended', async () => {
    const b = bench()
    void b.player.play(target)
    await run()
    b.end('the stream has ended')
    await run()
    expect(b.picture).toMatchObject({ phase: 'reconnecting', attempt: 1, why: 'the stream has ended' })
    expect(b.open.whep).toBe(0)
    await run(WAITS[0])
    expect(b.picture).toMatchObject({ phase: 'playing', attempt: 0 })
    expect(b.open.whep).toBe(1)
    b.player.stop()
  })

  it('that stands still comes back', async () => {
    const b = bench()
    void b.player.play(target)
    await run(1000)
    b.freeze()
    await run(9000)
    expect(b.picture).toMatchObject({ phase: 'reconnecting', why: 'no new frame for 8 s' })
    b.player.stop()
  })

  it('whose stream the server no longer knows comes back', async () => {
    const b = bench({ read: async () => Promise.reject(new ApiError({ status: 404, title: 'no such stream' })) })
    void b.player.play(target)
    await run()
    expect(b.picture).toMatchObject({ phase: 'reconnecting', why: 'the stream has ended' })
    b.player.stop()
  })

  it('is given up after a few tries, with longer waits between them', async () => {
    const b = bench()
    void b.player.play(target)
    await run()
    const refused = vi.fn(async () => Promise.reject(new ApiError({ status: 409, title: 'The device is offline' })))
    b.means.start = refused
    b.end('gone')
    for (const [i, wait] of WAITS.entries()) {
      await run(wait - 1)
      expect(refused).toHaveBeenCalledTimes(i)
      await run(1)
      expect(refused).toHaveBeenCalledTimes(i + 1)
    }
    expect(b.picture).toMatchObject({ phase: 'failed', problem: { title: 'The device is offline' } })
    await run(600_000)
    expect(refused).toHaveBeenCalledTimes(WAITS.length)
  })

  it('has all its tries again after a steady time, and ends when it breaks too often', async () => {
    const b = bench()
    void b.player.play(target)
    await run(31_000)
    for (const wait of WAITS) {
      b.end('broke')
      await run(wait)
      expect(b.picture.phase).toBe('playing')
    }
    await run(31_000)
    b.end('broke')
    await run()
    expect(b.picture).toMatchObject({ phase: 'reconnecting', attempt: 1 })
    await run(WAITS[0])
    for (const wait of WAITS.slice(1)) {
      b.end('broke')
      await run(wait)
    }
    b.end('broke')
    await run()
    expect(b.picture).toMatchObject({ phase: 'ended', why: 'broke' })
  })

  it('leaves nothing open when it is stopped, at whatever moment', async () => {
    for (const after of [0, 1, 2, 3, 4, 5, 6, 8, 10, 1000]) {
      const b = bench()
      void b.player.play(target)
      if (after < 1000) for (let i = 0; i < after; i++) await Promise.resolve()
      else await run(after)
      b.player.stop()
      await run(30_000)
      expect(b.open, `stopped after ${after} steps`).toEqual({ whep: 0, flv: 0 })
      expect(b.picture).toEqual(blank)
      b.freeze()
    }
    expect(vi.getTimerCount()).toBe(0)
  })

  it('that follows another in the same place is the only one', async () => {
    const b = bench()
    for (let i = 0; i < 5; i++) void b.player.play({ ...target, channel: `c${i}` })
    await run(1000)
    expect(b.open.whep).toBe(1)
    expect(b.picture).toMatchObject({ phase: 'playing', target: { channel: 'c4' } })
    b.player.stop()
    await run()
    expect(b.open.whep).toBe(0)
  })

  it('is closed while the page is hidden and keeps its target', async () => {
    const b = bench()
    void b.player.play(target)
    await run()
    b.player.pause()
    await run()
    expect(b.picture).toMatchObject({ phase: 'paused', target })
    expect(b.open.whep).toBe(0)
  })
})
