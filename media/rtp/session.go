package rtp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fengsui/internal/lease"
)

// Errors of a session.
var (
	ErrClosed   = errors.New("rtp: closed")
	ErrOccupied = errors.New("rtp: a live connection has the session")
)

// Transport is how packets come.
type Transport uint8

// The transports. Passive and active are our role.
const (
	UDP Transport = iota
	TCPPassive
	TCPActive
)

// Mode is which port a session uses.
type Mode uint8

// The modes.
const (
	Single Mode = iota // the server's one port, told apart by SSRC
	Range              // a leased pair of its own
)

const (
	relockAfter    = 2 * time.Second // silence after which another source is believed
	reportInterval = 5 * time.Second
	rtpClock       = 90000
	dialTimeout    = 5 * time.Second
	dialRetries    = 3
	dialPause      = time.Second
	writeTimeout   = 20 * time.Millisecond
)

// Want is what a session is opened for.
type Want struct {
	Transport Transport
	Mode      Mode
	Class     Class
	From      netip.Addr // the device's address as signalling knows it; may be invalid
	Owner     string     // whose it is, as lease.Facts has it: "stream:<key>"
	// Living reports whether that owner lives; nil: it does until Close. End is
	// called where it does not and the session is still open; nil: Close alone is.
	// Neither is called under the session's mutex.
	Living func() bool
	End    func()
}

// First is the first packet of a session.
type First struct {
	At          time.Time
	Source      netip.AddrPort
	Bytes       int
	SSRC        uint32
	PayloadType uint8
}

// Sink takes what a session receives. Calls come one at a time, under the
// session's mutex: they must not block nor call the session.
type Sink interface {
	First(f First)
	// Packet is called in sequence order. The payload is valid during the call.
	Packet(h Header, payload []byte, at time.Time)
	// Gap tells that packets are missing before the next one; 0 is an unknown count.
	Gap(lost int)
	// Restart tells that the source began anew, with the next packet.
	Restart()
	// Tick is called about 20 times a second.
	Tick(now time.Time)
}

// Answered is what the device's answer says of its media.
type Answered struct {
	SSRC     uint32 // meaningful if HasSSRC
	HasSSRC  bool
	Remote   netip.AddrPort   // announced; may be invalid or private
	Payloads map[uint8]string // name of each payload type, upper case without rate
}

// Stats are a session's counters since it was opened.
type Stats struct {
	Bytes, Packets                   uint64
	Lost, Reordered, Late, Duplicate uint64
	Restarts, Foreign, Junk, Moved   uint64 // Moved counts changes of source or SSRC
	Resyncs, Skipped                 uint64 // of TCP framing
	Source                           netip.AddrPort
	SSRC                             uint32
	Last                             time.Time // of the last packet; zero before the first
	Connected                        bool      // TCP
	Disconnected                     time.Time // when the TCP connection ended; zero if not
}

// Session receives the packets of one stream. mu guards all that changes; the
// socket's goroutine holds it while it delivers.
type Session struct {
	srv     *Server
	want    Want
	sink    Sink
	pair    *Pair // range mode
	offered uint32
	created time.Time

	lease    lease.Lease
	received atomic.Bool    // a packet was accepted
	running  sync.WaitGroup // goroutines that read for this session

	mu       sync.Mutex
	closed   bool
	keys     []uint32 // SSRCs it is expected under
	answer   Answered
	locked   bool
	ssrc     uint32
	order    Reorder
	rec      reception
	stats    Stats
	report   time.Time // when the next receiver report is due
	rtcpFrom netip.AddrPort
	conn     *conn // live TCP connection
	scratch  []byte
}

// SSRC is the leased one, for the offer.
func (s *Session) SSRC() uint32 { return s.offered }

// Port is the one for the offer.
func (s *Session) Port() int {
	if s.pair != nil {
		return s.pair.Port
	}
	return s.srv.Port()
}

// Expect takes the device's answer: packets under its SSRC are of this session
// too. Call it before ACK.
func (s *Session) Expect(a Answered) error {
	return s.srv.expect(s, a)
}

// Connect connects to the device's announced address, for TCP active, after the
// ACK: up to four times a second apart, from the port of the offer if possible.
func (s *Session) Connect(ctx context.Context) error {
	s.mu.Lock()
	remote, connected := s.answer.Remote, s.conn != nil
	s.mu.Unlock()
	if connected { // it came to us by itself
		return nil
	}
	c, err := connect(ctx, s.srv.host, s.Port(), remote)
	if err != nil {
		return err
	}
	return s.srv.adoptConn(c, s)
}

// connect connects for media from a port of ours, else from any: up to four times
// a second apart.
func connect(ctx context.Context, host netip.Addr, port int, remote netip.AddrPort) (net.Conn, error) {
	if !remote.IsValid() || remote.Port() == 0 {
		return nil, fmt.Errorf("connect for media: the peer gave no address")
	}
	var err error
	for try := range 1 + dialRetries {
		if try > 0 {
			select {
			case <-time.After(dialPause):
			case <-ctx.Done():
				return nil, fmt.Errorf("connect for media to %s: %w", remote, errors.Join(context.Cause(ctx), err))
			}
		}
		var c net.Conn
		if c, err = dial(ctx, host, port, remote); err == nil {
			return c, nil
		}
	}
	return nil, fmt.Errorf("connect for media to %s: %w", remote, err)
}

func dial(ctx context.Context, host netip.Addr, port int, to netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	d := net.Dialer{
		LocalAddr: &net.TCPAddr{IP: host.AsSlice(), Port: port},
		Control:   reusePort,
		KeepAlive: -1,
	}
	c, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil && addressInUse(err) {
		d.LocalAddr, d.Control = nil, nil
		c, err = d.DialContext(ctx, "tcp", to.String())
	}
	return c, err
}

// Stats are the counters now.
func (s *Session) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.snapshot()
}

func (s *Session) snapshot() Stats {
	st := s.stats
	st.Lost, st.Reordered, st.Late = s.order.Lost, s.order.Reordered, s.order.Late
	st.Duplicate, st.Restarts, st.SSRC = s.order.Duplicate, s.order.Restarts, s.ssrc
	st.Connected = s.conn != nil
	if s.conn != nil {
		st.Resyncs += s.conn.split.Resyncs
		st.Skipped += s.conn.split.Skipped
	}
	return st
}

// overTCP tells how packets come; it never changes.
func (s *Session) overTCP() bool { return s.want.Transport != UDP }

func (s *Session) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Do calls f under the session's mutex, so that nothing is delivered meanwhile.
func (s *Session) Do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Close releases port, SSRC and connection and waits for the goroutines of the
// session. It must not be called by its sink. It may be called again.
func (s *Session) Close() {
	s.srv.remove(s)
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.order.release()
	c := s.conn
	s.mu.Unlock()
	if c != nil {
		_ = c.Close()
	}
	if !again {
		if s.pair != nil {
			s.pair.Release()
		}
		s.srv.ssrcs.Release(s.offered)
		s.lease.Release()
	}
	s.running.Wait()
}

// elsewhere reports whether the session lives by another source than from, and
// has no reason to change to that.
func (s *Session) elsewhere(from netip.AddrPort, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.locked && s.stats.Source != from && (s.expected(s.stats.Source) || !s.expected(from)) &&
		(s.conn != nil || now.Sub(s.stats.Last) < relockAfter)
}

// accept takes a packet from a source. mu is held.
func (s *Session) accept(pkt []byte, from netip.AddrPort, now time.Time) {
	if s.closed {
		return
	}
	h, payload, err := Parse(pkt)
	if err != nil {
		s.stats.Junk++
		return
	}
	if !s.locked || h.SSRC != s.ssrc || from != s.stats.Source {
		if !s.admit(h, payload, from, now) {
			s.stats.Foreign++
			return
		}
	}
	s.stats.Last = now
	s.stats.Bytes += uint64(len(pkt))
	s.stats.Packets++
	s.rec.take(h, now)
	if s.stats.Packets == 1 {
		s.received.Store(true)
		s.sink.First(First{At: now, Source: from, Bytes: len(pkt), SSRC: h.SSRC, PayloadType: h.PayloadType})
	}
	s.order.Push(h, payload, now, s.sink)
}

// admit decides about a packet of an SSRC or source that is not the locked one,
// and locks it. Once locked to address, port and SSRC, another source needs the
// same SSRC and another SSRC the same source, and both that the old one is
// silent. Only the address that signalling knows need not wait for that: else
// whoever floods the port with our SSRCs kept every device out.
func (s *Session) admit(h Header, payload []byte, from netip.AddrPort, now time.Time) bool {
	quiet := now.Sub(s.stats.Last) >= relockAfter
	switch {
	case !s.locked:
		if !slices.Contains(s.keys, h.SSRC) &&
			(s.srv.ssrcs.Recent(h.SSRC) || !plausible(h, payload, s.answer.Payloads)) {
			return false
		}
		s.report = now.Add(reportInterval)
	case s.conn != nil: // the splitter proved that the stream goes on
		s.stats.Moved++
		if h.SSRC != s.ssrc {
			s.fresh()
		}
	case h.SSRC == s.ssrc && s.expected(from) && !s.expected(s.stats.Source): // a stranger was first
		s.stats.Moved++
		s.rtcpFrom = netip.AddrPort{}
		s.fresh()
	case h.SSRC == s.ssrc && quiet:
		s.stats.Moved++
		s.rtcpFrom = netip.AddrPort{}
	case from == s.stats.Source && quiet && !s.srv.ssrcs.Recent(h.SSRC) && plausible(h, payload, s.answer.Payloads):
		s.stats.Moved++
		s.fresh()
	default:
		return false
	}
	s.locked, s.ssrc, s.stats.Source = true, h.SSRC, from
	return true
}

// expected reports whether media from an address are no surprise: behind NAT
// they may come from any.
func (s *Session) expected(from netip.AddrPort) bool {
	ip := from.Addr()
	return ip == s.want.From || ip == s.answer.Remote.Addr()
}

// fresh makes the next packet the first of a new sequence.
func (s *Session) fresh() {
	s.order.Flush(s.sink)
	s.order.Reset()
	s.rec.restart()
	s.sink.Restart()
}

// plausible reports whether a payload is media by the look of it: it begins
// with a PS start code, or its type is one of the answer or of the static table.
func plausible(h Header, payload []byte, answered map[uint8]string) bool {
	if len(payload) == 0 {
		return false
	}
	if startsPS(payload) {
		return true
	}
	if name, ok := answered[h.PayloadType]; ok {
		return name != "PS"
	}
	switch h.PayloadType {
	case 0, 8, 98, 99, 100:
		return true
	}
	return false
}

// startsPS reports whether a payload begins with a pack or a PES packet of
// video or audio.
func startsPS(b []byte) bool {
	return len(b) >= 4 && b[0] == 0 && b[1] == 0 && b[2] == 1 && (b[3] == 0xBA || b[3] == 0xE0 || b[3] == 0xC0)
}

// rtcp takes an RTCP packet. mu is held.
func (s *Session) rtcp(pkt []byte, from netip.AddrPort, now time.Time) {
	if from.Addr() == s.stats.Source.Addr() {
		s.rtcpFrom = from
	}
	if ssrc, ntp, ok := senderReport(pkt); ok && s.locked && ssrc == s.ssrc {
		s.rec.lastSR, s.rec.lastSRAt = ntp, now
	}
}

// tick expires waiting packets, passes the tick on and sends the receiver
// report when it is due.
func (s *Session) tick(now time.Time) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.order.Expire(now, s.sink)
	s.sink.Tick(now)
	if !s.locked || now.Before(s.report) {
		s.mu.Unlock()
		return
	}
	s.report = now.Add(reportInterval)
	if s.pair != nil && s.pair.rtcp != nil {
		s.drainRTCP(now)
	}
	c, to := s.conn, s.rtcpFrom
	if !to.IsValid() {
		to = netip.AddrPortFrom(s.stats.Source.Addr(), s.stats.Source.Port()+1)
	}
	var report [40]byte
	b := report[:0]
	if c != nil {
		if c.split.Interleaved() {
			b = append(b, '$', 1)
		}
		b = append(b, 0, 32)
	}
	b = s.rec.appendReport(b, s.ssrc+1, s.ssrc, now)
	s.mu.Unlock()
	s.send(c, to, b)
}

// send sends a receiver report: by the connection, the pair's odd port or the
// shared port. Reports are best effort.
func (s *Session) send(c *conn, to netip.AddrPort, b []byte) {
	switch {
	case c != nil:
		if c.mute.Load() {
			return
		}
		_ = c.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := c.Write(b); err != nil { // perhaps half a frame went out: say no more
			c.mute.Store(true)
		}
	case s.want.Transport != UDP:
	case s.pair != nil:
		_, _ = s.pair.rtcp.WriteToUDPAddrPort(b, to)
	default:
		s.srv.write(b, to)
	}
}

// drainRTCP reads what came to the odd port. It has no goroutine of its own:
// once in 5 s is soon enough.
func (s *Session) drainRTCP(now time.Time) {
	if s.scratch == nil {
		s.scratch = make([]byte, 1500)
	}
	for range 8 {
		n, from, ok := readNow(s.pair.rtcp, s.scratch)
		if !ok {
			return
		}
		if IsRTCP(s.scratch[:n]) {
			s.rtcp(s.scratch[:n], from, now)
		}
	}
}

// attach makes c the session's connection. A second one is taken only if the
// first was silent: else it is a stale reconnect or a hijack.
func (s *Session) attach(c *conn, now time.Time) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	old := s.conn
	if old != nil && now.Sub(maxTime(s.stats.Last, old.opened)) < relockAfter {
		s.mu.Unlock()
		return ErrOccupied
	}
	if old != nil {
		s.retire(old)
		s.stats.Moved++
	}
	s.conn = c
	s.stats.Source, s.stats.Disconnected = c.from, time.Time{}
	s.order.Window = 0 // TCP keeps order
	if s.locked {
		s.fresh()
	}
	s.running.Add(1)
	s.mu.Unlock()
	if old != nil {
		_ = old.Close()
	}
	return nil
}

// detach ends c, if it is still the session's connection. The caller calls
// running.Done after it.
func (s *Session) detach(c *conn, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == c {
		s.retire(c)
		s.stats.Disconnected = now
		s.conn = nil
	}
}

func (s *Session) retire(c *conn) {
	s.stats.Resyncs += c.split.Resyncs
	s.stats.Skipped += c.split.Skipped
}

// drain takes all packets that the connection's splitter has.
func (s *Session) drain(c *conn, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if s.conn != c || s.closed {
			return ErrClosed
		}
		pkt, err := c.split.Next()
		if pkt == nil {
			return err
		}
		if IsRTCP(pkt) {
			s.rtcp(pkt, c.from, now)
			continue
		}
		if c.split.TakeGap() {
			s.sink.Gap(0)
		}
		s.accept(pkt, c.from, now)
	}
}

// ssrcOf is the SSRC of an RTP packet of at least 12 bytes.
func ssrcOf(b []byte) uint32 { return binary.BigEndian.Uint32(b[8:]) }

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
