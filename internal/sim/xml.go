package sim

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fengsui/gb28181"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// beijing is the zone of every time in the standard.
func beijing() *time.Location { return time.FixedZone("UTC+8", 8*3600) }

// declaration is the XML declaration of this edition and these quirks.
func (d *device) declaration() string {
	q := d.sim.quirks
	name := "GB2312"
	switch {
	case q.has(gbkAsUTF8):
		name = "UTF-8"
	case q.has(utf8AsGB2312):
	case d.sim.cfg.Edition >= gb28181.Edition2022:
		name = "GB18030"
	}
	return `<?xml version="1.0" encoding="` + name + `"?>` + "\r\n"
}

// encode gives the text its declaration and its bytes.
func (d *device) encode(text string) []byte {
	text = d.declaration() + text
	if d.sim.quirks.has(utf8AsGB2312) {
		return []byte(text)
	}
	b, err := simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(text))
	if err != nil { // only for text that is not UTF-8, which an echoed ID may be
		return []byte(strings.ToValidUTF8(text, "?"))
	}
	return b
}

func (d *device) notify(cmd, id, inner string) string {
	d.sn++
	return body("Notify", cmd, strconv.FormatUint(uint64(d.sn), 10), id, inner)
}

func body(root, cmd, sn, id, inner string) string {
	return "<" + root + ">\r\n<CmdType>" + cmd + "</CmdType>\r\n<SN>" + escape(sn) + "</SN>\r\n<DeviceID>" + escape(id) +
		"</DeviceID>\r\n" + inner + "</" + root + ">\r\n"
}

func escape(s string) string {
	if !strings.ContainsAny(s, "<>&\"'\r\n\t") {
		return s
	}
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}

// request is what a Query, Control or Notify from the server asks.
type request struct {
	root, cmd, sn, id string
	body              string
}

// readRequest reads the few elements that matter; ok is false without a root
// and a CmdType.
func readRequest(b []byte) (r request, ok bool) {
	r.body = string(b)
	for _, root := range [...]string{"Query", "Control", "Notify", "Response"} {
		if strings.Contains(r.body, "<"+root+">") {
			r.root = root
			break
		}
	}
	r.cmd, r.sn, r.id = r.get("CmdType"), r.get("SN"), r.get("DeviceID")
	return r, r.root != "" && r.cmd != ""
}

// get is the text of the first element of a name, "" when there is none.
func (r *request) get(name string) string {
	_, rest, ok := strings.Cut(r.body, "<"+name+">")
	if !ok {
		return ""
	}
	text, _, ok := strings.Cut(rest, "</"+name+">")
	if !ok {
		return ""
	}
	return strings.TrimSpace(text)
}

func (r *request) response(inner string) string { return body("Response", r.cmd, r.sn, r.id, inner) }

// answer is what the device sends for a request, nil when it sends nothing
// (signalling.md section 3.16).
func (d *device) answer(r *request) *job {
	ok := "<Result>OK</Result>\r\n"
	switch r.root + "/" + r.cmd {
	case "Query/Catalog":
		return d.catalog(r)
	case "Query/DeviceInfo":
		return &job{next: once(r.response(d.deviceInfo()))}
	case "Query/DeviceStatus":
		return &job{next: once(d.condition(r))}
	case "Query/RecordInfo":
		return d.records(r)
	case "Query/ConfigDownload":
		return d.tellSettings(r)
	case "Control/DeviceConfig":
		return d.takeSettings(r)
	case "Query/PresetQuery", "Query/PTZPosition", "Query/HomePositionQuery", "Query/CruiseTrackListQuery", "Query/CruiseTrackQuery", "Query/SDCardStatus":
		return d.stored(r)
	case "Query/MobilePosition":
		return d.tellPlace(r)
	}
	if r.root == "Query" || r.root == "Control" {
		return &job{next: once(r.response(ok))}
	}
	return nil
}

func (d *device) deviceInfo() string {
	kind := "IPC"
	if d.sim.cfg.Channels > 1 {
		kind = "NVR"
	}
	return fmt.Sprintf("<DeviceName>%s</DeviceName>\r\n<Result>OK</Result>\r\n<Manufacturer>%s</Manufacturer>\r\n"+
		"<Model>SIM-%s</Model>\r\n<Firmware>%s</Firmware>\r\n<Channel>%d</Channel>\r\n",
		escape(d.name()), maker, kind, escape(d.firmware), d.sim.cfg.Channels)
}

func (d *device) alarmNotify(ch, kind int) string {
	return d.notify("Alarm", d.sim.ids.channelID(d.index, ch), fmt.Sprintf(
		"<AlarmPriority>4</AlarmPriority>\r\n<AlarmMethod>%d</AlarmMethod>\r\n<AlarmTime>%s</AlarmTime>\r\n"+
			"<AlarmDescription>模拟报警</AlarmDescription>\r\n<Info>\r\n<AlarmType>%d</AlarmType>\r\n</Info>\r\n",
		alarmMethod, localTime(), kind))
}

// catalog answers in parts (2022 Annex M). A query of a channel lists it alone.
func (d *device) catalog(r *request) *job {
	s := d.sim
	from, to, self := 0, s.cfg.Channels, s.quirks.has(selfItem)
	i, ch, ok := s.ids.find(r.id)
	switch {
	case !ok || i != d.index:
		return &job{next: once(r.response("<SumNum>0</SumNum>\r\n")), catalog: true}
	case ch >= 0:
		from, to, self = ch, ch+1, self && s.ids.same
	}
	copies := 1
	if s.quirks.has(catalogDouble) {
		copies = 2
	}
	sum := (to - from) * copies
	if self {
		sum++
	}
	d.catalogs++
	lose := s.quirks.has(catalogLost) && d.catalogs == 1
	next := from
	return &job{catalog: true, next: func() (string, bool) {
		var items strings.Builder
		n := 0
		if self && next == from {
			items.WriteString(d.selfItem())
			n++
		}
		for size := 0; next < to && size < s.cfg.PartSize; size++ {
			for range copies {
				items.WriteString("<Item>\r\n" + d.item(next, "") + "</Item>\r\n")
				n++
			}
			next++
		}
		more := next < to
		if lose && !more {
			return "", false
		}
		return r.response(fmt.Sprintf("<SumNum>%d</SumNum>\r\n<DeviceList Num=\"%d\">\r\n%s</DeviceList>\r\n", sum, n, items.String())), more
	}}
}

// selfItem is the device as an item of its own catalog.
func (d *device) selfItem() string {
	return "<Item>\r\n<DeviceID>" + d.id + "</DeviceID>\r\n<Name>" + d.sim.ids.deviceName(d.index) +
		"</Name>\r\n<Manufacturer>Fengsui</Manufacturer>\r\n<Model>SIM-NVR</Model>\r\n<CivilCode>" + d.id[:6] +
		"</CivilCode>\r\n<Address>模拟</Address>\r\n<Parental>1</Parental>\r\n<ParentID>" + string(d.sim.cfg.ServerID) +
		"</ParentID>\r\n<RegisterWay>1</RegisterWay>\r\n<Secrecy>0</Secrecy>\r\n<Status>" + d.status(true) + "</Status>\r\n</Item>\r\n"
}

// item is a channel's fields in the order of its edition (signalling.md section
// 3.6); event is given in notifications only.
func (d *device) item(ch int, event string) string {
	s := d.sim
	_, isOff := d.off[ch]
	id, parent := s.ids.channelID(d.index, ch), d.id
	if s.ids.same {
		parent = string(s.cfg.ServerID)
	}
	var b strings.Builder
	put := func(name, value string) { b.WriteString("<" + name + ">" + value + "</" + name + ">\r\n") }
	put("DeviceID", id)
	if event != "" {
		put("Event", event)
	}
	put("Name", s.ids.channelName(d.index, ch))
	put("Manufacturer", "Fengsui")
	put("Model", "SIM-IPC")
	old := s.cfg.Edition < gb28181.Edition2022
	if old {
		put("Owner", "0")
	}
	put("CivilCode", id[:6])
	put("Address", "模拟")
	put("Parental", "0")
	put("ParentID", parent)
	if old {
		put("SafetyWay", "0")
	}
	put("RegisterWay", "1")
	put("Secrecy", "0")
	put("Status", d.status(!isOff))
	lon, lat := d.place(ch)
	put("Longitude", strconv.FormatFloat(lon, 'f', 6, 64))
	put("Latitude", strconv.FormatFloat(lat, 'f', 6, 64))
	if old {
		b.WriteString("<Info>\r\n<PTZType>1</PTZType>\r\n</Info>\r\n")
	} else {
		b.WriteString("<Info>\r\n<PTZType>1</PTZType>\r\n<StreamNumberList>0/1</StreamNumberList>\r\n" +
			"<GrassrootsCode>000000</GrassrootsCode>\r\n<PointType>3</PointType>\r\n</Info>\r\n")
	}
	return b.String()
}

func (d *device) status(on bool) string {
	words := [...]string{"OFF", "ON"}
	if d.sim.quirks.has(onlineWords) {
		words = [...]string{"OFFLINE", "ONLINE"}
	}
	if on {
		return words[1]
	}
	return words[0]
}

// catalogEvents is a catalog notification about channels (signalling.md section
// 5.4). With no channels it has no list.
func (d *device) catalogEvents(subject string, channels []int, event string) string {
	inner := ""
	if d.sim.cfg.Edition < gb28181.Edition2022 {
		inner = "<Status>OK</Status>\r\n"
	}
	inner += "<SumNum>" + strconv.Itoa(len(channels)) + "</SumNum>\r\n"
	if len(channels) > 0 {
		inner += "<DeviceList Num=\"" + strconv.Itoa(len(channels)) + "\">\r\n"
		for _, ch := range channels {
			inner += "<Item>\r\n<DeviceID>" + d.sim.ids.channelID(d.index, ch) + "</DeviceID>\r\n<Event>" + event + "</Event>\r\n</Item>\r\n"
		}
		inner += "</DeviceList>\r\n"
	}
	return d.notify("Catalog", subject, inner)
}
