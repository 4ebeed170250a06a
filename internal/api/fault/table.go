package fault

// The codes.
const (
	BadJSON          Code = 104001
	BadValue         Code = 104002
	TooLarge         Code = 104003
	NoRoute          Code = 104004
	BadMethod        Code = 104005
	BadContentType   Code = 104006
	NotAcceptable    Code = 104007
	BadIdempotency   Code = 104008
	OtherIdempotency Code = 104009
	SlowBody         Code = 104010
	UnknownProfile   Code = 104011
	BadPeer          Code = 104012
	UnknownWatch     Code = 104013
	TooManyWatches   Code = 104014
	Internal         Code = 105001
	NotReady         Code = 105002
	StoreDown        Code = 105003
	TookTooLong      Code = 105004
	NotBuiltIn       Code = 105005
	TooManyWatchers  Code = 105006
	ProfileBusy      Code = 105007

	NoCredentials Code = 114001
	BadLogin      Code = 114002
	SessionEnded  Code = 114003
	NotAllowed    Code = 114004
	TooManyLogins Code = 114005
	BadPlayToken  Code = 114006
	WeakPassword  Code = 114007
	UnknownKey    Code = 114008
	UnknownUser   Code = 114009
	UserExists    Code = 114010
	LastAdmin     Code = 114011
	UnknownRole   Code = 114012
	RoleExists    Code = 114013
	RoleFixed     Code = 114014
	RoleInUse     Code = 114015
	BadGrant      Code = 114016
	SignInBusy    Code = 115001

	BadID          Code = 124001
	UnknownDevice  Code = 124002
	DeviceExists   Code = 124003
	UnknownAttempt Code = 124004
	UnknownBan     Code = 124005
	NotInEdition   Code = 124006
	TablesFull     Code = 125001
	DeviceOffline  Code = 126001
	DeviceSilent   Code = 126002
	DeviceRefused  Code = 126003
	Unreachable    Code = 127001

	UnknownChannel Code = 134001
	NoPicture      Code = 134002
	UnknownNode    Code = 134003
	BadRecordTime  Code = 134004
	RecordsBusy    Code = 135001

	UnknownStream   Code = 144001
	BadLiveName     Code = 144002
	GaveUp          Code = 144003
	BadRange        Code = 144004
	BadSpeed        Code = 144005
	BadScale        Code = 144006
	NoReverse       Code = 144007
	BadPosition     Code = 144008
	NotPlayback     Code = 144009
	UnknownDownload Code = 144010
	DownloadActive  Code = 144011
	DownloadDone    Code = 144012
	NoReceiver      Code = 145001
	DownloadsBusy   Code = 145002
	NoSpace         Code = 145003
	TooManyFetchers Code = 145004
	StreamBusy      Code = 146001
	StreamRefused   Code = 146002
	NoAnswer        Code = 146003
	BadAnswer       Code = 146004
	NoKeyFrame      Code = 146005
	NoRecording     Code = 146006
	NoSlot          Code = 146007
	NoControl       Code = 146008
	ControlRefused  Code = 146009
	NoPacket        Code = 147001
	NoConnection    Code = 147002

	UnknownSubscription Code = 154001
	SubscriptionEdition Code = 154002
	UnknownAlarm        Code = 154003
	UnknownSink         Code = 154010
	SubscriptionRefused Code = 156001

	BadOffer       Code = 164001
	NoCodec        Code = 164002
	UnknownViewer  Code = 164003
	TooManyViewers Code = 165001

	OutOfRange       Code = 174001
	UpgradeRunning   Code = 174002
	UnknownUpgrade   Code = 174003
	UnknownSnapshot  Code = 174004
	NoPictureAwaited Code = 174005
	NotJPEG          Code = 174006
	PictureTooLarge  Code = 174007
	TooManyMoving    Code = 175001
	TooManyQuestions Code = 175002
	TooManyUpgrades  Code = 175003
	TooManySnapshots Code = 175004
	TooManyUploads   Code = 175005

	UnknownConfigType Code = 184001

	TalkTaken        Code = 214001
	BadWAV           Code = 214002
	UnknownTalk      Code = 214003
	BadVoiceOffer    Code = 214004
	NoVoiceCodec     Code = 214005
	TooManyTalks     Code = 215001
	TalkDeclined     Code = 216001
	TalkNoInvite     Code = 216002
	TalkMute         Code = 216003
	BadTalkSDP       Code = 216004
	TalkRejected     Code = 216005
	NoTalkConnection Code = 217001
)

// table is read only, by code.
var table = []Fault{
	{BadJSON, "bad_json", 400, Text{"The body cannot be read", "请求体无法解析"},
		Text{"Send one JSON document in UTF-8; the detail says where it breaks.", "请发送一个 UTF-8 编码的 JSON 文档，出错位置见 detail。"}},
	{BadValue, "bad_value", 422, Text{"A value is not acceptable", "参数值不正确"},
		Text{"Correct the fields named in errors; /docs lists what each takes.", "请按 errors 中列出的字段修改，取值说明见 /docs。"}},
	{TooLarge, "too_large", 413, Text{"The body is too large", "请求体过大"},
		Text{"Send at most 1 MiB; split the request.", "请求体最大 1 MiB，请拆分后再发送。"}},
	{NoRoute, "no_route", 404, Text{"There is nothing at this path", "路径不存在"},
		Text{"Check method and path against /docs.", "请对照 /docs 检查请求方法与路径。"}},
	{BadMethod, "bad_method", 405, Text{"This path does not take this method", "该路径不支持此请求方法"},
		Text{"Use one of the methods in the Allow header.", "请使用 Allow 头中列出的方法。"}},
	{BadContentType, "bad_content_type", 415, Text{"This content type is not taken", "不支持的内容类型"},
		Text{"Send Content-Type: application/json.", "请使用 Content-Type: application/json。"}},
	{NotAcceptable, "not_acceptable", 406, Text{"No answer in a form that you accept", "无法返回所要求的格式"},
		Text{"Accept application/json.", "请接受 application/json。"}},
	{BadIdempotency, "bad_idempotency_key", 400, Text{"The Idempotency-Key is not usable", "Idempotency-Key 不可用"},
		Text{"Send 1 to 128 printable characters, a UUID for instance.", "请使用 1 至 128 个可见字符，例如 UUID。"}},
	{OtherIdempotency, "idempotency_key_reused", 422, Text{"The Idempotency-Key was used for another request", "Idempotency-Key 已用于另一个请求"},
		Text{"Make a new key for each new request; repeat a request unchanged under its key.", "每个新请求请使用新的键；重试时请求内容须保持不变。"}},
	{SlowBody, "slow_body", 408, Text{"The body did not arrive in time", "请求体未及时到达"},
		Text{"Send the request again over a better connection.", "请在网络较好时重新发送。"}},
	{UnknownProfile, "unknown_profile", 404, Text{"There is no such profile", "性能剖析项不存在"},
		Text{"List the profiles: GET /api/v1/system/profiles.", "请通过 GET /api/v1/system/profiles 查看可用的剖析项。"}},
	{BadPeer, "bad_peer", 422, Text{"This is neither a device's ID nor an IP address", "既不是设备编码，也不是 IP 地址"},
		Text{"Give the ID that the device speaks under, or its address without a port.", "请提供设备使用的编码，或不带端口的 IP 地址。"}},
	{UnknownWatch, "unknown_trace_watch", 404, Text{"This peer's messages are not being recorded", "没有对该对象进行完整记录"},
		Text{"List what is recorded: GET /api/v1/trace/watches; it ends by itself.", "请通过 GET /api/v1/trace/watches 查看；记录到时会自动结束。"}},
	{TooManyWatches, "too_many_trace_watches", 409, Text{"Too many peers are being recorded", "同时完整记录的对象过多"},
		Text{"End one with DELETE /api/v1/trace/watches/{peer}, or wait until one ends.", "请通过 DELETE /api/v1/trace/watches/{peer} 结束其中之一，或等待其自动结束。"}},
	{Internal, "internal", 500, Text{"Something went wrong in the server", "服务器内部错误"},
		Text{"Try again; if it stays, report the trace: the log holds the cause under it.", "请重试；如仍失败，请提供 trace，日志中可据此查到原因。"}},
	{NotReady, "not_ready", 503, Text{"The server is starting or stopping", "服务正在启动或停止"},
		Text{"Try again after some seconds; /readyz says what is missing.", "请数秒后重试，/readyz 会说明原因。"}},
	{StoreDown, "store_down", 503, Text{"The database does not answer", "数据库不可用"},
		Text{"Check disk space and permissions of the data folder, then try again.", "请检查数据目录的磁盘空间与权限后重试。"}},
	{TookTooLong, "took_too_long", 504, Text{"The work was not done in time", "处理超时"},
		Text{"Try again; the trace of the device shows what was waited for.", "请重试；可在设备的信令跟踪中查看在等待什么。"}},
	{NotBuiltIn, "not_built_in", 501, Text{"This server was built or started without that", "本服务未包含或未启用该功能"},
		Text{"Switch it on in the configuration, or use another output.", "请在配置中启用，或改用其他输出方式。"}},
	{TooManyWatchers, "too_many_watchers", 503, Text{"Too many event streams are open", "事件流连接过多"},
		Text{"Close some; one per program is enough.", "请关闭部分连接；每个程序一个即可。"}},
	{ProfileBusy, "profile_busy", 409, Text{"A profile is being recorded already", "已有性能剖析正在进行"},
		Text{"Wait until it is over, a minute at most, and try again.", "请等待其结束（最长一分钟）后重试。"}},

	{NoCredentials, "no_credentials", 401, Text{"Sign in first", "请先登录"},
		Text{"Send Authorization: Bearer with a token of POST /api/v1/sessions or an API key.", "请携带 Authorization: Bearer，值为 POST /api/v1/sessions 返回的令牌或 API 密钥。"}},
	{BadLogin, "bad_login", 401, Text{"User name or password is wrong", "用户名或密码错误"},
		Text{"Check both; the first administrator's password is in admin-password in the data folder.", "请核对；首个管理员的密码保存在数据目录的 admin-password 文件中。"}},
	{SessionEnded, "session_ended", 401, Text{"The session or key is no longer valid", "会话或密钥已失效"},
		Text{"Sign in again, or use another key.", "请重新登录，或更换密钥。"}},
	{NotAllowed, "not_allowed", 403, Text{"You have not the right to do this", "没有此操作的权限"},
		Text{"Ask an administrator to do it, or for a role that has the right at this place.", "请联系管理员操作，或申请在该范围内具有此权限的角色。"}},
	{TooManyLogins, "too_many_logins", 429, Text{"Too many failed sign-ins", "登录失败次数过多"},
		Text{"Wait as long as Retry-After says, then try again.", "请等待 Retry-After 指示的时间后重试。"}},
	{BadPlayToken, "bad_play_token", 401, Text{"The play address is not signed or has expired", "播放地址未签名或已过期"},
		Text{"Ask for a fresh address: POST or GET /api/v1/streams.", "请通过 POST 或 GET /api/v1/streams 获取新的播放地址。"}},
	{WeakPassword, "weak_password", 422, Text{"The password is too weak", "密码强度不足"},
		Text{"Use 8 to 128 characters that are neither a common password nor the user name.", "请使用 8 至 128 个字符，且不能是常见密码或用户名。"}},
	{UnknownKey, "unknown_key", 404, Text{"There is no such API key", "API 密钥不存在"},
		Text{"List the keys: GET /api/v1/keys.", "请通过 GET /api/v1/keys 查看密钥列表。"}},
	{UnknownUser, "unknown_user", 404, Text{"There is no such user", "用户不存在"},
		Text{"List the users: GET /api/v1/users.", "请通过 GET /api/v1/users 查看用户列表。"}},
	{UserExists, "user_exists", 409, Text{"There is already a user of this name", "用户名已存在"},
		Text{"Choose another name, or change the existing user.", "请换一个用户名，或修改已有用户。"}},
	{LastAdmin, "last_administrator", 409, Text{"The last administrator cannot be removed", "不能移除最后一个管理员"},
		Text{"Make another user administrator first.", "请先将另一用户设为管理员。"}},
	{UnknownRole, "unknown_role", 404, Text{"There is no such role", "角色不存在"},
		Text{"List the roles: GET /api/v1/roles.", "请通过 GET /api/v1/roles 查看角色列表。"}},
	{RoleExists, "role_exists", 409, Text{"There is already a role of this name", "角色名已存在"},
		Text{"Choose another name, or change the existing role.", "请换一个角色名，或修改已有角色。"}},
	{RoleFixed, "role_fixed", 409, Text{"A built-in role cannot be changed", "内置角色不可修改"},
		Text{"Add a role of your own with the grants that you want.", "请新建角色并设置所需的权限。"}},
	{RoleInUse, "role_in_use", 409, Text{"Users still have this role", "仍有用户使用该角色"},
		Text{"Give those users other roles first.", "请先为这些用户更换角色。"}},
	{BadGrant, "bad_grant", 422, Text{"A grant can mean nothing", "权限项无效"},
		Text{"Give an act, and as subtree *, a device, or device/item as the tree's roots are written; admin only with *.", "请给出操作，以及范围：*、设备、或设备/节点（与资源树的 root 相同）；admin 只能用于 *。"}},
	{SignInBusy, "sign_in_busy", 503, Text{"Too many sign-ins at once", "同时登录的请求过多"},
		Text{"Try again after some seconds; programs should use an API key.", "请数秒后重试；程序请使用 API 密钥。"}},

	{BadID, "bad_id", 422, Text{"This is no GB/T 28181 ID", "国标编码不正确"},
		Text{"Give the 20 digits as a string.", "请以字符串形式提供 20 位数字编码。"}},
	{UnknownDevice, "unknown_device", 404, Text{"There is no such device", "设备不存在"},
		Text{"Check the ID, add the device, or look at its registration attempts.", "请核对编码、添加设备，或查看注册记录。"}},
	{DeviceExists, "device_exists", 409, Text{"The device has been added already", "设备已添加"},
		Text{"Change it with PATCH /api/v1/devices/{device}.", "请使用 PATCH /api/v1/devices/{device} 修改。"}},
	{UnknownAttempt, "unknown_attempt", 404, Text{"This ID has not tried to register", "该编码没有注册记录"},
		Text{"Add the device with POST /api/v1/devices.", "请通过 POST /api/v1/devices 添加设备。"}},
	{UnknownBan, "unknown_ban", 404, Text{"This address is not banned", "该地址未被封禁"},
		Text{"List the bans: GET /api/v1/bans; one may have ended by itself.", "请通过 GET /api/v1/bans 查看封禁列表，封禁可能已自行到期。"}},
	{NotInEdition, "not_in_edition", 422, Text{"The device's edition of GB/T 28181 has not that", "设备所用的 GB/T 28181 版本不支持此项"},
		Text{"Leave out what the detail names. If the device has it all the same, fix its edition with PATCH /api/v1/devices/{device} {\"edition\": \"2022\"}, or add ?edition=2022 to a command.", "请去掉 detail 中指出的内容。若设备确实支持，可通过 PATCH /api/v1/devices/{device} 提交 {\"edition\": \"2022\"} 固定其版本，或在控制请求后加 ?edition=2022。"}},
	{TablesFull, "tables_full", 503, Text{"No further device can be held", "设备数量已达上限"},
		Text{"Remove devices that are no longer used.", "请删除不再使用的设备。"}},
	{DeviceOffline, "device_offline", 409, Text{"The device is offline", "设备离线"},
		Text{"Check its power, network and registration attempts.", "请检查设备供电、网络与注册记录。"}},
	{DeviceSilent, "device_silent", 504, Text{"The device did not answer", "设备无应答"},
		Text{"Try again; the trace of the device shows what was sent.", "请重试；可在设备的信令跟踪中查看已发送的报文。"}},
	{DeviceRefused, "device_refused", 502, Text{"The device refused", "设备拒绝"},
		Text{"Look at its answer in the trace: many devices refuse what their firmware lacks.", "请在信令跟踪中查看应答：设备通常会拒绝固件不支持的请求。"}},
	{Unreachable, "device_unreachable", 502, Text{"The device cannot be reached", "设备不可达"},
		Text{"Its connection is gone; wait for it to register again, and check NAT and firewall.", "连接已断开，请等待设备重新注册，并检查 NAT 与防火墙。"}},

	{UnknownChannel, "unknown_channel", 404, Text{"The device has no such channel", "通道不存在"},
		Text{"Check the ID, or ask for the catalog again: POST /api/v1/devices/{device}/catalog.", "请核对编码，或通过 POST /api/v1/devices/{device}/catalog 重新查询目录。"}},
	{NoPicture, "no_picture", 422, Text{"This channel sends no pictures", "该通道没有图像"},
		Text{"Only channels of type 131 or 132 do.", "只有类型码为 131 或 132 的通道可以点播。"}},
	{UnknownNode, "unknown_node", 404, Text{"The tree has no such node", "资源树中没有该节点"},
		Text{"Begin at the top: GET /api/v1/tree.", "请从 GET /api/v1/tree 开始逐级展开。"}},
	{BadRecordTime, "bad_record_time", 422, Text{"This is no time to look for recordings in", "录像查询的时间范围不正确"},
		Text{"Let end come after start, by 31 days at most; ask for longer times in pieces.", "结束时间须晚于开始时间，且不超过 31 天；更长的时间请分段查询。"}},
	{RecordsBusy, "records_busy", 503, Text{"Too many searches for recordings are under way", "正在进行的录像查询过多"},
		Text{"Wait until one of this device has ended, or ask for the same time as it: equal searches are one.", "请等待该设备的某个查询结束；相同条件的查询会合并为一个。"}},

	{UnknownStream, "unknown_stream", 404, Text{"There is no such stream", "码流不存在"},
		Text{"It may have ended; list those that run: GET /api/v1/streams.", "码流可能已结束，请通过 GET /api/v1/streams 查看。"}},
	{BadLiveName, "bad_live_name", 404, Text{"This is no play address", "播放地址不正确"},
		Text{"Use /live/{device}_{channel}.flv, with _sub before the dot for the sub stream.", "格式为 /live/{设备}_{通道}.flv，子码流在扩展名前加 _sub。"}},
	{GaveUp, "gave_up", 408, Text{"The caller left before the stream began", "调用方在码流开始前已断开"},
		Text{"Wait longer: a camera may take ten seconds.", "请延长等待时间，设备可能需要十秒。"}},
	{BadRange, "bad_recording_range", 422, Text{"No recording can have this range", "录像时段不正确"},
		Text{"Give start and end of the past, start before end, at most 24 hours apart.", "请提供过去的起止时间，开始早于结束，跨度不超过 24 小时。"}},
	{BadSpeed, "bad_download_speed", 422, Text{"A download cannot have this speed", "下载倍速不正确"},
		Text{"Choose 1 to 8.", "请选择 1 到 8。"}},
	{BadScale, "bad_scale", 422, Text{"A playback cannot have this speed", "回放倍速不正确"},
		Text{"Choose 0.25 to 16, or -0.25 to -16 to run backwards.", "请选择 0.25 到 16，倒放为 -0.25 到 -16。"}},
	{NoReverse, "no_reverse_play", 409, Text{"The device's edition of the standard has no reverse play", "设备所用标准版本不支持倒放"},
		Text{"Only devices of the 2022 edition run backwards; set the device's edition if it is one.", "仅 2022 版设备支持倒放；若设备实际支持，请设置其标准版本。"}},
	{BadPosition, "bad_position", 422, Text{"The position is outside of the recording", "位置超出录像范围"},
		Text{"Give seconds from 0 to less than its duration.", "请提供从 0 到小于时长的秒数。"}},
	{NotPlayback, "not_a_playback", 409, Text{"Only a playback can be paused, sought or slowed", "只有回放可以暂停、定位或变速"},
		Text{"Start one: POST /api/v1/streams with kind playback.", "请以 kind 为 playback 调用 POST /api/v1/streams。"}},
	{UnknownDownload, "unknown_download", 404, Text{"There is no such download", "下载任务不存在"},
		Text{"It may have been deleted by its age (downloads.keep); list what is kept: GET /api/v1/downloads.", "任务可能已按 downloads.keep 到期删除，请通过 GET /api/v1/downloads 查看。"}},
	{DownloadActive, "download_active", 409, Text{"The download has not ended", "下载尚未结束"},
		Text{"Wait for its end, or cancel it first: POST /api/v1/downloads/{download}/cancel.", "请等待其结束，或先通过 POST /api/v1/downloads/{download}/cancel 取消。"}},
	{DownloadDone, "download_done", 409, Text{"The download is done", "下载已完成"},
		Text{"Nothing is left to ask the device for; fetch its file.", "没有需要继续下载的内容，请直接获取文件。"}},
	{NoReceiver, "no_receiver", 503, Text{"No receiver is free", "没有可用的收流端口"},
		Text{"End idle streams or widen media.ports.", "请关闭空闲码流，或扩大 media.ports。"}},
	{DownloadsBusy, "too_many_downloads", 503, Text{"Too many downloads run or are kept", "下载任务过多"},
		Text{"Wait until one has ended, delete old ones, or raise downloads.running.", "请等待任务结束、删除旧任务，或调大 downloads.running。"}},
	{NoSpace, "no_download_space", 507, Text{"No space for downloads is left", "下载空间已满"},
		Text{"Delete what space names with DELETE /api/v1/downloads/{download}, or raise downloads.space.", "请通过 DELETE /api/v1/downloads/{download} 删除 space 中所列任务，或调大 downloads.space。"}},
	{TooManyFetchers, "too_many_files", 503, Text{"Too many files are being fetched", "同时获取文件的请求过多"},
		Text{"Try again when one has been fetched.", "请待其他文件获取完成后重试。"}},
	{StreamBusy, "stream_busy", 409, Text{"The device has no free stream", "设备码流路数已满"},
		Text{"Close another viewer on the device, or use the sub stream.", "请关闭设备上的其他取流，或改用子码流。"}},
	{StreamRefused, "stream_refused", 502, Text{"The device rejected the invitation", "设备拒绝点播"},
		Text{"Check the channel ID in the device's own settings.", "请核对设备配置中的通道编码。"}},
	{NoAnswer, "no_answer", 504, Text{"The device did not answer the invitation", "设备未应答点播"},
		Text{"Check firewalls and NAT on the SIP path, or let the device register over TCP.", "请检查信令路径上的防火墙与 NAT，或让设备以 TCP 注册。"}},
	{BadAnswer, "bad_answer", 502, Text{"The device's answer cannot be used", "设备的应答不可用"},
		Text{"Look at the SDP in the stages; try another transport.", "请查看步骤中的 SDP，或更换传输方式。"}},
	{NoKeyFrame, "no_key_frame", 504, Text{"Media arrived, but no key frame", "已收到媒体，但没有关键帧"},
		Text{"Set H.264 or H.265, a key frame each 2 s or less, and no stream encryption.", "请使用 H.264 或 H.265，关键帧间隔不超过 2 秒，并关闭码流加密。"}},
	{NoRecording, "recording_refused", 502, Text{"The device does not play this recording", "设备拒绝播放该录像"},
		Text{"Ask for the channel's records of that time: the device has perhaps none.", "请先查询该时段的录像，设备可能没有录像。"}},
	{NoSlot, "no_playback_slot", 409, Text{"The device plays no more recordings at a time", "设备回放路数已满"},
		Text{"End one of the streams in holders, or wait for its end.", "请结束 holders 所列码流之一，或等待其结束。"}},
	{NoControl, "no_playback_control", 502, Text{"The device has no playback control", "设备不支持回放控制"},
		Text{"Start a playback at the wanted time instead.", "请改为从所需时间重新开始回放。"}},
	{ControlRefused, "control_refused", 502, Text{"The device refused to change the playback", "设备拒绝回放控制"},
		Text{"Choose a common speed: 0.5, 1, 2 or 4; the trace shows its answer.", "请选择常用倍速 0.5、1、2 或 4，应答见信令跟踪。"}},
	{NoPacket, "no_packet", 504, Text{"No media arrived", "未收到媒体数据"},
		Text{"Check that the device can reach the media address; try tcp-passive.", "请确认设备可到达媒体地址，或改用 tcp-passive。"}},
	{NoConnection, "no_media_connection", 502, Text{"The media connection failed", "媒体连接失败"},
		Text{"Try tcp-passive or udp.", "请改用 tcp-passive 或 udp。"}},

	{UnknownSubscription, "unknown_subscription", 404, Text{"There is no such subscription", "订阅不存在"},
		Text{"The kinds are catalog, alarm, position and ptz.", "可订阅 catalog、alarm、position、ptz。"}},
	{SubscriptionEdition, "subscription_not_in_edition", 422, Text{"The device's edition of the standard has no such subscription", "设备所用标准版本不支持该订阅"},
		Text{"Set the device's edition if it knows more than it says: PATCH /api/v1/devices/{device} {\"edition\"}.", "若设备实际支持，请用 PATCH /api/v1/devices/{device} 设置 edition。"}},
	{UnknownAlarm, "unknown_alarm", 404, Text{"There is no such alarm", "报警不存在"},
		Text{"List the alarms: GET /api/v1/alarms; an old one may have been deleted (alarms.keep).", "请通过 GET /api/v1/alarms 查看，过期报警会按 alarms.keep 删除。"}},
	{UnknownSink, "unknown_sink", 404, Text{"There is no such sink", "推送目标不存在"},
		Text{"List the sinks: GET /api/v1/sinks; they are configured under sinks.", "请通过 GET /api/v1/sinks 查看；推送目标在配置项 sinks 中设置。"}},
	{SubscriptionRefused, "subscription_refused", 502, Text{"The device refused the subscription", "设备拒绝订阅"},
		Text{"Many devices do not notify; ask for the catalog instead.", "许多设备不支持通知，请改为主动查询目录。"}},

	{BadOffer, "bad_offer", 400, Text{"The WebRTC offer cannot be used", "WebRTC offer 不可用"},
		Text{"POST an SDP offer that receives video, as WHEP players do.", "请按 WHEP 方式提交接收视频的 SDP offer。"}},
	{NoCodec, "codec_not_possible", 406, Text{"This viewer cannot take the stream's codec", "该播放端不支持此码流的编码"},
		Text{"Play the flv address, use another browser, or set the camera to H.264.", "请改用 flv 地址、更换浏览器，或将设备编码设为 H.264。"}},
	{UnknownViewer, "unknown_viewer", 404, Text{"There is no such WebRTC session", "WebRTC 会话不存在"},
		Text{"It has ended; connect anew.", "会话已结束，请重新连接。"}},
	{TooManyViewers, "too_many_viewers", 503, Text{"No further WebRTC viewer can be served", "WebRTC 播放端数量已达上限"},
		Text{"Play the flv address, or close viewers.", "请改用 flv 地址，或关闭部分播放端。"}},

	{OutOfRange, "out_of_range", 422, Text{"The device cannot be told this value", "参数值超出设备可接受的范围"},
		Text{"Correct the field named in errors; nothing was sent.", "请修改 errors 中列出的字段；未向设备发送任何报文。"}},
	{UpgradeRunning, "upgrade_running", 409, Text{"An upgrade of the device is under way", "设备正在升级"},
		Text{"Wait until it ends, half an hour at most: GET /api/v1/devices/{device}/upgrades.", "请等待其结束（最长半小时），可通过 GET /api/v1/devices/{device}/upgrades 查看。"}},
	{UnknownUpgrade, "unknown_upgrade", 404, Text{"There is no such upgrade", "升级任务不存在"},
		Text{"List them: GET /api/v1/devices/{device}/upgrades; those before the server's last start are forgotten.", "请通过 GET /api/v1/devices/{device}/upgrades 查看；服务重启前的记录不保留。"}},
	{UnknownSnapshot, "unknown_snapshot", 404, Text{"There is no such snapshot or picture", "抓拍或图片不存在"},
		Text{"List them: GET /api/v1/snapshots; an old one may have been deleted (snapshots.keep).", "请通过 GET /api/v1/snapshots 查看，过期图片会按 snapshots.keep 删除。"}},
	{NoPictureAwaited, "no_picture_awaited", 404, Text{"No picture is awaited at this address", "该上传地址未在等待图片"},
		Text{"Ask for a snapshot: each has an address of its own, which closes when its pictures are there.", "请重新发起抓拍：每次抓拍有独立的上传地址，图片到齐后即关闭。"}},
	{NotJPEG, "not_a_jpeg", 415, Text{"This is no JPEG picture", "不是 JPEG 图片"},
		Text{"Upload a JPEG as the body, or as a file of multipart/form-data.", "请以请求体或 multipart/form-data 文件的形式上传 JPEG 图片。"}},
	{PictureTooLarge, "picture_too_large", 413, Text{"The picture is too large", "图片过大"},
		Text{"Upload at most 16 MiB a picture.", "每张图片最大 16 MiB。"}},
	{TooManyMoving, "too_many_moving", 503, Text{"Too many cameras are moving", "同时转动的摄像机过多"},
		Text{"Try again after some seconds.", "请数秒后重试。"}},
	{TooManyQuestions, "too_many_questions", 503, Text{"Too many devices are being asked", "等待设备应答的请求过多"},
		Text{"Try again after some seconds.", "请数秒后重试。"}},
	{TooManyUpgrades, "too_many_upgrades", 503, Text{"Too many devices are being upgraded", "同时升级的设备过多"},
		Text{"Wait until some have ended.", "请等待部分升级结束。"}},
	{TooManySnapshots, "too_many_snapshots", 503, Text{"Too many snapshots wait for their pictures", "等待图片的抓拍过多"},
		Text{"Try again when some have ended.", "请在部分抓拍结束后重试。"}},
	{TooManyUploads, "too_many_uploads", 503, Text{"Too many pictures are being uploaded", "同时上传的图片过多"},
		Text{"Try again after some seconds.", "请数秒后重试。"}},

	{UnknownConfigType, "unknown_config_type", 404, Text{"There is no such config type", "配置类型不存在"},
		Text{"List them with the fields of each: GET /api/v1/config-types.", "请通过 GET /api/v1/config-types 查看配置类型及其字段。"}},

	{TalkTaken, "channel_taken", 409, Text{"Somebody else is speaking to this channel", "该通道正在对讲"},
		Text{"Wait until the talk in holders ends, or end it: DELETE /api/v1/talks/{talk}.", "请等待 holders 中的对讲结束，或通过 DELETE /api/v1/talks/{talk} 结束它。"}},
	{BadWAV, "bad_wav", 422, Text{"The file cannot be played", "音频文件无法播放"},
		Text{"Send a WAV file: 16-bit PCM of 8 to 48 kHz, mono or stereo, or G.711 A-law or µ-law of 8 kHz, mono.", "请发送 WAV 文件：8 至 48 kHz 的 16 位 PCM（单声道或立体声），或 8 kHz 单声道 G.711 A/µ 律。"}},
	{UnknownTalk, "unknown_talk", 404, Text{"There is no such talk", "对讲不存在"},
		Text{"It may have ended long ago; list them: GET /api/v1/talks.", "可能早已结束，请通过 GET /api/v1/talks 查看。"}},
	{BadVoiceOffer, "bad_voice_offer", 400, Text{"The WebRTC offer of the microphone cannot be used", "麦克风的 WebRTC offer 不可用"},
		Text{"POST an SDP offer that sends audio, as WHIP clients do.", "请按 WHIP 方式提交发送音频的 SDP offer。"}},
	{NoVoiceCodec, "no_voice_codec", 406, Text{"The microphone offers no G.711", "麦克风未提供 G.711 编码"},
		Text{"Offer PCMA or PCMU, which every browser has.", "请在 offer 中包含 PCMA 或 PCMU（浏览器均支持）。"}},
	{TooManyTalks, "too_many_talks", 503, Text{"Too many talks at once", "同时进行的对讲过多"},
		Text{"End some: GET /api/v1/talks lists them.", "请结束部分对讲，可通过 GET /api/v1/talks 查看。"}},
	{TalkDeclined, "talk_declined", 502, Text{"The device does not take the broadcast", "设备拒绝语音广播"},
		Text{"It has no loudspeaker, or another platform is speaking to it; the trace has its words.", "设备可能没有扬声器，或其他平台正在对讲，详见信令跟踪。"}},
	{TalkNoInvite, "talk_not_invited", 504, Text{"The device agreed to listen and then did not call", "设备同意接收语音后未发起呼叫"},
		Text{"Check that its audio output is on and set to G.711A.", "请确认设备音频输出已启用且编码为 G.711A。"}},
	{TalkMute, "talk_not_answered", 504, Text{"The device did not answer", "设备未应答对讲"},
		Text{"Its firmware has perhaps no voice; try the other way, and check the SIP path.", "固件可能不支持语音，可尝试另一种方式，并检查信令路径。"}},
	{BadTalkSDP, "bad_talk_sdp", 502, Text{"The device offers no sound that can be sent", "设备的语音参数不可用"},
		Text{"Set the audio coding of the device to G.711A; the stages show its SDP.", "请将设备音频编码设为 G.711A，SDP 见步骤。"}},
	{TalkRejected, "talk_rejected", 502, Text{"The device rejected the talk", "设备拒绝对讲"},
		Text{"Use way=broadcast, which more devices have.", "请使用支持更广的 way=broadcast。"}},
	{NoTalkConnection, "no_talk_connection", 502, Text{"The media connection for the sound failed", "语音媒体连接失败"},
		Text{"Check that TCP to media.ports is open, or set the device's audio to UDP.", "请放通 media.ports 的 TCP 端口，或将设备语音改为 UDP。"}},
}
