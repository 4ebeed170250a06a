package trace

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fengsui/sip/flow"
)

// Bounds of watches.
const (
	MaxWatches  = 32
	LongestTime = time.Hour
)

// What callers decide on.
var (
	ErrBadPeer        = errors.New("a peer is a device's ID or an IP address")
	ErrTooManyWatches = errors.New("too many peers are watched")
)

// Peer is whom a watch is of: a device by its name, or a source by its address.
type Peer struct {
	Device string
	Source netip.Addr
}

// ParsePeer reads an IP address or the name of a device: 1 to 64 letters,
// digits, dots, dashes and underscores. It reports [ErrBadPeer].
func ParsePeer(s string) (Peer, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return Peer{Source: a.Unmap().WithZone("")}, nil
	}
	for i := range len(s) {
		if !isWord(s[i]) && s[i] != '.' {
			return Peer{}, fmt.Errorf("%w: %q has %q", ErrBadPeer, s, s[i])
		}
	}
	if s == "" || len(s) > maxDevice {
		return Peer{}, fmt.Errorf("%w: %q has %d characters, want 1 to %d", ErrBadPeer, s, len(s), maxDevice)
	}
	return Peer{Device: s}, nil
}

func (p Peer) String() string {
	if p.Source.IsValid() {
		return p.Source.String()
	}
	return p.Device
}

// Watch keeps every exchange of one peer whole for a time.
type Watch struct {
	Peer  Peer
	By    string // who asked, for display only
	Since time.Time
	Until time.Time
	Kept  uint64 // exchanges
}

// watch is a [Watch] that counts.
type watch struct {
	Watch
	kept *atomic.Uint64
}

// watches are few, and mostly none. The list is never changed in place, so that
// to ask whether anything is watched costs one load.
type watches struct {
	list  atomic.Pointer[[]watch] // nil when none
	whole atomic.Uint64           // exchanges kept, ever

	mu sync.Mutex // held while list is replaced
}

// Watch keeps every REGISTER and keepalive exchange of a peer whole among the
// messages from now on, for so long, at most [LongestTime]; a peer that is
// watched already is watched until then. What a ban or a spent budget drops before
// it is read is not seen. It reports [ErrTooManyWatches] when
// [MaxWatches] others are.
func (r *Ring) Watch(p Peer, by string, length time.Duration) (Watch, error) {
	now := time.Now()
	w := watch{Watch{Peer: p, By: by, Since: now, Until: now.Add(min(length, LongestTime))}, new(atomic.Uint64)}
	r.watches.mu.Lock()
	defer r.watches.mu.Unlock()
	list := r.watches.living(now)
	if i := slices.IndexFunc(list, func(o watch) bool { return o.Peer == p }); i >= 0 {
		w.Since, w.kept = list[i].Since, list[i].kept
		list = slices.Delete(list, i, i+1)
	}
	if len(list) >= MaxWatches {
		return Watch{}, fmt.Errorf("%w: %d", ErrTooManyWatches, len(list))
	}
	r.watches.store(append(list, w))
	return w.now(), nil
}

// Unwatch ends the watch of a peer, and reports whether there was one.
func (r *Ring) Unwatch(p Peer) bool {
	r.watches.mu.Lock()
	defer r.watches.mu.Unlock()
	list := r.watches.living(time.Now())
	rest := slices.DeleteFunc(slices.Clone(list), func(o watch) bool { return o.Peer == p })
	r.watches.store(rest)
	return len(rest) < len(list)
}

// Watches are those that last, the one that ends first being the first.
func (r *Ring) Watches() []Watch {
	if r == nil {
		return nil
	}
	r.watches.mu.Lock()
	defer r.watches.mu.Unlock()
	list := r.watches.living(time.Now())
	r.watches.store(list)
	out := make([]Watch, len(list))
	for i := range list {
		out[i] = list[i].now()
	}
	slices.SortFunc(out, func(a, b Watch) int {
		return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.Peer.String(), b.Peer.String()))
	})
	return out
}

func (w watch) now() Watch {
	w.Kept = w.kept.Load()
	return w.Watch
}

// living is a copy of the list without those that are over. mu is held.
func (ws *watches) living(now time.Time) (list []watch) {
	if all := ws.list.Load(); all != nil {
		for _, w := range *all {
			if now.Before(w.Until) {
				list = append(list, w)
			}
		}
	}
	return list
}

// store makes list what is watched. mu is held.
func (ws *watches) store(list []watch) {
	if len(list) == 0 {
		ws.list.Store(nil)
		return
	}
	ws.list.Store(&list)
}

// of counts an exchange for whoever watches its peer, and reports whether
// someone does. The first that finds a watch over ends it.
func (ws *watches) of(list []watch, at time.Time, device []byte, f flow.Flow) (watched bool) {
	over := false
	for i := range list {
		w := &list[i]
		switch source := w.Peer.Source; {
		case !at.Before(w.Until):
			over = true
		case source.IsValid() && source == f.Remote.Addr().Unmap().WithZone(""), !source.IsValid() && w.Peer.Device == string(device):
			w.kept.Add(1)
			watched = true
		}
	}
	if over {
		ws.mu.Lock()
		ws.store(ws.living(at))
		ws.mu.Unlock()
	}
	if watched {
		ws.whole.Add(1)
	}
	return watched
}

// whole adds an exchange to the messages if its peer is watched.
func (r *Ring) whole(at time.Time, device []byte, f flow.Flow, request, answer []byte) {
	list := r.watches.list.Load()
	if list == nil || !r.watches.of(*list, at, device, f) {
		return
	}
	r.Add(at, In, f, request)
	if len(answer) > 0 {
		r.Add(at, Out, f, answer)
	}
}

// Repeated tells of a REGISTER or keepalive that came once more and was answered
// with the same bytes: only who is watched has it kept.
func (r *Ring) Repeated(at time.Time, f flow.Flow, request, answer []byte) {
	if r == nil || r.watches.list.Load() == nil {
		return
	}
	m := Message{Dir: In, Raw: request}
	m.describe()
	r.whole(at, []byte(m.Device), f, request, answer)
}

// Register lets the ring's numbers be gathered.
func (r *Ring) Register(reg prometheus.Registerer) {
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fengsui_trace_watches", Help: "Peers whose every REGISTER and keepalive is kept whole.",
		}, func() float64 { return float64(len(r.Watches())) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "fengsui_trace_whole_exchanges_total", Help: "REGISTER and keepalive exchanges kept whole because their peer was watched.",
		}, func() float64 { return float64(r.watches.whole.Load()) }),
	)
}
