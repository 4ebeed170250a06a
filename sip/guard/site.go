package guard

import (
	"net/netip"
	"sync"
	"time"
)

// leaving are sources whose last device left, oldest first.
type leaving struct {
	mu   sync.Mutex
	list []departure
}

type departure struct {
	source netip.Addr
	at     time.Time
}

// Moved notes that a device is registered from another address than before; the
// zero address is nowhere. It is called in the order of the device's moves.
func (g *Guard) Moved(from, to netip.Addr) {
	from, to = Source(from), Source(to)
	if from == to {
		return
	}
	now := time.Now()
	g.sweep(now)
	if from.IsValid() {
		g.leave(from, now)
	}
	if to.IsValid() {
		g.arrive(to)
	}
}

func (g *Guard) arrive(source netip.Addr) {
	for {
		s, _ := g.known.LoadOrCompute(source, func() (*site, bool) { return new(site), false })
		s.mu.Lock()
		if s.removed {
			s.mu.Unlock()
			continue
		}
		s.devices++
		if s.bucket.last != 0 {
			s.bucket.level += float64(devicesAtOnce * g.rules.Load().PerDevice)
		}
		s.mu.Unlock()
		return
	}
}

func (g *Guard) leave(source netip.Addr, now time.Time) {
	s, ok := g.known.Load(source)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.devices == 0 {
		return
	}
	if s.devices--; s.devices == 0 {
		s.gone = now
		g.leaving.mu.Lock()
		g.leaving.list = append(g.leaving.list, departure{source, now})
		g.leaving.mu.Unlock()
	}
}

// sweep forgets the sources whose last device left a minute ago.
func (g *Guard) sweep(now time.Time) {
	for {
		g.leaving.mu.Lock()
		if len(g.leaving.list) == 0 || now.Sub(g.leaving.list[0].at) < lingering {
			g.leaving.mu.Unlock()
			return
		}
		d := g.leaving.list[0]
		if g.leaving.list = g.leaving.list[1:]; len(g.leaving.list) == 0 {
			g.leaving.list = nil
		}
		g.leaving.mu.Unlock()
		if s, ok := g.known.Load(d.source); ok {
			s.mu.Lock()
			if s.devices == 0 && s.gone.Equal(d.at) && !s.removed {
				s.removed = true
				g.known.Delete(d.source)
			}
			s.mu.Unlock()
		}
	}
}

// devices is how many are registered from a source.
func (g *Guard) devices(source netip.Addr) int {
	s, ok := g.known.Load(source)
	if !ok {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.devices
}
