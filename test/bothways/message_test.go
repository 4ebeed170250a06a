package bothways_test

import (
	"fmt"
	"slices"
	"strings"

	"fengsui/sip/flow"
)

// message is a request before it is written.
type message struct {
	method, uri string
	fields      []field
	body        []byte

	lead, end string // before the start line; of each line
	length    string // Content-Length; empty is the true one, "none" leaves it out
	noBlank   bool   // no empty line after the header

	// A branch of RFC 2543 and a From without a tag: for both together sipgo has
	// no name of the transaction, and answers 400.
	oldBranch, untagged bool
}

type field struct{ name, value string }

func (m *message) add(name, value string) { m.fields = append(m.fields, field{name, value}) }

func (m *message) at(name string) int {
	return slices.IndexFunc(m.fields, func(f field) bool { return f.name == name })
}

func (m *message) get(name string) string { return m.fields[m.at(name)].value }

func (m *message) set(name, value string) { m.fields[m.at(name)].value = value }

func (m *message) drop(name string) {
	m.fields = slices.DeleteFunc(m.fields, func(f field) bool { return f.name == name })
}

func (m *message) bytes() []byte {
	b := []byte(m.lead + m.method + " " + m.uri + " SIP/2.0" + m.end)
	length := m.length
	if length == "" {
		length = fmt.Sprint(len(m.body))
	}
	for _, f := range m.fields {
		b = append(b, f.name+": "+f.value+m.end...)
	}
	if length != "none" {
		b = append(b, "Content-Length: "+length+m.end...)
	}
	if !m.noBlank {
		b = append(b, m.end...)
	}
	return append(b, m.body...)
}

// oddities are what cameras and proxies do to messages that were in good form.
// Those that mislead about where a message ends are for datagrams only: over a
// connection they make two messages come at once, of which sipgo may answer the
// second first.
var oddities = []struct {
	name     string
	datagram bool
	do       func(c *camera, m *message)
}{
	{"compact names", false, func(c *camera, m *message) {
		short := map[string]string{"Via": "v", "From": "f", "To": "t", "Call-ID": "i", "Contact": "m", "Content-Type": "c"}
		for i := range m.fields {
			if s, ok := short[m.fields[i].name]; ok && c.chance(70) {
				m.fields[i].name = s
			}
		}
	}},
	{"names in other case", false, func(c *camera, m *message) {
		for i := range m.fields {
			m.fields[i].name = c.pick(strings.ToLower(m.fields[i].name), strings.ToUpper(m.fields[i].name), m.fields[i].name)
		}
	}},
	{"blanks", false, func(c *camera, m *message) {
		for i := range m.fields {
			switch c.rnd.IntN(4) {
			case 0:
				m.fields[i].name += c.pick(" ", "\t", "  ")
			case 1:
				m.fields[i].value = c.pick("   ", "\t", " \t ") + m.fields[i].value
			case 2:
				m.fields[i].value += c.pick(" ", "\t", "  ")
			}
		}
	}},
	{"folded", false, func(c *camera, m *message) {
		i := c.rnd.IntN(len(m.fields))
		if v := m.fields[i].value; strings.Contains(v, " ") {
			m.fields[i].value = strings.Replace(v, " ", c.pick("\r\n ", "\r\n\t", "\n  "), 1)
		} else {
			m.fields[i].value = "\r\n " + v
		}
	}},
	{"two Vias", false, func(c *camera, m *message) {
		m.fields = slices.Insert(m.fields, 1, field{"Via", "SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bKproxy" + fmt.Sprint(c.serial)})
	}},
	{"two Vias in a line", false, func(_ *camera, m *message) {
		if i := m.at("Via"); i >= 0 {
			m.fields[i].value += ", SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK2"
		}
	}},
	{"odd Via", false, func(c *camera, m *message) {
		if i := m.at("Via"); i >= 0 {
			m.oldBranch = true
			m.fields[i].value = fmt.Sprintf(c.pick("SIP/2.0/UDP %[1]s", "sip / 2.0 / udp %[1]s ; branch=z9hG4bK%[2]d", "SIP/2.0/UDP camera.local;rport;branch=z9hG4bK%[2]d",
				"SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK%[2]d", "SIP/2.0/UDP %[1]s;received=1.2.3.4;rport=1;branch=z9hG4bK%[2]d",
				"SIP/2.0/UDP %[1]s;branch=%[2]d;maddr=224.0.0.1;ttl=1", "SIP/2.0/UDP %[1]s:bad;branch=z9hG4bK%[2]d", "SIP/2.0/UDP %[1]s;branch=z9hG4bK"), c.at, 1_000_000*len(c.id)+c.serial)
		}
	}},
	{"Route", false, func(c *camera, m *message) {
		m.add("Route", c.pick("<sip:198.51.100.5:5060;lr>", "<sip:proxy.example.com;lr>, <sip:198.51.100.5;lr>", "sip:198.51.100.5", "nonsense", ""))
	}},
	{"Record-Route", false, func(_ *camera, m *message) { m.add("Record-Route", "<sip:203.0.113.9;lr>") }},
	{"Require", false, func(c *camera, m *message) {
		m.add(c.pick("Require", "Proxy-Require"), c.pick("100rel", "path, outbound", ""))
	}},
	{"Max-Forwards", false, func(c *camera, m *message) {
		if m.drop("Max-Forwards"); c.chance(60) {
			m.add("Max-Forwards", c.pick("0", "1", "255", "none", "-1", ""))
		}
	}},
	{"bad Content-Length", true, func(c *camera, m *message) {
		m.length = c.pick("none", "0", fmt.Sprint(len(m.body)+2), fmt.Sprint(max(0, len(m.body)-2)), "abc", "99999999999999999999", "-1", fmt.Sprint(len(m.body))+" bytes")
	}},
	{"line ends", true, func(c *camera, m *message) { m.end = c.pick("\n", "\r\n", "\r\r\n") }},
	{"no empty line", true, func(_ *camera, m *message) { m.noBlank = true }},
	{"before the start line", true, func(c *camera, m *message) { m.lead = c.pick("\r\n", "\r\n\r\n", "\x00\x00", "  ") }},
	{"method in lower case", false, func(_ *camera, m *message) { m.method = strings.ToLower(m.method) }},
	{"Request-URI", false, func(c *camera, m *message) {
		m.uri = c.pick("sip:198.51.100.5", "sip:"+serverID+"@198.51.100.5:5060;transport=udp", "<sip:"+serverID+"@"+domain+">", "sips:"+serverID+"@"+domain,
			"tel:110", serverID+"@"+domain, "sip: "+serverID+"@"+domain, "sip:34020000002000000002@"+domain)
	}},
	{"From", false, func(c *camera, m *message) {
		if i := m.at("From"); i >= 0 {
			m.untagged = true
			m.fields[i].value = fmt.Sprintf(c.pick("sip:%[1]s@x;tag=1", "\"%[1]s\" <sip:%[1]s@x>;tag=2", "<sip:%[1]s@x>", "<sip:%[1]s>;tag=3", "<sip:%[1]s@x;tag=4>", "%[1]s <sip:%[1]s@x> ;tag=5",
				"<sip:%[1]s:secret@x:5060;user=phone>;x;tag=6", "\"a \\\" <sip:b@c>\" <sip:%[1]s@x>;tag=7", "<tel:%[1]s>;tag=8", "%[1]s"), c.id)
		}
	}},
	{"To", false, func(c *camera, m *message) {
		if i := m.at("To"); i >= 0 {
			m.fields[i].value = fmt.Sprintf(c.pick("sip:%[1]s@x", "<sip:%[1]s@x>;tag=theirs", "\"\" <sip:%[1]s@x>", "<sip:%[1]s>", "<sip:%[1]s@x>;tag=", "", "*"), c.id)
		}
	}},
	{"Contact", false, func(c *camera, m *message) {
		m.drop("Contact")
		for range 1 + c.rnd.IntN(2) {
			m.add("Contact", c.pick("*", "", "<sip:a@b>, <sip:c@d>;expires=0", "<>", "sip:a@b;expires=60;x=y", "<sip:a b@c>", "<sip:a@b?h=v>;expires=\"90\"", "<sip:"+strings.Repeat("a", 400)+"@b>", "\xff\xfe"))
		}
	}},
	{"twice", true, func(c *camera, m *message) {
		m.fields = append(m.fields, m.fields[c.rnd.IntN(len(m.fields))])
	}},
	{"missing", true, func(c *camera, m *message) {
		i := c.rnd.IntN(len(m.fields))
		m.fields = slices.Delete(m.fields, i, i+1)
	}},
	{"unknown header", false, func(c *camera, m *message) {
		m.add(c.pick("X-Maker", "P-Asserted-Identity", "Note", "Monitor-User-Identity"), c.pick("value", "\xe4\xb8\xad", "", `Digest nonce="x", algorithm=SM3`, "a, b; c=\"d\""))
	}},
	{"line without a colon", false, func(_ *camera, m *message) {
		last := &m.fields[len(m.fields)-1]
		last.value += m.end + "this is no header"
	}},
	{"odd CSeq", false, func(c *camera, m *message) {
		if i := m.at("CSeq"); i >= 0 {
			m.fields[i].value = c.pick("1  "+m.method, fmt.Sprint(c.cseq)+"\t"+m.method, fmt.Sprint(c.cseq), "4294967295 "+m.method, "0 "+m.method, fmt.Sprint(c.cseq)+" ACK", "x", fmt.Sprint(c.cseq)+" "+strings.ToLower(m.method))
		}
	}},
	{"Call-ID", false, func(c *camera, m *message) {
		if i := m.at("Call-ID"); i >= 0 {
			m.fields[i].value = c.pick("", fmt.Sprintf("%d", c.serial), "a b", fmt.Sprintf("{%d}@<x>", c.serial))
		}
	}},
	{"our stamps", false, func(_ *camera, m *message) {
		m.add("X-Recv-Seq", "1")
		m.add("X-Recv-Flow", "udp/0/1.2.3.4:5/6.7.8.9:10")
		m.add("X-Recv-Rport", "1")
	}},
}

// odd makes some messages odd, a few of them in several ways.
func (c *camera) odd(m *message) {
	for c.chance(30) {
		o := oddities[c.rnd.IntN(len(oddities))]
		if o.datagram && c.transport != flow.UDP {
			continue
		}
		o.do(c, m)
	}
	if m.oldBranch && m.untagged {
		for i := range m.fields {
			if name := strings.TrimSpace(m.fields[i].name); strings.EqualFold(name, "From") || strings.EqualFold(name, "f") {
				m.fields[i].value = fmt.Sprintf("<sip:%s@x>;tag=9", c.id)
			}
		}
	}
}
