package manscdp

import (
	"strconv"
	"strings"

	"fengsui/gb28181"
)

// DeviceInfo is Response/DeviceInfo (signalling.md section 3.8).
type DeviceInfo struct {
	SN           int
	DeviceID     gb28181.ID
	Name         string
	OK           bool // Result; a missing one counts as OK
	Manufacturer string
	Model        string
	Firmware     string
	Channels     int      // video inputs, -1 when not told; 2011-style MaxCamera counts
	DeviceType   string   // 2011-style answers only; read and not written
	ExtraInfo    []string // 2022 only, each up to 1024 characters
}

// AsDeviceInfo reads m as an answer to a DeviceInfo query.
func (m *Message) AsDeviceInfo() (DeviceInfo, error) {
	if err := m.want(CmdDeviceInfo, Response); err != nil {
		return DeviceInfo{}, err
	}
	n := m.Node
	return DeviceInfo{
		SN: m.SN, DeviceID: gb28181.ID(m.DeviceID),
		Name: n.Value("DeviceName"), OK: !isFault(n.Value("Result")),
		Manufacturer: n.Value("Manufacturer"), Model: n.Value("Model"), Firmware: n.Value("Firmware"),
		Channels: n.Int("Channel", n.Int("MaxCamera", -1)), DeviceType: n.Value("DeviceType"), ExtraInfo: m.extra(),
	}, nil
}

// Append appends the body to dst, without a check.
func (d DeviceInfo) Append(dst []byte, charset string) []byte {
	return AppendEncode(dst, d.node(), charset)
}

// Node gives the message.
func (d DeviceInfo) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	c.atLeast("SN", d.SN, 0)
	c.id("DeviceID", d.DeviceID)
	c.extra(d.ExtraInfo)
	return c.done(d.node())
}

func (d DeviceInfo) node() *Node {
	n := New(Response, Leaf("CmdType", CmdDeviceInfo), LeafInt("SN", d.SN), Leaf("DeviceID", string(d.DeviceID)))
	n.addText("DeviceName", d.Name)
	n.Add(Leaf("Result", result(d.OK)))
	n.addText("Manufacturer", d.Manufacturer)
	n.addText("Model", d.Model)
	n.addText("Firmware", d.Firmware)
	if d.Channels >= 0 {
		n.Add(LeafInt("Channel", d.Channels))
	}
	return addExtra(n, d.ExtraInfo)
}

// DeviceStatus is Response/DeviceStatus (signalling.md section 3.9).
type DeviceStatus struct {
	SN       int
	DeviceID gb28181.ID
	OK       bool // Result; a missing one counts as OK
	Online   bool // a missing one counts as online: the device did answer
	Works    bool // Status; a missing one counts as working
	Reason   string
	Encode   string // ON, OFF or ""
	Record   string // ON, OFF or ""
	Time     string // DeviceTime as sent; see [ParseTime]
	Alarms   []Duty
	// ExtraInfo is of 2022 only, each up to 1024 characters.
	ExtraInfo []string
}

// Duty is the state of one alarm input: ONDUTY, OFFDUTY or ALARM.
type Duty struct {
	DeviceID gb28181.ID
	Status   string
}

// AsDeviceStatus reads m as an answer to a DeviceStatus query.
func (m *Message) AsDeviceStatus() (DeviceStatus, error) {
	if err := m.want(CmdDeviceStatus, Response); err != nil {
		return DeviceStatus{}, err
	}
	n := m.Node
	d := DeviceStatus{
		SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), OK: !isFault(n.Value("Result")),
		Online: !isFault(n.Value("Online")), Works: !isFault(n.Value("Status")), Reason: n.Value("Reason"),
		Encode: n.Value("Encode"), Record: n.Value("Record"), Time: n.Value("DeviceTime"),
		ExtraInfo: m.extra(),
	}
	for it := range n.Child("Alarmstatus").All("Item") {
		duty := Duty{DeviceID: gb28181.ID(it.Value("DeviceID"))}
		for _, name := range [...]string{"DutyStatus", "StatusDutyStatus", "Status"} {
			if duty.Status == "" {
				duty.Status = strings.ToUpper(it.Value(name))
			}
		}
		if duty.DeviceID != "" {
			d.Alarms = append(d.Alarms, duty)
		}
	}
	return d, nil
}

// Append appends the body to dst, without a check.
func (d DeviceStatus) Append(dst []byte, charset string) []byte {
	return AppendEncode(dst, d.node(), charset)
}

// Node gives the message.
func (d DeviceStatus) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	c.atLeast("SN", d.SN, 0)
	c.id("DeviceID", d.DeviceID)
	for _, state := range [...]string{d.Encode, d.Record} {
		if state != "" {
			c.oneOf("Encode or Record", state, "ON", "OFF")
		}
	}
	c.time("DeviceTime", d.Time, false)
	for _, a := range d.Alarms {
		c.id("Alarmstatus/DeviceID", a.DeviceID)
		c.oneOf("Alarmstatus/DutyStatus", a.Status, "ONDUTY", "OFFDUTY", "ALARM")
	}
	c.extra(d.ExtraInfo)
	return c.done(d.node())
}

func (d DeviceStatus) node() *Node {
	online := "ONLINE"
	if !d.Online {
		online = "OFFLINE"
	}
	n := New(Response, Leaf("CmdType", CmdDeviceStatus), LeafInt("SN", d.SN), Leaf("DeviceID", string(d.DeviceID)),
		Leaf("Result", result(d.OK)), Leaf("Online", online), Leaf("Status", result(d.Works)))
	n.addText("Reason", d.Reason)
	n.addText("Encode", d.Encode)
	n.addText("Record", d.Record)
	n.addText("DeviceTime", d.Time)
	if len(d.Alarms) > 0 {
		list := &Node{Name: "Alarmstatus", Attrs: []Attr{{"Num", strconv.Itoa(len(d.Alarms))}}}
		for _, a := range d.Alarms {
			list.Add(New("Item", Leaf("DeviceID", string(a.DeviceID)), Leaf("DutyStatus", a.Status)))
		}
		n.Add(list)
	}
	return addExtra(n, d.ExtraInfo)
}
