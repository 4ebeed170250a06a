package manscdp

import (
	"fengsui/gb28181"
)

// Inquiry is a query that has only what every query has, and for
// CruiseTrackQuery the track (2022 A.2.4; signalling.md sections 3.6 to 3.9 and
// 3.13).
type Inquiry struct {
	CmdType  string // one of Catalog, DeviceInfo, DeviceStatus, PresetQuery and those of 2022 in section 3.13
	SN       int
	DeviceID gb28181.ID
	Number   int // of the track, 0 is the first; CruiseTrackQuery only
}

// inquiries are the queries with the edition they came with.
var inquiries = map[string]gb28181.Edition{
	CmdCatalog: gb28181.Edition2011, CmdDeviceInfo: gb28181.Edition2011, CmdDeviceStatus: gb28181.Edition2011,
	CmdPresetQuery: gb28181.Edition2011A, CmdHomePosition: gb28181.Edition2022,
	CmdCruiseTrackList: gb28181.Edition2022, CmdCruiseTrack: gb28181.Edition2022,
	CmdPTZPosition: gb28181.Edition2022, CmdSDCardStatus: gb28181.Edition2022,
}

// AsInquiry reads any Query as a plain one.
func (m *Message) AsInquiry() (Inquiry, error) {
	if err := m.want(m.CmdType, Query); err != nil {
		return Inquiry{}, err
	}
	q := Inquiry{CmdType: m.CmdType, SN: m.SN, DeviceID: gb28181.ID(m.DeviceID)}
	for cmd := range inquiries {
		if foldEqual([]byte(cmd), m.CmdType) {
			q.CmdType = cmd
		}
	}
	switch {
	case foldEqual([]byte(oldPTZPosition), m.CmdType):
		q.CmdType = CmdPTZPosition
	case q.CmdType == CmdCruiseTrack:
		q.Number = m.Node.Int("Number", 0)
	}
	return q, nil
}

// Node gives the message.
func (q Inquiry) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	since, ok := inquiries[q.CmdType]
	if !ok {
		c.fail("CmdType", q.CmdType, "a query without conditions")
	}
	c.since(q.CmdType, since)
	c.head(q.SN, q.DeviceID)
	n := NewQuery(q.CmdType, q.SN, q.DeviceID)
	if q.CmdType == CmdCruiseTrack {
		c.within("Number", q.Number, 0, maxTrack)
		n.Add(LeafInt("Number", q.Number))
	} else if q.Number != 0 {
		c.fail("Number", q.Number, "0 but with CruiseTrackQuery")
	}
	return c.done(n)
}

// oldPTZPosition is what one family of devices calls PTZPosition.
const oldPTZPosition = "PTZPreciseStatusQuery"
