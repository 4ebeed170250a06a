package manscdp

import (
	"strconv"
	"strings"

	"fengsui/gb28181"
)

// MediaStatus is Notify/MediaStatus: in the dialog of a playback or download, the
// device has sent all there is (2022 A.2.5.4; signalling.md section 3.14).
type MediaStatus struct {
	SN       int
	DeviceID gb28181.ID // who sends the media; not always right, match the Call-ID first
	Type     int        // NotifyType; 121 is the end of a recorded file, the only one named
}

// SentWhole is the NotifyType of a recorded file that was sent to its end.
const SentWhole = 121

// AsMediaStatus reads m as one; a NotifyType that is no number is 0.
func (m *Message) AsMediaStatus() (MediaStatus, error) {
	if err := m.want(CmdMediaStatus, Notify); err != nil {
		return MediaStatus{}, err
	}
	return MediaStatus{SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), Type: m.Node.Int("NotifyType", 0)}, nil
}

// Node gives the message.
func (s MediaStatus) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	c.head(s.SN, s.DeviceID)
	c.within("NotifyType", s.Type, SentWhole, SentWhole)
	return c.done(message(Notify, CmdMediaStatus, s.SN, s.DeviceID).Add(LeafInt("NotifyType", s.Type)))
}

// VideoUpload is Notify/VideoUploadNotify: a device has live pictures to show and
// may be invited (2022 A.2.5.8).
type VideoUpload struct {
	SN        int
	DeviceID  gb28181.ID
	Time      string   // dateTime as sent, see [ParseTime]
	Longitude *float64 // degrees, WGS-84; nil when not told
	Latitude  *float64
}

// AsVideoUpload reads m as one.
func (m *Message) AsVideoUpload() (VideoUpload, error) {
	if err := m.want(CmdVideoUpload, Notify); err != nil {
		return VideoUpload{}, err
	}
	return VideoUpload{
		SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), Time: m.Node.Value("Time"),
		Longitude: m.Node.coordinate("Longitude", 180), Latitude: m.Node.coordinate("Latitude", 90),
	}, nil
}

// Node gives the message.
func (v VideoUpload) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	c.since(CmdVideoUpload, gb28181.Edition2022)
	c.head(v.SN, v.DeviceID)
	c.time("Time", v.Time, true)
	c.optional("Longitude", v.Longitude, -180, 180)
	c.optional("Latitude", v.Latitude, -90, 90)
	n := message(Notify, CmdVideoUpload, v.SN, v.DeviceID).Add(Leaf("Time", v.Time))
	n.addNumber("Longitude", v.Longitude, decimal)
	n.addNumber("Latitude", v.Latitude, decimal)
	return c.done(n)
}

// DeviceUpgradeResult is Notify/DeviceUpgradeResult: how a [DeviceUpgrade] went,
// sent after the device has registered anew (2022 A.2.5.9).
type DeviceUpgradeResult struct {
	SN        int
	DeviceID  gb28181.ID
	SessionID string // the command's
	OK        bool   // UpgradeResult; a missing one counts as OK
	Firmware  string // version that runs now
	Reason    int    // with an ERROR: 1 download, 2 package, 3 system, 99 other; else 0
	// Progress is how far the upgrade is, percent less than 100, in the Percent that
	// some devices send on the way (signalling.md section 3.14); nil in a result. It is
	// read and not written.
	Progress *int
}

// AsDeviceUpgradeResult reads m as one. A reason that is not in the list is 99.
func (m *Message) AsDeviceUpgradeResult() (DeviceUpgradeResult, error) {
	if err := m.want(CmdUpgradeResult, Notify); err != nil {
		return DeviceUpgradeResult{}, err
	}
	n := m.Node
	d := DeviceUpgradeResult{
		SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), SessionID: n.Value("SessionID"),
		OK: !isFault(n.Value("UpgradeResult")), Firmware: n.Value("Firmware"),
	}
	if p := n.Int("Percent", 100); n.Value("UpgradeResult") == "" && p >= 0 && p < 100 {
		d.Progress = &p
		return d, nil
	}
	if !d.OK {
		if d.Reason = n.Int("UpgradeFailedReason", maxReason); d.Reason < 1 || d.Reason > 3 {
			d.Reason = maxReason
		}
	}
	return d, nil
}

// Node gives the message.
func (d DeviceUpgradeResult) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	c.since(CmdUpgradeResult, gb28181.Edition2022)
	c.head(d.SN, d.DeviceID)
	c.session("SessionID", d.SessionID)
	c.bytes("Firmware", d.Firmware, 1, maxText)
	n := message(Notify, CmdUpgradeResult, d.SN, d.DeviceID).Add(Leaf("SessionID", d.SessionID),
		Leaf("UpgradeResult", result(d.OK)), Leaf("Firmware", d.Firmware))
	switch {
	case d.OK && d.Reason != 0:
		c.fail("UpgradeFailedReason", d.Reason, "0 with UpgradeResult OK")
	case !d.OK && d.Reason != maxReason:
		c.within("UpgradeFailedReason", d.Reason, 1, 3)
	}
	if !d.OK {
		code := strconv.Itoa(d.Reason)
		n.Add(Leaf("UpgradeFailedReason", strings.Repeat("0", max(0, 2-len(code)))+code))
	}
	return c.done(n)
}

const maxReason = 99

// Broadcast is Notify/Broadcast: an audio receiver is to invite the source; it
// says with an [Answer] whether it will (2022 A.2.5.5, 9.12.1; signalling.md
// section 6.9).
type Broadcast struct {
	SN       int
	SourceID gb28181.ID // audio source, mostly the platform
	TargetID gb28181.ID // audio output of type 137, or a device for all it has
}

// AsBroadcast reads m as one.
func (m *Message) AsBroadcast() (Broadcast, error) {
	if err := m.want(CmdBroadcast, Notify); err != nil {
		return Broadcast{}, err
	}
	return Broadcast{
		SN: m.SN, SourceID: gb28181.ID(m.Node.Value("SourceID")), TargetID: gb28181.ID(m.Node.Value("TargetID")),
	}, nil
}

// Node gives the message.
func (b Broadcast) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	c.since(CmdBroadcast, gb28181.Edition2011A)
	c.atLeast("SN", b.SN, 1)
	c.id("SourceID", b.SourceID)
	c.id("TargetID", b.TargetID)
	return c.done(New(Notify, Leaf("CmdType", CmdBroadcast), LeafInt("SN", b.SN),
		Leaf("SourceID", string(b.SourceID)), Leaf("TargetID", string(b.TargetID))))
}
