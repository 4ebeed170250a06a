package manscdp

import (
	"errors"
	"fmt"
	"time"

	"fengsui/gb28181"
)

// SnapShotConfig is Control/DeviceConfig with SnapShotConfig: the channel takes
// pictures at once and uploads them, then sends [UploadSnapShotFinished] (2022
// A.2.3.2.12, 9.14). The answer is an [Answer] of DeviceConfig.
type SnapShotConfig struct {
	SN        int
	DeviceID  gb28181.ID
	SnapNum   int    // pictures, 1 to 10
	Interval  int    // seconds between them, 1 or more; given even for one picture
	UploadURL string // where the device uploads to by HTTP
	SessionID string // 32 to 128 letters, digits and dashes, made by the platform
}

// AsSnapShotConfig reads m as a demand for pictures, also under the names
// SnapShot and SnapShotCmd that some peers use.
func (m *Message) AsSnapShotConfig() (SnapShotConfig, error) {
	if err := m.want(CmdDeviceConfig, Control); err != nil {
		return SnapShotConfig{}, err
	}
	for _, name := range [...]string{"SnapShotConfig", "SnapShot", "SnapShotCmd"} {
		if el := m.Node.Child(name); el != nil {
			return SnapShotConfig{
				SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), SnapNum: el.Int("SnapNum", 0), Interval: el.Int("Interval", 0),
				UploadURL: el.Value("UploadURL"), SessionID: el.Value("SessionID"),
			}, nil
		}
	}
	return SnapShotConfig{}, errors.New("no SnapShotConfig in Control/DeviceConfig")
}

// Node gives the message.
func (s SnapShotConfig) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	c.since(CmdDeviceConfig+"/SnapShotConfig", gb28181.Edition2022)
	c.head(s.SN, s.DeviceID)
	c.within("SnapShotConfig/SnapNum", s.SnapNum, 1, maxSnaps)
	c.atLeast("SnapShotConfig/Interval", s.Interval, 1)
	c.bytes("SnapShotConfig/UploadURL", s.UploadURL, 1, maxText)
	c.session("SnapShotConfig/SessionID", s.SessionID)
	return c.done(message(Control, CmdDeviceConfig, s.SN, s.DeviceID).Add(New("SnapShotConfig",
		LeafInt("SnapNum", s.SnapNum), LeafInt("Interval", s.Interval),
		Leaf("UploadURL", s.UploadURL), Leaf("SessionID", s.SessionID))))
}

const maxSnaps = 10

// UploadSnapShotFinished is Notify/UploadSnapShotFinished: the pictures of a
// [SnapShotConfig] are uploaded. Fewer files than SnapNum mean that some failed
// (2022 A.2.5.7).
type UploadSnapShotFinished struct {
	SN        int
	DeviceID  gb28181.ID
	SessionID string   // the command's
	Files     []string // names of up to 10 pictures, see [SnapShotFile]
}

// AsUploadSnapShotFinished reads m as one.
func (m *Message) AsUploadSnapShotFinished() (UploadSnapShotFinished, error) {
	if err := m.want(CmdSnapShotFinished, Notify); err != nil {
		return UploadSnapShotFinished{}, err
	}
	u := UploadSnapShotFinished{SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), SessionID: m.Node.Value("SessionID")}
	for f := range m.Node.Child("SnapShotList").All("SnapShotFileID") {
		if f.Text != "" && len(u.Files) < maxSnaps {
			u.Files = append(u.Files, f.Text)
		}
	}
	return u, nil
}

// Node gives the message.
func (u UploadSnapShotFinished) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	c.since(CmdSnapShotFinished, gb28181.Edition2022)
	c.head(u.SN, u.DeviceID)
	c.session("SessionID", u.SessionID)
	c.within("SnapShotList", len(u.Files), 0, maxSnaps)
	files := New("SnapShotList")
	for _, f := range u.Files {
		c.bytes("SnapShotFileID", f, 1, maxText)
		files.Add(Leaf("SnapShotFileID", f))
	}
	return c.done(message(Notify, CmdSnapShotFinished, u.SN, u.DeviceID).Add(Leaf("SessionID", u.SessionID), files))
}

// SnapShotFile is the name of a picture, 41 characters: the device, "02", the
// time to the millisecond in the zone of at, and a serial number of two digits
// (2022 9.14.1).
func SnapShotFile(id gb28181.ID, at time.Time, serial int) string {
	return fmt.Sprintf("%s02%s%03d%02d", id, at.Format("20060102150405"), at.Nanosecond()/1e6, serial%100)
}
