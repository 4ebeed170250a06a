import { onBeforeUnmount, onMounted, readonly, ref, type Ref } from 'vue'

const now = ref(Date.now())
let users = 0
let timer = 0

/** useNow is the time in ms, stepping each second while some component uses it. */
export function useNow(): Readonly<Ref<number>> {
  onMounted(() => {
    now.value = Date.now()
    if (users++ === 0) timer = window.setInterval(() => (now.value = Date.now()), 1000)
  })
  onBeforeUnmount(() => {
    if (--users === 0) window.clearInterval(timer)
  })
  return readonly(now)
}
