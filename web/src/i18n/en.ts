import { channel } from './channel'
import { config } from './config'
import { downloads } from './downloads'
import { front } from './front'
import { talk } from './talk'
import { people } from './people'
import { reports } from './reports'

export default {
  app: {
    name: 'Fengsui', signOut: 'Sign out', language: '中文', languageName: 'Change language: 中文', user: 'Signed in as {name}',
    broken: 'Live updates are interrupted; reconnecting', degraded: 'Degraded: {what}', retry: 'Try again', cancel: 'Cancel', save: 'Save',
    close: 'Close', copy: 'Copy', copied: 'Copied.', notCopied: 'The browser did not let it be copied.', loading: 'Loading', none: '-', pages: 'Pages', page: '{n} of {of}', before: 'Page before', next: 'Next page', perPage: 'Lines per page', lines: '{n} lines',
  },
  nav: { devices: 'Devices', live: 'Live', alarms: 'Alarms', positions: 'Positions', downloads: 'Downloads', attempts: 'Refused registrations', admin: 'Administration' },
  role: { viewer: 'viewer', operator: 'operator', administrator: 'administrator' },
  signin: {
    username: 'User', password: 'Password', submit: 'Sign in', ended: 'Your session has ended. Sign in again.',
    hint: 'The first administrator is admin; the password is in the file admin-password in the data folder.', about: 'GB/T 28181 video gateway',
  },
  state: { online: 'online', offline: 'offline', unknown: 'unknown', all: 'all', since: 'since {at}', for: 'for {age}' },
  evidence: {
    register: 'registered {age} ago', keepalive: 'keepalive {age} ago', rtp: 'media {age} ago', probe: 'answered a probe {age} ago',
    notify: 'NOTIFY {age} ago', message: 'message {age} ago',
  },
  age: { seconds: '{n} s', minutes: '{n} min', hours: '{n} h', days: '{n} d', ago: '{age} ago' },
  devices: {
    search: 'Search ID, name, address, model', id: 'ID', name: 'Name', device: 'Device', state: 'State', address: 'Address', edition: 'Edition', model: 'Make and model',
    channels: 'Channels', catalog: 'Catalog', complete: 'catalog complete', partial: '{received} of {expected} received', none: 'catalog not received yet', skipped: '{n} unreadable',
    running: 'asking: {received} of {expected}', begun: 'asking', refresh: 'Ask for catalog', edit: 'Edit', acts: 'Actions', remove: 'Remove', keepalive: 'Keepalive', add: 'Add device',
    total: 'Devices: {n}', unnamed: 'no name', pending: 'not approved', 
    empty: 'No device has registered yet', emptyHint: 'Enter these values in the GB/T 28181 page of the camera or recorder. It appears here as soon as it registers.',
    notFound: 'No device matches', clear: 'Clear the filter', refusedHint: 'It does not appear? See the refused registrations.',
  },
  catalog: {
    complete: '{name}: the catalog is complete, {received} items.', partial: '{name}: only {received} of {expected} items arrived. {why}', failed: '{name}: the catalog did not arrive. {why}',
  },
  settings: {
    title: 'Values for the camera', id: 'SIP server ID', domain: 'SIP domain', address: 'SIP server address', password: 'Password', passwordText: 'the device\'s own, or the common one: file sip-password in the data folder',
    expires: 'Registration validity', keepalive: 'Keepalive interval', advice: '{n} s',
  },
  edit: {
    add: 'Add device', edit: 'Edit device', approve: 'Approve device', id: 'Device ID', idHint: '20 digits, as in the GB/T 28181 page of the device', idShort: '{n} of 20 digits', idBad: 'The ID must be 20 digits (18 for old devices).',
    name: 'Name', nameHint: 'as you call it; empty: as the device calls itself', password: 'Own password', passwordNew: 'empty: the common password', passwordKeep: 'set; empty: stays as it is',
    common: 'Use the common password again', media: 'Media transport', mediaDefault: 'As configured', udp: 'UDP', tcpPassive: 'TCP, the device connects (behind NAT)', tcpActive: 'TCP, the server connects',
    saved: 'Saved.', added: 'Added. The device is let in when it registers.', removed: 'Removed.', removeTitle: 'Remove this device?',
    removeText: '{name} with its registration and channels will be removed. It can register again while it knows the common password.',
  },
  type: {
    111: 'DVR', 112: 'video server', 113: 'encoder', 114: 'decoder', 115: 'video matrix', 116: 'audio matrix', 117: 'alarm controller', 118: 'NVR', 119: 'HVR',
    130: 'DVR/NVR', 131: 'camera', 132: 'network camera', 133: 'display', 134: 'alarm input', 135: 'alarm output', 136: 'audio input', 137: 'audio output',
    200: 'platform', 215: 'business group', 216: 'virtual organisation',
  },
  device: {
    channels: 'Channels', ladder: 'SIP ladder', registered: 'Registered', expires: 'Expires', firmware: 'Firmware', agent: 'User-Agent', back: 'Devices', pcap: 'Capture file', play: 'Play',
    since: 'In this state since', own: 'own', common: 'common', password: 'Password', udp: 'media by UDP', tcpPassive: 'media by TCP, passive', tcpActive: 'media by TCP, active', noEdition: 'not announced',
    parent: 'Parent', civil: 'Civil code', search: 'Search ID, name, address', noChannels: 'No channel yet', noChannelsHint: 'Ask for the catalog; how far it comes is shown above and in the SIP ladder.', noMatch: 'No channel matches',
    sends: 'with picture',
  },
  ladder: {
    server: 'Server', none: 'No message of this device is kept', noneHint: 'Messages are kept in memory for some minutes; the ladder fills as soon as one is sent or received.',
    follow: 'Follow', all: 'All messages', call: 'Only this call', repeat: 'repeat', size: '{n} bytes', 
    keepalives: 'Keepalives', refused: '{n} not 2xx, each challenge is one', failed: '{n} failed', unanswered: 'no answer', lastThree: 'Only the last three of each are kept.', whole: 'All of them are kept while recording.',
    count: 'Messages: {n}',
  },
  watch: {
    start: 'Record all for {minutes} min', stop: 'Stop', on: 'Recording all, {left} left, {n} exchanges', by: 'Of {peer}, asked for by {by}',
    hint: 'Keeps every REGISTER and keepalive of this device whole, instead of only the last three. It ends by itself.',
  },
  live: {
    tree: 'Channels', pictures: 'Pictures', sub: 'Sub stream', hint: 'Choose a channel on the left; it is shown in the framed place.', full: 'Full screen', clear: 'Close all', search: 'Search channels',
    noDevices: 'No device yet', none: 'empty', failed: 'Not loaded, click to try again', matches: 'Channels: {n}', noMatch: 'No channel matches', free: 'Choose a channel', tooMany: 'first {shown} of {n}; search more exactly',
  },
  player: {
    starting: 'Starting', connecting: 'Connecting', ended: 'The stream ended', reconnecting: 'Interrupted, try {n} of {of}', paused: 'Paused while the page was hidden', retry: 'Again', close: 'Close picture',
    mute: 'Sound off', unmute: 'Sound on', loss: 'loss', net: 'to browser', info: 'How the start went', details: 'Details', kbit: 'kbit/s', fps: 'fps',
    noHevc: 'This channel sends H.265, and this browser can decode it neither by WebRTC nor by Media Source. Use a browser with hardware H.265 decoding (Chrome or Edge on a machine with one, Safari), or set the camera or its sub stream to H.264.',
    noPicture: 'The server has the stream, but this browser did not show a picture', stages: 'How far the start came', remedy: 'What to try', attempt: 'attempt {n}', source: 'Source',
    transport: 'Transport', noWay: 'This browser supports neither WebRTC nor Media Source for {codec}.',
  },
  stage: { device: 'Device found', receiver: 'Port and SSRC', offer: 'INVITE sent', answer: 'Answer', connect: 'Media connection', first_packet: 'First packet', key_frame: 'Key frame' },
  attempts: {
    id: 'Device ID', check: 'Check that failed', detail: 'Explanation', remote: 'From', at: 'Last', search: 'Search ID, address, User-Agent',
    empty: 'No registration was refused', emptyHint: 'A device that is refused appears here with the check that failed and what to do about it.', approve: 'Approve', setPassword: 'Set password', common: 'It shall use the common password', approved: 'Approved; the device is let in at its next registration.', total: 'Rows: {n}',
  },
  bans: { title: 'Banned addresses', until: 'until {at}', lift: 'Let in again', lifted: '{source} is let in again.' },
  check: {
    bad_id: 'ID is not valid', unknown_id: 'ID is unknown', authorization_header: 'Authorization header', nonce: 'Nonce', algorithm: 'Digest algorithm', username: 'User name', realm: 'Realm (SIP domain)',
    password: 'Password', not_allowed_address: 'Address not allowed', pending_approval: 'Waits for approval', no_second_register: 'No second REGISTER', transport: 'Transport', device_table_full: 'Device table full',
  },
  todo: {
    bad_id: 'Enter a 20-digit ID in the device.', unknown_id: 'Approve it here to let it in.', password: 'Correct the password in the device, or set here the one that it has.',
    algorithm: 'Choose another digest algorithm in the device, MD5 mostly.', authorization_header: 'The device answers in a form that cannot be read; a firmware update may help.', device_table_full: 'Remove devices that are no longer used.',
  },
  remedy: {
    device_exists: 'Close this dialog and edit the device in the list.', unknown_device: 'Check the ID, add the device, or look at the refused registrations.', unknown_channel: 'Check the ID, or ask for the catalog again.',
    unknown_attempt: 'Add the device instead.', unknown_stream: 'It has ended; play it again.', unknown_ban: 'The ban has ended by itself.', no_credentials: 'Sign in again.', bad_play_token: 'Play it again.',
  },
  error: { network: 'The server does not answer', code: 'error {code}', trace: 'trace {trace}', fields: '{field}: {message}' },
  ...channel.en,
  ...config.en,
  ...front.en,
  ...downloads.en,
  ...talk.en,
  ...reports.en,
  ...people.en,
}
