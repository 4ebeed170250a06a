package manscdp

import (
	"strconv"

	"fengsui/gb28181"
)

// Position is where a mobile device was.
type Position struct {
	DeviceID  gb28181.ID
	Time      string   // dateTime as sent, see [ParseTime]
	Longitude float64  // degrees, WGS-84
	Latitude  float64  // degrees, WGS-84
	Speed     *float64 // km/h, 0 to 10000; nil when not told, as below
	Direction *float64 // degrees clockwise from north, 0 to 360
	Altitude  *float64 // metres above the sea, -1000 to 100000
	Height    *float64 // metres above ground, 0 to 100000; 2022 only
}

// PositionNotify is Notify/MobilePosition: one position in the flat form of 2016,
// or a list in that of 2022 (2022 A.2.5.6; signalling.md section 3.11).
type PositionNotify struct {
	SN       int
	DeviceID gb28181.ID // who reports; "" from a peer that follows 2016 to the letter
	Time     string     // of the report, dateTime as sent
	SumNum   int        // positions, -1 in the flat form
	// Positions are at most 1024. In the flat form the one has the DeviceID and Time above.
	Positions []Position
	Skipped   int // items without a place, or too many
}

// AsPositionNotify reads m as a report in either form.
func (m *Message) AsPositionNotify() (PositionNotify, error) {
	if err := m.want(CmdMobilePosition, Notify); err != nil {
		return PositionNotify{}, err
	}
	p := PositionNotify{
		SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), Time: m.Node.Value("Time"), SumNum: m.Node.Int("SumNum", -1),
	}
	list := m.Node.Child("DeviceList")
	if list == nil {
		p.add(m.Node)
		return p, nil
	}
	for it := range list.All("Item") {
		p.add(it)
	}
	return p, nil
}

func (p *PositionNotify) add(n *Node) {
	lon, lat := n.coordinate("Longitude", 180), n.coordinate("Latitude", 90)
	if lon == nil || lat == nil || n.cut || len(p.Positions) == maxPositions {
		p.Skipped++
		return
	}
	at := Position{
		DeviceID: gb28181.ID(n.Value("DeviceID")), Time: n.Value("CaptureTime"), Longitude: *lon, Latitude: *lat,
		Speed: n.optFloat("Speed"), Direction: n.optFloat("Direction"),
		Altitude: n.optFloat("Altitude"), Height: n.optFloat("Height"),
	}
	if at.DeviceID == "" {
		at.DeviceID = p.DeviceID
	}
	if at.Time == "" {
		at.Time = p.Time
	}
	p.Positions = append(p.Positions, at)
}

// Node gives the message: the flat form to peers before 2022, which holds one
// position, of DeviceID at Time; else the list. SumNum is not needed.
func (p PositionNotify) Node(e gb28181.Edition) (*Node, error) {
	e = e.Effective()
	c := check{edition: e}
	c.since(CmdMobilePosition, gb28181.Edition2016)
	c.head(p.SN, p.DeviceID)
	c.time("Time", p.Time, true)
	c.within("SumNum", len(p.Positions), 1, maxPositions)
	if e < gb28181.Edition2022 {
		c.within("SumNum", len(p.Positions), 1, 1)
	}
	for _, at := range p.Positions {
		at.validate(&c)
	}
	if c.err != nil {
		return nil, c.err
	}
	n := message(Notify, CmdMobilePosition, p.SN, p.DeviceID).Add(Leaf("Time", p.Time))
	if e < gb28181.Edition2022 {
		p.Positions[0].write(n)
		return n, nil
	}
	items := make([]*Node, len(p.Positions))
	for i, at := range p.Positions {
		items[i] = New("Item", Leaf("DeviceID", string(at.DeviceID)), Leaf("CaptureTime", at.Time))
		at.write(items[i])
		items[i].addNumber("Height", at.Height, decimal)
	}
	return n.Add(LeafInt("SumNum", len(items)), list("DeviceList", items)), nil
}

func (at *Position) validate(c *check) {
	c.id("Item/DeviceID", at.DeviceID)
	c.time("Item/CaptureTime", at.Time, true)
	c.number("Longitude", at.Longitude, -180, 180)
	c.number("Latitude", at.Latitude, -90, 90)
	c.optional("Speed", at.Speed, 0, 10_000)
	c.optional("Direction", at.Direction, 0, 360)
	c.optional("Altitude", at.Altitude, -1000, 100_000)
	c.optional("Height", at.Height, 0, 100_000)
	if at.Height != nil {
		c.since("MobilePosition/Height", gb28181.Edition2022)
	}
}

func (at *Position) write(n *Node) {
	n.Add(Leaf("Longitude", decimal(at.Longitude)), Leaf("Latitude", decimal(at.Latitude)))
	n.addNumber("Speed", at.Speed, decimal)
	n.addNumber("Direction", at.Direction, decimal)
	n.addNumber("Altitude", at.Altitude, decimal)
}

// PositionQuery is Query/MobilePosition, the body of a SUBSCRIBE to positions and
// of a MESSAGE that some platforms send (2022 A.2.4.9).
type PositionQuery struct {
	SN       int
	DeviceID gb28181.ID
	Interval int // seconds between reports, 1 to 86400; 0 leaves it to the device, which takes 5
}

// AsPositionQuery reads m as a query.
func (m *Message) AsPositionQuery() (PositionQuery, error) {
	if err := m.want(CmdMobilePosition, Query); err != nil {
		return PositionQuery{}, err
	}
	p := PositionQuery{SN: m.SN, DeviceID: gb28181.ID(m.DeviceID)}
	if v, err := strconv.Atoi(m.Node.Value("Interval")); err == nil && v > 0 {
		p.Interval = min(v, maxInterval)
	}
	return p, nil
}

// Node gives the message.
func (p PositionQuery) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	c.since(CmdMobilePosition, gb28181.Edition2016)
	c.head(p.SN, p.DeviceID)
	c.within("Interval", p.Interval, 0, maxInterval)
	n := message(Query, CmdMobilePosition, p.SN, p.DeviceID)
	if p.Interval > 0 {
		n.Add(LeafInt("Interval", p.Interval))
	}
	return c.done(n)
}

const (
	maxPositions = 1024
	maxInterval  = 86400
)
