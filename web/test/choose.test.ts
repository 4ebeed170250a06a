import { describe, expect, it } from 'vitest'
import { addressOf, hasSound, videoCodec, ways } from '../src/player/choose'
import { MOST, Slots } from '../src/player/slots'
import { stream } from './support'

const has = (...codecs: string[]) => (c: string) => codecs.includes(c)

describe('how a codec is shown', () => {
  it('prefers WebRTC and falls back to FLV', () => {
    expect(ways('H264', { webrtc: has('H264'), mse: has('H264') })).toEqual(['whep', 'flv'])
    expect(ways('H265', { webrtc: has('H264'), mse: has('H264', 'H265') })).toEqual(['flv'])
  })
  it('is by words when the browser decodes neither way', () => {
    expect(ways('H265', { webrtc: has('H264'), mse: has('H264') })).toEqual([])
  })
  it('reads the codec of the picture, not of the sound', () => {
    expect(videoCodec(stream({ codec: '', tracks: [{ codec: 'PCMA' }, { codec: 'H265' }] }))).toBe('H265')
    expect(videoCodec(stream({ codec: 'H265', tracks: [] }))).toBe('H265')
    expect(videoCodec(stream({ codec: '', tracks: [] }))).toBe('H264')
  })
  it.each([
    ['PCMA', 'whep', true], ['PCMU', 'whep', true], ['AAC', 'whep', false], ['AAC', 'flv', true], ['PCMA', 'flv', false],
  ] as const)('brings sound of %s by %s: %s', (codec, way, sound) => expect(hasSound(stream({ tracks: [{ codec: 'H264' }, { codec }] }), way)).toBe(sound))
})

describe('the address of a stream', () => {
  const here = window.location.origin
  it('is where this page came from, whatever name the server knows itself by', () => {
    expect(addressOf(stream(), 'whep')).toBe(`${here}/whep/live/d1_c1?token=t`)
    expect(addressOf(stream(), 'flv')).toBe(`${here}/live/d1_c1.flv?token=t`)
  })
  it('is none where the server has none', () => expect(addressOf(stream({ urls: { flv: 'http://o/live/a.flv' } }), 'whep')).toBeUndefined())
})

describe('the connections for FLV', () => {
  it('are few over HTTP/1, and given back once', () => {
    const slots = new Slots(() => true)
    const taken = Array.from({ length: MOST }, () => slots.take())
    expect(() => slots.take()).toThrow(/HTTPS/)
    taken[0]!()
    taken[0]!()
    taken.push(slots.take())
    expect(() => slots.take()).toThrow()
  })
  it('are many over HTTP/2', () => {
    const slots = new Slots(() => false)
    for (let i = 0; i < 20; i++) slots.take()
  })
})
