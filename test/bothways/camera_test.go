package bothways_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"fengsui/sip/digest"
	"fengsui/sip/flow"
)

// camera is a peer that says whatever chance has it say.
type camera struct {
	rnd       *rand.Rand
	id        string
	transport string
	at        netip.AddrPort

	serial     int
	callID     string // of its REGISTERs
	cseq       int
	offers     []string // WWW-Authenticate of the last 401
	old        []string // of the one before
	credential string   // that was good
	nc         int
	last       []sent // of late
}

// sent is a message with the time when it was sent.
type sent struct {
	b  []byte
	at time.Time
}

// How long a repeat is known for one: by the intake for all the time a peer may
// repeat, by sipgo for as long as most do, since it keeps much more of each
// request. Between the two a repeat is another request to sipgo.
const (
	knownBySipgo  = 4 * time.Second
	knownByIntake = 32 * time.Second
)

// late is what the camera sent so long ago that nobody knows it, byte for byte;
// nil if there is nothing.
func (c *camera) late() []byte {
	if len(c.last) == 0 {
		return nil
	}
	s := &c.last[c.rnd.IntN(len(c.last))]
	if time.Since(s.at) <= knownByIntake {
		return nil
	}
	s.at = time.Now()
	return s.b
}

// ids are cameras, an unlike few of each account, a platform, and what is no ID.
func ids() []string {
	var all []string
	for i := range 40 {
		all = append(all, fmt.Sprintf("340200000013200%05d", i))
	}
	return append(all, platformID, "3402000000132000001", "34020000001320000ABC", "camera", "3402%3000001320000001")
}

func cameras(rnd *rand.Rand) (all []*camera) {
	for i, id := range ids() {
		c := &camera{rnd: rnd, id: id, transport: flow.UDP, cseq: rnd.IntN(1000)}
		if i%6 == 4 {
			c.transport = flow.TCP
		}
		c.move()
		all = append(all, c)
	}
	return all
}

// move gives the camera another address, of which a few are shared. A repeat
// comes from where the message came first.
func (c *camera) move() {
	c.last = nil
	port := uint16(5060 + c.rnd.IntN(4))
	if c.transport == flow.TCP { // of which each has its own
		port = uint16(10000 + c.rnd.IntN(50000))
	}
	c.at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + c.rnd.IntN(60))}), port)
}

func (c *camera) pick(texts ...string) string { return texts[c.rnd.IntN(len(texts))] }

func (c *camera) chance(percent int) bool { return c.rnd.IntN(100) < percent }

// next is what the camera says now.
func (c *camera) next() []byte {
	if c.chance(5) {
		if b := c.late(); b != nil {
			return b
		}
	}
	var b []byte
	switch n := c.rnd.IntN(100); {
	case n < 2 && c.transport == flow.UDP:
		return c.garbage()
	case n < 10:
		b = c.other()
	case n < 55:
		b = c.register()
	default:
		b = c.keepalive()
	}
	if c.last = append(c.last, sent{b, time.Now()}); len(c.last) > 4 {
		c.last = c.last[1:]
	}
	return b
}

// request is a request in good form.
func (c *camera) request(method string) *message {
	c.serial++
	c.cseq++
	unique := fmt.Sprintf("%s%d", c.id[max(0, len(c.id)-7):], c.serial)
	m := &message{method: method, uri: "sip:" + serverID + "@" + domain, end: "\r\n"}
	m.add("Via", fmt.Sprintf("SIP/2.0/%s %s%s;branch=z9hG4bK%s", strings.ToUpper(c.transport), c.at, c.pick("", ";rport", ";rport", ";rport="), unique))
	m.add("From", fmt.Sprintf("<sip:%s@%s>;tag=f%s", c.id, domain, unique))
	m.add("To", fmt.Sprintf("<sip:%s@%s>", serverID, domain))
	m.add("Call-ID", unique+"@"+c.at.Addr().String())
	m.add("CSeq", fmt.Sprintf("%d %s", c.cseq, method))
	m.add("Max-Forwards", "70")
	if c.chance(60) {
		m.add("User-Agent", c.pick("IP Camera", "NVR 4.0", "Embedded Net DVS", "", strings.Repeat("long ", 30), "\xd6\xd0\xce\xc4"))
	}
	return m
}

func (c *camera) register() []byte {
	m := c.request("REGISTER")
	m.set("To", fmt.Sprintf("<sip:%s@%s>", c.id, domain))
	if c.callID == "" || c.chance(10) {
		c.callID = m.get("Call-ID")
	}
	m.set("Call-ID", c.callID)
	if c.chance(90) {
		m.add("Contact", fmt.Sprintf(c.pick("<sip:%s@%s>", "<sip:%s@%s>", "<sip:%s@%s>;expires=1800", "sip:%s@%s", "\"cam, one\" <sip:%s@%s>;q=0.5"), c.id, c.at))
	}
	if c.chance(90) {
		m.add("Expires", c.pick("3600", "3600", "3600", "86400", "60", "1", "0", "0", "99999999999", "-1", "3600.5", "", "soon"))
	}
	if c.chance(30) {
		m.add("X-GB-Ver", c.pick("2.0", "3.0", "1.1", "9.9", "?"))
	}
	if c.chance(5) {
		m.add("traceparent", c.pick("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-0-0-0"))
	}
	if value := c.authorization(); value != "" {
		m.add("Authorization", value)
		if c.chance(2) {
			m.add("Authorization", c.garbled())
		}
	}
	c.odd(m)
	return m.bytes()
}

// authorization is the answer to a challenge, right or wrong, or "".
func (c *camera) authorization() string {
	n := c.rnd.IntN(100)
	switch {
	case n < 20:
		return ""
	case n < 25:
		return c.garbled()
	case n < 35 && c.credential != "":
		return c.credential // replayed
	}
	offers := c.offers
	if n < 40 {
		offers = c.old
	}
	if len(offers) == 0 {
		return ""
	}
	a, _, err := digest.ParseChallenge([]byte(offers[c.rnd.IntN(len(offers))]))
	if err != nil {
		return ""
	}
	a.Username, a.URI = c.id, "sip:"+serverID+"@"+domain
	secret := secret(c.id)
	switch c.rnd.IntN(30) {
	case 0:
		secret = "wrong"
	case 1:
		secret = ""
	case 2:
		a.Username = "admin"
	case 3:
		a.Realm = "its own"
	case 4:
		a.Algorithm = ""
	case 5:
		a.Algorithm = c.pick("md5", "SHA-512", "MD5-sess")
	case 6:
		a.Nonce = c.pick("", "abc", a.Nonce[1:], strings.Repeat("A", 32))
	case 7:
		a.URI = "sip:elsewhere"
	}
	if a.QOP != "" {
		if c.nc++; c.chance(10) {
			c.nc = 1
		}
		a.NC, a.CNonce = fmt.Sprintf("%08x", c.nc), "0a4f113b"
	}
	a.Sign("REGISTER", secret)
	value := a.String()
	switch c.rnd.IntN(20) {
	case 0:
		value = strings.ReplaceAll(value, ", ", ",")
	case 1:
		value = strings.ReplaceAll(value, ", ", " ,\t")
	case 2:
		value = strings.Replace(value, "username=", "USERNAME = ", 1)
	}
	c.credential = value
	return value
}

func (c *camera) garbled() string {
	return c.pick("Digest", "Digest username=", "Basic YWJj", `Capability algorithm="A:SHA1;V:1.1",keyversion="x"`, `Digest username="`+c.id,
		`Digest username="x", realm="y", nonce="z", uri="u", response="00000000000000000000000000000000"`, `username="x",response=`+strings.Repeat("0", 5000))
}

func (c *camera) keepalive() []byte {
	m := c.request("MESSAGE")
	id := c.id
	if c.chance(4) {
		id = c.pick("34020000001320000001", "34020000001320099999", platformID, "", "&lt;")
	}
	status := c.pick("OK", "OK", "OK", "OK", "ok", "ERROR", "", "On")
	text := c.pick(
		"<?xml version=\"1.0\"?>\r\n<Notify>\r\n<CmdType>Keepalive</CmdType>\r\n<SN>%[3]d</SN>\r\n<DeviceID>%[1]s</DeviceID>\r\n<Status>%[2]s</Status>\r\n</Notify>\r\n",
		"<?xml version=\"1.0\" encoding=\"GB2312\"?>\r\n<Notify><CmdType>Keepalive</CmdType><SN>%[3]d</SN><DeviceID>%[1]s</DeviceID><Status>%[2]s</Status><Info></Info></Notify>",
		"<?xml version=\"1.0\" encoding=\"GB18030\"?><Notify><CmdType>Keepalive</CmdType><SN>%[3]d</SN><DeviceID>%[1]s</DeviceID><Status>%[2]s</Status><Name>大门\U00020000</Name></Notify>",
		"<Notify><CmdType>KeepAlive</CmdType><SN>%[3]d</SN><DeviceID> %[1]s </DeviceID></Notify>",
		"<notify CmdType='Keepalive'><SN>%[3]d</SN><DeviceID><![CDATA[%[1]s]]></DeviceID><status>%[2]s</status></notify>",
	)
	body := fmt.Appendf(nil, text, id, status, c.serial)
	if bytes.Contains(body, []byte("GB18030")) {
		body, _ = simplifiedchinese.GB18030.NewEncoder().Bytes(body) // it has every character
	}
	switch n := c.rnd.IntN(40); {
	case n == 0:
		body = nil
	case n == 1:
		body = []byte("\r\n")
	case c.transport != flow.UDP: // the end of a connection's message is seen by the body's
	case n == 2:
		body = body[:c.rnd.IntN(len(body))]
	case n == 3:
		body[c.rnd.IntN(len(body))] = byte(c.rnd.IntN(256))
	}
	m.body = body
	if c.chance(95) {
		m.add("Content-Type", c.pick("Application/MANSCDP+xml", "application/MANSCDP+xml", "text/plain", "Application/MANSCDP+xml; charset=GB2312"))
	}
	c.odd(m)
	return m.bytes()
}

// other is what the registrar does not answer.
func (c *camera) other() []byte {
	m := c.request(c.pick("MESSAGE", "MESSAGE", "OPTIONS", "NOTIFY", "INVITE", "BYE", "SUBSCRIBE", "INFO", "FOO"))
	if m.method == "MESSAGE" || m.method == "NOTIFY" {
		m.add("Content-Type", "Application/MANSCDP+xml")
		m.body = fmt.Appendf(nil, "<?xml version=\"1.0\"?><Response><CmdType>%s</CmdType><SN>%d</SN><DeviceID>%s</DeviceID></Response>", c.pick("DeviceInfo", "Catalog"), c.serial, c.id)
	}
	c.odd(m)
	return m.bytes()
}

func (c *camera) garbage() []byte {
	b := make([]byte, c.rnd.IntN(200))
	for i := range b {
		b[i] = byte(c.rnd.IntN(256))
	}
	return []byte(c.pick(string(b), "\r\n\r\n", "\x00\x00", "REGISTER\r\n\r\n", "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.51.100.5;branch=z9hG4bK1\r\n"+
		"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
		"MESSAGE sip:x@y SIP/2.0\r\nContent-Length: 0\r\n\r\n"))
}

// hear takes an answer.
func (c *camera) hear(answer string) {
	if !strings.HasPrefix(answer, "SIP/2.0 401 ") {
		return
	}
	c.old, c.offers = c.offers, nil
	for line := range strings.Lines(answer) {
		if value, ok := strings.CutPrefix(line, "WWW-Authenticate: "); ok {
			c.offers = append(c.offers, strings.TrimSpace(value))
		}
	}
	c.nc = 0
}
