/** copy puts text on the clipboard, also on pages without TLS, where navigator.clipboard is missing. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = document.createElement('textarea')
    area.value = text
    area.style.position = 'fixed'
    area.style.opacity = '0'
    document.body.append(area)
    area.select()
    const done = document.execCommand('copy') // deprecated, and the only way there
    area.remove()
    return done
  }
}

/** save offers content to the user as a file. */
export function save(content: Blob, name: string): void {
  const a = document.createElement('a')
  a.href = URL.createObjectURL(content)
  a.download = name
  a.click()
  setTimeout(() => URL.revokeObjectURL(a.href), 10_000) // the download has begun by then
}
