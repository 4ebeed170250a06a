//go:build linux

package main

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"fengsui/gb28181/gbsdp"
	"fengsui/internal/sim/stream"
	"fengsui/internal/sim/wire"
)

// sendTimes are when a question's answer, a request of ours, is sent again.
var sendTimes = [...]time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}

type sender func(from [4]byte, b []byte) error

// responder answers what the server asks of the cameras: the questions after a
// first registration, the catalog subscription, and INVITE where media are on.
type responder struct {
	cameras []camera
	serial  uint32
	pending map[uint32]*pending
	due     [len(sendTimes)][]due // by how often they were sent; each in order of time
	media   *mediaSource
	streams map[string]*dialog // by Call-ID

	Questions, Subscriptions, Invites, Unanswered int
}

// pending is a request of ours that waits for its answer.
type pending struct {
	from [4]byte
	raw  []byte
}

// due is when a request that still waits is sent again.
type due struct {
	serial uint32
	at     time.Time
}

// mediaSource sends the streams that are invited, each packet on its own.
type mediaSource struct {
	pacer   *stream.Pacer
	program *stream.Program
}

type dialog struct {
	conn   *net.UDPConn
	remote netip.AddrPort
	ssrc   uint32
	stream *stream.Stream
}

func newResponder(cameras []camera) *responder {
	return &responder{cameras: cameras, pending: map[uint32]*pending{}, streams: map[string]*dialog{}}
}

func (r *responder) close() {
	for _, g := range r.streams {
		g.close()
	}
	r.streams = nil
}

func (g *dialog) close() {
	if g.stream != nil {
		g.stream.Stop()
		return
	}
	_ = g.conn.Close()
}

// request answers one request to a camera.
func (r *responder) request(c *camera, b []byte, send sender) error {
	m, err := wire.Parse(b)
	if err != nil {
		return fmt.Errorf("the server sent no SIP: %w", err)
	}
	if m.Status != 0 { // a response over TCP comes through here too
		return nil
	}
	reply := func(status int, extra string, body []byte) error {
		return send(c.addr, r.reply(c, m, status, extra, body))
	}
	switch m.Method {
	case "MESSAGE":
		if err := reply(200, "", nil); err != nil {
			return err
		}
		return r.question(c, m, send)
	case "SUBSCRIBE":
		r.Subscriptions++
		extra := "Expires: " + m.Get("Expires") + "\r\nContact: " + c.contact() + "\r\n"
		if err := reply(200, extra, nil); err != nil {
			return err
		}
		if wire.Param(m.Get("To"), "tag") == "" {
			return r.notify(c, m, send)
		}
		return nil
	case "INVITE":
		r.Invites++
		return r.invite(c, m, reply)
	case "ACK":
		r.ack(m)
		return nil
	case "BYE":
		if g := r.streams[m.Get("Call-ID")]; g != nil {
			g.close()
			delete(r.streams, m.Get("Call-ID"))
		}
		return reply(200, "", nil)
	case "OPTIONS":
		return reply(200, "Allow: INVITE, ACK, BYE, MESSAGE, SUBSCRIBE, OPTIONS\r\n", nil)
	}
	return reply(405, "", nil)
}

func (c *camera) contact() string { return "<sip:" + c.id + "@" + c.host + ">" }

func (r *responder) reply(c *camera, m *wire.Message, status int, extra string, body []byte) []byte {
	reason := map[int]string{100: "Trying", 200: "OK", 405: "Method Not Allowed", 488: "Not Acceptable Here"}[status]
	b := wire.Join(make([]byte, 0, 768+len(body)), "SIP/2.0 ", strconv.Itoa(status), " ", reason, "\r\n")
	for _, v := range m.All("Via") {
		b = wire.Join(b, "Via: ", v, "\r\n")
	}
	to := m.Get("To")
	if wire.Param(to, "tag") == "" {
		to += ";tag=" + c.tag
	}
	b = wire.Join(b, "From: ", m.Get("From"), "\r\nTo: ", to, "\r\nCall-ID: ", m.Get("Call-ID"), "\r\nCSeq: ", m.Get("CSeq"), "\r\n", extra)
	b = wire.Join(b, "Content-Length: ", strconv.Itoa(len(body)), "\r\n\r\n")
	return append(b, body...)
}

// question answers a query with a message of its own.
func (r *responder) question(c *camera, m *wire.Message, send sender) error {
	body := string(m.Body)
	if !strings.Contains(body, "<Query>") {
		return nil
	}
	var inner string
	cmd := element(body, "CmdType")
	switch cmd {
	case "Catalog":
		inner = "<SumNum>1</SumNum>\r\n<DeviceList Num=\"1\">\r\n<Item>\r\n<DeviceID>" + c.id + "</DeviceID>\r\n<Name>camera " + c.id[14:] +
			"</Name>\r\n<Manufacturer>Fengsui</Manufacturer>\r\n<Model>BENCH</Model>\r\n<Owner>0</Owner>\r\n<CivilCode>" + c.id[:6] +
			"</CivilCode>\r\n<Address>loopback</Address>\r\n<Parental>0</Parental>\r\n<ParentID>" + serverID +
			"</ParentID>\r\n<SafetyWay>0</SafetyWay>\r\n<RegisterWay>1</RegisterWay>\r\n<Secrecy>0</Secrecy>\r\n<Status>ON</Status>\r\n</Item>\r\n</DeviceList>\r\n"
	case "DeviceInfo":
		inner = "<DeviceName>camera " + c.id[14:] + "</DeviceName>\r\n<Result>OK</Result>\r\n<Manufacturer>Fengsui</Manufacturer>\r\n<Model>BENCH</Model>\r\n<Firmware>1</Firmware>\r\n<Channel>1</Channel>\r\n"
	case "DeviceStatus":
		inner = "<Result>OK</Result>\r\n<Online>ONLINE</Online>\r\n<Status>OK</Status>\r\n"
	default:
		inner = "<Result>OK</Result>\r\n"
	}
	r.Questions++
	text := xmlHead + "<Response>\r\n<CmdType>" + cmd + "</CmdType>\r\n<SN>" + element(body, "SN") + "</SN>\r\n<DeviceID>" + c.id + "</DeviceID>\r\n" + inner + "</Response>\r\n"
	self := "<sip:" + c.id + "@" + serverDomain + ">;tag=" + c.tag
	return r.ask(c, send, "MESSAGE", registerURI, self, "<sip:"+serverID+"@"+serverDomain+">", "", "", text)
}

// notify is the first NOTIFY of a subscription: nothing has changed.
func (r *responder) notify(c *camera, m *wire.Message, send sender) error {
	text := xmlHead + "<Notify>\r\n<CmdType>Catalog</CmdType>\r\n<SN>1</SN>\r\n<DeviceID>" + c.id + "</DeviceID>\r\n<Status>OK</Status>\r\n<SumNum>0</SumNum>\r\n</Notify>\r\n"
	uri := wire.URI(m.Get("Contact"))
	if uri == "" {
		uri = registerURI
	}
	return r.ask(c, send, "NOTIFY", uri, m.Get("To")+";tag="+c.tag, m.Get("From"), m.Get("Call-ID"),
		"Event: "+m.Get("Event")+"\r\nSubscription-State: active;expires="+m.Get("Expires")+"\r\nContact: "+c.contact()+"\r\n", text)
}

// ask sends a request of ours, again and again until it is answered.
func (r *responder) ask(c *camera, send sender, method, uri, from, to, callID, extra, body string) error {
	r.serial++
	n := strconv.FormatUint(uint64(r.serial), 16)
	if callID == "" {
		callID = "q" + n + "." + c.id
	}
	b := wire.Join(make([]byte, 0, 1536), method, " ", uri, " SIP/2.0\r\nVia: SIP/2.0/", c.transport, " ", c.host, ";rport;branch=z9hG4bKq", n,
		"\r\nFrom: ", from, "\r\nTo: ", to, "\r\nCall-ID: ", callID, "\r\nCSeq: 1 ", method, "\r\nMax-Forwards: 70\r\n", extra,
		"Content-Type: "+xmlType+"\r\nContent-Length: ", strconv.Itoa(len(body)), "\r\n\r\n", body)
	if c.transport == "UDP" {
		r.pending[r.serial] = &pending{from: c.addr, raw: b}
		r.due[0] = append(r.due[0], due{r.serial, time.Now().Add(sendTimes[0])})
	}
	return send(c.addr, b)
}

// answered takes the answer to a request of ours.
func (r *responder) answered(a *answer) bool {
	rest, ok := strings.CutPrefix(string(a.branch), "z9hG4bKq")
	n, good := hexUint([]byte(rest))
	if !ok || !good || n > r.serial {
		return false
	}
	delete(r.pending, n) // a second answer finds nothing, which is fine
	return a.status/100 == 2
}

// tick sends again what is not answered.
func (r *responder) tick(now time.Time, send sender) error {
	for tries := range r.due {
		queue := r.due[tries]
		for len(queue) > 0 && !now.Before(queue[0].at) {
			serial := queue[0].serial
			queue = queue[1:]
			p := r.pending[serial]
			switch {
			case p == nil: // answered
			case tries == len(sendTimes)-1:
				r.Unanswered++
				delete(r.pending, serial)
			default:
				r.due[tries+1] = append(r.due[tries+1], due{serial, now.Add(sendTimes[tries+1])})
				if err := send(p.from, p.raw); err != nil {
					return err
				}
			}
		}
		r.due[tries] = queue
	}
	return nil
}

// invite answers at once, as the fastest camera would.
func (r *responder) invite(c *camera, m *wire.Message, reply func(int, string, []byte) error) error {
	if r.media == nil {
		return reply(488, "", nil)
	}
	if r.streams[m.Get("Call-ID")] != nil {
		return nil // our 200 is on its way
	}
	offer, err := gbsdp.Parse(m.Body)
	if err != nil {
		return fmt.Errorf("read the offer: %w", err)
	}
	video := offer.First("video")
	ssrc, err := strconv.ParseUint(offer.SSRC, 10, 32)
	if video == nil || video.TCP || err != nil {
		return reply(488, "", nil)
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: c.addr[:]})
	if err != nil {
		return fmt.Errorf("open media socket: %w", err)
	}
	separate(conn)
	port := conn.LocalAddr().(*net.UDPAddr).Port
	ip := netip.AddrFrom4(c.addr).String()
	sdp := "v=0\r\no=" + c.id + " 0 0 IN IP4 " + ip + "\r\ns=Play\r\nc=IN IP4 " + ip + "\r\nt=0 0\r\nm=video " + strconv.Itoa(port) +
		" RTP/AVP 96\r\na=sendonly\r\na=rtpmap:96 PS/90000\r\ny=" + offer.SSRC + "\r\nf=\r\n"
	r.streams[m.Get("Call-ID")] = &dialog{conn: conn, remote: offer.Remote(video), ssrc: uint32(ssrc)}
	return reply(200, "Contact: "+c.contact()+"\r\nContent-Type: application/sdp\r\n", []byte(sdp))
}

func (r *responder) ack(m *wire.Message) {
	g := r.streams[m.Get("Call-ID")]
	if g == nil || g.stream != nil {
		return
	}
	// An error means that the pacer has ended, and everything with it.
	g.stream, _ = r.media.pacer.Start(stream.Options{
		Program: r.media.program, SSRC: g.ssrc, PayloadType: 96, UDP: g.conn, Remote: g.remote,
	})
}

// element is the text of an XML element without children.
func element(body, name string) string {
	_, rest, ok := strings.Cut(body, "<"+name+">")
	if !ok {
		return ""
	}
	text, _, ok := strings.Cut(rest, "</"+name+">")
	if !ok {
		return ""
	}
	return strings.TrimSpace(text)
}
