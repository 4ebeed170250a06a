package rtp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ErrNoSSRC reports that every SSRC of a class is leased or in quarantine.
var ErrNoSSRC = errors.New("rtp: no free SSRC")

// Class is the first digit of an SSRC of GB/T 28181.
type Class uint8

// The classes.
const (
	Live    Class = 0
	History Class = 1 // playback and download
)

const (
	serials      = 9999 // 0001 to 9999; 0000 is never leased
	historyFirst = 1_000_000_000
)

// FormatSSRC writes an SSRC as y= wants it: ten decimal digits.
func FormatSSRC(ssrc uint32) string { return fmt.Sprintf("%010d", ssrc) }

// ParseSSRC reads the value of y=, of any number of digits that fits 32 bits.
func ParseSSRC(y string) (uint32, error) {
	v, err := strconv.ParseUint(strings.TrimSpace(y), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("bad SSRC %q: want ten decimal digits", y)
	}
	return uint32(v), nil
}

// SSRCs leases SSRCs of the form "dDDDDDNNNN": class, digits 4 to 8 of the SIP
// domain, serial. Per class there are 9999; the one released longest ago comes
// next, and none before its quarantine ended, because devices go on sending for
// seconds after BYE. It begins at a random serial, so that a restart does not
// meet the streams of the run before.
type SSRCs struct {
	domain     uint32
	quarantine time.Duration

	mu     sync.Mutex
	free   [2]fifo // of serials
	leased map[uint32]struct{}
	spent  uint64 // leases refused
}

// NewSSRCs takes a SIP domain or server ID of at least 8 digits.
func NewSSRCs(domain string, quarantine time.Duration) (*SSRCs, error) {
	if len(domain) < 8 {
		return nil, fmt.Errorf("bad SIP domain %q: want at least 8 digits", domain)
	}
	d, err := strconv.ParseUint(domain[3:8], 10, 32)
	if err != nil {
		return nil, fmt.Errorf("bad SIP domain %q: digits 4 to 8 must be decimal", domain)
	}
	s := &SSRCs{domain: uint32(d), quarantine: quarantine, leased: make(map[uint32]struct{})}
	for c := range s.free {
		s.free[c] = newFifo(1, 1, serials)
	}
	return s, nil
}

// Lease leases an SSRC of a class. It reports [ErrNoSSRC].
func (s *SSRCs) Lease(c Class) (uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	serial, ok := s.free[c&1].take(time.Now().Add(-s.quarantine))
	if !ok {
		s.spent++
		return 0, ErrNoSSRC
	}
	ssrc := uint32(c&1)*historyFirst + s.domain*10000 + uint32(serial)
	s.leased[ssrc] = struct{}{}
	return ssrc, nil
}

// Release ends a lease; a second release of the same lease does nothing.
func (s *SSRCs) Release(ssrc uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.leased[ssrc]; !ok {
		return
	}
	delete(s.leased, ssrc)
	c := Live
	if ssrc >= historyFirst {
		c = History
	}
	s.free[c].give(int(ssrc%10000), time.Now())
}

// Recent reports whether ssrc is leased or in quarantine: a packet with it that
// no session expects belongs to another one, or to one that ended.
func (s *SSRCs) Recent(ssrc uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.leased[ssrc]; ok {
		return true
	}
	if ssrc >= 2*historyFirst || ssrc%historyFirst/10000 != s.domain {
		return false
	}
	return s.free[ssrc/historyFirst].since(int(ssrc%10000), time.Now().Add(-s.quarantine))
}

// Leased counts the leases.
func (s *SSRCs) Leased() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.leased)
}

// Refused counts the leases refused because none was free.
func (s *SSRCs) Refused() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spent
}

// fifo is a fixed set of numbers in order of release: the head was released
// longest ago.
type fifo struct {
	items []lent
	head  int
	n     int
}

type lent struct {
	value int
	freed time.Time
}

// newFifo holds first, first+step, … (count of them), begun at a random one.
func newFifo(first, step, count int) fifo {
	f := fifo{items: make([]lent, count), n: count}
	if count > 0 {
		f.head = rand.IntN(count)
	}
	for i := range f.items {
		f.items[i].value = first + i*step
	}
	return f
}

// take removes the head if it was released at or before the time.
func (f *fifo) take(before time.Time) (int, bool) {
	if f.n == 0 || f.items[f.head].freed.After(before) {
		return 0, false
	}
	v := f.items[f.head].value
	f.head = (f.head + 1) % len(f.items)
	f.n--
	return v, true
}

// since reports whether v was given back after the time.
func (f *fifo) since(v int, after time.Time) bool {
	for i := f.n - 1; i >= 0; i-- {
		l := f.items[(f.head+i)%len(f.items)]
		if !l.freed.After(after) {
			return false
		}
		if l.value == v {
			return true
		}
	}
	return false
}

func (f *fifo) give(v int, at time.Time) {
	f.items[(f.head+f.n)%len(f.items)] = lent{v, at}
	f.n++
}
