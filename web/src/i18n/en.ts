export default {
  app: { name: 'Fengsui', signOut: 'Sign out', language: '中文', degraded: 'events interrupted, reconnecting' },
  nav: { devices: 'Devices', live: 'Live', attempts: 'Refused registrations' },
  signin: { title: 'Sign in', username: 'User', password: 'Password', submit: 'Sign in', hint: 'The first password is in the folder data, file admin-password.' },
  state: { online: 'online', offline: 'offline', unknown: 'unknown', since: 'since {at}', evidence: 'evidence: {what}, {age} ago' },
  age: { seconds: '{n} s', minutes: '{n} min', hours: '{n} h', days: '{n} d' },
  devices: {
    search: 'ID or name', id: 'ID', name: 'Name', state: 'State', address: 'Address', edition: 'Edition', model: 'Make and model', channels: 'Channels',
    catalog: 'Catalog', complete: 'complete', partial: '{received} of {expected}', none: 'not asked yet', refresh: 'Ask for catalog', open: 'Details', keepalive: 'Keepalive',
    empty: 'No device has registered yet. Enter in the camera: server ID {id}, domain {domain}, this address, SIP port, and the device password.', asked: 'Catalog asked for.',
    total: '{n} devices',
  },
  device: { facts: 'Device', channels: 'Channels', ladder: 'SIP ladder', registered: 'Registered', expires: 'Expires', firmware: 'Firmware', back: 'Devices', pcap: 'Capture file', play: 'Play', noMessages: 'No message of this device in the ring.' },
  live: { tree: 'Channels', pictures: 'Pictures', sub: 'Sub stream', hint: 'Choose a channel on the left.', full: 'Full screen' },
  player: {
    starting: 'starting', connecting: 'connecting', ended: 'The stream ended.', retry: 'Again', close: 'Close', sound: 'Sound', loss: 'loss',
    noHevc: 'This channel sends H.265, and this browser can decode it neither by WebRTC nor by Media Source. Use a browser with hardware H.265 decoding (Chrome or Edge on a machine with one, Safari), or set the camera or its sub stream to H.264.',
    noPicture: 'The server has the stream, but this browser did not show a picture: {why}', stages: 'How far the start came', remedy: 'What to try', attempt: 'attempt {n}',
  },
  stage: { device: 'Device found', receiver: 'Port and SSRC', offer: 'INVITE sent', answer: 'Answer', connect: 'Media connection', first_packet: 'First packet', key_frame: 'Key frame' },
  attempts: { id: 'Device ID', check: 'Check that failed', detail: 'Detail', remote: 'From', at: 'Last', count: 'Times', agent: 'User-Agent', empty: 'No registration was refused.', approve: 'Approve', approved: 'Approved; the device is let in at its next registration.' },
  error: { network: 'The server does not answer: {why}', code: 'error {code}', trace: 'trace {trace}' },
}
