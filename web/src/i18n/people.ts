/** Words of users, roles, keys and the audit. */
export const people = {
  en: {
    admin: { users: 'Users', roles: 'Roles', keys: 'API keys', audit: 'Audit' },
    password: { change: 'Change password', current: 'Current password', next: 'New password', again: 'New password again', differs: 'The two are not the same.', ends: 'All your sessions end, this one included.', changed: 'The password is changed. Sign in with the new one.' },
    users: {
      search: 'Search name, role', add: 'Add user', edit: 'Edit user', name: 'User', roles: 'Roles', created: 'Added', passwordAt: 'Password set', you: '(you)', noRole: 'none: may do nothing', enabled: 'active', disabled: 'disabled', enable: 'Enable', disable: 'Disable',
      notFound: 'No user matches', badName: 'No blanks, slashes or colons.', passwordHint: '8 characters or more', keepPassword: 'empty: stays as it is', ends: 'Saving ends the sessions of this user.', removeTitle: 'Remove this user?', removeText: 'The user {name} can no longer sign in. What was done stays in the audit.',
    },
    roles: {
      search: 'Search name, purpose', add: 'Add role', edit: 'Edit role', name: 'Role', about: 'Purpose', builtin: 'built in', builtinHint: 'A built-in role cannot be changed; add one of your own.', inUse: 'Users with this role: {n}. Give them another one first.', notFound: 'No role matches', holds: 'Holds from the next request of those who have the role.',
      removeTitle: 'Remove this role?', removeText: 'The role {name} will be gone.',
    },
    grants: {
      title: 'May do', everywhere: 'everywhere', part: 'in a part', place: 'Where', subtree: 'device, or device/item', tree: 'From the tree', pick: 'Choose a part', choose: 'Choose', nowhere: 'nothing chosen', add: 'Add a place', at: 'in', nothing: 'nothing', bad: 'Give a device, or a device and an item: 34020000001180000001/34020000002160000001.', adminEverywhere: 'Administration cannot be narrowed to a part.',
      act: { look: 'look', ptz: 'move cameras', playback: 'play recordings', talk: 'talk', configure: 'configure', admin: 'administer' },
      about: { look: 'See devices, alarms, positions and live pictures', ptz: 'Move cameras, presets, cruises', playback: 'Find, play and download recordings', talk: 'Speak to devices', configure: 'Change settings, subscriptions and catalogs; end streams', admin: 'Devices, users, roles, keys, audit, trace' },
    },
    keys: {
      search: 'Search name, ID', add: 'Make API key', name: 'Name', nameHint: 'what uses it', made: 'Made', expires: 'Expires', used: 'Last used', never: 'never', over: 'has expired', unused: 'never', notFound: 'No key matches', empty: 'No API key yet', emptyHint: 'A program that calls the API gets a key of its own, with no more rights than it needs.',
      make: 'Make', once: 'Copy the key now: it is shown this once, and only its hash is kept.', how: 'Send it with each call:', kept: 'I have kept it', expiresHint: 'empty: never', removeTitle: 'Delete this key?', removeText: 'What uses the key {name} is refused from now on.',
    },
    audit: {
      user: 'User, exactly', target: 'Path or device ID', verify: 'Check the chain', verifyHint: 'Walks all rows: was one changed or taken out by other hands?', whole: 'The chain is whole: {n} rows, none changed or taken out.', broken: 'The chain breaks at row {id}: {why}. Somebody changed the database by hand; compare with a backup.',
      at: 'Time', who: 'Who', what: 'What', result: 'Result', remote: 'From', total: 'Rows: {n}', notFound: 'Nothing matches', via: { session: 'by session', key: 'by API key', local: 'on the server itself', signin: 'signing in' },
    },
  },
  zh: {
    admin: { users: '用户', roles: '角色', keys: 'API 密钥', audit: '审计' },
    password: { change: '修改密码', current: '当前密码', next: '新密码', again: '再次输入新密码', differs: '两次输入不一致。', ends: '您的全部会话都会结束，包括当前会话。', changed: '密码已修改，请用新密码登录。' },
    users: {
      search: '搜索用户名、角色', add: '添加用户', edit: '编辑用户', name: '用户名', roles: '角色', created: '添加时间', passwordAt: '密码设置时间', you: '（当前用户）', noRole: '无：没有任何权限', enabled: '启用', disabled: '已停用', enable: '启用', disable: '停用',
      notFound: '没有符合条件的用户', badName: '不能包含空格、斜杠或冒号。', passwordHint: '至少 8 个字符', keepPassword: '留空则不变', ends: '保存后该用户的会话将结束。', removeTitle: '删除此用户？', removeText: '用户 {name} 将不能再登录，其操作仍保留在审计中。',
    },
    roles: {
      search: '搜索角色名、用途', add: '添加角色', edit: '编辑角色', name: '角色', about: '用途', builtin: '内置', builtinHint: '内置角色不可修改，请新建角色。', inUse: '有 {n} 个用户使用该角色，请先为其更换角色。', notFound: '没有符合条件的角色', holds: '从拥有该角色的用户的下一次请求起生效。',
      removeTitle: '删除此角色？', removeText: '将删除角色 {name}。',
    },
    grants: {
      title: '权限', everywhere: '全部范围', part: '部分范围', place: '范围', subtree: '设备，或 设备/节点', tree: '从资源树选择', pick: '选择范围', choose: '选择', nowhere: '尚未选择', add: '添加范围', at: '范围', nothing: '无', bad: '请填写设备，或设备与节点：34020000001180000001/34020000002160000001。', adminEverywhere: '管理权限不能限定范围。',
      act: { look: '查看', ptz: '云台', playback: '录像', talk: '对讲', configure: '配置', admin: '管理' },
      about: { look: '查看设备、报警、位置和实时画面', ptz: '云台、预置位、巡航', playback: '查询、播放、下载录像', talk: '向设备喊话', configure: '修改设备配置、订阅和目录，结束码流', admin: '设备、用户、角色、密钥、审计、信令跟踪' },
    },
    keys: {
      search: '搜索名称、编号', add: '新建 API 密钥', name: '名称', nameHint: '使用该密钥的程序', made: '创建', expires: '到期时间', used: '最近使用', never: '永不到期', over: '已到期', unused: '从未使用', notFound: '没有符合条件的密钥', empty: '还没有 API 密钥', emptyHint: '调用 API 的每个程序应有自己的密钥，并只授予所需的权限。',
      make: '创建', once: '请立即复制密钥：仅显示这一次，系统只保存其摘要。', how: '每次调用时携带：', kept: '已保存', expiresHint: '留空则永不到期', removeTitle: '删除此密钥？', removeText: '使用密钥 {name} 的程序将立即被拒绝。',
    },
    audit: {
      user: '用户（完全匹配）', target: '路径或设备编码', verify: '校验审计链', verifyHint: '逐行校验：是否有记录被他人修改或删除', whole: '审计链完整：共 {n} 行，未被修改或删除。', broken: '审计链在第 {id} 行断开：{why}。数据库被人工修改过，请与备份比对。',
      at: '时间', who: '操作者', what: '操作', result: '结果', remote: '来源', total: '共 {n} 条', notFound: '没有符合条件的记录', via: { session: '会话', key: 'API 密钥', local: '服务器本机', signin: '登录' },
    },
  },
}
