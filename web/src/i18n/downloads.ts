/** Words of downloads. */
export const downloads = {
  en: {
    downloads: {
      search: 'Search ID, channel, who', of: 'Recording', state: 'State', progress: 'Progress', size: 'Size', by: 'Asked for by', states: { running: 'running', waiting: 'waiting', done: 'done', partial: 'not whole', interrupted: 'interrupted', canceled: 'canceled' }, all: 'all states',
      file: 'Save file', fileNow: 'Save what has come', cancel: 'Cancel', canceled: 'Canceled; what has come is kept.', continue: 'Continue', continued: 'The device sends again.', total: 'Downloads: {n}', speed: '{n}× speed', covered: '{n} of {of}', until: 'kept until {at}', dropped: '{n} frames lost: the disk was too slow',
      empty: 'Nothing has been downloaded', emptyHint: 'Find a recording in the page of a channel and choose Download. It comes to the server first, goes on when you leave, and can be saved from here.', notFound: 'No download matches',
      removeTitle: 'Delete this download?', removeText: 'Its file is deleted. What the device recorded stays there.', title: 'Download a recording', start: 'Start', end: 'End', pace: 'Speed', paceHint: 'A device that refuses it is asked for real time.', begin: 'Download', begun: 'The device sends. See Downloads.', tooLong: 'At most 24 hours in one file.', action: 'Download',
    },
  },
  zh: {
    downloads: {
      search: '搜索编号、通道、用户', of: '录像', state: '状态', progress: '进度', size: '大小', by: '发起人', states: { running: '下载中', waiting: '等待中', done: '已完成', partial: '不完整', interrupted: '已中断', canceled: '已取消' }, all: '全部状态',
      file: '保存文件', fileNow: '保存已下载部分', cancel: '取消', canceled: '已取消，已下载部分保留。', continue: '继续', continued: '设备已重新发送。', total: '共 {n} 个下载', speed: '{n} 倍速', covered: '{n} / {of}', until: '保留至 {at}', dropped: '磁盘过慢，丢失 {n} 帧',
      empty: '还没有下载', emptyHint: '在通道页的“录像”中选择一段并点击下载。文件先下载到服务器，离开页面后仍继续，完成后可在此保存。', notFound: '没有符合条件的下载',
      removeTitle: '删除此下载？', removeText: '将删除其文件；设备上的录像不受影响。', title: '下载录像', start: '开始时间', end: '结束时间', pace: '倍速', paceHint: '设备不支持时改为 1 倍速。', begin: '下载', begun: '设备已开始发送，进度见“下载”页。', tooLong: '单个文件最长 24 小时。', action: '下载',
    },
  },
}
