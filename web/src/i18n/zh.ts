import type en from './en'
import { channel } from './channel'
import { config } from './config'
import { downloads } from './downloads'
import { front } from './front'
import { talk } from './talk'
import { people } from './people'
import { reports } from './reports'

const zh: typeof en = {
  app: {
    name: '烽燧', signOut: '退出', language: 'English', languageName: '切换语言：English', user: '当前用户：{name}',
    broken: '实时更新中断，正在重连', degraded: '服务降级：{what}', retry: '重试', cancel: '取消', save: '保存',
    close: '关闭', copy: '复制', copied: '已复制。', notCopied: '浏览器未允许复制。', loading: '加载中', none: '-', pages: '分页', page: '{n} / {of}', before: '上一页', next: '下一页', perPage: '每页条数', lines: '{n} 条/页',
  },
  nav: { devices: '设备', live: '实时画面', alarms: '报警', positions: '位置', downloads: '下载', attempts: '被拒注册', admin: '系统管理' },
  role: { viewer: '查看者', operator: '操作员', administrator: '管理员' },
  signin: {
    username: '用户名', password: '密码', submit: '登录', ended: '会话已结束，请重新登录。',
    hint: '首个管理员为 admin，密码保存在数据目录的 admin-password 文件中。', about: 'GB/T 28181 视频接入网关',
  },
  state: { online: '在线', offline: '离线', unknown: '未知', all: '全部', since: '自 {at}', for: '已 {age}' },
  evidence: {
    register: '{age}前注册', keepalive: '{age}前收到心跳', rtp: '{age}前收到媒体', probe: '{age}前应答探测',
    notify: '{age}前收到通知', message: '{age}前收到消息',
  },
  age: { seconds: '{n} 秒', minutes: '{n} 分钟', hours: '{n} 小时', days: '{n} 天', ago: '{age}前' },
  devices: {
    search: '搜索编码、名称、地址、型号', id: '编码', name: '名称', device: '设备', state: '状态', address: '地址', edition: '版本', model: '厂商型号',
    channels: '通道', catalog: '目录', complete: '目录完整', partial: '已收 {received} / {expected}', none: '尚未收到目录', skipped: '{n} 条无法解析',
    running: '查询中：{received} / {expected}', begun: '查询中', refresh: '查询目录', edit: '编辑', acts: '操作', remove: '删除', keepalive: '心跳', add: '添加设备',
    total: '共 {n} 台设备', unnamed: '未命名', pending: '未批准', 
    empty: '还没有设备注册', emptyHint: '请在摄像机或录像机的国标（GB/T 28181）配置页中填写以下参数，设备注册后即显示在此。',
    notFound: '没有符合条件的设备', clear: '清除筛选', refusedHint: '设备没有出现？请查看被拒注册。',
  },
  catalog: {
    complete: '{name}：目录完整，共 {received} 条。', partial: '{name}：{expected} 条中只收到 {received} 条。{why}', failed: '{name}：未收到目录。{why}',
  },
  settings: {
    title: '摄像机接入参数', id: 'SIP 服务器编码', domain: 'SIP 域', address: 'SIP 服务器地址', password: '密码', passwordText: '设备独立密码；未设置时为公共密码，见数据目录的 sip-password 文件',
    expires: '注册有效期', keepalive: '心跳周期', advice: '{n} 秒',
  },
  edit: {
    add: '添加设备', edit: '编辑设备', approve: '批准设备', id: '设备编码', idHint: '20 位数字，与设备国标配置页一致', idShort: '已输入 {n} / 20 位', idBad: '设备编码须为 20 位数字（旧设备可为 18 位）。',
    name: '名称', nameHint: '自定义名称；留空则使用设备上报的名称', password: '独立密码', passwordNew: '留空则使用公共密码', passwordKeep: '已设置；留空则不变',
    common: '恢复使用公共密码', media: '媒体传输方式', mediaDefault: '按系统配置', udp: 'UDP', tcpPassive: 'TCP 被动（设备主动连接，适合 NAT 后的设备）', tcpActive: 'TCP 主动（服务器主动连接）',
    saved: '已保存。', added: '已添加，设备注册时即可接入。', removed: '已删除。', removeTitle: '删除此设备？',
    removeText: '将删除 {name} 及其注册信息和通道。若设备仍使用公共密码，可再次注册。',
  },
  type: {
    111: 'DVR', 112: '视频服务器', 113: '编码器', 114: '解码器', 115: '视频切换矩阵', 116: '音频切换矩阵', 117: '报警控制器', 118: '网络视频录像机（NVR）', 119: '混合硬盘录像机（HVR）',
    130: '数字录像机', 131: '摄像机', 132: '网络摄像机（IPC）', 133: '显示器', 134: '报警输入设备', 135: '报警输出设备', 136: '语音输入设备', 137: '语音输出设备',
    200: '中心信令控制服务器（平台）', 215: '业务分组', 216: '虚拟组织',
  },
  device: {
    channels: '通道', ladder: '信令时序', registered: '注册时间', expires: '到期时间', firmware: '固件', agent: 'User-Agent', back: '设备', pcap: '下载抓包', play: '播放',
    since: '状态始于', own: '独立密码', common: '公共密码', password: '密码', udp: '媒体经 UDP', tcpPassive: '媒体经 TCP 被动', tcpActive: '媒体经 TCP 主动', noEdition: '设备未声明',
    parent: '父节点', civil: '行政区划', search: '搜索编码、名称、地址', noChannels: '还没有通道', noChannelsHint: '请查询目录；进度显示在上方和信令时序中。', noMatch: '没有符合条件的通道',
    sends: '仅可点播',
  },
  ladder: {
    server: '服务器', none: '没有该设备的报文', noneHint: '报文在内存中保留数分钟；有收发时即显示在此。',
    follow: '跟随最新', all: '全部报文', call: '只看此会话', repeat: '重发', size: '{n} 字节', 
    keepalives: '心跳', refused: '{n} 次非 2xx（含正常质询）', failed: '失败 {n} 次', unanswered: '未应答', lastThree: '各只保留最近三次。', whole: '记录期间全部保留。',
    count: '{n} 条报文',
  },
  watch: {
    start: '完整记录 {minutes} 分钟', stop: '停止', on: '完整记录中，剩余 {left}，已记录 {n} 次', by: '对象 {peer}，由 {by} 发起',
    hint: '完整保留该设备的每一次注册与心跳报文，而不只是最近三次；到时自动结束。',
  },
  live: {
    tree: '通道', pictures: '画面数', sub: '子码流', hint: '在左侧选择通道，画面显示在加框的位置。', full: '全屏', clear: '全部关闭', search: '搜索通道',
    noDevices: '还没有设备', none: '空', failed: '加载失败，点击重试', matches: '{n} 个通道', noMatch: '没有符合条件的通道', free: '请选择通道', tooMany: '显示前 {shown} 个，共 {n} 个，请输入更精确的条件',
  },
  player: {
    starting: '正在点播', connecting: '正在连接', ended: '码流已结束', reconnecting: '画面中断，第 {n} / {of} 次重连', paused: '页面隐藏期间已暂停', retry: '重试', close: '关闭画面',
    mute: '静音', unmute: '打开声音', loss: '丢包', net: '到浏览器', info: '点播过程', details: '查看详情', kbit: 'kbit/s', fps: 'fps',
    noHevc: '该通道为 H.265，而此浏览器的 WebRTC 与 MSE 均无法解码。请使用支持 H.265 硬解的浏览器（有硬解的 Chrome、Edge，或 Safari），或将摄像机（或其子码流）改为 H.264。',
    noPicture: '服务器已收到码流，但此浏览器未能显示画面', stages: '点播进行到', remedy: '处理建议', attempt: '第 {n} 次', source: '媒体来源',
    transport: '传输方式', noWay: '此浏览器的 WebRTC 与 MSE 均不支持 {codec}。',
  },
  stage: { device: '找到设备', receiver: '端口与 SSRC', offer: '发出 INVITE', answer: '设备应答', connect: '媒体连接', first_packet: '首个数据包', key_frame: '关键帧' },
  attempts: {
    id: '设备编码', check: '未通过的校验', detail: '原因与处理', remote: '来源', at: '最近', search: '搜索编码、地址、User-Agent',
    empty: '没有被拒绝的注册', emptyHint: '注册被拒的设备会显示在此，并说明未通过的校验和处理方法。', approve: '批准', setPassword: '设置密码', common: '改用公共密码', approved: '已批准，设备下次注册时放行。', total: '共 {n} 条',
  },
  bans: { title: '被封禁的地址', until: '至 {at}', lift: '解除封禁', lifted: '已解除对 {source} 的封禁。' },
  check: {
    bad_id: '编码不合法', unknown_id: '编码未知', authorization_header: 'Authorization 头', nonce: 'Nonce', algorithm: '摘要算法', username: '用户名', realm: 'Realm（SIP 域）',
    password: '密码', not_allowed_address: '地址不在允许范围', pending_approval: '等待批准', no_second_register: '没有第二次 REGISTER', transport: '传输方式', device_table_full: '设备表已满',
  },
  todo: {
    bad_id: '请在设备中填写 20 位编码。', unknown_id: '在此批准后即可接入。', password: '请在设备中改正密码，或在此设置为设备现有的密码。',
    algorithm: '请在设备中更换摘要算法，通常为 MD5。', authorization_header: '设备的应答格式无法解析，可尝试升级固件。', device_table_full: '请删除不再使用的设备。',
  },
  remedy: {
    device_exists: '请关闭此对话框，在列表中编辑该设备。', unknown_device: '请核对编码、添加设备，或查看被拒注册。', unknown_channel: '请核对编码，或重新查询目录。',
    unknown_attempt: '请改为添加设备。', unknown_stream: '码流已结束，请重新播放。', unknown_ban: '封禁已自行到期。', no_credentials: '请重新登录。', bad_play_token: '请重新播放。',
  },
  error: { network: '服务器没有应答', code: '错误 {code}', trace: '跟踪号 {trace}', fields: '{field}：{message}' },
  ...channel.zh,
  ...config.zh,
  ...front.zh,
  ...downloads.zh,
  ...talk.zh,
  ...reports.zh,
  ...people.zh,
}
export default zh
