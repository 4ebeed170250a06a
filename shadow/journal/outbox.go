package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

// Buckets of an outbox in the file.
var (
	pendingBucket = []byte("pending")
	sentBucket    = []byte("sent")
	deadBucket    = []byte("dead")
)

// Bounds of what an outbox remembers of letters that are done with.
const (
	maxSent = 1000
	maxDead = 10_000
)

// ErrUnknownState is reported for a state that is none of pending, sent and dead.
var ErrUnknownState = errors.New("want pending, sent or dead")

// Outbox is what one receiver has still to be told, in the file: an event that
// its filter lets through is in it in the same transaction as in the time line,
// until the receiver has acknowledged it or it is given up. Its methods may be called from
// several goroutines.
type Outbox struct {
	// Set by Journal.Outbox, never changed after.
	d     *disk
	name  string
	most  int
	want  func(Event) bool
	ready chan struct{} // capacity 1

	pending, sent, dead, dropped atomic.Int64
}

// Letter is an event on its way to a receiver.
type Letter struct {
	Seq   uint64 // its place in the outbox, grows by one
	Key   string // idempotency key: the same however often the event is sent, in every outbox
	Event Event
}

// Filed is a letter of an outbox's list.
type Filed struct {
	Letter
	At     time.Time // when it was acknowledged or given up; zero while it is pending
	Tries  int
	Reason string // why it was given up
}

// settlement is the end of a letter that waits to be written.
type settlement struct {
	outbox *Outbox
	dead   bool
	Filed
}

// Outbox opens the outbox of a name, and makes it if need be: it gets what is
// appended from now on. want is the filter; it is called by the one goroutine that
// writes, outside any lock. Of more than most pending letters the oldest are
// dropped and counted. It waits for the disk, and needs a journal with a file.
func (j *Journal) Outbox(name string, most int, want func(Event) bool) (*Outbox, error) {
	o := &Outbox{d: j.disk, name: name, most: most, want: want, ready: make(chan struct{}, 1)}
	err := o.d.db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.Bucket(outboxBucket).CreateBucketIfNotExists([]byte(name))
		if err != nil {
			return err
		}
		for n, count := range map[string]*atomic.Int64{string(pendingBucket): &o.pending, string(sentBucket): &o.sent, string(deadBucket): &o.dead} {
			list, err := b.CreateBucketIfNotExists([]byte(n))
			if err != nil {
				return err
			}
			count.Store(int64(list.Stats().KeyN))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("outbox %s: %w", name, err)
	}
	o.rouse()
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	o.d.outboxes = append(slices.Clone(o.d.outboxes), o)
	return o, nil
}

// Outboxes are the names of all outboxes in the file, opened or not.
func (j *Journal) Outboxes() (names []string, err error) {
	err = j.disk.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(outboxBucket).ForEachBucket(func(k []byte) error {
			names = append(names, string(k))
			return nil
		})
	})
	return names, err
}

// Forget deletes an outbox with all its letters and returns how many of them
// were pending. It waits for the disk.
func (j *Journal) Forget(name string) (pending int, err error) {
	d := j.disk
	d.mu.Lock()
	d.outboxes = slices.DeleteFunc(slices.Clone(d.outboxes), func(o *Outbox) bool { return o.name == name })
	d.mu.Unlock()
	err = d.db.Update(func(tx *bbolt.Tx) error {
		all := tx.Bucket(outboxBucket)
		b := all.Bucket([]byte(name))
		if b == nil {
			return nil
		}
		pending = b.Bucket(pendingBucket).Stats().KeyN
		return all.DeleteBucket([]byte(name))
	})
	return pending, err
}

// Name is what the outbox was opened by.
func (o *Outbox) Name() string { return o.name }

// Ready has a value when letters may have come since it was last read.
func (o *Outbox) Ready() <-chan struct{} { return o.ready }

// Pending is how many letters have not been settled; Dead how many were given
// up; Dropped how many fell out since the start because there were too many.
func (o *Outbox) Pending() int   { return int(o.pending.Load()) }
func (o *Outbox) Dead() int      { return int(o.dead.Load()) }
func (o *Outbox) Dropped() int64 { return o.dropped.Load() }

// Next reads up to limit pending letters behind a place in the outbox, in order.
func (o *Outbox) Next(after uint64, limit int) (letters []Letter, err error) {
	err = o.d.db.View(func(tx *bbolt.Tx) error {
		b := o.bucket(tx)
		if b == nil {
			return nil
		}
		c := b.Bucket(pendingBucket).Cursor()
		for k, v := c.Seek(bytes8(after + 1)); k != nil && len(letters) < limit; k, v = c.Next() {
			l, err := o.letter(k, v)
			if err != nil {
				return err
			}
			letters = append(letters, l)
		}
		return nil
	})
	return letters, err
}

func (o *Outbox) letter(seq, value []byte) (Letter, error) {
	e, err := decode(value)
	return Letter{number(seq), o.d.idempotencyKey(&e), e}, err
}

// idempotencyKey names an event for receivers. What has no ID is told at most
// once a millisecond of each device.
func (d *disk) idempotencyKey(e *Event) string {
	if e.ID != 0 {
		return "evt_" + d.name + "_" + strconv.FormatUint(e.ID, 10)
	}
	return "evt_" + d.name + "_" + e.Device + "_" + strconv.FormatInt(e.At.UnixMilli(), 10)
}

// Sent says that the receiver has acknowledged a letter after so many tries. It
// is written with the next batch: after a crash the letter is sent again under the same key.
func (o *Outbox) Sent(l Letter, at time.Time, tries int) {
	o.d.settle(settlement{o, false, Filed{Letter: l, At: at, Tries: tries}})
}

// Bury gives a letter up: it is listed as dead until it is sent again or discarded.
func (o *Outbox) Bury(l Letter, at time.Time, tries int, reason string) {
	o.d.settle(settlement{o, true, Filed{Letter: l, At: at, Tries: tries, Reason: reason}})
}

func (d *disk) settle(s settlement) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settled = append(d.settled, s)
	d.rouse()
}

// List returns up to limit letters of a state (pending, sent, dead) with places
// before one, 0 for all: the newest first.
func (o *Outbox) List(state string, before uint64, limit int) (list []Filed, err error) {
	if state != "pending" && state != "sent" && state != "dead" {
		return nil, fmt.Errorf("state %q: %w", state, ErrUnknownState)
	}
	if before == 0 {
		before = 1 << 63
	}
	err = o.d.db.View(func(tx *bbolt.Tx) error {
		b := o.bucket(tx)
		if b == nil {
			return nil
		}
		c := b.Bucket([]byte(state)).Cursor()
		for k, v := seekBefore(c, bytes8(before)); k != nil && len(list) < limit; k, v = c.Prev() {
			f, err := o.filed(k, v, state != "pending")
			if err != nil {
				return err
			}
			list = append(list, f)
		}
		return nil
	})
	return list, err
}

// Resend puts dead letters back behind all that is pending, under their old
// keys; no places means all. It returns how many there were, and waits for the disk.
func (o *Outbox) Resend(places ...uint64) (int, error) {
	return o.exhume(places, func(b *bbolt.Bucket, value []byte) error {
		var g grave
		if err := json.Unmarshal(value, &g); err != nil {
			return err
		}
		seq, err := b.NextSequence()
		if err != nil {
			return err
		}
		return b.Bucket(pendingBucket).Put(bytes8(seq), g.Event)
	}, 1)
}

// Discard deletes dead letters; no places means all. It returns how many there were.
func (o *Outbox) Discard(places ...uint64) (int, error) {
	return o.exhume(places, func(*bbolt.Bucket, []byte) error { return nil }, 0)
}

// exhume takes dead letters out; each makes so many pending.
func (o *Outbox) exhume(places []uint64, do func(b *bbolt.Bucket, value []byte) error, pending int) (n int, err error) {
	err = o.d.db.Update(func(tx *bbolt.Tx) error {
		n = 0
		b := o.bucket(tx)
		if b == nil {
			return nil
		}
		dead := b.Bucket(deadBucket)
		all := places
		if len(all) == 0 {
			if err := dead.ForEach(func(k, _ []byte) error {
				all = append(all, number(k))
				return nil
			}); err != nil {
				return err
			}
		}
		for _, place := range all {
			v := dead.Get(bytes8(place))
			if v == nil {
				continue
			}
			if err := errors.Join(do(b, v), dead.Delete(bytes8(place))); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("outbox %s: %w", o.name, err)
	}
	o.dead.Add(int64(-n))
	o.pending.Add(int64(n * pending))
	o.rouse()
	return n, nil
}

func (o *Outbox) rouse() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// bucket is the outbox in a transaction, nil once it was forgotten.
func (o *Outbox) bucket(tx *bbolt.Tx) *bbolt.Bucket {
	return tx.Bucket(outboxBucket).Bucket([]byte(o.name))
}

// grave is a letter that is done with, in the file.
type grave struct {
	Event  json.RawMessage `json:"event"`
	At     int64           `json:"at"` // Unix time in milliseconds
	Tries  int             `json:"tries"`
	Reason string          `json:"reason,omitempty"`
}

func (o *Outbox) filed(seq, value []byte, done bool) (f Filed, err error) {
	if !done {
		f.Letter, err = o.letter(seq, value)
		return f, err
	}
	var g grave
	if err := json.Unmarshal(value, &g); err != nil {
		return f, fmt.Errorf("letter in the journal cannot be read: %w", err)
	}
	f.Letter, err = o.letter(seq, g.Event)
	f.At, f.Tries, f.Reason = time.UnixMilli(g.At), g.Tries, g.Reason
	return f, err
}

// changes are what a transaction does to outboxes, told to them when it is done.
type changes map[*Outbox]*change

type change struct{ pending, sent, dead, dropped int64 }

func (c changes) of(o *Outbox) *change {
	if c[o] == nil {
		c[o] = &change{}
	}
	return c[o]
}

func (c changes) apply() {
	for o, n := range c {
		o.pending.Add(n.pending)
		o.sent.Add(n.sent)
		o.dead.Add(n.dead)
		o.dropped.Add(n.dropped)
		o.d.m.outbox.Add(float64(n.dropped))
		o.rouse()
	}
}

// put adds an event, and drops the oldest letters that are too many.
func (o *Outbox) put(tx *bbolt.Tx, r *row, c changes) error {
	b := o.bucket(tx)
	if b == nil {
		return nil
	}
	seq, err := b.NextSequence()
	if err != nil {
		return err
	}
	pending, n := b.Bucket(pendingBucket), c.of(o)
	pending.FillPercent = 0.95
	if err := pending.Put(bytes8(seq), r.value); err != nil {
		return err
	}
	n.pending++
	dropped, err := trim(pending, o.pending.Load()+n.pending, int64(o.most))
	n.pending -= dropped
	n.dropped += dropped
	return err
}

// settle moves a letter to where it belongs now.
func (o *Outbox) settle(tx *bbolt.Tx, s *settlement, c changes) error {
	b := o.bucket(tx)
	if b == nil {
		return nil
	}
	seq, pending, n := bytes8(s.Seq), b.Bucket(pendingBucket), c.of(o)
	value := slices.Clone(pending.Get(seq))
	if value == nil { // was dropped while it was on its way
		var err error
		if value, err = encode(s.Event); err != nil {
			return err
		}
	} else {
		n.pending--
		if err := pending.Delete(seq); err != nil {
			return err
		}
	}
	value, err := json.Marshal(grave{value, s.At.UnixMilli(), s.Tries, s.Reason})
	if err != nil {
		return err
	}
	if s.dead {
		n.dead++
		if err := b.Bucket(deadBucket).Put(seq, value); err != nil {
			return err
		}
		dropped, err := trim(b.Bucket(deadBucket), o.dead.Load()+n.dead, maxDead)
		n.dead -= dropped
		n.dropped += dropped
		return err
	}
	n.sent++
	if err := b.Bucket(sentBucket).Put(seq, value); err != nil {
		return err
	}
	forgotten, err := trim(b.Bucket(sentBucket), o.sent.Load()+n.sent, maxSent)
	n.sent -= forgotten
	return err
}

// trim deletes the first of so many letters until at most most are left.
func trim(b *bbolt.Bucket, has, most int64) (dropped int64, err error) {
	for ; has-dropped > most; dropped++ {
		k, _ := b.Cursor().First()
		if k == nil {
			return dropped, nil
		}
		if err := b.Delete(k); err != nil {
			return dropped, err
		}
	}
	return dropped, nil
}
