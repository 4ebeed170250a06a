import { onBeforeUnmount, reactive } from 'vue'
import { api, take } from './api/client'
import type { Job } from './api/types'

const STEP = 1000 // ms between two looks at a running query

/** useCatalog asks devices for their catalogs and follows how much arrives. jobs holds the newest query of each device. */
export function useCatalog(done: (job: Job) => void) {
  const jobs = reactive(new Map<string, Job>())
  const gone = new AbortController()
  onBeforeUnmount(() => gone.abort())

  /** ask returns when the query has ended; it throws an ApiError when it could not begin. */
  async function ask(device: string): Promise<void> {
    const { signal } = gone
    const params = { path: { device } }
    let job = (await take(api.POST('/api/v1/devices/{device}/catalog', { params, signal }))).job
    jobs.set(device, job)
    while (job.state === 'running') {
      await new Promise((next) => setTimeout(next, STEP))
      if (signal.aborted) return
      job = (await take(api.GET('/api/v1/devices/{device}/catalog', { params, signal }))).job ?? { ...job, state: 'failed' }
      jobs.set(device, job)
    }
    done(job)
  }

  return { jobs, ask, asking: (device: string) => jobs.get(device)?.state === 'running' }
}
