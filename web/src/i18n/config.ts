/** Words of a device's configuration and subscriptions. */
export const config = {
  en: {
    config: {
      title: 'Configuration', of: 'Of', device: 'the device', own: 'the device\'s own ({edition})', targetHint: 'Many devices want to be asked as a whole for all types.', only: 'read only', since: 'since {edition}', read: 'Read again', save: 'Set in the device',
      saveHint: 'Values are checked before anything is sent. A device may restart its registration to take them over.', asking: 'Waiting for the device, {n} s', unverified: 'Rests on no primary text: {what}.', readOnly: 'The standard has no command to set this.', unchanged: 'Nothing is changed.',
      write: 'Set it without reading', done: 'The device has taken it over.', rejoined: 'The device registered anew instead of answering; it has probably taken it over. Read again to see.', wrong: 'Values to correct: {n}', offline: 'The device is offline: {why}',
      add: 'Add', remove: 'Remove number {n}', none: 'none', must: 'must be given', unset: 'not set', untold: 'not told', yes: 'on', no: 'off', characters: '{low} – {high} characters', left: 'left', top: 'top', right: 'right', bottom: 'bottom',
      fault: { required: 'Must be given.', whole: 'Must be a number.', range: 'Must be {low} to {high}.', least: 'Must be {low} or more.', length: 'Must have {low} to {high} characters.', pattern: 'Only letters, digits and dashes.', choice: 'Choose one.', box: 'Four numbers from 0 to 65535; right beyond left, bottom below top.', count: 'Must be {low} to {high} of them.' },
    },
    subscription: {
      title: 'Subscriptions', hint: 'What the device tells by itself. The time of the last report shows whether it does.', of: 'Reports of', last: 'Last report', count: 'Reports', never: 'none yet', until: 'until {at}, renewed before',
      kind: { catalog: 'channels', alarm: 'alarms', position: 'positions', ptz: 'where cameras look' }, state: { active: 'active', pending: 'asked for', refused: 'refused', off: 'off' }, every: 'every', for: 'for', subscribe: 'Subscribe', again: 'Subscribe anew', end: 'End',
      old: 'Only devices of the 2022 edition report it.', notYours: 'Your role does not allow changing it.',
    },
  },
  zh: {
    config: {
      title: '配置', of: '对象', device: '设备', own: '设备自身版本（{edition}）', targetHint: '许多设备的所有配置都须以设备为对象。', only: '只读', since: '{edition} 版起', read: '重新读取', save: '下发到设备',
      saveHint: '下发前会先校验；设备可能重新注册以使配置生效。', asking: '等待设备应答，已 {n} 秒', unverified: '以下内容无标准原文可核对：{what}。', readOnly: '标准没有设置此项的命令。', unchanged: '没有修改。',
      write: '不读取，直接设置', done: '设备已生效。', rejoined: '设备没有应答而是重新注册，通常表示已生效；可重新读取确认。', wrong: '有 {n} 处需要修改', offline: '设备离线：{why}',
      add: '添加', remove: '删除第 {n} 项', none: '无', must: '必填', unset: '未设置', untold: '设备未返回', yes: '开', no: '关', characters: '{low} – {high} 个字符', left: '左', top: '上', right: '右', bottom: '下',
      fault: { required: '必填。', whole: '须为数字。', range: '须为 {low} 至 {high}。', least: '不得小于 {low}。', length: '须为 {low} 至 {high} 个字符。', pattern: '只能使用字母、数字和短横。', choice: '请选择一项。', box: '四个 0 至 65535 的数，右大于左，下大于上。', count: '须有 {low} 至 {high} 项。' },
    },
    subscription: {
      title: '订阅', hint: '设备主动上报的内容；是否真正上报，以最近上报时间为准。', of: '上报内容', last: '最近上报', count: '上报次数', never: '尚无', until: '有效至 {at}，到期前续订',
      kind: { catalog: '目录', alarm: '报警', position: '移动位置', ptz: '云台位置' }, state: { active: '有效', pending: '等待应答', refused: '被拒绝', off: '未订阅' }, every: '间隔', for: '有效期', subscribe: '订阅', again: '重新订阅', end: '取消订阅',
      old: '仅 2022 版设备支持。', notYours: '当前角色不能修改。',
    },
  },
}
