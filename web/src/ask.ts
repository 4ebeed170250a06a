import { ref } from 'vue'
import { ElMessage, ElMessageBox } from 'element-plus'
import { problem } from './api/client'
import { useWords } from './words'

/** useAsk runs calls that a button begins: one at a time, with the problem's words when it fails. */
export function useAsk() {
  const { t, said } = useWords()
  const busy = ref(false)

  /** ask reports whether the call worked. done is told to the reader then. */
  async function ask(call: () => Promise<unknown>, done?: string): Promise<boolean> {
    if (busy.value) return false
    busy.value = true
    try {
      await call()
      if (done) ElMessage.success(done)
      return true
    } catch (e) {
      ElMessage.error({ message: said(problem(e)), duration: 8000, showClose: true })
      return false
    } finally {
      busy.value = false
    }
  }

  /** sure asks the reader before something is lost. */
  async function sure(title: string, text: string, button: string): Promise<boolean> {
    const answer = await ElMessageBox.confirm(text, title, {
      type: 'warning', confirmButtonText: button, cancelButtonText: t('app.cancel'), confirmButtonClass: 'el-button--danger',
    }).catch(() => undefined)
    return !!answer
  }

  return { busy, ask, sure }
}
