// Operates devices in the console as a person does. Started by operator_test.go with
// camera (edition 2022), recorder (2016, plays one recording at a time) and one channel
// of it; "alarm" makes the camera report an intrusion.
import { readFile } from 'node:fs/promises'
import { ask, browser, enter, faults, given, must, newPage, note, step, vital } from './browser.mjs'

const page = await newPage('en')
const camera = `/devices/${given.camera}`
const channel = `${camera}/channels/${given.camera}`

/** What the camera was told by PTZCmd lately, the oldest first. */
async function told() {
  const messages = await page.evaluate(async (device) => {
    const { token } = JSON.parse(localStorage.getItem('fengsui.session'))
    const got = await fetch(`/api/v1/trace?device=${device}&page_size=300`, { headers: { Authorization: `Bearer ${token}` } })
    return (await got.json()).items
  }, given.camera)
  return messages.filter((m) => m.dir === 'out').flatMap((m) => /<PTZCmd>(\w+)<\/PTZCmd>/.exec(m.text)?.[1] ?? [])
}
const STOP = /^A50F01[04]0000000/ // of movement, of focus and iris

await vital(step('21 signed in', page, () => enter(page)))

await step('22 alarm appears and is seen to', page, async () => {
  await page.click('nav a[href="/alarms"]')
  await page.getByText('No alarm has been reported').waitFor()
  ask('alarm')
  const row = page.locator('tr[data-alarm]').first()
  await row.waitFor()
  must(/intrusion/.test(await row.innerText()), `the row says ${await row.innerText()}`)
  await row.locator('[data-test=acknowledge]').click()
  await row.getByText('admin').waitFor()
  const file = page.waitForEvent('download')
  await page.click('[data-test=csv]')
  const csv = await readFile(await (await file).path(), 'utf8')
  must(csv.split('\n')[1]?.includes('intrusion'), `the file says ${csv}`)
})

await step('23 camera moves while held', page, async () => {
  await page.goto(given.base + channel)
  await page.locator('[data-phase=playing]').waitFor({ timeout: 30000 })
  const right = page.locator('[data-test=ptz-right]')
  await right.hover()
  await page.mouse.down()
  await page.waitForTimeout(600)
  const during = await told()
  must(during.length > 0 && !STOP.test(during.at(-1)), `while held it was told ${during}`)
  await page.mouse.up()
  await page.waitForTimeout(600)
  must(STOP.test((await told()).at(-1)), `after the release it was told ${await told()}`)
})

await step('24 camera moves by keys', page, async () => {
  await page.locator('[data-test=ptz-stop]').focus()
  const before = (await told()).length
  await page.keyboard.down('ArrowUp')
  await page.waitForTimeout(500)
  await page.keyboard.up('ArrowUp')
  await page.waitForTimeout(600)
  const list = (await told()).slice(before)
  must(list.length >= 2 && !STOP.test(list[0]) && STOP.test(list.at(-1)), `it was told ${list}`)
})

await step('25 preset kept, called and forgotten', page, async () => {
  await page.fill('[name=preset]', '7')
  await page.fill('[name=preset-name]', 'gate')
  await page.click('[data-test=keep]')
  const row = page.locator('[data-preset="7"]')
  await row.waitFor()
  must(/gate/.test(await row.innerText()), `the row says ${await row.innerText()}`)
  await row.locator('[data-test=goto]').click()
  await page.getByText('turns to gate').waitFor()
  await row.locator('[data-test=forget]').click()
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
  await row.waitFor({ state: 'detached' })
})

await step('26 recording played from the line of time', page, async () => {
  await page.getByRole('tab', { name: 'Recordings' }).click()
  await page.click('[aria-label="Day before"]')
  await page.locator('[data-test=complete]').waitFor({ timeout: 30000 })
  await page.locator('[data-test=timeline] [role=slider]').click({ position: { x: 200, y: 20 } })
  await page.locator('[data-phase=playing]').waitFor({ timeout: 30000 })
  note(await page.locator('[data-test=playback]').innerText())
  await page.locator('[data-test=playhead]').waitFor()
})

const clock = () => page.locator('[data-test=clock]').innerText()
await step('27 playback paused, faster, sought', page, async () => {
  await page.click('[data-test=pause]')
  await page.getByRole('button', { name: 'Go on' }).waitFor()
  await page.waitForTimeout(2500) // the position is read anew each 2 s
  const still = await clock()
  await page.waitForTimeout(2500)
  must((await clock()) === still, `it went on from ${still} to ${await clock()}`)
  await page.click('[data-test=pause]')
  await page.getByRole('button', { name: 'Pause' }).waitFor()
  await page.selectOption('[name=scale]', '4')
  await page.locator('[name=scale]:enabled').waitFor()
  must((await page.inputValue('[name=scale]')) === '4', 'the speed is not shown')
  await page.locator('[data-test=timeline] [role=slider]').click({ position: { x: 260, y: 20 } })
  await page.waitForTimeout(1500)
  const sought = await clock()
  note(`paused at ${still}, sought to ${sought}`)
  must(sought.slice(0, 4) !== still.slice(0, 4), `it is still at ${sought}`)
  must(await page.locator('[data-test=reverse]').isEnabled(), 'a camera of 2022 can run backwards')
  await page.click('[data-test=end]')
  await page.locator('[data-test=playback]').waitFor({ state: 'detached' })
})

await step('28 recording downloaded to a file', page, async () => {
  await page.locator('[data-test=record]').nth(3).locator('[data-test=download]').click()
  const start = await page.inputValue('[name=download-start]')
  const end = new Date(new Date(start).getTime() + 8000)
  await page.fill('[name=download-end]', start.slice(0, 11) + end.toTimeString().slice(0, 8))
  await page.click('[data-test=begin]')
  await page.getByText('The device sends').waitFor({ timeout: 30000 })
  await page.click('nav a[href="/downloads"]')
  const row = page.locator('tr[data-state=done]')
  await row.waitFor({ timeout: 40000 })
  const file = page.waitForEvent('download')
  await row.locator('[data-test=file]').click()
  const { length } = await readFile(await (await file).path())
  note(`${length} bytes`)
  must(length > 100_000, `the file has ${length} bytes`)
})

await step('29 slot that somebody else has', page, async () => {
  await page.goto(`${given.base}/devices/${given.recorder}/channels/${given.channel}?tab=records`)
  await page.click('[aria-label="Day before"]')
  await page.locator('[data-test=complete]').waitFor({ timeout: 30000 })
  must(await page.evaluate(async ({ device, channel }) => { // as another program
    const { token } = JSON.parse(localStorage.getItem('fengsui.session'))
    const start = Date.now() - 30 * 3600_000
    const body = { device, channel, kind: 'playback', start: new Date(start).toISOString(), end: new Date(start + 3600_000).toISOString() }
    const got = await fetch('/api/v1/streams', { method: 'POST', headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
    return got.status === 201
  }, { device: given.recorder, channel: given.channel }), 'the other playback did not begin')
  await page.locator('[data-test=timeline] [role=slider]').click({ position: { x: 200, y: 20 } })
  const slots = page.locator('[data-test=slots]')
  await slots.waitFor({ timeout: 30000 })
  note(await slots.innerText())
  must(/Playback by admin/.test(await slots.innerText()), 'it does not say who has the slot')
  await slots.locator('[data-test=free]').first().click()
  await page.locator('[data-phase=playing]').waitFor({ timeout: 30000 })
  must(await page.locator('[data-test=reverse]').isDisabled(), 'a recorder of 2016 is offered to run backwards')
  await page.click('[data-test=end]')
})

await step('30 configuration refused at its field, then set', page, async () => {
  await page.goto(`${given.base}${camera}?tab=config`)
  await page.click('[data-type=OSDConfig]')
  const length = page.locator('[data-field=length] input')
  await length.fill('99999')
  await page.click('[data-config=OSDConfig] [data-test=save]')
  const words = await page.locator('[data-field=length] [role=alert]').innerText()
  must(/1 to 65535/.test(words), `the field says ${words}`)
  await length.fill('1280')
  await page.click('[data-config=OSDConfig] [data-test=save]')
  await page.getByText('has taken it over').waitFor()
  await page.getByRole('button', { name: 'Read again' }).click()
  await page.waitForTimeout(1500)
  must((await length.inputValue()) === '1280', `the camera says ${await length.inputValue()}`)
})

await step('31 subscription', page, async () => {
  await page.getByRole('tab', { name: 'Subscriptions' }).click()
  const alarms = page.locator('[data-subscription=alarm]')
  await alarms.locator('[data-test=subscribe]').click()
  await alarms.locator('[data-state=active]').waitFor()
})

await step('32 role, user and key', page, async () => {
  await page.click('nav a[href="/admin"]')
  await page.click('[data-part=roles]')
  await page.click('[data-test=add]')
  await page.fill('[name=role-name]', 'gate')
  await page.selectOption('[name=place]', 'part')
  await page.fill('[name=subtree]', given.camera)
  await page.click('[data-act=ptz]')
  await page.click('[data-test=save]')
  await page.locator('tr[data-role=gate]').waitFor()
  await page.click('[data-part=users]')
  await page.click('[data-test=add]')
  await page.fill('[name=new-username]', 'guard')
  await page.fill('[name=new-password]', 'a word of our own')
  await page.locator('.el-checkbox[data-role=viewer]').click()
  await page.locator('.el-checkbox[data-role=gate]').click()
  await page.click('[data-test=save]')
  await page.locator('tr[data-user=guard]').waitFor()
  await page.click('[data-part=keys]')
  await page.click('[data-test=add]')
  await page.fill('[name=key-name]', 'recorder')
  await page.click('[data-test=save]')
  const secret = await page.locator('[data-test=secret] code').first().innerText()
  await page.click('[data-test=kept]')
  const status = await page.evaluate(async (key) => (await fetch('/api/v1/devices', { headers: { Authorization: `Bearer ${key}` }, credentials: 'omit' })).status, secret)
  must(status === 200, `the key is answered ${status}`)
  must(!(await page.content()).includes(secret), 'the key is still shown')
})

await step('33 audit and its chain', page, async () => {
  await page.click('[data-part=audit]')
  await page.getByText('/api/v1/roles gate').waitFor()
  await page.click('[data-test=verify]')
  const chain = await page.locator('[data-test=chain]').innerText()
  must(/whole/.test(chain), `the chain is: ${chain}`)
})

const guard = await newPage('zh')
await step('34 user of one camera only', guard, async () => {
  await guard.goto(given.base + '/')
  await guard.fill('input[name=username]', 'guard')
  await guard.fill('input[name=password]', 'a word of our own')
  await guard.click('button[type=submit]')
  await guard.locator(`tr[data-device="${given.camera}"]`).waitFor()
  must((await guard.locator(`tr[data-device="${given.recorder}"]`).count()) === 0, 'the recorder is seen')
  const nav = await guard.locator('nav').first().innerText()
  must(!/系统管理|被拒注册/.test(nav), `the bar says ${nav}`)
  await guard.goto(given.base + channel)
  must(await guard.locator('[data-test=ptz-up]').isEnabled(), 'the pad is off')
  must((await guard.getByRole('tab', { name: '录像' }).count()) === 0, 'recordings are offered')
  await guard.setViewportSize({ width: 420, height: 900 })
})

await step('35 no faults in pages', guard, async () => {
  must(faults.size === 0, [...faults].join('\n'))
})

await browser.close()
