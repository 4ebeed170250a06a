package manscdp

import (
	"fmt"
	"strings"

	"fengsui/gb28181"
)

// DeviceControl is Control/DeviceControl with one sub-command (2022 A.2.3.1;
// signalling.md section 3.15).
type DeviceControl struct {
	SN       int
	DeviceID gb28181.ID // a channel for what moves or records, else the device
	Command  Command
	// Priority is ControlPriority, 1 or more; 0 is none. The 2022 edition has none,
	// and nothing is written to its peers.
	Priority  int
	ExtraInfo []string // 2022 only, each up to 1024 characters
}

// Command is a sub-command: [PTZCmd], [TeleBoot], [RecordCmd], [GuardCmd],
// [AlarmCmd], [KeyFrame], [DragZoom], [HomePosition], [PTZPreciseCtrl],
// [DeviceUpgrade], [FormatSDCard] or [TargetTrack].
type Command interface {
	// Name is the element, "RecordCmd".
	Name() string
	// Since is the first edition that has it.
	Since() gb28181.Edition
	// Answered reports whether the standard lets the device answer with a Response.
	// Devices answer others too, or not at all: signalling.md section 3.15.1.
	Answered() bool

	validate(c *check)
	write(n *Node, e gb28181.Edition)
}

// commands are the elements in the order of the schema, with their readers. What
// a reader cannot use it leaves at zero.
var commands = [...]struct {
	name string
	read func(control, element *Node) Command
}{
	{"PTZCmd", readPTZCmd},
	{"TeleBoot", func(_, _ *Node) Command { return TeleBoot{} }},
	{"RecordCmd", readRecordCmd},
	{"GuardCmd", func(_, el *Node) Command { return GuardCmd{Set: !strings.EqualFold(el.Text, "ResetGuard")} }},
	{"AlarmCmd", readAlarmCmd},
	{"IFameCmd", readKeyFrame},
	{"IFrameCmd", readKeyFrame},
	{"DragZoomIn", func(_, el *Node) Command { return DragZoom{Rectangle: readRectangle(el)} }},
	{"DragZoomOut", func(_, el *Node) Command { return DragZoom{Out: true, Rectangle: readRectangle(el)} }},
	{"HomePosition", func(_, el *Node) Command { return readHomePosition(el) }},
	{"PTZPreciseCtrl", readPTZPreciseCtrl},
	{"DeviceUpgrade", readDeviceUpgrade},
	{"FormatSDCard", func(control, _ *Node) Command { return FormatSDCard{Card: control.Int("FormatSDCard", -1)} }},
	{"TargetTrack", readTargetTrack},
}

// AsDeviceControl reads m as a control. Of several sub-commands the first in the
// order of the schema counts; with none the error names what there is.
func (m *Message) AsDeviceControl() (DeviceControl, error) {
	if err := m.want(CmdDeviceControl, Control); err != nil {
		return DeviceControl{}, err
	}
	d := DeviceControl{SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), ExtraInfo: m.extra()}
	for info := range m.Node.All("Info") {
		if p := info.Int("ControlPriority", 0); p > 0 && p <= maxInt {
			d.Priority = p
		}
	}
	for _, cmd := range commands {
		if el := m.Node.Child(cmd.name); el != nil {
			d.Command = cmd.read(m.Node, el)
			return d, nil
		}
	}
	var have []string
	for _, n := range m.Node.Children {
		if len(have) < 8 {
			have = append(have, clip(n.Name))
		}
	}
	return DeviceControl{}, fmt.Errorf("no known sub-command in Control/DeviceControl, which has %s", strings.Join(have, ", "))
}

// Node gives the message.
func (d DeviceControl) Node(e gb28181.Edition) (*Node, error) {
	e = e.Effective()
	c := check{edition: e}
	c.head(d.SN, d.DeviceID)
	if d.Command == nil {
		c.fail("Command", "", "a sub-command")
		return nil, c.err
	}
	c.since(CmdDeviceControl+"/"+d.Command.Name(), d.Command.Since())
	d.Command.validate(&c)
	c.atLeast("ControlPriority", d.Priority, 0)
	c.extra(d.ExtraInfo)
	if c.err != nil {
		return nil, c.err
	}
	n := message(Control, CmdDeviceControl, d.SN, d.DeviceID)
	d.Command.write(n, e)
	if d.Priority > 0 && e < gb28181.Edition2022 {
		info := n.Child("Info")
		if info == nil {
			info = New("Info")
			n.Add(info)
		}
		info.Add(LeafInt("ControlPriority", d.Priority))
	}
	return addExtra(n, d.ExtraInfo), nil
}
