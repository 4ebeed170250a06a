import { defineStore } from 'pinia'
import { computed, shallowRef } from 'vue'
import { api, take } from '../api/client'
import type { System } from '../api/types'

/** useSystem is what the server tells of itself. */
export const useSystem = defineStore('system', () => {
  const facts = shallowRef<System>()

  async function load(signal?: AbortSignal) {
    facts.value = await take(api.GET('/api/v1/system', { signal }))
  }

  /** sip are the addresses for cameras, "udp 192.0.2.10:5060": a wildcard is shown as the name that this page is served under. */
  const sip = computed(() => (facts.value?.addresses.sip ?? []).map((a) => reachable(a, window.location.hostname)))

  function clear() {
    facts.value = undefined
  }

  return { facts, sip, load, clear }
})

/** reachable puts a host in the place of a wildcard address. */
export function reachable(address: string, host: string): string {
  return address.replace(/(^|\s)(0\.0\.0\.0|\[::\]|\*)?:(\d+)$/, `$1${host}:$3`)
}
