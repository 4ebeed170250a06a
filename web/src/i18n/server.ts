// What the server says in English words only - reasons of states, details of refusals - in Chinese.
// $1 … are what the words hold; they are put into Chinese themselves when they are such words.

const rules: [RegExp, string][] = [
  // reasons of a device's state: shadow/transition.go, gb28181/device
  [/^no sign of life for ([\w ]+), (.+)$/, '已 $1 没有任何信令，$2'],
  [/^no sign of life for ([\w ]+)$/, '已 $1 没有任何信令'],
  [/^(\d+) probes unanswered$/, '$1 次探测无应答'],
  [/^registration expired$/, '注册已到期'],
  [/^unregistered$/, '设备已注销'],
  [/^its connection closed$/, '信令连接已断开'],
  [/^server restarted, not heard yet$/, '服务重启后尚未收到信令'],
  [/^its RTP stopped$/, '媒体流中断'],
  [/^never registered$/, '从未注册'],
  [/^never heard$/, '从未收到信令'],
  [/^registered ([\w ]+) ago$/, '$1前注册'],
  [/^keepalive ([\w ]+) ago$/, '$1前收到心跳'],
  [/^media ([\w ]+) ago$/, '$1前收到媒体'],
  [/^answered a probe ([\w ]+) ago$/, '$1前应答探测'],
  [/^NOTIFY ([\w ]+) ago$/, '$1前收到通知'],
  [/^message ([\w ]+) ago$/, '$1前收到消息'],
  [/^heard ([\w ]+) ago$/, '$1前收到信令'],
  // reasons of a channel's state: internal/api/channels.go
  [/^its device is offline$/, '所属设备离线'],
  [/^its device is in doubt$/, '所属设备状态未知'],
  [/^the device says ON$/, '设备上报在线'],
  [/^the device says OFF$/, '设备上报离线'],
  [/^the device says (.+)$/, '设备上报 $1'],
  // refused registrations: gb28181/registrar
  [/^we answered 401 and nothing came back within (\d+) s: .+$/, '已回复 401，$1 秒内没有后续注册：应答未到达设备，或设备未设置密码'],
  [/^approve the device to let it in$/, '批准该设备后即可接入'],
  [/^its password is right; approve the device to let it in$/, '密码正确，批准该设备后即可接入'],
  [/^approve the device and give it a password; .+$/, '请批准该设备并为其设置密码；未配置公共密码，无法校验'],
  [/^no password is set for this device, and there is no common one$/, '未为该设备设置密码，也没有公共密码'],
  [/^the device is not provisioned, and there is no common password$/, '设备未添加，且没有公共密码'],
  [/^(\S+) is not among the addresses this device may use$/, '$1 不在该设备允许的地址范围内'],
  [/^the device uses a nonce again instead of the new one it was offered$/, '设备重复使用旧 nonce，未采用新下发的 nonce'],
  [/^the nonce has expired, and .+$/, 'nonce 已过期，设备未采用新下发的 nonce'],
  [/^the nonce is not one that we gave this ID at this address: .+$/, 'nonce 并非下发给该编码和地址：设备回应的是其他平台的质询，或两次报文之间地址发生了变化'],
  [/^the nonce is from before our start, and .+$/, 'nonce 为本次启动之前下发，设备未采用新下发的 nonce'],
  [/^it registers by (\w+), and (\w+) is required of it: .+$/, '设备以 $1 注册，而要求其使用 $2：请在设备中修改，或在此允许任意方式'],
  [/^bad GB\/T 28181 ID: "(.*)" has (\d+) characters, want 20 digits$/s, '编码“$1”有 $2 个字符，应为 20 位数字'],
  [/^bad GB\/T 28181 ID: "(.*)" has (.+) at position (\d+), want 20 digits$/s, '编码“$1”第 $3 位为 $2，应为 20 位数字'],
  // banned addresses: sip/guard
  [/^(\d+) refused registrations within (\w+)$/, '$2内被拒注册 $1 次'],
  [/^(\d+) messages that are no SIP within (\w+)$/, '$2内收到 $1 个非 SIP 报文'],
  [/^the device used (.+), which it was not offered$/, '设备使用了未提供的算法 $1'],
  [/^the password is right, but the device computed with its own realm (.+): set its SIP domain to (.+), or allow any realm for it$/, '密码正确，但设备以自己的域 $1 计算：请将设备的 SIP 域改为 $2，或允许其使用任意域'],
  [/^the password is right, but the username is (.+) instead of the device's ID$/, '密码正确，但用户名为 $1，而非设备编码'],
  [/^wrong password, or a wrong computation with qop, which it was not offered$/, '密码错误，或设备使用了未提供的 qop 计算'],
  [/^wrong password$/, '密码错误'],
  [/^the device has the common password, but one of its own is set for it$/, '设备使用公共密码，但此处已为其设置独立密码'],
  [/^the device has no password set$/, '设备未设置密码'],
  [/^its realm is (.+) instead of (.+)$/, '其域为 $1，应为 $2'],
  [/^its username is (.+) instead of its ID$/, '其用户名为 $1，应为设备编码'],
  // stages of a start: gb28181/play
  [/^no media packet arrived(?: within (\w+))?$/, '$1内没有收到媒体数据包'],
  [/^media arrived but no key frame: (\d+) bytes in (\d+) packets, (\d+) lost(?: within (\w+))?$/, '收到媒体但没有关键帧：$2 个数据包共 $1 字节，丢失 $3 个'],
  [/^device has no free stream: (.+)$/, '设备码流路数已满：$1'],
  [/^device rejected the INVITE: (.+)$/, '设备拒绝 INVITE：$1'],
  [/^device did not answer the INVITE within (\w+): .+$/, '设备 $1内未应答 INVITE'],
  [/^device's answer cannot be used: (.+)$/, '设备的应答不可用：$1'],
  [/^media connection failed: (.+)$/, '媒体连接失败：$1'],
  [/^no receiver could be opened: (.+)$/, '无法开启接收：$1'],
  // refused values of a configuration: gb28181/setting
  [/^want (-?\d+) to (-?\d+)$/, '应为 $1 至 $2'],
  [/^want (\d+) to (\d+) characters on one line$/, '应为单行 $1 至 $2 个字符'],
  [/^want (\d+) to (\d+) letters, digits and dashes$/, '应为 $1 至 $2 个字母、数字或短横'],
  [/^want (\d+) to (\d+) items$/, '应有 $1 至 $2 项'],
  [/^want nothing: it cannot be set in (.+)$/, '$1 不能设置此项'],
  [/^want a value(?:: (.+)| when .+)$/, '必填 $1'],
  // why a download ended: gb28181/download, gb28181/play
  [/^the recording was sent completely$/, '录像已全部发送'],
  [/^the server stopped$/, '服务已停止'],
  [/^a caller ended it$/, '已由用户取消'],
  [/^the end of its file is lost$/, '文件末尾已丢失'],
  [/^the device did not confirm the end$/, '设备未确认发送结束'],
  // why a picture is not there: player
  [/^no WebRTC connection within (\d+) s$/, '$1 秒内未建立 WebRTC 连接'],
  [/^the WebRTC connection failed$/, 'WebRTC 连接失败'],
  [/^the WebRTC connection was lost$/, 'WebRTC 连接已断开'],
  [/^no frame was decoded within (\d+) s$/, '$1 秒内没有解码出画面'],
  [/^no new frame for (\d+) s$/, '$1 秒没有新画面'],
  [/^the stream has ended$/, '码流已结束'],
  [/^the server ended it$/, '服务器已结束码流'],
  [/^only (\d+) pictures go by FLV over plain HTTP, .+$/, '浏览器对同一服务器只开六个连接，明文 HTTP 下最多同时播放 $1 路 FLV：请使用 HTTPS，或放通 WebRTC'],
  [/^the server offers no play address for this browser$/, '服务器没有提供此浏览器可用的播放地址'],
]

/** age is a duration as the server writes it, "3 s" or "1h3m10s", in Chinese. */
function age(text: string): string | undefined {
  const m = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)\s?s)?$/.exec(text)
  if (!m || !text) return undefined
  const parts = [m[1] && `${m[1]} 小时`, m[2] && m[2] !== '0' && `${m[2]} 分`, m[3] && (m[3] !== '0' || !(m[1] || m[2])) && `${m[3]} 秒`]
  return parts.filter(Boolean).join(' ')
}

/** serverWords are the server's words in the reader's language. What is not known stays as it is. */
export function serverWords(text: string, language: string): string {
  if (!text) return text
  // what was asked for is known where this is shown
  const start = /^play \S+: \w+: (.+)$/s.exec(text)
  if (start) return serverWords(start[1]!, language)
  if (language !== 'zh') return text
  for (const [pattern, words] of rules) {
    const m = pattern.exec(text)
    if (m) return words.replace(/\$(\d)/g, (_, n: string) => (m[+n] === undefined ? '' : (age(m[+n]!) ?? serverWords(m[+n]!, language))))
  }
  const parts = text.split(/; |, /)
  const said = parts.map((p) => (parts.length > 1 ? serverWords(p, language) : p))
  return said.some((p, i) => p !== parts[i]) ? said.join('，') : text
}
