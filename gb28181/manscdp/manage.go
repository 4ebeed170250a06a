package manscdp

import (
	"strconv"
	"strings"

	"fengsui/gb28181"
)

// TeleBoot restarts a device, which then registers anew (2022 A.2.3.1.3).
type TeleBoot struct{}

// Name is the element.
func (TeleBoot) Name() string { return "TeleBoot" }

// Since is the first edition that has it.
func (TeleBoot) Since() gb28181.Edition { return gb28181.Edition2011 }

// Answered reports whether a Response follows.
func (TeleBoot) Answered() bool { return false }

func (TeleBoot) validate(*check) {}

func (TeleBoot) write(n *Node, _ gb28181.Edition) { n.Add(Leaf("TeleBoot", "Boot")) }

// RecordCmd starts or stops recording on the device (2022 A.2.3.1.4).
type RecordCmd struct {
	Start  bool
	Stream int // 0 main, 1 the first sub-stream and so on; other than 0 in 2022 only
}

// Name is the element.
func (RecordCmd) Name() string { return "RecordCmd" }

// Since is the first edition that has it.
func (RecordCmd) Since() gb28181.Edition { return gb28181.Edition2011 }

// Answered reports whether a Response follows.
func (RecordCmd) Answered() bool { return true }

func readRecordCmd(control, el *Node) Command {
	return RecordCmd{Start: !strings.EqualFold(el.Text, "StopRecord"), Stream: control.Int("StreamNumber", 0)}
}

func (r RecordCmd) validate(c *check) {
	c.within("StreamNumber", r.Stream, 0, maxStream)
	if r.Stream > 0 {
		c.since("RecordCmd/StreamNumber", gb28181.Edition2022)
	}
}

func (r RecordCmd) write(n *Node, e gb28181.Edition) {
	cmd := "StopRecord"
	if r.Start {
		cmd = "Record"
	}
	n.Add(Leaf("RecordCmd", cmd))
	if e >= gb28181.Edition2022 {
		n.Add(LeafInt("StreamNumber", r.Stream))
	}
}

// GuardCmd arms or disarms the alarms of a device (2022 A.2.3.1.5).
type GuardCmd struct{ Set bool }

// Name is the element.
func (GuardCmd) Name() string { return "GuardCmd" }

// Since is the first edition that has it.
func (GuardCmd) Since() gb28181.Edition { return gb28181.Edition2011 }

// Answered reports whether a Response follows.
func (GuardCmd) Answered() bool { return true }

func (GuardCmd) validate(*check) {}

func (g GuardCmd) write(n *Node, _ gb28181.Edition) {
	cmd := "ResetGuard"
	if g.Set {
		cmd = "SetGuard"
	}
	n.Add(Leaf("GuardCmd", cmd))
}

// AlarmCmd ends alarms, so that the device reports the next one (2022
// A.2.3.1.6). Its conditions came with 2016.
type AlarmCmd struct {
	Methods []int // of the alarms to end, 0 (all) to 7; none is all
	Types   []int // of those methods, 1 or more; none is all. See [AlarmNotify]
}

// Name is the element.
func (AlarmCmd) Name() string { return "AlarmCmd" }

// Since is the first edition that has it.
func (AlarmCmd) Since() gb28181.Edition { return gb28181.Edition2011 }

// Answered reports whether a Response follows.
func (AlarmCmd) Answered() bool { return true }

func readAlarmCmd(control, _ *Node) Command {
	var a AlarmCmd
	for info := range control.All("Info") {
		a.Methods = append(a.Methods, readMethods(info.Value("AlarmMethod"))...)
		a.Types = append(a.Types, readTypes(info.Value("AlarmType"))...)
	}
	return a
}

func (a AlarmCmd) validate(c *check) {
	if len(a.Methods) > 0 || len(a.Types) > 0 {
		c.since("AlarmCmd/Info", gb28181.Edition2016)
	}
	checkConditions(c, a.Methods, a.Types)
}

func (a AlarmCmd) write(n *Node, _ gb28181.Edition) {
	n.Add(Leaf("AlarmCmd", "ResetAlarm"))
	info := New("Info")
	info.addText("AlarmMethod", slashes(a.Methods))
	info.addText("AlarmType", slashes(a.Types))
	if len(info.Children) > 0 {
		n.Add(info)
	}
}

// readMethods reads the methods of a condition: "1/2", the "12" of the 2016
// wording, and "all" as 0.
func readMethods(s string) (list []int) {
	if strings.EqualFold(s, "all") {
		return []int{0}
	}
	for i := 0; i < len(s) && len(list) < maxList; i++ {
		if s[i] >= '0' && s[i] <= '7' {
			list = append(list, int(s[i]-'0'))
		}
	}
	return list
}

// readTypes reads the types of a condition: "1/2", or "all" as none.
func readTypes(s string) (list []int) {
	for part := range strings.SplitSeq(s, "/") {
		if v, err := strconv.Atoi(strings.TrimSpace(part)); err == nil && v > 0 && v <= maxInt && len(list) < maxList {
			list = append(list, v)
		}
	}
	return list
}

func checkConditions(c *check, methods, types []int) {
	for _, v := range methods {
		c.within("AlarmMethod", v, 0, 7)
	}
	for _, v := range types {
		c.atLeast("AlarmType", v, 1)
	}
}

func slashes(list []int) string {
	text := make([]string, len(list))
	for i, v := range list {
		text[i] = strconv.Itoa(v)
	}
	return strings.Join(text, "/")
}

// FormatSDCard formats a memory card (2022 A.2.3.1.13); [SDCards] then tell how
// far it is.
type FormatSDCard struct {
	Card int // 1 and up; 0 is all cards
}

// Name is the element.
func (FormatSDCard) Name() string { return "FormatSDCard" }

// Since is the first edition that has it.
func (FormatSDCard) Since() gb28181.Edition { return gb28181.Edition2022 }

// Answered reports whether a Response follows.
func (FormatSDCard) Answered() bool { return false }

func (f FormatSDCard) validate(c *check) { c.atLeast("FormatSDCard", f.Card, 0) }

func (f FormatSDCard) write(n *Node, _ gb28181.Edition) { n.Add(LeafInt("FormatSDCard", f.Card)) }

// DeviceUpgrade lets a device fetch and install its software (2022 A.2.3.1.12).
// It registers anew and then sends [DeviceUpgradeResult].
type DeviceUpgrade struct {
	Firmware     string // version to install
	FileURL      string // where the device fetches it
	Manufacturer string
	SessionID    string // 32 to 128 letters, digits and dashes, made by the platform
}

// Name is the element.
func (DeviceUpgrade) Name() string { return "DeviceUpgrade" }

// Since is the first edition that has it.
func (DeviceUpgrade) Since() gb28181.Edition { return gb28181.Edition2022 }

// Answered reports whether a Response follows.
func (DeviceUpgrade) Answered() bool { return true }

func readDeviceUpgrade(_, el *Node) Command {
	return DeviceUpgrade{
		Firmware: el.Value("Firmware"), FileURL: el.Value("FileURL"),
		Manufacturer: el.Value("Manufacturer"), SessionID: el.Value("SessionID"),
	}
}

func (d DeviceUpgrade) validate(c *check) {
	c.bytes("DeviceUpgrade/Firmware", d.Firmware, 1, maxText)
	c.bytes("DeviceUpgrade/FileURL", d.FileURL, 1, maxText)
	c.bytes("DeviceUpgrade/Manufacturer", d.Manufacturer, 1, maxText)
	c.session("DeviceUpgrade/SessionID", d.SessionID)
}

func (d DeviceUpgrade) write(n *Node, _ gb28181.Edition) {
	n.Add(New("DeviceUpgrade", Leaf("Firmware", d.Firmware), Leaf("FileURL", d.FileURL),
		Leaf("Manufacturer", d.Manufacturer), Leaf("SessionID", d.SessionID)))
}

const (
	maxStream = 15   // the schema names no bound: no device has more streams
	maxText   = 1024 // bytes of a text for which the schema names no bound
)
