/** Words of what a camera or device can be told besides movement. */
export const front = {
  en: {
    cruise: {
      title: 'Cruises', none: 'The camera has no cruises.', untold: 'Only devices of the 2022 edition tell which cruises they have; they are told by number all the same.', no: 'Cruise', preset: 'Preset', add: 'Add to the cruise', start: 'Start', stop: 'Stop',
      started: 'Cruise {n} runs.', stopped: 'The cruise stands still.', added: 'Preset {preset} is the last of cruise {n} now.', removeTitle: 'Remove this cruise?', removeText: 'The camera forgets cruise {n} with all its presets.',
    },
    front: {
      title: 'Scan, switches, home', scan: 'Scan', left_limit: 'Left limit here', right_limit: 'Right limit here', start: 'Start', stop: 'Stop', switch: 'Switch', aux: { 1: 'wiper', 2: '2, lamp mostly', 3: '3, heater mostly', 4: '4, defogger mostly', 5: '5, cooler mostly' },
      home: 'Home at preset', after: 'after', told: 'The camera has been told.',
    },
    acts: {
      title: 'Commands', channel: 'Channel for what concerns one', none: 'none chosen', choose: 'Choose a channel first.', notYours: 'Your role does not allow it.', done: '{what}: the device has been told.',
      keyFrame: 'Key frame', record: 'Start recording', recordEnd: 'Stop recording', guard: 'Arm', guardEnd: 'Disarm', alarmEnd: 'Reset alarms', reboot: 'Restart', rebootTitle: 'Restart this device?', rebootText: '{name} is away for some minutes, and what it records and sends breaks off.',
      about: { keyFrame: 'The channel sends a whole picture at once.', record: 'The device records the channel by hand.', recordEnd: 'Ends recording by hand.', guard: 'The device reports alarms; many report none before.', guardEnd: 'The device reports no alarms.', alarmEnd: 'Ends alarms that go on; many devices report the next only then.', reboot: 'The device starts anew.' },
    },
  },
  zh: {
    cruise: {
      title: '巡航', none: '摄像机没有巡航。', untold: '仅 2022 版设备可查询巡航列表；仍可按编号控制。', no: '巡航', preset: '预置位', add: '加入巡航', start: '启动', stop: '停止',
      started: '巡航 {n} 已启动。', stopped: '巡航已停止。', added: '预置位 {preset} 已加入巡航 {n} 末尾。', removeTitle: '删除此巡航？', removeText: '将从摄像机中删除巡航 {n} 及其全部预置位。',
    },
    front: {
      title: '扫描、开关与看守位', scan: '扫描', left_limit: '设为左边界', right_limit: '设为右边界', start: '启动', stop: '停止', switch: '辅助开关', aux: { 1: '雨刷', 2: '2（多为补光灯）', 3: '3（多为加热）', 4: '4（多为除雾）', 5: '5（多为降温）' },
      home: '看守位', after: '空闲', told: '已通知摄像机。',
    },
    acts: {
      title: '控制', channel: '通道类控制的对象', none: '未选择', choose: '请先选择通道。', notYours: '当前角色没有此权限。', done: '{what}：已通知设备。',
      keyFrame: '强制关键帧', record: '开始录像', recordEnd: '停止录像', guard: '布防', guardEnd: '撤防', alarmEnd: '报警复位', reboot: '远程重启', rebootTitle: '重启此设备？', rebootText: '{name} 将离线数分钟，其录像与码流会中断。',
      about: { keyFrame: '通道立即发送一个完整画面。', record: '设备对该通道手动录像。', recordEnd: '结束手动录像。', guard: '设备开始上报报警；许多设备布防后才上报。', guardEnd: '设备停止上报报警。', alarmEnd: '结束持续中的报警；许多设备复位后才上报下一次。', reboot: '设备重新启动。' },
    },
  },
}
