import type en from './en'

const zh: typeof en = {
  app: { name: '烽燧', signOut: '退出', language: 'English', degraded: '事件通道中断，正在重连' },
  nav: { devices: '设备', live: '实时画面', attempts: '被拒注册' },
  signin: { title: '登录', username: '用户名', password: '密码', submit: '登录', hint: '初始密码在 data 目录的 admin-password 文件中。' },
  state: { online: '在线', offline: '离线', unknown: '未知', since: '自 {at}', evidence: '依据：{what}，{age}前' },
  age: { seconds: '{n} 秒', minutes: '{n} 分钟', hours: '{n} 小时', days: '{n} 天' },
  devices: {
    search: '编码或名称', id: '编码', name: '名称', state: '状态', address: '地址', edition: '版本', model: '厂商型号', channels: '通道', catalog: '目录', complete: '完整',
    partial: '{expected} 中的 {received}', none: '尚未查询', refresh: '查询目录', open: '详情', keepalive: '心跳',
    empty: '还没有设备注册。请在摄像机中填写：服务器编码 {id}，域 {domain}，本机地址，SIP 端口，以及设备密码。', asked: '已发出目录查询。', total: '共 {n} 台设备',
  },
  device: { facts: '设备', channels: '通道', ladder: '信令时序', registered: '注册时间', expires: '到期', firmware: '固件', back: '设备', pcap: '抓包文件', play: '播放', noMessages: '环形缓存中没有该设备的报文。' },
  live: { tree: '通道', pictures: '画面数', sub: '子码流', hint: '请在左侧选择通道。', full: '全屏' },
  player: {
    starting: '正在点播', connecting: '正在连接', ended: '码流已结束。', retry: '重试', close: '关闭', sound: '声音', loss: '丢包',
    noHevc: '该通道为 H.265，而此浏览器的 WebRTC 与 MSE 均无法解码。请使用支持 H.265 硬解的浏览器（有硬解的 Chrome、Edge，或 Safari），或将摄像机（或其子码流）改为 H.264。',
    noPicture: '服务器已收到码流，但此浏览器未能显示：{why}', stages: '点播进行到', remedy: '处理建议', attempt: '第 {n} 次',
  },
  stage: { device: '找到设备', receiver: '端口与 SSRC', offer: '发出 INVITE', answer: '设备应答', connect: '媒体连接', first_packet: '首个数据包', key_frame: '关键帧' },
  attempts: { id: '设备编码', check: '未通过的校验', detail: '说明', remote: '来源', at: '最近', count: '次数', agent: 'User-Agent', empty: '没有被拒绝的注册。', approve: '批准', approved: '已批准，设备下次注册时放行。' },
  error: { network: '服务器没有应答：{why}', code: '错误 {code}', trace: '跟踪号 {trace}' },
}
export default zh
