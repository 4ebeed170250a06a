/** Words of a channel's page: its picture, its movement, its recordings. */
export const channel = {
  en: {
    channel: {
      live: 'Live', records: 'Recordings', open: 'Open', offline: 'The channel is offline: {why}', noPtz: 'Your role does not allow moving cameras. Ask an administrator for a role with that right.',
      noPicture: 'This channel sends no picture', fixed: 'By its catalog this camera does not turn; many catalogs are wrong about that.',
    },
    ptz: {
      title: 'Move the camera', up: 'up', down: 'down', left: 'left', right: 'right', upLeft: 'up and left', upRight: 'up and right', downLeft: 'down and left', downRight: 'down and right', stop: 'Stop',
      speed: 'Speed', zoom: 'Zoom', focus: 'Focus', iris: 'Iris', zoomIn: 'nearer', zoomOut: 'wider', focusNear: 'near', focusFar: 'far', irisOpen: 'open', irisClose: 'close', hint: 'Hold to move, let go to stop. The arrow keys move too.',
    },
    preset: {
      title: 'Presets', number: 'preset {n}', no: 'Number, 1 to 255', name: 'Name', go: 'Go', keep: 'Keep here', read: 'Ask again', none: 'The camera has no presets.', asking: 'Asking the camera', partial: 'The camera did not tell of all its presets.',
      gone: 'The camera turns to {name}.', kept: 'Where it looks is now preset {n}.', removeTitle: 'Forget this preset?', removeText: 'The camera forgets {name}.', hint: 'Keeps where the camera looks now under this number.', hintOld: 'Keeps where the camera looks now under this number. Names need a device of the 2022 edition.',
    },
    records: {
      day: 'Day', dayBefore: 'Day before', dayAfter: 'Day after', range: 'from – until', type: 'Kind', types: { all: 'all kinds', time: 'planned', alarm: 'on alarm', manual: 'manual' }, search: 'Search',
      bothEnds: 'Give both ends.', noDay: 'Choose a day.', backwards: 'The end must come after the start.', tooLong: 'Search at most 31 days at a time.', asking: 'Asking the device, {n} s; a recorder with many recordings takes a while',
      complete: 'Complete: {n} recordings, {length} in all', partial: 'Not complete: {n} recordings, {announced} announced', missing: 'nothing told of {from} to {to}', more: 'and {n} more', askAgain: 'Ask again', missingHere: 'The device did not tell of this time', skipped: 'Unreadable and left out: {n}',
      line: 'Recorded time: arrows move, Enter plays, plus and minus zoom', earlier: 'Earlier', later: 'Later', zoomIn: 'Zoom in', zoomOut: 'Zoom out', hint: 'Click into the green to play from there. The wheel zooms.',
      none: 'Nothing was recorded in this time', noneHint: 'Choose another day or kind; check the recording plan of the device.', start: 'Start', length: 'Length', size: 'Size',
      controls: 'Playback', pause: 'Pause', resume: 'Go on', back: 'Back {n} s', forth: 'On {n} s', speed: 'Speed', reverse: 'Backwards', reverseHint: 'Play backwards', noReverse: 'Only devices of the 2022 edition play backwards. If this one does, set its edition.', end: 'End',
    },
    slots: { held: '{kind} by {who}', playback: 'Playback', download: 'Download', nobody: 'an unknown caller', end: 'End it', ended: 'Ended; trying again.', notYours: 'Your role does not allow ending what others watch.' },
  },
  zh: {
    channel: {
      live: '实时画面', records: '录像', open: '打开', offline: '通道离线：{why}', noPtz: '当前角色没有云台控制权限，请联系管理员。',
      noPicture: '该通道没有图像', fixed: '目录信息显示该摄像机为固定枪机；目录中的类型常不准确。',
    },
    ptz: {
      title: '云台控制', up: '上', down: '下', left: '左', right: '右', upLeft: '左上', upRight: '右上', downLeft: '左下', downRight: '右下', stop: '停止',
      speed: '速度', zoom: '变倍', focus: '聚焦', iris: '光圈', zoomIn: '放大', zoomOut: '缩小', focusNear: '近', focusFar: '远', irisOpen: '开', irisClose: '关', hint: '按住转动，松开停止；也可使用方向键。',
    },
    preset: {
      title: '预置位', number: '预置位 {n}', no: '编号，1 至 255', name: '名称', go: '调用', keep: '设为当前位置', read: '重新查询', none: '摄像机没有预置位。', asking: '正在查询摄像机', partial: '摄像机没有返回全部预置位。',
      gone: '摄像机正转向 {name}。', kept: '当前位置已设为预置位 {n}。', removeTitle: '删除此预置位？', removeText: '将从摄像机中删除 {name}。', hint: '将摄像机当前朝向保存为该编号。', hintOld: '将摄像机当前朝向保存为该编号；2022 版设备才支持名称。',
    },
    records: {
      day: '日期', dayBefore: '前一天', dayAfter: '后一天', range: '自选时段', type: '类型', types: { all: '全部类型', time: '计划录像', alarm: '报警录像', manual: '手动录像' }, search: '查询',
      bothEnds: '请填写起止时间。', noDay: '请选择日期。', backwards: '结束时间须晚于开始时间。', tooLong: '一次最多查询 31 天。', asking: '正在查询设备，已 {n} 秒；录像较多时需要一些时间',
      complete: '结果完整：{n} 段录像，共 {length}', partial: '结果不完整：已收 {n} 段，设备称有 {announced} 段', missing: '{from} 至 {to} 无应答', more: '另有 {n} 处', askAgain: '重新查询', missingHere: '设备未返回此时段', skipped: '{n} 段无法解析，已略过',
      line: '录像时间轴：方向键移动，回车播放，加减号缩放', earlier: '向前', later: '向后', zoomIn: '放大', zoomOut: '缩小', hint: '点击绿色时段开始播放，滚轮缩放。',
      none: '该时段没有录像', noneHint: '请选择其他日期或类型，或检查设备的录像计划。', start: '开始时间', length: '时长', size: '大小',
      controls: '回放控制', pause: '暂停', resume: '继续', back: '后退 {n} 秒', forth: '前进 {n} 秒', speed: '倍速', reverse: '倒放', reverseHint: '倒放', noReverse: '仅 2022 版设备支持倒放；若设备实际支持，请设置其标准版本。', end: '结束',
    },
    slots: { held: '{who} 的{kind}', playback: '回放', download: '下载', nobody: '未知用户', end: '结束它', ended: '已结束，正在重试。', notYours: '当前角色不能结束他人的播放。' },
  },
}
