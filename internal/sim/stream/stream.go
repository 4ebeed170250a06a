package stream

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"fengsui/internal/sim/clips"
	"fengsui/media"
)

const (
	rtpHeader = 12
	// tcpQueue is how many segments wait for a slow TCP peer, about 1.3 s;
	// more are left out up to the next key picture.
	tcpQueue = 32
)

// Options say what is sent and where. UDP with Remote, or TCP, must be set; the
// stream owns the connection and closes it.
type Options struct {
	Program     *Program
	SSRC        uint32
	PayloadType uint8
	Loss        float64    // share of the RTP packets over UDP that is left out, 0 to 1
	SkipKeys    int        // key pictures left out at the start, so that the first comes late
	Base        int64      // clock of the first frame, 90 kHz
	Recording   *Recording // nil: live, for ever

	UDP    *net.UDPConn
	Remote netip.AddrPort
	TCP    net.Conn
	// Ended is called once, from a goroutine of the stream, when a TCP peer
	// closes or breaks the connection; not after Stop. It may be nil.
	Ended func(error)
}

// Stream is one camera's sending.
type Stream struct {
	pacer *Pacer
	opt   Options
	due   time.Time // guarded by pacer.mu
	index int       // guarded by pacer.mu; -1 when not queued
	out   chan []byte
	free  chan []byte
	done  chan struct{} // closed by Stop

	mu      sync.Mutex
	stopped bool
	start   time.Time // when the first frame was sent
	base    int64     // clock of the frame at start
	at      int       // next segment
	loops   int64
	seq     uint16
	gso     bool
	starved bool // TCP: leaving out segments up to a key picture
	playing playing
}

// Start sends the first frame at once and the others in time. On error the
// connection is closed.
func (p *Pacer) Start(o Options) (*Stream, error) {
	now := time.Now()
	s := &Stream{
		pacer: p, opt: o, due: now, index: -1, start: now, base: o.Base, seq: uint16(rand.Uint32()), done: make(chan struct{}),
		playing: playing{scale: 1},
	}
	if o.UDP != nil {
		s.gso = !o.Program.bare && segmentation(o.UDP, rtpHeader+PayloadSize)
	} else {
		s.out, s.free = make(chan []byte, tcpQueue), make(chan []byte, tcpQueue)
	}
	p.mu.Lock()
	closed := p.closed
	if !closed && o.TCP != nil {
		p.workers.Add(2)
	}
	p.mu.Unlock()
	if closed {
		s.close()
		return nil, ErrClosed
	}
	if o.TCP != nil {
		go s.write()
		go s.read()
	}
	if err := p.add(s); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// Stop ends the sending and closes the connection: no packet follows. It may
// be called more than once.
func (s *Stream) Stop() { s.stop() }

// stop reports whether it was the first to stop.
func (s *Stream) stop() bool {
	s.mu.Lock()
	first := !s.stopped
	if first {
		s.stopped = true
		close(s.done)
		s.close()
	}
	s.mu.Unlock()
	s.pacer.remove(s)
	return first
}

func (s *Stream) close() {
	if s.opt.UDP != nil {
		_ = s.opt.UDP.Close()
	}
	if s.opt.TCP != nil {
		_ = s.opt.TCP.Close()
	}
}

// Key has a live stream go on with a key picture: what lies before the next one is
// left out, and the clock runs on as though it had been due.
func (s *Stream) Key() {
	s.mu.Lock()
	defer s.mu.Unlock()
	segments := s.opt.Program.segments
	if s.opt.Recording != nil || s.opt.SkipKeys > 0 || !slices.ContainsFunc(segments, func(g segment) bool { return g.key }) {
		return
	}
	was := s.loops*clips.Duration + segments[s.at].at
	for !segments[s.at].key {
		if s.at++; s.at == len(segments) {
			s.at, s.loops = 0, s.loops+1
		}
	}
	skipped := s.loops*clips.Duration + segments[s.at].at - was
	s.base -= skipped
	s.start = s.start.Add(-span(skipped))
}

// send sends the segment that is due and says when the next one is. The pacer
// lends its buffers.
func (s *Stream) send(p *Pacer, now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return now.Add(time.Hour)
	}
	if s.opt.Recording != nil && s.rests() {
		return now.Add(heldEvery)
	}
	prog := s.opt.Program
	seg := &prog.segments[s.at]
	clock := s.base + s.loops*clips.Duration
	if seg.key && s.opt.SkipKeys > 0 {
		s.opt.SkipKeys--
	} else {
		p.payload = seg.appendAt(p.payload[:0], clock)
		s.emit(p, seg, uint32(clock+seg.at))
	}
	if s.opt.Recording != nil {
		return s.step(now)
	}
	if s.at++; s.at == len(prog.segments) {
		s.at, s.loops = 0, s.loops+1
	}
	due := s.start.Add(span(s.loops*clips.Duration + prog.segments[s.at].at))
	if lag := now.Sub(due); lag > maxLag {
		s.start, due = s.start.Add(lag), now
	}
	return due
}

func span(ticks int64) time.Duration {
	return time.Duration(ticks) * time.Second / media.ClockRate
}

func (s *Stream) emit(p *Pacer, seg *segment, stamp uint32) {
	if s.opt.TCP != nil {
		s.emitTCP(p, seg, stamp)
		return
	}
	out, inOut := p.packets[:0], 0
	s.each(seg, p.payload, func(payload []byte, last bool) {
		if s.opt.Loss > 0 && rand.Float64() < s.opt.Loss {
			s.seq++
			p.lost.Add(1)
			return
		}
		out = append(s.header(out, stamp, last), payload...)
		inOut++
		if !s.gso || inOut == maxSegments || len(payload) < PayloadSize {
			s.flush(p, out, inOut)
			out, inOut = out[:0], 0
		}
	})
	if inOut > 0 {
		s.flush(p, out, inOut)
	}
	p.packets = out[:0]
	p.frames.Add(1)
}

// flush writes packets of equal size, the last of which may be shorter.
func (s *Stream) flush(p *Pacer, b []byte, packets int) {
	_, err := s.opt.UDP.WriteToUDPAddrPort(b, s.opt.Remote)
	if err != nil && s.gso && packets > 1 {
		// The interface cannot segment: one write a packet from now on.
		s.gso = false
		segmentation(s.opt.UDP, 0)
		err = nil
		for rest := b; len(rest) > 0 && err == nil; {
			n := min(len(rest), rtpHeader+PayloadSize)
			_, err = s.opt.UDP.WriteToUDPAddrPort(rest[:n], s.opt.Remote)
			rest = rest[n:]
		}
	}
	if err != nil {
		p.failed.Add(1)
		return
	}
	p.sent.Add(uint64(packets))
	p.bytes.Add(uint64(len(b)))
}

// emitTCP hands one segment to the writer in one piece.
func (s *Stream) emitTCP(p *Pacer, seg *segment, stamp uint32) {
	if s.starved && !seg.key || len(s.out) == cap(s.out) {
		s.starved = true
		p.dropped.Add(1)
		return
	}
	s.starved = false
	var b []byte
	select {
	case b = <-s.free:
	default:
	}
	packets := uint64(0)
	s.each(seg, p.payload, func(payload []byte, last bool) {
		b = binary.BigEndian.AppendUint16(b, uint16(rtpHeader+len(payload)))
		b = append(s.header(b, stamp, last), payload...)
		packets++
	})
	s.out <- b // has room: only send puts in
	p.sent.Add(packets)
	p.bytes.Add(uint64(len(b)))
	p.frames.Add(1)
}

// each cuts a segment into RTP payloads.
func (s *Stream) each(seg *segment, data []byte, do func(payload []byte, last bool)) {
	if seg.cuts != nil {
		from := 0
		for i, end := range seg.cuts {
			do(data[from:end], i == len(seg.cuts)-1)
			from = end
		}
		return
	}
	for len(data) > 0 {
		n := min(len(data), PayloadSize)
		do(data[:n], n == len(data))
		data = data[n:]
	}
}

// header writes an RTP header (RFC 3550 section 5.1) and counts the packet.
func (s *Stream) header(dst []byte, stamp uint32, last bool) []byte {
	pt := s.opt.PayloadType & 0x7f
	if last {
		pt |= 0x80
	}
	dst = append(dst, 0x80, pt)
	dst = binary.BigEndian.AppendUint16(dst, s.seq)
	s.seq++
	dst = binary.BigEndian.AppendUint32(dst, stamp)
	return binary.BigEndian.AppendUint32(dst, s.opt.SSRC)
}

// write drains the queue into the TCP connection.
func (s *Stream) write() {
	defer s.pacer.workers.Done()
	for {
		select {
		case <-s.done:
			return
		case b := <-s.out:
			if _, err := s.opt.TCP.Write(b); err != nil {
				s.end(err)
				return
			}
			select {
			case s.free <- b[:0]:
			default:
			}
		}
	}
}

// read throws away what the peer sends (RTCP) and notices when it goes.
func (s *Stream) read() {
	defer s.pacer.workers.Done()
	_, err := io.Copy(io.Discard, s.opt.TCP)
	if err == nil {
		err = io.EOF
	}
	s.end(err)
}

func (s *Stream) end(err error) {
	if s.stop() && s.opt.Ended != nil {
		s.opt.Ended(err)
	}
}
