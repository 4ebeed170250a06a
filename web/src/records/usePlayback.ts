import { computed, onBeforeUnmount, ref, shallowRef } from 'vue'
import { api, problem, take } from '../api/client'
import type { Problem, Stream } from '../api/types'
import type { Target } from '../player/player'
import { same } from '../stores/wall'
import type { Span } from './timeline'

/** SCALES are the speeds that a playback can have. */
export const SCALES = [0.25, 0.5, 1, 2, 4, 8, 16] as const

/** usePlayback plays recordings of one channel, one at a time. It ends what it began when its component goes. */
export function usePlayback(device: () => string, channel: () => string, name: () => string) {
  const stream = shallowRef<Stream>()
  const starting = ref(false)
  const trouble = shallowRef<Problem>()
  /** refused is why the last change was not made: the playback goes on as it was. */
  const refused = shallowRef<Problem>()
  const changing = ref(false)
  let read = 0 // when stream was read, by performance.now
  let turn = 0 // of the newest start
  let asking = new AbortController()

  const target = computed<Target | undefined>((before) => {
    if (!stream.value) return undefined
    const now: Target = { device: device(), channel: channel(), name: name(), profile: 'main', stream: stream.value.id }
    return same(before, now) ? before : now // another one would be played anew
  })
  const span = computed<Span | undefined>(() => {
    const r = stream.value?.recording
    return r && { from: Date.parse(r.start), to: Date.parse(r.end) }
  })

  /** seen takes a newer reading of the stream. */
  function seen(s: Stream) {
    if (s.id !== stream.value?.id) return
    stream.value = s
    read = performance.now()
  }

  /** at is the moment that is shown, in ms since 1970, going on between two readings. */
  function at(): number | undefined {
    const r = stream.value?.recording
    if (!r) return undefined
    const gone = r.paused ? 0 : ((performance.now() - read) / 1000) * r.scale
    return Date.parse(r.start) + Math.min(r.duration, Math.max(0, r.position + gone)) * 1000
  }

  /** play starts a recording in place of what plays. */
  async function play(s: Span): Promise<void> {
    const mine = ++turn
    asking.abort()
    asking = new AbortController()
    trouble.value = refused.value = undefined
    starting.value = true
    try {
      await end()
      const body = { device: device(), channel: channel(), kind: 'playback' as const, start: new Date(s.from).toISOString(), end: new Date(s.to).toISOString() }
      const got = await take(api.POST('/api/v1/streams', { body, signal: asking.signal }))
      if (mine !== turn) return void forget(got.id)
      stream.value = got
      read = performance.now()
    } catch (e) {
      if (mine === turn) trouble.value = problem(e)
    }
    if (mine === turn) starting.value = false
  }

  /** control changes the playback; what it shows goes on when the device refuses. */
  async function control(body: { paused?: boolean; scale?: number; position?: number }): Promise<void> {
    const id = stream.value?.id
    if (!id || changing.value) return
    changing.value = true
    refused.value = undefined
    try {
      seen(await take(api.PATCH('/api/v1/streams/{stream}', { params: { path: { stream: id } }, body })))
    } catch (e) {
      refused.value = problem(e)
    }
    changing.value = false
  }

  /** seek goes to a moment of the recording that plays, in ms since 1970. */
  const seek = (to: number) => control({ position: Math.max(0, (to - span.value!.from) / 1000) })

  /** end stops what plays and frees the device's slot. */
  async function end(): Promise<void> {
    const id = stream.value?.id
    stream.value = undefined
    if (id) await forget(id)
  }
  const forget = (id: string) => api.DELETE('/api/v1/streams/{stream}', { params: { path: { stream: id } } }).then(() => undefined, () => undefined) // it ends without viewers too

  /** stop ends what plays and what is being started. */
  function stop() {
    turn++
    asking.abort()
    starting.value = false
    void end()
  }
  onBeforeUnmount(stop)
  return { stream, target, span, starting, trouble, refused, changing, play, control, seek, at, seen, stop, end }
}
