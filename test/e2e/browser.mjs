// What the scripts that use the console in Chromium share. They are started by Go
// tests, which give them FENGSUI_CONSOLE (JSON, see below) and read one line of JSON
// for each step: {"step", "ok", "why", "ms", "notes"}; {"ask"} makes them do something
// to the devices.
import { createRequire } from 'node:module'
import path from 'node:path'

/** @type {{base: string, user: string, password: string, chromium: string, modules: string, shots: string} & Record<string, any>} */
export const given = JSON.parse(process.env.FENGSUI_CONSOLE)
const { chromium } = createRequire(path.join(given.modules, 'package.json'))('playwright-core')

export const browser = await chromium.launch({
  executablePath: given.chromium,
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', ...(given.args ?? [])],
})

/** What went wrong in any page, by itself: exceptions and refusals by the content policy. */
export const faults = new Set()
const fault = (words) => faults.add(words.split('\n').slice(0, 4).join('\n'))

export async function newPage(language, prepare) {
  const context = await browser.newContext({ locale: language === 'zh' ? 'zh-CN' : 'en-US', viewport: { width: 1360, height: 820 } })
  if (prepare) await context.addInitScript(prepare)
  const page = await context.newPage()
  page.setDefaultTimeout(15000)
  page.on('pageerror', (e) => fault(`exception at ${page.url()}: ${e.stack ?? e}`))
  page.on('console', (m) => {
    if (m.type() === 'error' && !/Failed to load resource/.test(m.text())) fault(`console at ${page.url()}: ${m.text()}`)
  })
  return page
}

let notes = []

/** Adds words to the step that runs. */
export const note = (words) => notes.push(words)

/** Does one step and tells of it, with a picture of the page after it. */
export async function step(name, page, work) {
  const began = Date.now()
  notes = []
  let why = ''
  try {
    await work()
  } catch (e) {
    why = String(e.stack ?? e)
  }
  await page.waitForTimeout(400) // what fades in
  await page.screenshot({ path: path.join(given.shots, name.replaceAll(' ', '-') + '.png') }).catch((e) => notes.push(`no screenshot: ${e}`))
  if (why !== '' && faults.size > 0) why += '\n' + [...faults].join('\n')
  console.log(JSON.stringify({ step: name, ok: why === '', why, ms: Date.now() - began, notes }))
  return why === ''
}

/** Ends the run where going on would only wait for what cannot come. */
export async function vital(went) {
  if (await went) return
  await browser.close()
  process.exit(1)
}

/** Throws unless a condition holds. */
export function must(condition, otherwise) {
  if (!condition) throw new Error(otherwise)
}

/** Has Go do something to the devices. */
export const ask = (what) => console.log(JSON.stringify({ ask: what }))

const username = 'input[name=username]'
const password = 'input[name=password]'

export async function signIn(page, word) {
  await page.fill(username, given.user)
  await page.fill(password, word)
  await page.click('button[type=submit]')
}

export async function enter(page) {
  await page.goto(given.base + '/')
  await signIn(page, given.password)
  await page.waitForURL('**/devices')
}

