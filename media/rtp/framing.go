package rtp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"

	"fengsui/internal/reuse"
)

// ErrFraming reports a connection that carries no RTP, or none any more.
var ErrFraming = errors.New("rtp: no RTP framing on the connection")

const (
	splitterFirst = 16 << 10  // bytes of a new splitter's buffer
	splitterMax   = 256 << 10 // holds three of the largest frames, which search and chain look at
	readMin       = 4 << 10   // least room for one read

	searchMax     = 1 << 20 // bytes searched before giving up
	searchTime    = 3 * time.Second
	resyncsMinute = 3
	seqNear       = 3000
	limitFloor    = 10 << 10 // a frame up to here is never suspected for its size
	limitAfter    = 64       // frames seen before the largest says something
)

// Splitter cuts a TCP stream into packets by RFC 4571: 16 bits of length, big
// endian, then the packet. It also takes RTSP's interleaved form, "$", channel,
// length, when the first frame has it.
//
// A camera that loses bytes on a full socket cuts a packet short, so that the
// next length is somewhere within: then it searches the SSRC with a length
// before it that leads to the next header, and goes on there.
//
// The cycle is: read into Space, tell Filled, take Next until it gives nil.
// How the stream was cut into reads makes no difference to the packets.
type Splitter struct {
	// Resyncs counts the searches that found the framing again, Skipped the
	// bytes passed over.
	Resyncs, Skipped uint64

	buf    []byte // of chunk
	chunk  *chunk
	chunks *reuse.Pool[chunk, *chunk] // nil: they are made
	r, w   int
	now    time.Time

	head     int // bytes before a packet: 2 or 4; 0 not known yet
	locked   bool
	ssrc     uint32
	key      [4]byte // ssrc in bytes
	types    [4]uint8
	typed    int // payload types in types
	seq      uint16
	largest  int
	accepted int

	searching bool
	searched  int
	since     time.Time
	minute    time.Time
	inMinute  int
	gap       bool
	err       error
}

// Space is where to read to; it has room for at least 4 KiB. It invalidates the
// packets of Next.
func (s *Splitter) Space() []byte {
	if s.r == s.w {
		s.r, s.w = 0, 0
	}
	if s.chunk == nil {
		s.take()
	}
	if len(s.buf)-s.w < readMin && s.r > 0 {
		s.w = copy(s.buf, s.buf[s.r:s.w])
		s.r = 0
	}
	if len(s.buf)-s.w < readMin {
		size := max(splitterFirst, min(2*len(s.buf), splitterMax))
		if size-s.w < readMin { // cannot happen while Next is called to its end
			s.err = ErrFraming
			s.w = 0
		}
		grown := make([]byte, size)
		copy(grown, s.buf[:s.w])
		s.buf, s.chunk.bytes = grown, grown
	}
	return s.buf[s.w:]
}

// chunk is memory that a connection is read into.
type chunk struct {
	reuse.Mark

	bytes []byte `reuse:"own"`
}

// clear lets go of what grew large.
func (c *chunk) clear() {
	if len(c.bytes) > chunkBytes {
		c.bytes = nil
	}
}

func (s *Splitter) take() {
	if s.chunks == nil {
		s.chunk = new(chunk)
		return
	}
	s.chunk = s.chunks.Get()
	s.buf = s.chunk.bytes
}

// release returns the memory. Nothing can be taken from the splitter after it.
func (s *Splitter) release() {
	if s.chunk != nil && s.chunks != nil {
		s.chunks.Put(s.chunk)
	}
	s.chunk, s.buf, s.r, s.w = nil, nil, 0, 0
}

// Filled tells how many bytes were read to Space, and when.
func (s *Splitter) Filled(n int, now time.Time) {
	s.w += n
	s.now = now
}

// Buffered is the bytes read and not yet taken.
func (s *Splitter) Buffered() int { return s.w - s.r }

// Interleaved reports the RTSP form of framing.
func (s *Splitter) Interleaved() bool { return s.head == 4 }

// TakeGap reports, once, that bytes were lost before the packet just taken.
func (s *Splitter) TakeGap() bool {
	g := s.gap
	s.gap = false
	return g
}

// Peek returns the first RTP packet without taking it, as far as it is there
// but at least its header, else nil.
func (s *Splitter) Peek() ([]byte, error) {
	at := s.r
	for {
		head, err := s.detect(at)
		if err != nil {
			return nil, err
		}
		b := s.buf[at:s.w]
		if head == 0 || len(b) < head+headerSize {
			return nil, nil
		}
		n := int(binary.BigEndian.Uint16(b[head-2:]))
		if n == 0 || IsRTCP(b[head:]) {
			at += head + n
			if at >= s.w {
				return nil, nil
			}
			continue
		}
		if n < headerSize || b[head]>>6 != 2 {
			return nil, ErrFraming
		}
		return b[head:min(head+n, len(b))], nil
	}
}

// Next takes the next RTP or RTCP packet, valid until Space; nil means that more
// bytes are needed. After [ErrFraming] it gives nothing more.
func (s *Splitter) Next() ([]byte, error) {
	for s.err == nil {
		if s.searching {
			if !s.search() {
				return nil, s.err
			}
			continue
		}
		head, err := s.detect(s.r)
		if err != nil {
			s.err = err
			break
		}
		b := s.buf[s.r:s.w]
		if head == 0 || len(b) < head {
			return nil, nil
		}
		n := int(binary.BigEndian.Uint16(b[head-2:]))
		if n == 0 && (head == 2 || b[0] == '$') { // keep-alive
			s.r += head
			continue
		}
		s.head = head
		if len(b) < head+min(n, headerSize) {
			return nil, nil
		}
		switch s.judge(b, n) {
		case good:
		case other:
			switch s.chain() {
			case unsure:
				return nil, nil
			case good:
				s.gap = true
				s.lock(b[head:])
				continue
			default:
				s.lost()
				continue
			}
		default:
			s.lost()
			continue
		}
		if len(b) < head+n {
			return nil, nil
		}
		pkt := b[head : head+n : head+n]
		s.r += head + n
		if !IsRTCP(pkt) {
			if !s.locked {
				s.lock(pkt)
			}
			s.note(pkt)
		}
		return pkt, nil
	}
	return nil, s.err
}

// detect finds the form of framing at a border: bytes before the packet, 0 when
// more are needed.
func (s *Splitter) detect(at int) (int, error) {
	if s.head != 0 {
		return s.head, nil
	}
	b := s.buf[at:s.w]
	if len(b) < 5 {
		return 0, nil
	}
	switch {
	case b[0] == 0 && b[1] == 0: // empty frame, keep-alive
		return 2, nil
	case b[2]>>6 == 2 && binary.BigEndian.Uint16(b) >= 8:
		return 2, nil
	case b[0] == '$' && b[4]>>6 == 2:
		return 4, nil
	}
	return 0, ErrFraming
}

type verdict uint8

const (
	bad    verdict = iota
	good           // a packet of this stream
	other          // perhaps a packet of another SSRC
	unsure         // more bytes needed
)

// judge tells whether b begins with a frame of n bytes that belongs here. As
// much of the header is there as n allows.
func (s *Splitter) judge(b []byte, n int) verdict {
	if s.head == 4 && b[0] != '$' {
		return bad
	}
	p := b[s.head:]
	if n < 8 || p[0]>>6 != 2 {
		return bad
	}
	if IsRTCP(p[:min(len(p), n)]) {
		return good
	}
	if n < headerSize {
		return bad
	}
	if !s.locked {
		return good
	}
	if [4]byte(p[8:12]) != s.key {
		return other
	}
	d := int(int16(binary.BigEndian.Uint16(p[2:]) - s.seq))
	known := bytes.IndexByte(s.types[:s.typed], p[1]&0x7F) >= 0
	switch {
	case d <= -seqNear || d >= seqNear, !known && (d < 1 || d > 16):
		return bad // if the source just restarted, the search resumes right here
	case n > s.limit():
		return bad
	}
	return good
}

func (s *Splitter) limit() int {
	if s.accepted < limitAfter {
		return 1 << 16
	}
	return max(limitFloor, 4*s.largest)
}

func (s *Splitter) lock(p []byte) {
	s.locked = true
	s.key = [4]byte(p[8:12])
	s.ssrc = binary.BigEndian.Uint32(p[8:])
	s.seq = binary.BigEndian.Uint16(p[2:]) - 1
	s.typed = 0
	s.addType(p[1] & 0x7F)
}

func (s *Splitter) addType(pt uint8) {
	if bytes.IndexByte(s.types[:s.typed], pt) >= 0 {
		return
	}
	if s.typed < len(s.types) {
		s.types[s.typed] = pt
		s.typed++
	}
}

func (s *Splitter) note(p []byte) {
	s.seq = binary.BigEndian.Uint16(p[2:])
	s.addType(p[1] & 0x7F)
	s.largest = max(s.largest, len(p))
	s.accepted++
}

// chain looks for three frames in a row at the border, of one new SSRC, type and
// count: then the device changed its SSRC and the framing is sound.
func (s *Splitter) chain() verdict {
	b := s.buf[s.r:s.w]
	var first []byte
	for i := range 3 {
		if len(b) < s.head+headerSize {
			return unsure
		}
		n, p := int(binary.BigEndian.Uint16(b[s.head-2:])), b[s.head:]
		if s.head == 4 && b[0] != '$' || n < headerSize || p[0]>>6 != 2 {
			return bad
		}
		if i == 0 {
			first = p
		} else if [4]byte(p[8:12]) != [4]byte(first[8:12]) || p[1]&0x7F != first[1]&0x7F ||
			binary.BigEndian.Uint16(p[2:])-binary.BigEndian.Uint16(first[2:]) != uint16(i) {
			return bad
		}
		if i == 2 {
			break
		}
		if len(b) < s.head+n {
			return unsure
		}
		b = b[s.head+n:]
	}
	return good
}

func (s *Splitter) lost() {
	s.searching, s.searched, s.since = true, 0, s.now
	if s.now.Sub(s.minute) >= time.Minute {
		s.minute, s.inMinute = s.now, 0
	}
	if s.inMinute++; s.inMinute > resyncsMinute {
		s.err = ErrFraming
	}
}

// search looks for a frame of the locked SSRC that leads to another header. It
// reports whether to go on at once.
func (s *Splitter) search() bool {
	for {
		if s.searched > searchMax || s.now.Sub(s.since) > searchTime {
			s.err = ErrFraming
			return false
		}
		b := s.buf[s.r:s.w]
		from := s.head + 8
		if len(b) < from+4 {
			return false
		}
		i := bytes.Index(b[from:], s.key[:])
		if i < 0 {
			s.skip(len(b) - from - 3)
			return false
		}
		s.skip(i)
		b = b[i:]
		n, p := int(binary.BigEndian.Uint16(b[s.head-2:])), b[s.head:]
		if n < headerSize || p[0]>>6 != 2 || s.head == 4 && b[0] != '$' {
			s.skip(1)
			continue
		}
		if len(b) < s.head+n+s.head+headerSize {
			return false
		}
		next := b[s.head+n:]
		if s.head == 4 && next[0] != '$' || next[s.head]>>6 != 2 ||
			[4]byte(next[s.head+8:s.head+12]) != s.key && !IsRTCP(next[s.head:]) {
			s.skip(1)
			continue
		}
		s.searching, s.gap = false, true
		s.seq = binary.BigEndian.Uint16(p[2:]) - 1
		s.addType(p[1] & 0x7F)
		s.largest = max(s.largest, (n+3)/4)
		s.Resyncs++
		return true
	}
}

func (s *Splitter) skip(n int) {
	s.r += n
	s.searched += n
	s.Skipped += uint64(n)
}
