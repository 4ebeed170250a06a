// Looks at devices and live pictures in the console as a person does. Started by
// console_test.go with cameras, h264, h265, silent and refused: IDs; "reboot" makes
// it reboot the H.264 camera.
import { stat } from 'node:fs/promises'
import { ask, browser, enter, faults, given, must, newPage, note, signIn, step, vital } from './browser.mjs'

/** Opens the tree until a channel can be seen, and clicks it. */
async function choose(page, channel) {
  const wanted = page.locator(`[role=tree] [data-channel="${channel}"]`)
  const closed = page.locator('[role=treeitem][aria-expanded=false]')
  await page.locator('[role=treeitem]').first().waitFor()
  for (let tries = 0; tries < 20 && (await wanted.count()) === 0; tries++) {
    if ((await closed.count()) > 0) await closed.last().click()
    await page.waitForTimeout(250)
  }
  await wanted.first().click()
}

/** Waits until a tile plays, and measures how many pictures are decoded in three seconds. */
async function watch(page, tile) {
  const at = page.locator('[data-test=tile]').nth(tile)
  await at.locator('xpath=self::*[@data-phase="playing" or @data-phase="failed" or @data-phase="undecodable"]').waitFor({ timeout: 30000 })
  const phase = await at.getAttribute('data-phase')
  must(phase === 'playing', `the tile is ${phase}: ${await at.innerText()}`)
  const frames = () => at.locator('video').evaluate((v) => v.getVideoPlaybackQuality().totalVideoFrames)
  const before = await frames()
  await page.waitForTimeout(3000)
  const seen = (await frames()) - before
  const facts = await at.locator('[data-test=facts]').innerText()
  note(`${seen} pictures in 3 s, overlay: ${facts}`)
  must(seen > 25, `only ${seen} pictures were decoded in 3 s`)
  const size = await at.locator('video').evaluate((v) => `${v.videoWidth}x${v.videoHeight}`)
  must(size === '640x360', `the picture is ${size}`)
  return facts
}

const english = await newPage('en')
await vital(step('01 wrong password', english, async () => {
  await english.goto(given.base + '/')
  await english.waitForURL('**/signin**')
  await signIn(english, 'not the word')
  const alert = english.locator('[role=alert]')
  await alert.waitFor()
  const words = await alert.innerText()
  note(words)
  must(/wrong/i.test(words), `the alert says ${words}`)
  must(english.url().includes('/signin'), `it went to ${english.url()}`)
}))

await vital(step('02 devices online', english, async () => {
  await signIn(english, given.password)
  await english.waitForURL('**/devices')
  for (const id of given.cameras) {
    await english.locator(`tr[data-device="${id}"] [data-state=online]`).waitFor()
  }
}))

await vital(step('03 live by WebRTC', english, async () => {
  await english.click('a[href="/live"]')
  await choose(english, given.h264)
  const facts = await watch(english, 0)
  must(/WebRTC/.test(facts), `it plays by ${facts}`)
}))

await step('04 H.265 notice', english, async () => {
  const can = await english.evaluate(() =>
    (RTCRtpReceiver.getCapabilities('video')?.codecs ?? []).some((c) => /h265/i.test(c.mimeType)) ||
    MediaSource.isTypeSupported('video/mp4; codecs="hvc1.1.6.L93.B0"'))
  await choose(english, given.h265)
  if (can) {
    note('this browser decodes H.265')
    await watch(english, 1)
    return
  }
  const notice = english.locator('[data-test=tile]').nth(1).locator('[data-test=notice]')
  await notice.waitFor()
  must(/H\.265/.test(await notice.innerText()), `the notice says ${await notice.innerText()}`)
})

await step('05 failed start', english, async () => {
  await choose(english, given.silent)
  const failed = english.locator('[data-test=tile]').nth(2).locator('[data-test=failed]')
  await failed.waitFor({ timeout: 30000 })
  const words = await failed.innerText()
  note(words.replaceAll('\n', ' | '))
  must(/147001/.test(words), `no error code in ${words}`)
  must(/What to try/.test(words) && /media\.advertise/.test(words), `no remedy in ${words}`)
  must((await failed.locator('[data-test=stages] li').count()) >= 4, `no stages in ${words}`)
  must((await failed.locator('[data-test=stages] li.failed').count()) >= 1, `no failed stage in ${words}`)
})

await step('06 details of the start', english, async () => {
  await english.locator('[data-test=tile]').nth(2).locator('[data-test=details]').click()
  const dialog = english.getByRole('dialog')
  await dialog.locator('pre', { hasText: 'a=rtpmap:96 PS/90000' }).first().waitFor() // the offer
  await english.waitForTimeout(400)
})

await step('07 picture after a reboot', english, async () => {
  await english.keyboard.press('Escape')
  await english.getByRole('dialog').waitFor({ state: 'hidden' })
  const tile = english.locator('[data-test=tile]').first()
  const before = await watch(english, 0) // not disturbed by its neighbours
  must(/WebRTC/.test(before), before)
  const rebooted = Date.now()
  ask('reboot')
  await tile.locator('xpath=self::*[not(@data-phase="playing")]').waitFor({ timeout: 15000 })
  note(`the tile is ${await tile.getAttribute('data-phase')} ${Date.now() - rebooted} ms after the reboot`)
  await tile.locator('xpath=self::*[@data-phase="playing"]').waitFor({ timeout: 30000 })
  await watch(english, 0)
  note(`it plays again ${Date.now() - rebooted} ms after the reboot`)
})

await step('08 device page', english, async () => {
  await english.goto(`${given.base}/devices/${given.h264}`)
  await english.locator(`[data-channel-row="${given.h264}"] [data-state=online]`).waitFor()
})

await step('09 SIP ladder', english, async () => {
  await english.getByRole('tab', { name: 'SIP ladder' }).click()
  await english.getByText('INVITE', { exact: true }).first().waitFor()
  const file = english.waitForEvent('download', { timeout: 10000 })
  await english.getByText('Capture file').click()
  const { size } = await stat(await (await file).path())
  note(`capture file of ${size} bytes`)
  must(size > 1000, `the capture file has ${size} bytes`)
  must((await english.locator('[data-test=last]').count()) > 0, 'none of the last REGISTERs is shown')
  await english.click('[data-test=watch]')
  const watching = english.locator('[data-test=watching]')
  await watching.waitFor()
  note(await watching.innerText())
  await english.click('[data-test=unwatch]')
  await english.locator('[data-test=watch]').waitFor()
})

await step('10 refused registrations', english, async () => {
  await english.click('a[href="/attempts"]')
  await english.locator(`tr[data-attempt="${given.refused}"][data-check=password]`).waitFor()
})

await step('11 Chinese', english, async () => {
  await english.click('[data-test=language]')
  const nav = await english.locator('nav').first().innerText()
  must(/设备/.test(nav), `the bar says ${nav}`)
  await english.click('a[href="/devices"]')
  const tag = english.locator(`tr[data-device="${given.h264}"] [data-state=online]`)
  await tag.waitFor()
  must(/在线/.test(await tag.innerText()), `the state is ${await tag.innerText()}`)
})

await step('12 signed out', english, async () => {
  await english.click('[data-test=signout]')
  await english.waitForURL('**/signin**')
  await english.goto(given.base + '/devices')
  await english.waitForURL('**/signin**')
})

const chinese = await newPage('zh', () => {
  delete globalThis.RTCPeerConnection
  delete globalThis.RTCRtpReceiver
})
await step('13 Chinese live by FLV', chinese, async () => {
  await chinese.goto(given.base + '/')
  await signIn(chinese, '错')
  const alert = chinese.locator('[role=alert]')
  await alert.waitFor()
  must(/密码/.test(await alert.innerText()), `the alert says ${await alert.innerText()}`)
  await enter(chinese)
  await chinese.click('a[href="/live"]')
  await choose(chinese, given.h264)
  const facts = await watch(chinese, 0)
  must(/FLV/.test(facts), `it plays by ${facts}`)
})

await step('14 Chinese failed start', chinese, async () => {
  await choose(chinese, given.silent)
  const failed = chinese.locator('[data-test=tile]').nth(1).locator('[data-test=failed]')
  await failed.waitFor({ timeout: 30000 })
  const words = await failed.innerText()
  note(words.replaceAll('\n', ' | '))
  must(/未收到媒体数据/.test(words), `the tile says ${words}`)
})

await step('15 no faults in pages', chinese, async () => {
  must(faults.size === 0, [...faults].join('\n'))
})

await browser.close()
