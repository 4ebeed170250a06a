import { computed, shallowRef } from 'vue'
import type { Act } from './types'

const KEY = 'fengsui.session'
const LONGEST_TIMER = 2 ** 31 - 1 // ms that setTimeout can hold

/** Who is signed in, until when. expires is in ms since 1970. */
export interface Session {
  token: string
  expires: number
  username?: string
  roles?: string[]
  acts?: Act[]
}

const current = shallowRef<Session | undefined>(load())
let timer = 0
let onEnded = () => {}
arm()

/** session is who is signed in, for the pages to show. */
export const session = computed(() => current.value)

/** token is the session's bearer token, or '' when there is none or it has run out. */
export function token(): string {
  const s = current.value
  if (!s) return ''
  if (s.expires > Date.now()) return s.token
  forgetSession()
  return ''
}

/** may reports whether the user has the right to this act somewhere. One of unknown rights is let try: the server decides. */
export function may(act: Act): boolean {
  const own = current.value?.acts
  return !own || own.includes(act)
}

export function saveSession(s: Session): void {
  localStorage.setItem(KEY, JSON.stringify(s))
  current.value = s
  arm()
}

/** renewRights takes over what the user may now: roles change while a session lasts. */
export function renewRights(of: string, rights: { roles: string[]; acts: Act[] }): void {
  const s = current.value
  if (s?.token === of) saveSession({ ...s, ...rights })
}

export function forgetSession(): void {
  localStorage.removeItem(KEY)
  current.value = undefined
  window.clearTimeout(timer)
}

/** whenEnded sets what is done when a session ends by itself: it ran out, the server refused it, or another tab signed out. */
export function whenEnded(f: () => void): void {
  onEnded = f
}

/** endSession forgets the session and tells of it. */
export function endSession(): void {
  if (!current.value) return
  forgetSession()
  onEnded()
}

function load(): Session | undefined {
  const raw = localStorage.getItem(KEY)
  if (!raw) return undefined
  try {
    const s = JSON.parse(raw) as Session
    if (typeof s.token === 'string' && s.expires > Date.now()) return s
  } catch {
    // written by another version: as if there were none
  }
  localStorage.removeItem(KEY)
  return undefined
}

/** arm ends the session on time, whatever the user is doing then. */
function arm(): void {
  window.clearTimeout(timer)
  const s = current.value
  if (!s) return
  const left = s.expires - Date.now()
  timer = window.setTimeout(() => (left > LONGEST_TIMER ? arm() : endSession()), Math.min(Math.max(left, 0), LONGEST_TIMER))
}

window.addEventListener('storage', (e) => {
  if (e.key !== KEY) return
  const s = load()
  if (s) {
    current.value = s
    arm()
  } else endSession()
})
