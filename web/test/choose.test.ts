import { describe, expect, it } from 'vitest'
import { ways } from '../src/player/choose'
import { videoCodec } from '../src/player/usePlayer'

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
    expect(videoCodec({ id: '1', device: 'd', channel: 'c', state: 'playing', tracks: [{ codec: 'PCMA' }, { codec: 'H265' }] })).toBe('H265')
  })
})
