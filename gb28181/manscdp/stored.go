package manscdp

import (
	"strconv"

	"fengsui/gb28181"
)

// PresetList is one part of Response/PresetQuery (2022 A.2.6.10; signalling.md
// section 3.13).
type PresetList struct {
	SN       int
	DeviceID gb28181.ID
	SumNum   int // over all parts, -1 when not told, as many devices of 2016 do
	Presets  []Preset
	OK       bool // false when the device says Result ERROR in place of a list
}

// Preset is a stored direction.
type Preset struct {
	ID   string // as sent, up to 64 bytes; see Number
	Name string // up to 1024 bytes when written
}

// Number is ID as the number that commands take, 1 to 255; 0 when it is none.
// Devices write leading zeros.
func (p Preset) Number() int { return digit(p.ID, 255) }

// AsPresetList reads m as a part. Items without an ID are left out; at most 1024 are kept.
func (m *Message) AsPresetList() (PresetList, error) {
	if err := m.want(CmdPresetQuery, Response); err != nil {
		return PresetList{}, err
	}
	p := PresetList{SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), SumNum: m.count(), OK: m.ResultOK()}
	for it := range m.Node.Child("PresetList").All("Item") {
		if id := it.Value("PresetID"); id != "" && !it.cut && len(p.Presets) < maxStored {
			p.Presets = append(p.Presets, Preset{id, it.Value("PresetName")})
		}
	}
	return p, nil
}

// Node gives the message. A SumNum of -1 is written as the number of presets.
func (p PresetList) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	c.since(CmdPresetQuery, gb28181.Edition2011A)
	c.atLeast("SN", p.SN, 0)
	c.id("DeviceID", p.DeviceID)
	n := message(Response, CmdPresetQuery, p.SN, p.DeviceID)
	if !p.OK {
		return c.done(n.Add(Leaf("Result", result(false))))
	}
	items := make([]*Node, 0, len(p.Presets))
	for _, it := range p.Presets {
		c.bytes("PresetID", it.ID, 1, 64)
		c.bytes("PresetName", it.Name, 0, maxText)
		items = append(items, New("Item", Leaf("PresetID", it.ID), Leaf("PresetName", it.Name)))
	}
	return c.done(n.Add(sum(&c, p.SumNum, len(items)), list("PresetList", items)))
}

// HomePositionAnswer is Response/HomePositionQuery (2022 A.2.6.12).
type HomePositionAnswer struct {
	SN       int
	DeviceID gb28181.ID
	Home     *HomePosition // nil when the device has none
	OK       bool          // false when the device says Result ERROR in place of it
}

// AsHomePosition reads m as one.
func (m *Message) AsHomePosition() (HomePositionAnswer, error) {
	if err := m.want(CmdHomePosition, Response); err != nil {
		return HomePositionAnswer{}, err
	}
	h := HomePositionAnswer{SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), OK: m.ResultOK()}
	if el := m.Node.Child("HomePosition"); el != nil {
		v := readHomePosition(el)
		h.Home = &v
	}
	return h, nil
}

// Node gives the message.
func (h HomePositionAnswer) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	n := answer(&c, CmdHomePosition, h.SN, h.DeviceID)
	if !h.OK {
		return c.done(n.Add(Leaf("Result", result(false))))
	}
	if h.Home != nil {
		h.Home.validate(&c)
		n.Add(h.Home.node())
	}
	return c.done(n)
}

// CruiseTrackList is one part of Response/CruiseTrackListQuery (2022 A.2.6.13).
type CruiseTrackList struct {
	SN       int
	DeviceID gb28181.ID
	SumNum   int // over all parts, -1 when not told
	Tracks   []CruiseTrack
	OK       bool // false when the device says Result ERROR in place of a list
}

// CruiseTrack is a round over presets.
type CruiseTrack struct {
	Number int    // 0 is the first, up to 255
	Name   string // up to 32 bytes, may be ""
}

// AsCruiseTrackList reads m as a part. Tracks without a number are left out.
func (m *Message) AsCruiseTrackList() (CruiseTrackList, error) {
	if err := m.want(CmdCruiseTrackList, Response); err != nil {
		return CruiseTrackList{}, err
	}
	l := CruiseTrackList{SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), SumNum: m.count(), OK: m.ResultOK()}
	for it := range m.Node.Child("CruiseTrackList").All("CruiseTrack") {
		if v := it.Int("Number", -1); v >= 0 && v <= maxTrack && !it.cut && len(l.Tracks) < maxStored {
			l.Tracks = append(l.Tracks, CruiseTrack{v, it.Value("Name")})
		}
	}
	return l, nil
}

// Node gives the message. A SumNum of -1 is written as the number of tracks.
func (l CruiseTrackList) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	n := answer(&c, CmdCruiseTrackList, l.SN, l.DeviceID)
	if !l.OK {
		return c.done(n.Add(Leaf("Result", result(false))))
	}
	items := make([]*Node, 0, len(l.Tracks))
	for _, t := range l.Tracks {
		c.within("CruiseTrack/Number", t.Number, 0, maxTrack)
		c.bytes("CruiseTrack/Name", t.Name, 0, maxCruiseName)
		item := New("CruiseTrack", LeafInt("Number", t.Number))
		item.addText("Name", t.Name)
		items = append(items, item)
	}
	return c.done(n.Add(sum(&c, l.SumNum, len(items)), list("CruiseTrackList", items)))
}

// CruiseTrackAnswer is one part of Response/CruiseTrackQuery (2022 A.2.6.14).
type CruiseTrackAnswer struct {
	SN       int
	DeviceID gb28181.ID
	CruiseTrack
	SumNum int // points over all parts, -1 when not told
	Points []CruisePoint
	OK     bool // false when the device says Result ERROR in place of a track
}

// CruisePoint is a stop of a cruise.
type CruisePoint struct {
	Preset int // PresetIndex, 0 to 255
	Stay   int // StayTime, seconds, 0 or more
	Speed  int // on the way there, 1 to 15
}

// AsCruiseTrack reads m as a part. Points without a preset are left out.
func (m *Message) AsCruiseTrack() (CruiseTrackAnswer, error) {
	if err := m.want(CmdCruiseTrack, Response); err != nil {
		return CruiseTrackAnswer{}, err
	}
	a := CruiseTrackAnswer{
		SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), SumNum: m.count(), OK: m.ResultOK(),
		CruiseTrack: CruiseTrack{max(0, min(m.Node.Int("Number", 0), maxTrack)), m.Node.Value("Name")},
	}
	for it := range m.Node.Child("CruisePointList").All("CruisePoint") {
		if v := it.Int("PresetIndex", -1); v >= 0 && v <= 255 && !it.cut && len(a.Points) < maxStored {
			a.Points = append(a.Points, CruisePoint{
				v, max(0, min(it.Int("StayTime", 0), maxInt)), max(1, min(it.Int("Speed", 1), 15)),
			})
		}
	}
	return a, nil
}

// Node gives the message. A SumNum of -1 is written as the number of points.
func (a CruiseTrackAnswer) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	n := answer(&c, CmdCruiseTrack, a.SN, a.DeviceID)
	if !a.OK {
		return c.done(n.Add(Leaf("Result", result(false))))
	}
	c.within("Number", a.Number, 0, maxTrack)
	c.bytes("Name", a.Name, 0, maxCruiseName)
	n.Add(LeafInt("Number", a.Number))
	n.addText("Name", a.Name)
	items := make([]*Node, 0, len(a.Points))
	for _, p := range a.Points {
		c.within("CruisePoint/PresetIndex", p.Preset, 0, 255)
		c.atLeast("CruisePoint/StayTime", p.Stay, 0)
		c.within("CruisePoint/Speed", p.Speed, 1, 15)
		items = append(items, New("CruisePoint",
			LeafInt("PresetIndex", p.Preset), LeafInt("StayTime", p.Stay), LeafInt("Speed", p.Speed)))
	}
	return c.done(n.Add(sum(&c, a.SumNum, len(items)), list("CruisePointList", items)))
}

// PTZPosition is where a camera looks: Response/PTZPosition to a query (2022
// A.2.6.15), or Notify/PTZPosition under a subscription (9.11.2).
type PTZPosition struct {
	Root     string // Response or Notify
	SN       int
	DeviceID gb28181.ID
	// Nil is what was not told. In hundredths when written.
	Pan                  *float64 // degrees clockwise seen from above, 0 to 360
	Tilt                 *float64 // degrees below the horizon, -90 to 90
	Zoom                 *float64 // 0 to 1000
	HorizontalFieldAngle *float64 // degrees, 0 to 360
	VerticalFieldAngle   *float64 // degrees, 0 to 360
	MaxViewDistance      *float64 // metres, 0 to 1000000
	OK                   bool     // false when the device says Result ERROR in place of it
}

// AsPTZPosition reads m as one, also under the name that one family of devices uses.
func (m *Message) AsPTZPosition() (PTZPosition, error) {
	if err := m.want(CmdPTZPosition, Response, Notify); err != nil && m.want(oldPTZPosition, Response, Notify) != nil {
		return PTZPosition{}, err
	}
	n := m.Node
	return PTZPosition{
		Root: m.Root, SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), OK: m.ResultOK(),
		Pan: n.optFloat("Pan"), Tilt: n.optFloat("Tilt"), Zoom: n.optFloat("Zoom"),
		HorizontalFieldAngle: n.optFloat("HorizontalFieldAngle"), VerticalFieldAngle: n.optFloat("VerticalFieldAngle"),
		MaxViewDistance: n.optFloat("MaxViewDistance"),
	}, nil
}

// Node gives the message.
func (p PTZPosition) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	n := answer(&c, CmdPTZPosition, p.SN, p.DeviceID)
	c.oneOf("Root", p.Root, Response, Notify)
	n.Name = p.Root
	if !p.OK {
		return c.done(n.Add(Leaf("Result", result(false))))
	}
	for _, f := range [...]struct {
		name      string
		value     *float64
		low, high float64
	}{
		{"Pan", p.Pan, 0, 360}, {"Tilt", p.Tilt, -90, 90}, {"Zoom", p.Zoom, 0, maxZoom},
		{"HorizontalFieldAngle", p.HorizontalFieldAngle, 0, 360}, {"VerticalFieldAngle", p.VerticalFieldAngle, 0, 360},
		{"MaxViewDistance", p.MaxViewDistance, 0, 1_000_000},
	} {
		c.optional(f.name, f.value, f.low, f.high)
		n.addNumber(f.name, f.value, hundredths)
	}
	return c.done(n)
}

// SDCards is Response/SDCardStatus (2022 A.2.6.16).
type SDCards struct {
	SN       int
	DeviceID gb28181.ID
	SumNum   int // -1 when not told
	Cards    []SDCard
	OK       bool // false when the device says Result ERROR in place of a list
}

// SDCard is the state of one memory card.
type SDCard struct {
	ID             int    // 1 and up, as in [FormatSDCard]
	Name           string // HddName
	Status         string // ok, formatting, unformatted, idle or error, lower case
	FormatProgress *int   // percent, 0 to 100; nil when not told
	Capacity       int    // MB
	FreeSpace      int    // MB
}

// AsSDCards reads m as one. Cards without an ID are left out; at most 8 are kept.
func (m *Message) AsSDCards() (SDCards, error) {
	if err := m.want(CmdSDCardStatus, Response); err != nil {
		return SDCards{}, err
	}
	s := SDCards{SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), SumNum: m.count(), OK: m.ResultOK()}
	for it := range m.Node.Child("SDCardStatusInfo").All("Item") {
		id := it.Int("ID", -1)
		if id < 0 || id > maxInt || it.cut || len(s.Cards) == maxCards {
			continue
		}
		s.Cards = append(s.Cards, SDCard{
			ID: id, Name: it.Value("HddName"), Status: spelt(it.Value("Status"), cardStates[:]...),
			FormatProgress: it.optInt("FormatProgress"),
			Capacity:       max(0, min(it.Int("Capacity", 0), maxInt)), FreeSpace: max(0, min(it.Int("FreeSpace", 0), maxInt)),
		})
	}
	return s, nil
}

var cardStates = [...]string{"ok", "formatting", "unformatted", "idle", "error"}

// Node gives the message. A SumNum of -1 is written as the number of cards.
func (s SDCards) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	n := answer(&c, CmdSDCardStatus, s.SN, s.DeviceID)
	if !s.OK {
		return c.done(n.Add(Leaf("Result", result(false))))
	}
	c.within("SDCardStatusInfo", len(s.Cards), 0, maxCards)
	items := make([]*Node, 0, len(s.Cards))
	for _, it := range s.Cards {
		c.atLeast("ID", it.ID, 0)
		c.bytes("HddName", it.Name, 0, maxText)
		c.oneOf("Status", it.Status, cardStates[:]...)
		c.atLeast("Capacity", it.Capacity, 0)
		c.within("FreeSpace", it.FreeSpace, 0, it.Capacity)
		item := New("Item", LeafInt("ID", it.ID), Leaf("HddName", it.Name), Leaf("Status", it.Status))
		if it.FormatProgress != nil {
			c.within("FormatProgress", *it.FormatProgress, 0, 100)
			item.Add(LeafInt("FormatProgress", *it.FormatProgress))
		}
		items = append(items, item.Add(LeafInt("Capacity", it.Capacity), LeafInt("FreeSpace", it.FreeSpace)))
	}
	return c.done(n.Add(sum(&c, s.SumNum, len(items)), list("SDCardStatusInfo", items)))
}

// answer begins a Response of the 2022 edition.
func answer(c *check, cmd string, sn int, id gb28181.ID) *Node {
	c.since(cmd, gb28181.Edition2022)
	c.atLeast("SN", sn, 0)
	c.id("DeviceID", id)
	return message(Response, cmd, sn, id)
}

// count is SumNum, -1 when it is not told.
func (m *Message) count() int {
	if v, err := strconv.Atoi(m.Node.Value("SumNum")); err == nil && v >= 0 && v <= maxInt {
		return v
	}
	return -1
}

func sum(c *check, told, have int) *Node {
	if told == -1 {
		told = have
	}
	c.within("SumNum", told, have, maxInt)
	return LeafInt("SumNum", told)
}

const (
	maxStored = 1024
	maxTrack  = 255
	maxCards  = 8
)
