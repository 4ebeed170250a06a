import createClient, { type Middleware } from 'openapi-fetch'
import type { paths } from './schema'
import { endSession, token } from './session'
import type { Problem } from './types'

/** ApiError carries the server's problem, so that callers can show its remedy and stages. */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title)
  }
}

let language = 'zh'
/** setApiLanguage says in which language the server shall word its problems. */
export function setApiLanguage(l: string): void {
  language = l
}

/** sessionHeaders are what every request to the server carries. */
export function sessionHeaders(): Record<string, string> {
  const t = token()
  return t ? { Authorization: `Bearer ${t}`, 'Accept-Language': language } : { 'Accept-Language': language }
}

const signed: Middleware = {
  onRequest({ request }) {
    for (const [name, value] of Object.entries(sessionHeaders())) request.headers.set(name, value)
  },
  onResponse({ request, response }) {
    checkSession(request.headers.has('Authorization'), response)
  },
}

/** checkSession ends the session when the server no longer takes its token. */
export function checkSession(carried: boolean, response: Response): void {
  if (response.status === 401 && carried) endSession()
}

/** api is the server's API, with paths, parameters and answers checked by schema.d.ts. */
export const api = createClient<paths>({ baseUrl: window.location.origin, fetch: (request) => globalThis.fetch(request) })
api.use(signed)

/** take waits for a call of api: its data, or an ApiError for every answer that is not 2xx. An abort stays an AbortError. */
export async function take<D>(call: Promise<{ data?: D; error?: unknown; response: Response }>): Promise<Exclude<D, undefined>> {
  const { data, error, response } = await call.catch((e: Error) => {
    throw e.name === 'AbortError' ? e : offline(e)
  })
  if (response.ok) return data as Exclude<D, undefined>
  throw new ApiError(problemOf(response, error))
}

/** raw is a request outside of the API document: offers, captures, events. It throws as take does. */
export async function raw(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response
  try {
    response = await fetch(path, init)
  } catch (e) {
    throw (e as Error).name === 'AbortError' ? e : offline(e as Error)
  }
  if (response.ok) return response
  checkSession(new Headers(init.headers).has('Authorization'), response)
  const body: unknown = await response.json().catch(() => undefined)
  throw new ApiError(problemOf(response, body))
}

/** problem is any error as one. */
export function problem(e: unknown): Problem {
  return e instanceof ApiError ? e.problem : { status: -1, title: e instanceof Error ? e.message : String(e) }
}

function offline(e: Error): ApiError {
  return new ApiError({ status: 0, name: 'network', title: 'network', detail: e.message })
}

function problemOf(response: Response, body: unknown): Problem {
  const given = body && typeof body === 'object' ? (body as Partial<Problem>) : {}
  return { ...given, status: response.status, title: given.title || response.statusText || `HTTP ${response.status}` }
}
