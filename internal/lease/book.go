package lease

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"
)

const (
	markEvery  = time.Minute
	grace      = 10 * time.Second // from orphaned to closed
	tick       = time.Second
	shardCount = 64
	toldMost   = 20 // orphans that get a line of their own each time
	closesMost = 32 // at a time
)

// Book lists every lease. Its methods may be called from several goroutines.
type Book struct {
	log     zerolog.Logger
	metrics *metrics
	turn    atomic.Uint32 // of the shards
	shards  [shardCount]shard

	mu      sync.Mutex // before any shard's; guards what follows
	orphans []*Lease   // marked, not yet closed
	scratch []*Lease
}

// shard is a part of the leases, so that opening and closing many connections
// does not queue at one lock.
type shard struct {
	mu   sync.Mutex
	head *Lease
	_    [48]byte // a cache line each
}

type metrics struct {
	open      [kinds]prometheus.Gauge
	orphaned  prometheus.Gauge
	reclaimed [kinds]prometheus.Counter
}

// New makes an empty book.
func New(reg prometheus.Registerer, log zerolog.Logger) *Book {
	factory := promauto.With(reg)
	open := factory.NewGaugeVec(prometheus.GaugeOpts{
		Name: "fengsui_leaks_open", Help: "Connections, sockets and viewers that are watched for leaks, by kind.",
	}, []string{"kind"})
	reclaimed := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "fengsui_leaks_reclaimed_total", Help: "What had no living owner and was closed for that, by kind.",
	}, []string{"kind"})
	m := &metrics{orphaned: factory.NewGauge(prometheus.GaugeOpts{
		Name: "fengsui_leaks_orphaned", Help: "What has no living owner now and is closed 10 s after that was seen.",
	})}
	for k := range kinds {
		m.open[k], m.reclaimed[k] = open.WithLabelValues(k.String()), reclaimed.WithLabelValues(k.String())
	}
	return &Book{log: log, metrics: m}
}

// Open enters what h holds. l is embedded in h and has not been opened before.
// A nil book keeps nothing.
func (b *Book) Open(l *Lease, k Kind, h Holder) {
	if b == nil {
		return
	}
	l.book, l.kind, l.holder, l.opened = b, k, h, time.Now().UnixNano()
	l.shard = uint8(b.turn.Add(1) % shardCount)
	s := &b.shards[l.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	l.open = true
	if l.next = s.head; l.next != nil {
		l.next.prev = l
	}
	s.head = l
	b.metrics.open[k].Inc()
}

func (s *shard) unlink(l *Lease) {
	if l.prev != nil {
		l.prev.next = l.next
	} else {
		s.head = l.next
	}
	if l.next != nil {
		l.next.prev = l.prev
	}
	l.prev, l.next = nil, nil
}

// Run marks each minute what has no living owner, and closes it ten seconds
// later, until ctx ends.
func (b *Book) Run(ctx context.Context) error {
	t := time.NewTicker(tick)
	defer t.Stop()
	marked := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		now := time.Now()
		b.reclaim(now)
		if now.Sub(marked) >= markEvery {
			marked = now
			b.mark(now)
		}
	}
}

// Mark marks at once, as is done each minute anyway, and returns how many are
// orphaned now.
func (b *Book) Mark() int { return b.mark(time.Now()) }

func (b *Book) mark(now time.Time) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []*Lease
	for i := range b.shards {
		for _, l := range b.of(i) {
			switch {
			case l.holder.Living(now):
				if l.orphaned.Load() != 0 {
					l.set(0)
				}
			case l.set(now.UnixNano()):
				found = append(found, l)
			}
		}
	}
	clear(b.scratch[:cap(b.scratch)]) // keep nobody alive
	b.tell(found, now)
	b.orphans = slices.DeleteFunc(b.orphans, func(l *Lease) bool { return l.orphaned.Load() == 0 }) // closed, or living again
	b.orphans = append(b.orphans, found...)
	return len(b.orphans)
}

// of are the leases of a shard, valid until the next call. mu is held.
func (b *Book) of(i int) []*Lease {
	s := &b.shards[i]
	b.scratch = b.scratch[:0]
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := s.head; l != nil; l = l.next {
		b.scratch = append(b.scratch, l)
	}
	return b.scratch
}

func (b *Book) tell(found []*Lease, now time.Time) {
	for i, l := range found {
		if i == toldMost {
			b.log.Warn().Int("more", len(found)-i).Msg("orphaned too")
			return
		}
		f := l.holder.Held()
		level := zerolog.WarnLevel
		if f.Owner == "" {
			level = zerolog.InfoLevel // a stranger's
		}
		b.log.WithLevel(level).Stringer("kind", l.kind).Str("owner", f.Owner).Str("local", f.Local).Str("remote", f.Remote).
			Dur("age", now.Sub(time.Unix(0, l.opened))).Msg("orphaned: it has no living owner")
	}
}

// reclaim closes what has been orphaned for the time of grace. What does not
// close is tried again at the next tick.
func (b *Book) reclaim(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.orphans) == 0 {
		return
	}
	var closing sync.WaitGroup
	free := make(chan struct{}, closesMost)
	rest := b.orphans[:0]
	for _, l := range b.orphans {
		since := l.orphaned.Load()
		switch {
		case since == 0 || !l.isOpen():
			continue // it lives again, or was closed
		case now.Sub(time.Unix(0, since)) < grace:
		case l.holder.Living(now):
			l.set(0)
			continue
		case l.end():
			free <- struct{}{}
			closing.Go(func() {
				defer func() { <-free }()
				l.holder.Reclaim()
			})
		}
		rest = append(rest, l)
	}
	closing.Wait()
	clear(b.orphans[len(rest):])
	b.orphans = rest
}

// Entry is a lease as it stands at one moment.
type Entry struct {
	Facts
	Kind     Kind
	Opened   time.Time
	Orphaned time.Time // since when; zero: its owner lives
}

// List are all leases in no order.
func (b *Book) List() []Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Entry
	for i := range b.shards {
		for _, l := range b.of(i) {
			e := Entry{Facts: l.holder.Held(), Kind: l.kind, Opened: time.Unix(0, l.opened)}
			if at := l.orphaned.Load(); at != 0 {
				e.Orphaned = time.Unix(0, at)
			}
			out = append(out, e)
		}
	}
	clear(b.scratch[:cap(b.scratch)])
	return out
}
