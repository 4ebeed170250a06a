import { onBeforeUnmount, onMounted, reactive, type Ref } from 'vue'
import { api, take } from '../api/client'
import { canDecode, openFlv } from './flv'
import { blank, Player, type Means, type Picture } from './player'
import { canReceive, openWhep } from './whep'

const HIDDEN = 30_000 // ms after which a page that nobody sees stops its pictures

const read = (stream: string, signal: AbortSignal) => take(api.GET('/api/v1/streams/{stream}', { params: { path: { stream } }, signal }))
const means: Means = {
  start: (t, signal) => (t.stream ? read(t.stream, signal) : take(api.POST('/api/v1/streams', { body: { device: t.device, channel: t.channel, profile: t.profile }, signal }))),
  read,
  whep: openWhep,
  flv: openFlv,
  can: { webrtc: canReceive, mse: canDecode },
  network: { avoidWebRTC: 0 },
}

/** usePlayer is a player that ends with its component and rests while the page is hidden. */
export function usePlayer(video: Ref<HTMLVideoElement | undefined | null>) {
  const picture = reactive<Picture>({ ...blank })
  const player = new Player(picture, () => video.value ?? undefined, means)
  let timer = 0
  const look = () => {
    window.clearTimeout(timer)
    if (document.hidden) timer = window.setTimeout(() => player.pause(), HIDDEN)
    else if (picture.phase === 'paused' && picture.target) void player.play(picture.target)
  }
  const leave = () => player.stop()
  onMounted(() => {
    document.addEventListener('visibilitychange', look)
    window.addEventListener('pagehide', leave)
  })
  onBeforeUnmount(() => {
    document.removeEventListener('visibilitychange', look)
    window.removeEventListener('pagehide', leave)
    window.clearTimeout(timer)
    player.stop()
  })
  return { picture, player }
}
