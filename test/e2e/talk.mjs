// Speaks to a camera in the console as a person does, by the microphone that Chromium
// makes up. Started by talk_test.go with camera: an ID.
import { browser, enter, faults, given, must, newPage, note, step, vital } from './browser.mjs'

const page = await newPage('zh')

await vital(step('talk 1 live', page, async () => {
  await enter(page)
  await page.click('a[href="/live"]')
  const wanted = page.locator(`[role=tree] [data-channel="${given.camera}"]`)
  const closed = page.locator('[role=treeitem][aria-expanded=false]')
  await page.locator('[role=treeitem]').first().waitFor()
  for (let tries = 0; tries < 20 && (await wanted.count()) === 0; tries++) {
    if ((await closed.count()) > 0) await closed.last().click()
    await page.waitForTimeout(250)
  }
  await wanted.first().click()
  await page.locator('[data-test=tile] [data-test=talk]').first().waitFor()
}))

await vital(step('talk 2 speaking', page, async () => {
  const button = page.locator('[data-test=tile] [data-test=talk]').first()
  note(await button.getAttribute('title'))
  await button.click()
  await page.locator('[data-test=talk][data-talk=on]').waitFor({ timeout: 30000 })
  await page.waitForTimeout(4000)
  must((await button.getAttribute('data-talk')) === 'on', 'it ended by itself')
}))

await step('talk 3 over', page, async () => {
  const button = page.locator('[data-test=tile] [data-test=talk]').first()
  await button.click()
  await page.locator('[data-test=talk][data-talk=off]').waitFor()
  must(faults.size === 0, [...faults].join('\n'))
})

await browser.close()
