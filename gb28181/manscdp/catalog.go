package manscdp

import (
	"strconv"
	"strings"

	"fengsui/gb28181"
)

// CatalogItem is one Item of a catalog answer or NOTIFY (signalling.md section
// 3.6). Numbers and codes are kept as text where devices send lists or junk.
type CatalogItem struct {
	DeviceID      gb28181.ID // up to 64 characters; 20 digits, or 2-8 for a region, when regular
	Event         string     // NOTIFY only: ON OFF VLOST DEFECT ADD DEL UPDATE, upper case
	Name          string
	Manufacturer  string
	Model         string
	Owner         string // 2016 only
	CivilCode     string
	Block         string
	Address       string
	Parental      string // "1" has children
	ParentID      string // several parents are joined by "/"
	SafetyWay     string // 2016 only
	RegisterWay   string
	Secrecy       string // "1" secret
	IPAddress     string
	Port          string
	Status        string // as sent; see [CatalogItem.On]
	Longitude     string // degrees, WGS-84
	Latitude      string
	BusinessGroup gb28181.ID // from the Item (2022) or its Info (2016)
	// Info are the values of the Info block, those of its fields that a 2011-style
	// device puts under Item, and the Item's CertNum, Certifiable, ErrCode and EndTime
	// (2016) and SecurityLevelCode (2022).
	Info []Attr
}

// Orders of the schema sequences.
var (
	info2022 = [...]string{"PTZType", "PhotoelectricImagingType", "CapturePositionType", "RoomType", "SupplyLightType",
		"DirectionType", "Resolution", "StreamNumberList", "DownloadSpeed", "SVCSpaceSupportMode", "SVCTimeSupportMode",
		"SSVCRatioSupportList", "MobileDeviceType", "HorizontalFieldAngle", "VerticalFieldAngle", "MaxViewDistance",
		"GrassrootsCode", "PointType", "PointCommonName", "MAC", "FunctionType", "EncodeType", "InstallTime",
		"ManagementUnit", "ContactInfo", "RecordSaveDays", "IndustrialClassification"}
	info2016 = [...]string{"PTZType", "PositionType", "RoomType", "UseType", "SupplyLightType", "DirectionType",
		"Resolution", "BusinessGroupID", "DownloadSpeed", "SVCSpaceSupportMode", "SVCTimeSupportMode"}
)

// InfoValue is the named value of the Info block, "" when absent.
func (c *CatalogItem) InfoValue(name string) string {
	for _, a := range c.Info {
		if strings.EqualFold(a.Name, name) {
			return a.Value
		}
	}
	return ""
}

// On is Status normalised. known is false for an empty or strange one, which
// counts as on when the device itself is online.
func (c *CatalogItem) On() (on, known bool) {
	switch strings.ToUpper(c.Status) {
	case "ON", "ONLINE", "OK", "1", "TRUE":
		return true, true
	case "OFF", "OFFLINE", "ERROR", "0", "FALSE", "VLOST", "DEFECT":
		return false, true
	}
	return true, false
}

// Channel is the item as the value that the server keeps.
func (c *CatalogItem) Channel(device gb28181.ID) gb28181.Channel {
	ch := gb28181.Channel{
		Device: device, ID: c.DeviceID,
		Name: c.Name, Manufacturer: c.Manufacturer, Model: c.Model, Address: c.Address,
		ParentID: c.ParentID, BusinessGroup: c.BusinessGroup,
		Parental:  c.Parental != "" && c.Parental != "0", // FIELD: 65535 for yes
		Secrecy:   c.Secrecy == "1",
		Streams:   c.InfoValue("StreamNumberList"),
		Longitude: degrees(c.Longitude, 180), Latitude: degrees(c.Latitude, 90),
	}
	if id := gb28181.ID(c.CivilCode); id.Region() {
		ch.CivilCode = c.CivilCode
	}
	first, _, _ := strings.Cut(c.InfoValue("PTZType"), "/") // FIELD: "1/2"
	if n, err := strconv.Atoi(first); err == nil && n >= 0 && n < 100 {
		ch.PTZType = n
	}
	ch.On, _ = c.On()
	if !ch.On {
		if ch.OffReason = strings.ToUpper(c.Status); ch.OffReason != "VLOST" && ch.OffReason != "DEFECT" {
			ch.OffReason = "OFF"
		}
	}
	return ch
}

// CatalogResponse is one part of a catalog answer.
type CatalogResponse struct {
	SN       int
	DeviceID gb28181.ID // what was asked about
	SumNum   int        // items over all parts, -1 when absent or no number
	Items    []CatalogItem
	Skipped  int // items without a usable DeviceID, or cut off
}

// AsCatalogResponse reads m as one part of a catalog answer. A part whose items
// carry events is a NOTIFY of a 2011 peer: see [Message.AsCatalogNotify].
func (m *Message) AsCatalogResponse() (CatalogResponse, error) {
	if err := m.want(CmdCatalog, Response); err != nil {
		return CatalogResponse{}, err
	}
	c := CatalogResponse{SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), SumNum: m.Node.Int("SumNum", -1)}
	c.Items, c.Skipped = m.items()
	return c, nil
}

// Append appends the body to dst, items as edition e has them.
func (c CatalogResponse) Append(dst []byte, e gb28181.Edition, charset string) []byte {
	return AppendEncode(dst, c.node(e), charset)
}

// Node gives the message.
func (c CatalogResponse) Node(e gb28181.Edition) (*Node, error) {
	k := check{edition: e.Effective()}
	k.atLeast("SN", c.SN, 0)
	k.id("DeviceID", c.DeviceID)
	k.within("SumNum", c.SumNum, len(c.Items), maxInt)
	return k.done(c.node(e))
}

func (c CatalogResponse) node(e gb28181.Edition) *Node {
	n := New(Response, Leaf("CmdType", CmdCatalog), LeafInt("SN", c.SN), Leaf("DeviceID", string(c.DeviceID)),
		LeafInt("SumNum", c.SumNum))
	if len(c.Items) > 0 {
		n.Add(deviceList(c.Items, e))
	}
	return n
}

// CatalogNotify reports changes of a catalog (signalling.md section 5.4).
type CatalogNotify struct {
	SN       int
	DeviceID gb28181.ID // what was subscribed
	Items    []CatalogItem
	Skipped  int
}

// AsCatalogNotify reads m as a report of changes, with a root of Notify or, from
// 2011 peers, Response. An item without Event has the one that its fields imply:
// UPDATE with a name, else ON or OFF by its Status; one with neither is skipped.
func (m *Message) AsCatalogNotify() (CatalogNotify, error) {
	if err := m.want(CmdCatalog, Notify, Response); err != nil {
		return CatalogNotify{}, err
	}
	c := CatalogNotify{SN: m.SN, DeviceID: gb28181.ID(m.DeviceID)}
	c.Items, c.Skipped = m.items()
	kept := c.Items[:0]
	for _, it := range c.Items {
		if it.Event == "" {
			on, known := it.On()
			switch {
			case it.Name != "":
				it.Event = "UPDATE"
			case known && on:
				it.Event = "ON"
			case known:
				it.Event = "OFF"
			}
		}
		switch it.Event {
		case "ON", "OFF", "VLOST", "DEFECT", "ADD", "DEL", "UPDATE":
			kept = append(kept, it)
		default:
			c.Skipped++
		}
	}
	c.Items = kept
	return c, nil
}

// Append appends the body to dst. Items of ON, OFF, VLOST, DEFECT and DEL carry
// only their DeviceID.
func (c CatalogNotify) Append(dst []byte, e gb28181.Edition, charset string) []byte {
	return AppendEncode(dst, c.node(e), charset)
}

// Node gives the message.
func (c CatalogNotify) Node(e gb28181.Edition) (*Node, error) {
	k := check{edition: e.Effective()}
	k.head(c.SN, c.DeviceID)
	return k.done(c.node(e))
}

func (c CatalogNotify) node(e gb28181.Edition) *Node {
	n := New(Notify, Leaf("CmdType", CmdCatalog), LeafInt("SN", c.SN), Leaf("DeviceID", string(c.DeviceID)))
	if e.Effective() < gb28181.Edition2022 {
		n.Add(Leaf("Status", "OK"))
	}
	return n.Add(LeafInt("SumNum", len(c.Items)), deviceList(c.Items, e))
}

// items reads the DeviceList. A bad item never costs another one.
func (m *Message) items() (items []CatalogItem, skipped int) {
	list := m.Node.Child("DeviceList")
	if list == nil {
		return nil, 0
	}
	items = make([]CatalogItem, 0, len(list.Children))
	for n := range list.All("Item") {
		it, ok := catalogItem(n)
		if !ok {
			skipped++
			continue
		}
		items = append(items, it)
	}
	return items, skipped
}

func catalogItem(n *Node) (CatalogItem, bool) {
	if n.cut {
		return CatalogItem{}, false
	}
	var c CatalogItem
	fields := c.plain()
children:
	for _, f := range n.Children {
		for i := range fields {
			if strings.EqualFold(fields[i].name, f.Name) {
				if *fields[i].value == "" {
					*fields[i].value = f.Text
				}
				continue children
			}
		}
		switch {
		case strings.EqualFold(f.Name, "Event"):
			c.Event = strings.ToUpper(f.Text)
		case strings.EqualFold(f.Name, "DeviceID"):
			c.DeviceID = gb28181.ID(f.Text)
		case strings.EqualFold(f.Name, "BusinessGroupID"):
			c.BusinessGroup = gb28181.ID(f.Text)
		case strings.EqualFold(f.Name, "Info"):
			for _, v := range f.Children {
				c.info(v)
			}
		case len(f.Children) == 0 && !strings.EqualFold(f.Name, "Password"):
			c.info(f) // 2011 style: fields of Info under Item
		}
	}
	if c.Event == "" {
		c.Event = strings.ToUpper(n.Attr("Event"))
	}
	return c, usableID(c.DeviceID)
}

func (c *CatalogItem) info(n *Node) {
	if n.Text == "" || len(n.Children) > 0 {
		return
	}
	if strings.EqualFold(n.Name, "BusinessGroupID") {
		if c.BusinessGroup == "" {
			c.BusinessGroup = gb28181.ID(n.Text)
		}
		return
	}
	if len(c.Info) < 64 && c.InfoValue(n.Name) == "" {
		c.Info = append(c.Info, Attr{n.Name, n.Text})
	}
}

type plainField struct {
	name  string
	value *string
	only  gb28181.Edition // last edition that has it, 0 for all
}

// plain are the text fields between DeviceID and BusinessGroupID, in schema order.
func (c *CatalogItem) plain() [17]plainField {
	const old = gb28181.Edition2016
	return [...]plainField{
		{"Name", &c.Name, 0}, {"Manufacturer", &c.Manufacturer, 0}, {"Model", &c.Model, 0}, {"Owner", &c.Owner, old},
		{"CivilCode", &c.CivilCode, 0}, {"Block", &c.Block, 0}, {"Address", &c.Address, 0},
		{"Parental", &c.Parental, 0}, {"ParentID", &c.ParentID, 0}, {"SafetyWay", &c.SafetyWay, old},
		{"RegisterWay", &c.RegisterWay, 0}, {"Secrecy", &c.Secrecy, 0}, {"IPAddress", &c.IPAddress, 0},
		{"Port", &c.Port, 0}, {"Status", &c.Status, 0}, {"Longitude", &c.Longitude, 0}, {"Latitude", &c.Latitude, 0},
	}
}

func deviceList(items []CatalogItem, e gb28181.Edition) *Node {
	list := &Node{Name: "DeviceList", Attrs: []Attr{{"Num", strconv.Itoa(len(items))}}}
	for i := range items {
		list.Add(items[i].node(e.Effective()))
	}
	return list
}

func (c *CatalogItem) node(e gb28181.Edition) *Node {
	n := New("Item", Leaf("DeviceID", string(c.DeviceID)))
	n.addText("Event", c.Event)
	switch c.Event {
	case "ON", "OFF", "VLOST", "DEFECT", "DEL":
		return n
	}
	for _, f := range c.plain() {
		if f.only == 0 || e <= f.only {
			n.addText(f.name, *f.value)
		}
		if f.name == "RegisterWay" {
			c.writeSecurity(n, e)
		}
	}
	info := New("Info")
	if e >= gb28181.Edition2022 {
		n.addText("BusinessGroupID", string(c.BusinessGroup))
		for _, name := range info2022 {
			info.addText(name, c.InfoValue(name))
		}
	} else {
		for _, name := range info2016 {
			if name == "BusinessGroupID" {
				info.addText(name, string(c.BusinessGroup))
				continue
			}
			info.addText(name, c.InfoValue(name))
		}
	}
	if len(info.Children) > 0 && e >= gb28181.Edition2011A {
		n.Add(info)
	}
	return n
}

// writeSecurity writes what follows RegisterWay: the certificate in 2016, the
// GB 35114 level in 2022. They are rare, so they are kept in Info.
func (c *CatalogItem) writeSecurity(n *Node, e gb28181.Edition) {
	if e >= gb28181.Edition2022 {
		n.addText("SecurityLevelCode", c.InfoValue("SecurityLevelCode"))
		return
	}
	for _, name := range [...]string{"CertNum", "Certifiable", "ErrCode", "EndTime"} {
		n.addText(name, c.InfoValue(name))
	}
}

// usableID reports whether id can name a channel: regular codes and odd ones of
// up to 64 printable ASCII characters, which are kept as they are.
func usableID(id gb28181.ID) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := 0; i < len(id); i++ {
		if c := id[i]; c <= ' ' || c >= 0x7F || strings.IndexByte(`<>"'/\&?#`, c) >= 0 {
			return false
		}
	}
	return true
}

func degrees(s string, limit float64) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= -limit && f <= limit) {
		return 0
	}
	return f
}
