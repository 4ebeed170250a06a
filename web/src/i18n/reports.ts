/** Words of alarms and positions. */
export const reports = {
  en: {
    alarms: {
      at: 'Received', from: 'From', kind: 'Kind', priority: 'Priority', description: 'Description', state: 'Seen to', acknowledge: 'Seen to', undo: 'Take back', by: '{name}, {at}', allKinds: 'all kinds', allPriorities: 'all priorities', open: 'only those to be seen to',
      csv: 'Export CSV', total: 'Alarms: {n}', own: 'the device itself', clock: 'by the device\'s clock {at}', place: 'at {place}',
      empty: 'No alarm has been reported', emptyHint: 'Many devices report alarms only after they are subscribed to, or after their guard is set: see Subscriptions in the page of the device.', notFound: 'No alarm matches', live: 'New alarms appear by themselves',
      method: { 1: 'telephone', 2: 'device', 3: 'SMS', 4: 'position', 5: 'video', 6: 'fault', 7: 'other', 0: 'not told' },
      level: { 1: '1 highest', 2: '2 high', 3: '3 medium', 4: '4 low', 0: 'not told' },
      type: {
        'video-loss': 'video loss', tamper: 'tampering', 'storage-full': 'storage full', 'over-temperature': 'too hot', 'under-temperature': 'too cold', manual: 'manual', motion: 'motion', 'object-left': 'object left', 'object-removed': 'object removed',
        'trip-wire': 'line crossed', intrusion: 'intrusion', 'wrong-direction': 'wrong direction', loitering: 'loitering', flow: 'flow', density: 'crowd', 'video-abnormal': 'picture abnormal', 'fast-moving': 'fast movement', occluded: 'lens covered', 'disk-fault': 'disk fault', 'fan-fault': 'fan fault',
      },
      event: { 1: 'entering', 2: 'leaving' },
    },
    positions: {
      at: 'Received', place: 'Place', speed: 'Speed', direction: 'Direction', altitude: 'Altitude', total: 'Positions: {n}', kmh: '{n} km/h', degrees: '{n}°', metres: '{n} m', clock: 'by the device\'s clock {at}',
      empty: 'No position has been reported', emptyHint: 'Devices report positions when they are subscribed to: see Subscriptions in the page of the device.', notFound: 'No position matches',
      track: 'Track of the positions listed', trackHint: 'Drawn without a map: north is up. The newest place of each device is the large dot.', scale: '{n} m', scaleKm: '{n} km', channel: 'Channel', whole: 'the device as a whole',
    },
    pick: { device: 'Device: ID or name', since: 'from', until: 'until', channel: 'Channel ID', clear: 'Clear the filter' },
  },
  zh: {
    alarms: {
      at: '接收时间', from: '来源', kind: '类型', priority: '级别', description: '描述', state: '处理', acknowledge: '确认', undo: '撤销确认', by: '{name}，{at}', allKinds: '全部类型', allPriorities: '全部级别', open: '仅未确认',
      csv: '导出 CSV', total: '共 {n} 条报警', own: '设备本身', clock: '设备时间 {at}', place: '位置 {place}',
      empty: '没有收到报警', emptyHint: '许多设备须先订阅报警或布防后才会上报，请在设备页的“订阅”中设置。', notFound: '没有符合条件的报警', live: '新报警自动显示',
      method: { 1: '电话', 2: '设备', 3: '短信', 4: 'GPS', 5: '视频', 6: '设备故障', 7: '其他', 0: '未说明' },
      level: { 1: '一级警情', 2: '二级警情', 3: '三级警情', 4: '四级警情', 0: '未说明' },
      type: {
        'video-loss': '视频丢失', tamper: '防拆', 'storage-full': '存储满', 'over-temperature': '高温', 'under-temperature': '低温', manual: '人工', motion: '运动目标', 'object-left': '遗留物', 'object-removed': '物体移除',
        'trip-wire': '绊线', intrusion: '入侵', 'wrong-direction': '逆行', loitering: '徘徊', flow: '流量', density: '密度', 'video-abnormal': '视频异常', 'fast-moving': '快速移动', occluded: '遮挡', 'disk-fault': '磁盘故障', 'fan-fault': '风扇故障',
      },
      event: { 1: '进入', 2: '离开' },
    },
    positions: {
      at: '接收时间', place: '位置', speed: '速度', direction: '方向', altitude: '海拔', total: '共 {n} 条位置', kmh: '{n} km/h', degrees: '{n}°', metres: '{n} m', clock: '设备时间 {at}',
      empty: '没有收到位置', emptyHint: '设备须订阅移动位置后才会上报，请在设备页的“订阅”中设置。', notFound: '没有符合条件的位置',
      track: '列表中位置的轨迹', trackHint: '不使用地图，上方为北；大圆点为各设备最新位置。', scale: '{n} m', scaleKm: '{n} km', channel: '通道', whole: '设备整体',
    },
    pick: { device: '设备：编码或名称', since: '从', until: '到', channel: '通道编码', clear: '清除筛选' },
  },
}
