package manscdp

import (
	"fengsui/gb28181"
)

// CmdType of messages.
const (
	CmdCatalog       = "Catalog"
	CmdDeviceInfo    = "DeviceInfo"
	CmdDeviceStatus  = "DeviceStatus"
	CmdKeepalive     = "Keepalive"
	CmdDeviceControl = "DeviceControl"
	CmdDeviceConfig  = "DeviceConfig"

	CmdConfigDownload = "ConfigDownload"

	CmdAlarm            = "Alarm"
	CmdMobilePosition   = "MobilePosition"
	CmdMediaStatus      = "MediaStatus"
	CmdBroadcast        = "Broadcast"
	CmdSnapShotFinished = "UploadSnapShotFinished"
	CmdVideoUpload      = "VideoUploadNotify"
	CmdUpgradeResult    = "DeviceUpgradeResult"

	CmdPresetQuery     = "PresetQuery"
	CmdHomePosition    = "HomePositionQuery"
	CmdCruiseTrackList = "CruiseTrackListQuery"
	CmdCruiseTrack     = "CruiseTrackQuery"
	CmdPTZPosition     = "PTZPosition"
	CmdSDCardStatus    = "SDCardStatus"
)

// NewQuery is a Query/cmd about target with the elements every query has; the
// same body goes into SUBSCRIBE.
func NewQuery(cmd string, sn int, target gb28181.ID) *Node {
	return New(Query, Leaf("CmdType", cmd), LeafInt("SN", sn), Leaf("DeviceID", string(target)))
}

// QueryBody is [NewQuery] as a body.
func QueryBody(cmd string, sn int, target gb28181.ID, charset string) []byte {
	return Encode(NewQuery(cmd, sn, target), charset)
}

// ResultBody is a Response/cmd that carries only a Result, as in the 200 to a
// SUBSCRIBE (signalling.md section 5.2).
func ResultBody(cmd string, sn int, id gb28181.ID, ok bool, charset string) []byte {
	return Encode(New(Response, Leaf("CmdType", cmd), LeafInt("SN", sn),
		Leaf("DeviceID", string(id)), Leaf("Result", result(ok))), charset)
}

// ResultOK reports whether a Response says that all went well; one without a
// Result does.
func (m *Message) ResultOK() bool { return !isFault(m.Node.Value("Result")) }
