import { describe, expect, it } from 'vitest'
import { serverWords } from '../src/i18n/server'
import { reachable } from '../src/stores/system'

describe('the words of the server in Chinese', () => {
  it.each([
    ['no sign of life for 3m10s', '已 3 分 10 秒 没有任何信令'],
    ['no sign of life for 1h0m0s, 2 probes unanswered', '已 1 小时 没有任何信令，2 次探测无应答'],
    ['its connection closed, 2 probes unanswered', '信令连接已断开，2 次探测无应答'],
    ['want 5 to 60', '应为 5 至 60'],
    ['the recording was sent completely', '录像已全部发送'],
    ['registered 0 s ago', '0 秒前注册'],
    ['registration expired', '注册已到期'],
    ['the device says VLOST', '设备上报 VLOST'],
    ['wrong password; its realm is "a" instead of "3402000000"', '密码错误，其域为 "a"，应为 "3402000000"'],
    ['the device used SM3, which it was not offered', '设备使用了未提供的算法 SM3'],
    ['192.0.2.7 is not among the addresses this device may use', '192.0.2.7 不在该设备允许的地址范围内'],
    ['play 3402/3403: first_packet: no media packet arrived within 10s', '10 秒内没有收到媒体数据包'],
    ['media arrived but no key frame: 100 bytes in 3 packets, 1 lost within 2s', '收到媒体但没有关键帧：3 个数据包共 100 字节，丢失 1 个'],
  ])('%s', (text, want) => expect(serverWords(text, 'zh')).toBe(want))

  it.each(['something new, and strange', 'v=0\r\no=x', ''])('leave what is not known as it is: %j', (text) => expect(serverWords(text, 'zh')).toBe(text))

  it('stay as they are in English, but for what is shown beside them', () => {
    expect(serverWords('registration expired', 'en')).toBe('registration expired')
    expect(serverWords('play a/b: offer: device has no free stream: 486', 'en')).toBe('device has no free stream: 486')
  })
})

it.each([
  ['udp 0.0.0.0:5060', 'udp nvr.example:5060'], ['tcp [::]:5060', 'tcp nvr.example:5060'], ['udp :5060', 'udp nvr.example:5060'], ['udp 192.0.2.1:5060', 'udp 192.0.2.1:5060'],
])('the address for cameras of %s is %s', (a, want) => expect(reachable(a, 'nvr.example')).toBe(want))
