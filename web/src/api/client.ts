import type { Problem } from './types'

const KEY = 'fengsui.session'

interface SavedSession { token: string; expires: number }

/** token is the session's bearer token, or '' when there is none or it has run out. */
export function token(): string {
  const raw = localStorage.getItem(KEY)
  if (!raw) return ''
  try {
    const s = JSON.parse(raw) as SavedSession
    if (s.expires > Date.now()) return s.token
  } catch {
    // a value of another version: treated as none
  }
  localStorage.removeItem(KEY)
  return ''
}

export function saveSession(value: string, expiresAt: string): void {
  localStorage.setItem(KEY, JSON.stringify({ token: value, expires: Date.parse(expiresAt) }))
}

export function forgetSession(): void {
  localStorage.removeItem(KEY)
}

/** ApiError carries the server's problem, so that callers can show its remedy and stages. */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title)
  }
}

let language = 'zh'
export function setApiLanguage(l: string): void {
  language = l
}

let onUnauthorized = () => {}
export function whenUnauthorized(f: () => void): void {
  onUnauthorized = f
}

/** request calls the API and returns its JSON; it throws an ApiError for every answer that is not 2xx. */
export async function request<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const headers: Record<string, string> = { 'Accept-Language': language }
  const t = token()
  if (t) headers.Authorization = `Bearer ${t}`
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  let res: Response
  try {
    res = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal })
  } catch (e) {
    if ((e as Error).name === 'AbortError') throw e
    throw new ApiError({ status: 0, title: 'network', detail: String((e as Error).message) })
  }
  if (res.ok) return (res.status === 204 ? undefined : await res.json()) as T
  const problem = await problemOf(res)
  if (res.status === 401 && t) {
    forgetSession()
    onUnauthorized()
  }
  throw new ApiError(problem)
}

async function problemOf(res: Response): Promise<Problem> {
  try {
    const p = (await res.json()) as Problem
    return { ...p, status: res.status, title: p.title || res.statusText }
  } catch {
    return { status: res.status, title: res.statusText || String(res.status) }
  }
}

/** query makes '?a=b' of the values that are set. */
export function query(values: Record<string, string | number | undefined>): string {
  const q = new URLSearchParams()
  for (const [k, v] of Object.entries(values)) if (v !== undefined && v !== '') q.set(k, String(v))
  const s = q.toString()
  return s ? `?${s}` : ''
}
