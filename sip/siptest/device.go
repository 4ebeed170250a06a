package siptest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"fengsui/sip/flow"
)

// Patience is how long [Device.Expect] waits. It is real time on real sockets.
const Patience = 10 * time.Second

// Config describes a device. Only Server is needed.
type Config struct {
	ID        string // 20 digits; default 34020000001320000001
	ServerID  string // default 34020000002000000001
	Domain    string // default 3402000000
	Transport string // flow.UDP (default), flow.TCP or flow.TLS
	Local     string // host:port; default 192.0.2.20:5060 in memory, 127.0.0.1:0 on sockets
	Server    netip.AddrPort
	Net       *Network    // nil: real sockets
	TLS       *tls.Config // default: any certificate is taken
}

// Device is a camera of plain text: it sends what it is told, byte for byte,
// and keeps what it hears until [Device.Expect] takes it. Its methods fail the
// test instead of returning errors and may be called from the test's goroutine.
type Device struct {
	t   testing.TB
	cfg Config

	packet net.PacketConn // of UDP
	stream net.Conn       // of TCP and TLS
	local  netip.AddrPort
	heard  chan *Message
	done   chan struct{} // closed when the reader has ended

	mu         sync.Mutex // guards all below
	backlog    []*Message
	transcript strings.Builder
	react      func(*Message) []byte
	serial     int
}

// NewDevice opens the device's socket or connection. It is closed with the test.
func NewDevice(t testing.TB, cfg Config) *Device {
	t.Helper()
	setDefault(&cfg.ID, "34020000001320000001")
	setDefault(&cfg.ServerID, "34020000002000000001")
	setDefault(&cfg.Domain, "3402000000")
	setDefault(&cfg.Transport, flow.UDP)
	if cfg.Net != nil {
		setDefault(&cfg.Local, "192.0.2.20:5060")
	} else {
		setDefault(&cfg.Local, "127.0.0.1:0")
	}
	d := &Device{t: t, cfg: cfg, heard: make(chan *Message, backlog), done: make(chan struct{})}
	if err := d.open(); err != nil {
		t.Fatalf("device %s: open %s from %s to %s: %v", cfg.ID, cfg.Transport, cfg.Local, cfg.Server, err)
	}
	if d.packet != nil {
		go d.readPackets()
	} else {
		go d.readStream()
	}
	t.Cleanup(func() {
		d.Close()
		if t.Failed() {
			t.Logf("transcript of %s\n%s", d.cfg.ID, d.Transcript())
		}
	})
	return d
}

func (d *Device) open() (err error) {
	if d.cfg.Transport == flow.UDP {
		if d.cfg.Net != nil {
			d.packet, err = d.cfg.Net.ListenPacket(d.t.Context(), "udp", d.cfg.Local)
		} else {
			var lc net.ListenConfig
			d.packet, err = lc.ListenPacket(d.t.Context(), "udp", d.cfg.Local)
		}
		if err != nil {
			return err
		}
		d.local = addrPort(d.packet.LocalAddr())
		return nil
	}
	local, err := netip.ParseAddrPort(d.cfg.Local)
	if err != nil {
		return err
	}
	if d.cfg.Net != nil {
		d.stream, err = d.cfg.Net.Dial(local, d.cfg.Server)
	} else {
		dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(local), Timeout: Patience}
		d.stream, err = dialer.DialContext(d.t.Context(), "tcp", d.cfg.Server.String())
	}
	if err != nil {
		return err
	}
	d.local = addrPort(d.stream.LocalAddr())
	if d.cfg.Transport != flow.TLS {
		return nil
	}
	conf := d.cfg.TLS
	if conf == nil {
		conf = &tls.Config{InsecureSkipVerify: true} // a test's certificate is nobody's
	}
	secured := tls.Client(d.stream, conf)
	if err := secured.HandshakeContext(d.t.Context()); err != nil {
		return errors.Join(err, d.stream.Close())
	}
	d.stream = secured
	return nil
}

// ID is the device's code.
func (d *Device) ID() string { return d.cfg.ID }

// Local is the address the server sees, as no NAT is between.
func (d *Device) Local() netip.AddrPort { return d.local }

// Flow is the way to this device through the server's listener.
func (d *Device) Flow(listener int) flow.Flow {
	return flow.Flow{Transport: d.cfg.Transport, Listener: listener, Local: d.cfg.Server, Remote: d.local}
}

// Close closes the socket or connection and waits for its reader.
func (d *Device) Close() {
	if d.packet != nil {
		_ = d.packet.Close()
	} else {
		_ = d.stream.Close()
	}
	<-d.done
}

// Abort closes the connection with a reset, as a device that lost power does
// for the server's next segment, and leaves its port free at once.
func (d *Device) Abort() {
	c := d.stream
	if secured, ok := c.(*tls.Conn); ok {
		c = secured.NetConn()
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	d.Close()
}

// React sets a function that sees each message first: what it returns is sent
// at once and the message is not kept; nil leaves it to Expect. It runs on the
// reader's goroutine.
func (d *Device) React(f func(*Message) []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.react = f
}

// Send sends the bytes as they are.
func (d *Device) Send(raw []byte) {
	d.t.Helper()
	if err := d.send(raw); err != nil {
		d.t.Fatalf("device %s: send: %v", d.cfg.ID, err)
	}
}

func (d *Device) send(raw []byte) error {
	d.note(">", raw)
	if d.packet != nil {
		_, err := d.packet.WriteTo(raw, net.UDPAddrFromAddrPort(d.cfg.Server))
		return err
	}
	_, err := d.stream.Write(raw)
	return err
}

// Request builds a request of this device to the server with fresh branch, tag
// and Call-ID. A header given replaces the one built, or is added.
func (d *Device) Request(method string, body string, headers ...Header) *Message {
	d.mu.Lock()
	d.serial++
	n := d.serial
	d.mu.Unlock()
	unique := fmt.Sprintf("%d-%d", d.local.Port(), n)
	m := &Message{
		Method: method,
		URI:    fmt.Sprintf("sip:%s@%s", d.cfg.ServerID, d.cfg.Domain),
		Headers: []Header{
			{"Via", fmt.Sprintf("SIP/2.0/%s %s;rport;branch=z9hG4bK%s", strings.ToUpper(d.cfg.Transport), d.local, unique)},
			{"From", fmt.Sprintf("<sip:%s@%s>;tag=f%s", d.cfg.ID, d.cfg.Domain, unique)},
			{"To", fmt.Sprintf("<sip:%s@%s>", d.cfg.ServerID, d.cfg.Domain)},
			{"Call-ID", unique + "@" + d.local.Addr().String()},
			{"CSeq", "20 " + method},
			{"Max-Forwards", "70"},
		},
		Body: []byte(body),
	}
	if body != "" {
		m.Set("Content-Type", "Application/MANSCDP+xml")
	}
	for _, h := range headers {
		m.Set(h.Name, h.Value)
	}
	m.Set("Content-Length", fmt.Sprint(len(body)))
	return m
}

// Set replaces the first header of that name or appends it.
func (m *Message) Set(name, value string) {
	for i := range m.Headers {
		if sameHeader(m.Headers[i].Name, name) {
			m.Headers[i].Value = value
			return
		}
	}
	m.Headers = append(m.Headers, Header{name, value})
}

// Remove drops every header of that name.
func (m *Message) Remove(name string) {
	kept := m.Headers[:0:0]
	for _, h := range m.Headers {
		if !sameHeader(h.Name, name) {
			kept = append(kept, h)
		}
	}
	m.Headers = kept
}

// Response builds the answer to a request, with a To tag that is the same for
// all answers to one Call-ID. A Contact is added to answers to INVITE and SUBSCRIBE.
func (d *Device) Response(to *Message, status int, reason, body string, headers ...Header) *Message {
	m := &Message{Status: status, Reason: reason, Body: []byte(body)}
	for _, h := range to.Headers {
		if sameHeader(h.Name, "Via") || sameHeader(h.Name, "From") || sameHeader(h.Name, "Call-ID") || sameHeader(h.Name, "CSeq") {
			m.Headers = append(m.Headers, h)
		}
		if sameHeader(h.Name, "To") {
			if status > 100 && to.Param("To", "tag") == "" {
				h.Value += ";tag=t" + tagOf(to.Get("Call-ID"))
			}
			m.Headers = append(m.Headers, h)
		}
	}
	if to.Method == "INVITE" || to.Method == "SUBSCRIBE" {
		m.Set("Contact", fmt.Sprintf("<sip:%s@%s>", d.cfg.ID, d.local))
	}
	if to.Method == "INVITE" && body != "" {
		m.Set("Content-Type", "application/sdp")
	}
	for _, h := range headers {
		m.Set(h.Name, h.Value)
	}
	m.Set("Content-Length", fmt.Sprint(len(body)))
	return m
}

// Answer sends Response.
func (d *Device) Answer(to *Message, status int, reason, body string, headers ...Header) {
	d.t.Helper()
	d.Send(d.Response(to, status, reason, body, headers...).Bytes())
}

// Expect returns the next request of the method, in order of arrival. Others
// stay for later calls.
func (d *Device) Expect(method string) *Message {
	d.t.Helper()
	return d.wait(method+" request", func(m *Message) bool { return m.Method == method })
}

// ExpectStatus returns the next response with the status.
func (d *Device) ExpectStatus(status int) *Message {
	d.t.Helper()
	return d.wait(fmt.Sprintf("%d response", status), func(m *Message) bool { return m.Status == status })
}

// ExpectAnswer returns the next final response to the request.
func (d *Device) ExpectAnswer(to *Message) *Message {
	d.t.Helper()
	number, method := to.CSeq()
	return d.wait("answer to "+method, func(m *Message) bool {
		n, of := m.CSeq()
		return m.Status >= 200 && n == number && of == method && m.Get("Call-ID") == to.Get("Call-ID")
	})
}

// Silence fails the test when a message passing the filter (nil: any) comes
// within the time, or waits unexpected.
func (d *Device) Silence(within time.Duration, filter func(*Message) bool) {
	d.t.Helper()
	m := d.await(within, func(m *Message) bool { return filter == nil || filter(m) })
	if m != nil {
		d.t.Fatalf("device %s: unexpected message:\n%s", d.cfg.ID, m.Raw)
	}
}

// Try is the next message that matches, nil when none comes within the time.
func (d *Device) Try(within time.Duration, match func(*Message) bool) *Message {
	return d.await(within, match)
}

// Transcript is all that was sent (>) and heard (<), in order.
func (d *Device) Transcript() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.transcript.String()
}

func (d *Device) wait(what string, match func(*Message) bool) *Message {
	d.t.Helper()
	m := d.await(Patience, match)
	if m == nil {
		d.t.Fatalf("device %s: no %s within %v", d.cfg.ID, what, Patience)
	}
	return m
}

func (d *Device) await(within time.Duration, match func(*Message) bool) *Message {
	d.mu.Lock()
	for i, m := range d.backlog {
		if match(m) {
			d.backlog = append(d.backlog[:i:i], d.backlog[i+1:]...)
			d.mu.Unlock()
			return m
		}
	}
	d.mu.Unlock()
	limit := time.NewTimer(within)
	defer limit.Stop()
	for {
		select {
		case m := <-d.heard:
			if match(m) {
				return m
			}
			d.mu.Lock()
			d.backlog = append(d.backlog, m)
			d.mu.Unlock()
		case <-limit.C:
			return nil
		}
	}
}

func (d *Device) readPackets() {
	defer close(d.done)
	buf := make([]byte, 65535)
	for {
		n, from, err := d.packet.ReadFrom(buf)
		if err != nil {
			return
		}
		d.hear(buf[:n], addrPort(from))
	}
}

func (d *Device) readStream() {
	defer close(d.done)
	from := addrPort(d.stream.RemoteAddr())
	buf := make([]byte, 65535)
	var pending []byte
	for {
		n, err := d.stream.Read(buf)
		if err != nil {
			return
		}
		pending = append(pending, buf[:n]...)
		for {
			pending = bytes.TrimLeft(pending, "\r\n")
			_, length, err := next(pending)
			if errors.Is(err, errIncomplete) {
				break
			}
			if err != nil { // no boundary to go on from
				d.note("< malformed", pending)
				pending = nil
				break
			}
			d.hear(pending[:length], from)
			pending = pending[length:]
		}
	}
}

func (d *Device) hear(raw []byte, from netip.AddrPort) {
	d.note("<", raw)
	m, err := ParseMessage(raw)
	if err != nil {
		return // seen in the transcript
	}
	m.From, m.At = from, time.Now()
	d.mu.Lock()
	react := d.react
	d.mu.Unlock()
	if react != nil {
		if reply := react(m); reply != nil {
			_ = d.send(reply) // the peer may be gone already
			return
		}
	}
	select {
	case d.heard <- m:
	default:
	}
}

func (d *Device) note(arrow string, raw []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.transcript.Len() < 1<<20 {
		fmt.Fprintf(&d.transcript, "%s %s\n%s\n", arrow, time.Now().Format("15:04:05.000"), raw)
	}
}

func setDefault(s *string, value string) {
	if *s == "" {
		*s = value
	}
}

func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		ap = a.AddrPort()
	case *net.TCPAddr:
		ap = a.AddrPort()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

func tagOf(callID string) string {
	var h uint32 = 2166136261
	for i := range len(callID) {
		h = (h ^ uint32(callID[i])) * 16777619
	}
	return fmt.Sprintf("%08x", h)
}
