package manscdp

import (
	"strconv"

	"fengsui/gb28181"
)

// CmdRecordInfo asks for the list of recordings.
const CmdRecordInfo = "RecordInfo"

// RecordQuery is Query/RecordInfo (2022 A.2.4.5; signalling.md section 3.10).
type RecordQuery struct {
	SN         int
	DeviceID   gb28181.ID // channel
	StartTime  string     // dateTime in the device's zone
	EndTime    string     // dateTime, not before StartTime
	FilePath   string
	Address    string // a part of it is enough
	Secrecy    int    // 0, 1
	Type       string // time, alarm, manual or all; "" is written as all: some recorders answer nothing without it
	RecorderID string // who started the recording
	Indistinct bool   // search the device and the platform's store, and merge
	Stream     *int   // stream number, 2022 only; nil: any
	// AlarmMethod and AlarmType narrow to recordings of alarms, 2022 only; "" is any.
	AlarmMethod string
	AlarmType   string
}

// AsRecordQuery reads m as a question for recordings.
func (m *Message) AsRecordQuery() (RecordQuery, error) {
	if err := m.want(CmdRecordInfo, Query); err != nil {
		return RecordQuery{}, err
	}
	n := m.Node
	return RecordQuery{
		SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), StartTime: n.Value("StartTime"), EndTime: n.Value("EndTime"),
		FilePath: n.Value("FilePath"), Address: n.Value("Address"), Secrecy: n.Int("Secrecy", 0), Type: n.Value("Type"),
		RecorderID: n.Value("RecorderID"), Indistinct: n.Value("IndistinctQuery") == "1",
		Stream: n.optInt("StreamNumber"), AlarmMethod: n.Value("AlarmMethod"), AlarmType: n.Value("AlarmType"),
	}, nil
}

// Node gives the message.
func (q RecordQuery) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	c.head(q.SN, q.DeviceID)
	c.time("StartTime", q.StartTime, true)
	c.time("EndTime", q.EndTime, true)
	if q.EndTime < q.StartTime {
		c.fail("EndTime", q.EndTime, "not before StartTime "+q.StartTime)
	}
	c.within("Secrecy", q.Secrecy, 0, 1)
	if q.Type == "" {
		q.Type = "all"
	}
	c.oneOf("Type", q.Type, "time", "alarm", "manual", "all")
	indistinct := "0"
	if q.Indistinct {
		indistinct = "1"
	}
	n := message(Query, CmdRecordInfo, q.SN, q.DeviceID).Add(Leaf("StartTime", q.StartTime), Leaf("EndTime", q.EndTime))
	n.addText("FilePath", q.FilePath)
	n.addText("Address", q.Address)
	n.Add(LeafInt("Secrecy", q.Secrecy), Leaf("Type", q.Type))
	n.addText("RecorderID", q.RecorderID)
	n.Add(Leaf("IndistinctQuery", indistinct))
	if q.Stream != nil {
		c.since("RecordInfo/StreamNumber", gb28181.Edition2022)
		c.within("StreamNumber", *q.Stream, 0, maxStream)
		n.addInt("StreamNumber", q.Stream)
	}
	if q.AlarmMethod != "" {
		c.since("RecordInfo/AlarmMethod", gb28181.Edition2022)
		n.addText("AlarmMethod", q.AlarmMethod)
	}
	if q.AlarmType != "" {
		c.since("RecordInfo/AlarmType", gb28181.Edition2022)
		n.addText("AlarmType", q.AlarmType)
	}
	return c.done(n)
}

// RecordItem is one recording (itemFileType).
type RecordItem struct {
	DeviceID   gb28181.ID
	Name       string
	FilePath   string
	Address    string
	StartTime  string // as sent: see [ParseTime]
	EndTime    string // as sent; "" when absent
	Secrecy    int
	Type       string // time, alarm, manual; as sent
	RecorderID string
	FileSize   string     // bytes, as sent; since 2016
	Location   gb28181.ID // RecordLocation, who stores it; 2022 only
	Stream     *int       // 2022 only; nil when absent
}

// Size is FileSize in bytes, 0 when it is not told.
func (r *RecordItem) Size() int64 {
	n, err := strconv.ParseInt(r.FileSize, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// RecordResponse is one part of Response/RecordInfo (2022 A.2.6.9, Annex M).
type RecordResponse struct {
	SN        int
	DeviceID  gb28181.ID // the channel; of some devices their own
	Name      string
	SumNum    int // recordings over all parts, 0: there are none; -1 when absent or no number
	Items     []RecordItem
	Skipped   int      // items that were cut off; not written
	ExtraInfo []string // 2022 only
}

// AsRecordResponse reads m as one part of the list of recordings.
func (m *Message) AsRecordResponse() (RecordResponse, error) {
	if err := m.want(CmdRecordInfo, Response); err != nil {
		return RecordResponse{}, err
	}
	r := RecordResponse{
		SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), Name: m.Node.Value("Name"), SumNum: m.Node.Int("SumNum", -1), ExtraInfo: m.extra(),
	}
	for n := range m.Node.Child("RecordList").All("Item") {
		if n.cut {
			r.Skipped++
			continue
		}
		r.Items = append(r.Items, RecordItem{
			DeviceID: gb28181.ID(n.Value("DeviceID")), Name: n.Value("Name"), FilePath: n.Value("FilePath"), Address: n.Value("Address"),
			StartTime: n.Value("StartTime"), EndTime: n.Value("EndTime"), Secrecy: n.Int("Secrecy", 0), Type: n.Value("Type"),
			RecorderID: n.Value("RecorderID"), FileSize: n.Value("FileSize"), Location: gb28181.ID(n.Value("RecordLocation")),
			Stream: n.optInt("StreamNumber"),
		})
	}
	return r, nil
}

// Node gives the message. What an item has beyond the edition is left out.
func (r RecordResponse) Node(e gb28181.Edition) (*Node, error) {
	c := check{edition: e.Effective()}
	c.atLeast("SN", r.SN, 0)
	c.id("DeviceID", r.DeviceID)
	c.atLeast("SumNum", r.SumNum, 0)
	c.extra(r.ExtraInfo)
	n := message(Response, CmdRecordInfo, r.SN, r.DeviceID).Add(Leaf("Name", r.Name), LeafInt("SumNum", r.SumNum))
	if len(r.Items) > 0 {
		items := make([]*Node, len(r.Items))
		for i := range r.Items {
			items[i] = r.Items[i].node(&c)
		}
		n.Add(list("RecordList", items))
	}
	return c.done(addExtra(n, r.ExtraInfo))
}

func (r *RecordItem) node(c *check) *Node {
	c.id("Item/DeviceID", r.DeviceID)
	c.time("Item/StartTime", r.StartTime, false)
	c.time("Item/EndTime", r.EndTime, false)
	c.within("Item/Secrecy", r.Secrecy, 0, 1)
	n := New("Item", Leaf("DeviceID", string(r.DeviceID)), Leaf("Name", r.Name))
	n.addText("FilePath", r.FilePath)
	n.addText("Address", r.Address)
	n.addText("StartTime", r.StartTime)
	n.addText("EndTime", r.EndTime)
	n.Add(LeafInt("Secrecy", r.Secrecy))
	n.addText("Type", r.Type)
	n.addText("RecorderID", r.RecorderID)
	if c.edition >= gb28181.Edition2016 {
		n.addText("FileSize", r.FileSize)
	}
	if c.edition >= gb28181.Edition2022 {
		n.addText("RecordLocation", string(r.Location))
		n.addInt("StreamNumber", r.Stream)
	}
	return n
}
