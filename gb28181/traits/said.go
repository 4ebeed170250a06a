package traits

import (
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// What is kept of what devices say beyond the standard: so many fields of a
// device, so many bytes of each, so many devices.
const (
	MaxFields  = 24
	MaxText    = 256
	MaxDevices = 20_000
)

// Field is one thing that a device says and the standard does not know: a header
// field, or a free text of a message.
type Field struct {
	In    string // method or CmdType: "REGISTER", "DeviceInfo"
	Name  string // "X-Vendor-Serial", "ExtraInfo"
	Value string // at most MaxText bytes
	At    time.Time
}

// said is what devices said, by device.
type said struct {
	dropped *prometheus.CounterVec // bound

	mu   sync.Mutex // guards all below
	rows map[gb28181.ID][]Field
}

func (s *said) init() {
	s.rows = map[gb28181.ID][]Field{}
	s.dropped = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fengsui_traits_dropped_fields_total", Help: "Vendor fields that were not kept: of a device that has many, or of a further device.",
	}, []string{"bound"})
	s.dropped.WithLabelValues("device")
	s.dropped.WithLabelValues("all")
}

// Said are the vendor fields of a device, the oldest first.
func (b *Book) Said(id gb28181.ID) []Field {
	b.said.mu.Lock()
	defer b.said.mu.Unlock()
	return slices.Clone(b.said.rows[id])
}

func (s *said) forget(id gb28181.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, id)
}

// Header keeps a header field of a message of a device if no standard knows it, or
// if it says for which user of another domain the message is.
func (b *Book) Header(id gb28181.ID, method, name, value string, at time.Time) {
	if IsVendorHeader(name) || strings.EqualFold(name, "Monitor-User-Identity") {
		b.said.keep(id, Field{method, name, value, at})
	}
}

// IsVendorHeader reports a header field that is neither of SIP nor of GB/T 28181.
func IsVendorHeader(name string) bool {
	if len(name) < 3 || name[0] != 'x' && name[0] != 'X' || name[1] != '-' {
		return false
	}
	for _, known := range [...]string{"X-GB-Ver", "X-RoutePath", "X-PreferredPath", "X-Recv-Seq", "X-Recv-Flow", "X-Recv-Rport"} {
		if strings.EqualFold(name, known) {
			return false
		}
	}
	return true
}

// Message keeps what a message holds in Info and ExtraInfo of itself; those of the
// items of a list are theirs.
func (b *Book) Message(id gb28181.ID, m *manscdp.Message, at time.Time) {
	for _, n := range m.Node.Children {
		if strings.EqualFold(n.Name, "ExtraInfo") || strings.EqualFold(n.Name, "Info") && !known(m) {
			if text := flat(n); text != "" {
				b.said.keep(id, Field{m.CmdType, n.Name, text, at})
			}
		}
	}
}

// known reports messages whose Info is the standard's own.
func known(m *manscdp.Message) bool {
	return strings.EqualFold(m.CmdType, "Keepalive") || strings.EqualFold(m.CmdType, "Alarm")
}

// flat is an element as one line: its text, or name=text of what is in it.
func flat(n *manscdp.Node) string {
	if len(n.Children) == 0 {
		return n.Text
	}
	var terms []string
	for _, c := range n.Children {
		if text := flat(c); text != "" {
			terms = append(terms, c.Name+"="+text)
		}
		if len(terms) == MaxFields {
			break
		}
	}
	return strings.Join(terms, "; ")
}

// keep takes a field; one of the same name in the same message is replaced.
func (s *said) keep(id gb28181.ID, f Field) {
	f.In, f.Name, f.Value = clip(f.In), clip(f.Name), clip(f.Value)
	s.mu.Lock()
	defer s.mu.Unlock()
	row, ok := s.rows[id]
	for i := range row {
		if row[i].In == f.In && row[i].Name == f.Name {
			row[i] = f
			return
		}
	}
	switch {
	case !ok && len(s.rows) >= MaxDevices:
		s.dropped.WithLabelValues("all").Inc()
	case len(row) >= MaxFields:
		s.dropped.WithLabelValues("device").Inc()
	default:
		if !ok {
			id = gb28181.ID(strings.Clone(string(id))) // it may share a message's memory
		}
		s.rows[id] = append(row, f)
	}
}

// clip is a text of its own, at most MaxText bytes and whole characters, without
// what would break a line.
func clip(s string) string {
	s = s[:min(len(s), MaxText)]
	for len(s) > 0 {
		if r, n := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || n != 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return strings.Clone(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD")))
}
