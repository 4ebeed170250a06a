package manscdp

import (
	"strconv"

	"fengsui/gb28181"
)

// Methods of alarms (2022 A.2.5.3). 0 is all of them, in conditions only.
const (
	ByTelephone = 1
	ByDevice    = 2 // until it gets an [AlarmCmd] the device does not repeat it
	ByMessage   = 3 // SMS
	ByGPS       = 4 // tells a position
	ByVideo     = 5
	ByFault     = 6
	ByOther     = 7
)

// alarmTypes are the types of a method in their order from 1: a name for
// programs, and the edition that the type came with.
var alarmTypes = map[int][]struct {
	name  string
	since gb28181.Edition
}{
	ByDevice: {
		{"video-loss", gb28181.Edition2016}, {"tamper", gb28181.Edition2016}, {"storage-full", gb28181.Edition2016},
		{"over-temperature", gb28181.Edition2016}, {"under-temperature", gb28181.Edition2016},
	},
	ByVideo: {
		{"manual", gb28181.Edition2016}, {"motion", gb28181.Edition2016}, {"object-left", gb28181.Edition2016},
		{"object-removed", gb28181.Edition2016}, {"trip-wire", gb28181.Edition2016}, {"intrusion", gb28181.Edition2016},
		{"wrong-direction", gb28181.Edition2016}, {"loitering", gb28181.Edition2016}, {"flow", gb28181.Edition2016},
		{"density", gb28181.Edition2016}, {"video-abnormal", gb28181.Edition2016}, {"fast-moving", gb28181.Edition2016},
		{"occluded", gb28181.Edition2022},
	},
	ByFault: {{"disk-fault", gb28181.Edition2016}, {"fan-fault", gb28181.Edition2016}},
}

// AlarmName is a name for programs of an alarm's type: "motion" for method 5 and
// type 2. It is "" for what no edition names, and for alarms without a type.
func AlarmName(method, kind int) string {
	if types := alarmTypes[method]; kind >= 1 && kind <= len(types) {
		return types[kind-1].name
	}
	return ""
}

// AlarmNotify is Notify/Alarm, in a MESSAGE, which is answered with an [Answer],
// or in a NOTIFY, which is not (2022 A.2.5.3; signalling.md section 3.7).
type AlarmNotify struct {
	SN          int
	DeviceID    gb28181.ID // alarm device or centre; some send the recorder or the video channel
	Priority    int        // 1 (highest) to 4; read as 0 when missing or senseless
	Method      int        // 1 to 7; read as 0 when missing or senseless
	Time        string     // dateTime as sent, see [ParseTime]; may be read as ""
	Description string     // up to 1024 bytes when written
	Longitude   *float64   // degrees, WGS-84; nil when not told
	Latitude    *float64
	Type        int // of the method, see [AlarmName]; 0 when not told
	EventType   int // of an intrusion: 1 entering, 2 leaving; 0 when not told
	// Extra is free text: ExtraInfo in 2022, further Info elements in 2016.
	Extra []string
	// Vendor are other values within Info. They are kept when read and not written.
	Vendor []Attr
}

// AsAlarmNotify reads m as an alarm. Type is looked for in every Info and beside them.
func (m *Message) AsAlarmNotify() (AlarmNotify, error) {
	if err := m.want(CmdAlarm, Notify); err != nil {
		return AlarmNotify{}, err
	}
	n := m.Node
	a := AlarmNotify{
		SN: m.SN, DeviceID: gb28181.ID(m.DeviceID),
		Priority: digit(n.Value("AlarmPriority"), 4), Method: digit(n.Value("AlarmMethod"), ByOther),
		Time: n.Value("AlarmTime"), Description: n.Value("AlarmDescription"),
		Longitude: n.coordinate("Longitude", 180), Latitude: n.coordinate("Latitude", 90),
		Extra: m.extra(),
	}
	for info := range n.All("Info") {
		a.readInfo(info)
	}
	a.readType(n)
	return a, nil
}

func (a *AlarmNotify) readInfo(info *Node) {
	if info.Text != "" && len(a.Extra) < maxList {
		a.Extra = append(a.Extra, info.Text)
	}
	a.readType(info)
	for _, v := range info.Children {
		if len(v.Children) == 0 && v.Text != "" && !foldEqual([]byte(v.Name), "AlarmType") && len(a.Vendor) < maxList {
			a.Vendor = append(a.Vendor, Attr{v.Name, v.Text})
		}
	}
}

// readType takes the type from an Info or, as some devices write it, the root.
func (a *AlarmNotify) readType(n *Node) {
	if v := n.Int("AlarmType", 0); a.Type == 0 && v > 0 && v <= maxInt {
		a.Type = v
	}
	if a.EventType == 0 {
		a.EventType = digit(n.Child("AlarmTypeParam").Value("EventType"), 2)
	}
}

// Node gives the message. Types and EventType need the 2016 edition.
func (a AlarmNotify) Node(e gb28181.Edition) (*Node, error) {
	e = e.Effective()
	c := check{edition: e}
	c.head(a.SN, a.DeviceID)
	c.within("AlarmPriority", a.Priority, 1, 4)
	c.within("AlarmMethod", a.Method, ByTelephone, ByOther)
	c.time("AlarmTime", a.Time, true)
	c.bytes("AlarmDescription", a.Description, 0, maxText)
	c.optional("Longitude", a.Longitude, -180, 180)
	c.optional("Latitude", a.Latitude, -90, 90)
	a.checkType(&c)
	a.checkExtra(&c)
	n := message(Notify, CmdAlarm, a.SN, a.DeviceID).Add(LeafInt("AlarmPriority", a.Priority),
		LeafInt("AlarmMethod", a.Method), Leaf("AlarmTime", a.Time))
	n.addText("AlarmDescription", a.Description)
	n.addNumber("Longitude", a.Longitude, decimal)
	n.addNumber("Latitude", a.Latitude, decimal)
	if a.Type > 0 {
		info := New("Info", LeafInt("AlarmType", a.Type))
		if a.EventType > 0 {
			info.Add(New("AlarmTypeParam", LeafInt("EventType", a.EventType)))
		}
		n.Add(info)
	}
	for _, s := range a.Extra {
		if e >= gb28181.Edition2022 {
			n.Add(Leaf("ExtraInfo", s))
		} else {
			n.Add(Leaf("Info", s))
		}
	}
	return c.done(n)
}

func (a AlarmNotify) checkType(c *check) {
	if a.Type == 0 && a.EventType == 0 {
		return
	}
	c.since("Alarm/Info/AlarmType", gb28181.Edition2016)
	types := alarmTypes[a.Method]
	if a.Type < 1 || a.Type > len(types) {
		c.fail("Info/AlarmType", a.Type, "one of the types of AlarmMethod "+strconv.Itoa(a.Method)+
			", which has "+strconv.Itoa(len(types)))
		return
	}
	c.since("Alarm/Info/AlarmType "+strconv.Itoa(a.Type), types[a.Type-1].since)
	c.within("Info/AlarmTypeParam/EventType", a.EventType, 0, 2)
	if a.EventType > 0 && AlarmName(a.Method, a.Type) != "intrusion" {
		c.fail("Info/AlarmTypeParam/EventType", a.EventType, "none but for an intrusion, AlarmMethod 5 and AlarmType 6")
	}
}

func (a AlarmNotify) checkExtra(c *check) {
	if c.edition >= gb28181.Edition2022 {
		c.extra(a.Extra)
		return
	}
	if len(a.Extra) > 0 {
		c.since("Alarm/Info", gb28181.Edition2011A)
	}
	for _, s := range a.Extra {
		c.bytes("Info", s, 1, maxText)
	}
}

// AlarmQuery is Query/Alarm, the body of a SUBSCRIBE to alarms (2022 A.2.4.6;
// signalling.md section 3.7.2). As a MESSAGE it fetches nothing: it is answered
// with an [Answer] or not at all.
type AlarmQuery struct {
	SN                         int
	DeviceID                   gb28181.ID
	StartPriority, EndPriority int    // 1 to 4, 0 for no condition
	Methods                    []int  // 0 (all) to 7; none for no condition
	Types                      []int  // 1 or more; none for no condition; 2016 on
	Start, End                 string // dateTime, "" for no condition
}

// AsAlarmQuery reads m as a query, with the names that others use too.
func (m *Message) AsAlarmQuery() (AlarmQuery, error) {
	if err := m.want(CmdAlarm, Query); err != nil {
		return AlarmQuery{}, err
	}
	n := m.Node
	first := func(names ...string) string {
		for _, name := range names {
			if v := n.Value(name); v != "" {
				return v
			}
		}
		return ""
	}
	return AlarmQuery{
		SN: m.SN, DeviceID: gb28181.ID(m.DeviceID),
		StartPriority: digit(first("StartAlarmPriority", "StartAlarmPrority"), 4),
		EndPriority:   digit(first("EndAlarmPriority", "EndAlarmPrority"), 4),
		Methods:       readMethods(n.Value("AlarmMethod")), Types: readTypes(n.Value("AlarmType")),
		Start: first("StartAlarmTime", "StartTime"), End: first("EndAlarmTime", "EndTime"),
	}, nil
}

// Node gives the message.
func (a AlarmQuery) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	c.head(a.SN, a.DeviceID)
	c.within("StartAlarmPriority", a.StartPriority, 0, 4)
	c.within("EndAlarmPriority", a.EndPriority, 0, 4)
	checkConditions(&c, a.Methods, a.Types)
	if len(a.Types) > 0 {
		c.since("Alarm/AlarmType", gb28181.Edition2016)
	}
	c.time("StartAlarmTime", a.Start, false)
	c.time("EndAlarmTime", a.End, false)
	n := message(Query, CmdAlarm, a.SN, a.DeviceID)
	if a.StartPriority > 0 {
		n.Add(LeafInt("StartAlarmPriority", a.StartPriority))
	}
	if a.EndPriority > 0 {
		n.Add(LeafInt("EndAlarmPriority", a.EndPriority))
	}
	n.addText("AlarmMethod", slashes(a.Methods))
	n.addText("AlarmType", slashes(a.Types))
	n.addText("StartAlarmTime", a.Start)
	n.addText("EndAlarmTime", a.End)
	return c.done(n)
}

// digit is s as a number from 1 to high, else 0.
func digit(s string, high int) int {
	if v, err := strconv.Atoi(s); err == nil && v >= 1 && v <= high {
		return v
	}
	return 0
}
