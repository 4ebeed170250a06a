package intake

import (
	"testing"
	"time"
)

// socket is a model of a server that is flooded: a buffer that drops what does
// not fit, read in batches by one reader, whose work takes time.
type socket struct {
	storm   *storm
	full    stretch
	now     time.Time
	buffer  []datagram
	strange float64 // strangers' datagrams a second
	owed    float64

	devices  []*phone // of registered devices
	answered int      // strangers' datagrams looked at
	dropped  int
}

type datagram struct{ phone *phone } // nil: a stranger's

// phone registers by two REGISTERs and repeats what is not answered.
type phone struct {
	left int
	next time.Time
	wait time.Duration
}

// The times are of a slow processor; 5,000 REGISTERs a second keep it busy.
const (
	modelBuffer = 1000
	readCost    = 4 * time.Microsecond
	workCost    = 200 * time.Microsecond
)

func newSocket(strange float64, devices int) *socket {
	s := &socket{storm: new(storm), now: time.Unix(1_700_000_000, 0), strange: strange}
	for range devices {
		s.devices = append(s.devices, &phone{left: 2, next: s.now.Add(time.Second), wait: 500 * time.Millisecond})
	}
	return s
}

// arrive fills the buffer with what came in a time.
func (s *socket) arrive(in time.Duration) {
	s.now = s.now.Add(in)
	s.owed += s.strange * in.Seconds()
	room := modelBuffer - len(s.buffer)
	for _, p := range s.devices { // among the strangers' as they happen to come
		if p.left > 0 && !s.now.Before(p.next) {
			p.next, p.wait = s.now.Add(p.wait), min(2*p.wait, 4*time.Second)
			if s.owed < 1 || float64(room) > s.owed*float64(int(p.next.UnixNano()/1000)%100)/100 {
				s.buffer = append(s.buffer, datagram{p})
			}
		}
	}
	for ; s.owed >= 1; s.owed-- {
		if len(s.buffer) < modelBuffer {
			s.buffer = append(s.buffer, datagram{})
		}
	}
}

// run handles batches for a time, shaped by the storm or not.
func (s *socket) run(span time.Duration, shaped bool) {
	for end := s.now.Add(span); s.now.Before(end); {
		n := min(len(s.buffer), batchLen)
		if shaped {
			s.storm.read(&s.full, n == batchLen, s.now)
		}
		took := 10 * time.Microsecond // of the call
		for _, d := range s.buffer[:n] {
			took += readCost
			switch {
			case d.phone != nil:
				took += workCost
				d.phone.left, d.phone.next, d.phone.wait = d.phone.left-1, s.now, 500*time.Millisecond
			case s.storm.spares(s.now):
				took += workCost
				s.answered++
			default:
				s.dropped++
			}
		}
		s.buffer = s.buffer[n:]
		if n == 0 {
			took = time.Millisecond
		}
		s.arrive(took)
	}
}

func (s *socket) registered() (n int) {
	for _, p := range s.devices {
		if p.left <= 0 {
			n++
		}
	}
	return n
}

// Ten times what the server can answer comes from strangers.
func TestInAStormRegisteredDevicesGoFirst(t *testing.T) {
	const devices, capacity = 1250, 5000
	unshaped := newSocket(10*capacity, devices)
	unshaped.run(6*time.Second, false)
	if n := unshaped.registered(); n > 2*devices/3 {
		t.Errorf("%d of %d devices register without shaping: the model is too easy", n, devices)
	}
	s := newSocket(10*capacity, devices)
	s.run(6*time.Second, true)
	t.Logf("%d registered (without shaping %d), %d strangers' datagrams dropped unread, %d answered", s.registered(), unshaped.registered(), s.dropped, s.answered)
	if n := s.registered(); n != devices {
		t.Errorf("%d of %d registered devices came through", n, devices)
	}
	if s.dropped < 5*s.answered || s.answered < 6*capacity/10 {
		t.Errorf("%d strangers' datagrams dropped, %d answered: want most dropped, and what is left over used", s.dropped, s.answered)
	}
	s.strange = capacity / 2
	s.run(2*time.Second, true)
	s.dropped = 0
	s.run(5*time.Second, true)
	if s.dropped != 0 || s.storm.over(s.now) != 0 {
		t.Errorf("after the storm %d dropped, level %d", s.dropped, s.storm.over(s.now))
	}
}

// Thousands of cameras behind one address come at once and are served as ever.
func TestABurstIsNoStorm(t *testing.T) {
	s := newSocket(0, 0)
	for range modelBuffer {
		s.buffer = append(s.buffer, datagram{})
	}
	s.run(time.Second, true)
	if s.dropped != 0 || s.answered != modelBuffer {
		t.Errorf("%d answered, %d dropped", s.answered, s.dropped)
	}
}

func TestAStormEndsByItselfWhenNothingComes(t *testing.T) {
	var s storm
	var of stretch
	now := time.Unix(1_700_000_000, 0)
	for range 1000 {
		now = now.Add(time.Millisecond)
		s.read(&of, true, now)
	}
	if s.over(now) != stormLevels {
		t.Fatalf("level %d", s.over(now))
	}
	if now = now.Add(stormLevels * stormStep); s.over(now) != 0 {
		t.Errorf("level %d when nothing has come for a while", s.over(now))
	}
}
