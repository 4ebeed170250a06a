import { raw, sessionHeaders } from './api/client'
import { save } from './copy'
import { dayOf } from './when'

/** exportCsv fetches a list whole and offers it as a file. It throws as raw does. */
export async function exportCsv(path: string, query: Record<string, string | number | boolean | undefined>, name: string): Promise<void> {
  const words = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) if (value !== undefined) words.set(key, String(value))
  const response = await raw(`${path}?${words}`, { headers: sessionHeaders() })
  save(await response.blob(), `${name}-${dayOf(new Date())}.csv`)
}
