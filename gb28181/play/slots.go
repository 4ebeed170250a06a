package play

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"fengsui/gb28181"
)

// A limit that a device has shown is believed for learntKeep; of learntMost
// devices, then the table begins anew.
const (
	learntKeep = 5 * time.Minute
	learntMost = 4096
)

// Holder is a session that takes a slot of a device.
type Holder struct {
	Stream  string // ID of the session
	Kind    Kind
	Channel gb28181.ID
	By      string // who asked for it
}

// SlotError says that a device plays no more recordings at a time, and who has
// its slots. It is [ErrNoSlot].
type SlotError struct {
	Device  gb28181.ID
	Limit   int
	Learnt  bool // from the device's own refusal, not configured
	Holders []Holder
}

func (e *SlotError) Error() string {
	var by []string
	for _, h := range e.Holders {
		by = append(by, fmt.Sprintf("%s %s of %s by %q", h.Kind, h.Stream, h.Channel, h.By))
	}
	return fmt.Sprintf("%v: %s has %d: %s", ErrNoSlot, e.Device, e.Limit, strings.Join(by, ", "))
}

func (e *SlotError) Unwrap() error { return ErrNoSlot }

// slots remembers how many recordings devices have shown to play at a time.
type slots struct {
	mu     sync.Mutex
	learnt map[gb28181.ID]learnt
}

type learnt struct {
	limit int
	at    time.Time
}

// admit refuses one more recording of a device whose slots are all held. A limit
// of 0 is none. The error is a [*SlotError].
func (l *slots) admit(device gb28181.ID, limit int, held []Holder, now time.Time) error {
	l.mu.Lock()
	shown, ok := l.learnt[device]
	l.mu.Unlock()
	byDevice := ok && now.Sub(shown.at) < learntKeep && (limit == 0 || shown.limit < limit)
	if byDevice {
		limit = shown.limit
	}
	if limit == 0 || len(held) < limit {
		return nil
	}
	return &SlotError{Device: device, Limit: limit, Learnt: byDevice, Holders: held}
}

// learn notes that a device refused one more beside so many.
func (l *slots) learn(device gb28181.ID, limit int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.learnt == nil || len(l.learnt) >= learntMost {
		l.learnt = make(map[gb28181.ID]learnt)
	}
	l.learnt[device] = learnt{limit, now}
}

// holders are who has the slots of a device, but for one session. c.mu is held.
func (c *Coordinator) holders(device gb28181.ID, but *session) (held []Holder) {
	for _, s := range c.sessions {
		if s.req.Device == device && s.req.recorded() && s != but {
			held = append(held, Holder{s.id, s.req.Kind, s.req.Channel, s.req.By})
		}
	}
	return held
}

// full is the error of a recording for which the device has no slot: where we
// hold some, it has as many.
func (c *Coordinator) full(s *session, cause error) error {
	c.mu.Lock()
	held := c.holders(s.req.Device, s)
	c.mu.Unlock()
	if len(held) == 0 {
		return fmt.Errorf("%w: %w", ErrBusy, cause)
	}
	c.slots.learn(s.req.Device, len(held), time.Now())
	c.metrics.slotless.Inc()
	return fmt.Errorf("%w: %w", &SlotError{Device: s.req.Device, Limit: len(held), Learnt: true, Holders: held}, cause)
}
