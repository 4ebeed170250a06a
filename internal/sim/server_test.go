package sim_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"fengsui/gb28181/manscdp"
	"fengsui/internal/sim"
	"fengsui/internal/sim/wire"
	"fengsui/sip/digest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	serverID = "34020000002000000001"
	password = "Fengsui-1"
	camera   = "34020000001320000001"
	recorder = "34020000001180000001"
)

// server is a scripted SIP server: it checks registrations, answers 200 to
// everything else and keeps what it got for the test to look at.
type server struct {
	t    *testing.T
	udp  *net.UDPConn
	tcp  net.Listener
	addr string

	mu       sync.Mutex
	fixed    map[string]int // status for a method, instead of the rules
	mute     bool           // answers nothing
	algo     digest.Algorithm
	qop      bool
	registry map[string]registration // by device ID
	inbox    []received
	arrived  chan struct{} // closed and replaced on each arrival
	conns    []net.Conn
	cseq     int
}

type registration struct {
	from    peer
	expires string
	at      time.Time
	count   int
	callID  string
}

// peer is a way back to a device.
type peer struct {
	addr netip.AddrPort
	conn net.Conn // TCP
}

type received struct {
	*wire.Message
	from peer
	at   time.Time
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, fixed: map[string]int{}, registry: map[string]registration{}, arrived: make(chan struct{}), algo: digest.MD5}
	for tries := 0; s.tcp == nil; tries++ { // one port, free for both
		var err error
		if s.udp, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			t.Fatal(err)
		}
		s.addr = s.udp.LocalAddr().String()
		if s.tcp, err = net.Listen("tcp", s.addr); err != nil {
			s.tcp = nil
			s.udp.Close()
			if tries == 20 {
				t.Fatal(err)
			}
		}
	}
	var work sync.WaitGroup
	work.Go(s.readUDP)
	work.Go(func() {
		for {
			c, err := s.tcp.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			work.Go(func() { s.readTCP(c) })
		}
	})
	t.Cleanup(func() {
		s.udp.Close()
		s.tcp.Close()
		s.closeConns()
		work.Wait()
	})
	return s
}

func (s *server) closeConns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
}

func (s *server) readUDP() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := s.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		s.handle(peer{addr: netip.AddrPortFrom(from.Addr().Unmap(), from.Port())}, bytes.Clone(buf[:n]))
	}
}

func (s *server) readTCP(c net.Conn) {
	defer c.Close()
	var buf []byte
	chunk := make([]byte, 4096)
	for {
		n, err := c.Read(chunk)
		if err != nil {
			return
		}
		buf = append(buf, chunk[:n]...)
		for {
			skip, size, ok, err := wire.Frame(buf)
			if err != nil {
				s.t.Errorf("stream from a device: %v", err)
				return
			}
			if !ok {
				buf = buf[skip:]
				break
			}
			s.handle(peer{conn: c}, bytes.Clone(buf[skip:skip+size]))
			buf = buf[skip+size:]
		}
	}
}

func (s *server) handle(from peer, b []byte) {
	if len(bytes.Trim(b, "\r\n")) == 0 {
		return
	}
	m, err := wire.Parse(b)
	if err != nil {
		s.t.Errorf("from a device: %v\n%s", err, b)
		return
	}
	s.mu.Lock()
	if s.mute {
		s.mu.Unlock()
		return
	}
	var answer []byte
	switch {
	case m.Status != 0 || m.Method == "ACK":
	case s.fixed[m.Method] != 0:
		answer = respond(m, s.fixed[m.Method])
	case m.Method == "REGISTER":
		answer = s.register(from, m)
	default:
		answer = respond(m, 200)
	}
	s.inbox = append(s.inbox, received{m, from, time.Now()})
	close(s.arrived)
	s.arrived = make(chan struct{})
	s.mu.Unlock()
	if answer != nil {
		s.write(from, answer)
	}
}

// register demands and checks Digest; s.mu is held.
func (s *server) register(from peer, m *wire.Message) []byte {
	auth := m.Get("Authorization")
	if auth == "" {
		return respond(m, 401, wire.Header{Name: "WWW-Authenticate", Value: string(digest.AppendChallenge(nil, "3402000000", []byte("6fe9ba44a76be22a"), s.algo, s.qop, false))})
	}
	c, err := digest.Parse([]byte(auth))
	if err != nil || !c.Verify("REGISTER", password) || c.Username != wire.User(m.Get("From")) || c.URI != m.URI || (c.QOP == "auth") != s.qop {
		return respond(m, 403)
	}
	id := wire.User(m.Get("From"))
	r := s.registry[id]
	r.from, r.expires, r.at, r.count, r.callID = from, m.Get("Expires"), time.Now(), r.count+1, m.Get("Call-ID")
	s.registry[id] = r
	return respond(m, 200, wire.Header{Name: "Expires", Value: m.Get("Expires")}, wire.Header{Name: "Contact", Value: m.Get("Contact")})
}

func respond(m *wire.Message, status int, extra ...wire.Header) []byte {
	r := &wire.Message{Status: status, Reason: "Scripted"}
	for _, h := range m.Headers {
		switch h.Name {
		case "Via", "From", "Call-ID", "CSeq":
			r.Headers = append(r.Headers, h)
		case "To":
			if wire.Param(h.Value, "tag") == "" {
				h.Value += ";tag=srv"
			}
			r.Headers = append(r.Headers, h)
		}
	}
	r.Headers = append(r.Headers, extra...)
	return r.Append(nil)
}

func (s *server) write(to peer, b []byte) {
	var err error
	if to.conn != nil {
		_, err = to.conn.Write(b)
	} else {
		_, err = s.udp.WriteToUDPAddrPort(b, to.addr)
	}
	if err != nil && to.conn == nil {
		s.t.Errorf("write to a device: %v", err)
	}
}

// wait gives the first message, from the n-th in the inbox on, that fits.
func (s *server) wait(what string, fits func(received) bool) received {
	s.t.Helper()
	deadline := time.After(5 * time.Second)
	for at := 0; ; {
		s.mu.Lock()
		for ; at < len(s.inbox); at++ {
			if fits(s.inbox[at]) {
				r := s.inbox[at]
				s.inbox = append(s.inbox[:at:at], s.inbox[at+1:]...) // each is taken once
				s.mu.Unlock()
				return r
			}
		}
		arrived := s.arrived
		s.mu.Unlock()
		select {
		case <-arrived:
		case <-deadline:
			s.t.Fatalf("no %s came", what)
		}
	}
}

// has counts the messages in the inbox that fit.
func (s *server) has(fits func(received) bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.inbox {
		if fits(r) {
			n++
		}
	}
	return n
}

func (s *server) script(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// message waits for a MESSAGE or NOTIFY with a body of this root and command.
func (s *server) message(method, root, cmd string) (received, *manscdp.Message) {
	s.t.Helper()
	var body *manscdp.Message
	r := s.wait(method+" "+root+"/"+cmd, func(r received) bool {
		if r.Method != method {
			return false
		}
		m, err := manscdp.Decode(r.Body)
		if err != nil {
			s.t.Errorf("body of a %s: %v\n%q", method, err, r.Body)
			return false
		}
		body = m
		return m.Root == root && m.CmdType == cmd
	})
	return r, body
}

// request sends a request to a device and waits for its final answer.
func (s *server) request(method, id, callID, toTag string, extra []wire.Header, body []byte) received {
	s.t.Helper()
	cseq, callID := s.send(method, id, callID, toTag, extra, body)
	return s.wait("answer to "+method, func(r received) bool { return r.Status >= 200 && r.Get("CSeq") == cseq && r.Get("Call-ID") == callID })
}

func (s *server) send(method, id, callID, toTag string, extra []wire.Header, body []byte) (cseq, call string) {
	s.t.Helper()
	s.mu.Lock()
	s.cseq++
	n := s.cseq
	owner := id
	if _, ok := s.registry[owner]; !ok && strings.HasPrefix(id[10:], "132") {
		owner = recorder
	}
	to := s.registry[owner].from
	s.mu.Unlock()
	if callID == "" {
		callID = fmt.Sprintf("call%d@server", n)
	}
	number := n
	if method == "ACK" || method == "CANCEL" {
		number-- // of the INVITE just before
	}
	cseq = fmt.Sprintf("%d %s", number, method)
	toValue := "<sip:" + id + "@3402000000>"
	if toTag != "" {
		toValue += ";tag=" + toTag
	}
	m := &wire.Message{Method: method, URI: "sip:" + id + "@127.0.0.1", Body: body, Headers: append([]wire.Header{
		{Name: "Via", Value: "SIP/2.0/UDP " + s.addr + ";rport;branch=z9hG4bKserver" + fmt.Sprint(n)},
		{Name: "From", Value: "<sip:" + serverID + "@3402000000>;tag=server"},
		{Name: "To", Value: toValue},
		{Name: "Call-ID", Value: callID}, {Name: "CSeq", Value: cseq},
		{Name: "Contact", Value: "<sip:" + serverID + "@" + s.addr + ">"},
	}, extra...)}
	s.write(to, m.Append(nil))
	return cseq, callID
}

// start runs a simulation against the server and waits for all its devices.
func (s *server) start(c sim.Config) *sim.Sim {
	s.t.Helper()
	m := s.launch(c)
	ctx, stop := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer stop()
	if err := m.WaitRegistered(ctx, max(1, c.Devices)); err != nil {
		s.t.Fatalf("%v\n%s", err, m.Stats())
	}
	return m
}

// launch runs a simulation against the server with short times.
func (s *server) launch(c sim.Config) *sim.Sim {
	s.t.Helper()
	c.Server = s.addr
	if c.Password == "" {
		c.Password = password
	}
	if c.T1 == 0 {
		c.T1 = 50 * time.Millisecond
	}
	if c.PartInterval == 0 {
		c.PartInterval = time.Millisecond
	}
	m, err := sim.New(c)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := m.Run(ctx); err != nil {
			s.t.Errorf("Run: %v", err)
		}
	}()
	s.t.Cleanup(func() { stop(); <-done })
	return m
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
