package subscribe

import (
	"strings"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// Kind is what is subscribed.
type Kind string

// The kinds (2022 9.11; signalling.md section 5.1).
const (
	Catalog  Kind = "catalog"
	Alarm    Kind = "alarm"
	Position Kind = "position" // of mobile devices
	PTZ      Kind = "ptz"      // where cameras look
)

// kinds are all of them. event is the token to begin with, other the one to try
// when a device answers 489; a token with an id gets a number of its own.
var kinds = [...]struct {
	kind         Kind
	cmd          string // CmdType of query and report
	since        gb28181.Edition
	event, other string
	numbered     string // the token that carries ;id=
}{
	{Catalog, manscdp.CmdCatalog, gb28181.Edition2011, "Catalog", presence, "Catalog"},
	{Alarm, manscdp.CmdAlarm, gb28181.Edition2011, presence, "Alarm", ""},
	{Position, manscdp.CmdMobilePosition, gb28181.Edition2016, presence, "MobilePosition", ""},
	{PTZ, manscdp.CmdPTZPosition, gb28181.Edition2022, presence, "PTZPosition", ""},
}

// presence is the token of 2011, and in practice that of all but catalogs.
const presence = "presence"

// Kinds lists all kinds.
func Kinds() []Kind {
	list := make([]Kind, len(kinds))
	for i := range kinds {
		list[i] = kinds[i].kind
	}
	return list
}

// kindOf is the kind that a CmdType belongs to, in any case; "" for none.
func kindOf(cmd string) Kind {
	for i := range kinds {
		if strings.EqualFold(cmd, kinds[i].cmd) {
			return kinds[i].kind
		}
	}
	return ""
}

// cmd is the CmdType of the kind's query, "" of what is no kind.
func (k Kind) cmd() string {
	for i := range kinds {
		if kinds[i].kind == k {
			return kinds[i].cmd
		}
	}
	return ""
}

// since is the first edition that has the kind.
func (k Kind) since() gb28181.Edition {
	for i := range kinds {
		if kinds[i].kind == k {
			return kinds[i].since
		}
	}
	return gb28181.EditionUnknown
}

// token is the Event to send, without an id; other is the one for a device that
// does not know the first.
func (k Kind) token(other bool) (event string, numbered bool) {
	for i := range kinds {
		if row := &kinds[i]; row.kind == k {
			event = row.event
			if other {
				event = row.other
			}
			return event, event == row.numbered
		}
	}
	return "", false
}

// query is the body of a SUBSCRIBE.
func (k Kind) query(sn int, device gb28181.ID, t Terms) manscdp.Body {
	switch k {
	case Alarm:
		return manscdp.AlarmQuery{SN: sn, DeviceID: device}
	case Position:
		return manscdp.PositionQuery{SN: sn, DeviceID: device, Interval: int(t.Interval / time.Second)}
	}
	return manscdp.Inquiry{CmdType: k.cmd(), SN: sn, DeviceID: device}
}
