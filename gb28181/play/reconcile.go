package play

import (
	"context"
	"strconv"
	"sync"
	"time"

	"fengsui/media/engine"
	"fengsui/shadow"
	"fengsui/shadow/journal"
	"fengsui/sip/flow"
)

// Times and bounds of the reconciler.
const (
	evidenceEvery  = 10 * time.Second // how often flowing RTP is told as a sign of life
	reconcileEvery = time.Minute
	endedKeep      = 10 * time.Minute // how long an ended dialog can be asked for another BYE
	endedMost      = 4096             // older ones are forgotten first
)

// Run compares each minute what we think with what arrives, until ctx ends: RTP
// whose session has ended gets another BYE; RTP that no session of ours ever
// asked for is reported, as no request of ours can stop it. Between, RTP that
// flows is told to the device table as a sign of life.
func (c *Coordinator) Run(ctx context.Context) error {
	reconcile, evidence := time.NewTicker(reconcileEvery), time.NewTicker(evidenceEvery)
	defer reconcile.Stop()
	defer evidence.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-evidence.C:
			c.tellLife(now)
		case <-reconcile.C:
			c.Reconcile(ctx, c.engine.Orphans())
		}
	}
}

// Reconcile acts on RTP without a session once. It is exported for operators'
// tools and tests; Run calls it each minute.
func (c *Coordinator) Reconcile(ctx context.Context, orphans []engine.Orphan) {
	c.ended.prune(time.Now())
	for _, o := range orphans {
		d := c.ended.find(o.SSRC)
		if d == nil {
			c.metrics.orphans.WithLabelValues("stranger").Inc()
			c.log.Warn().Str("source", o.Source.String()).Uint32("ssrc", o.SSRC).Uint64("packets", o.Count).
				Msg("rtp without a session")
			continue
		}
		c.metrics.orphans.WithLabelValues("bye").Inc()
		ctx, cancel := context.WithTimeout(ctx, byeTimeout)
		err := d.Bye(ctx)
		cancel()
		c.log.Info().Str("source", o.Source.String()).Uint32("ssrc", o.SSRC).Str("call_id", d.CallID()).AnErr("err", err).
			Msg("sent BYE again: rtp goes on after its session ended")
		c.journal.Append(journal.Event{At: time.Now(), Type: "stream.orphan", Data: map[string]any{
			"ssrc": strconv.FormatUint(uint64(o.SSRC), 10), "source": o.Source.String(), "call_id": d.CallID()}})
	}
}

func (c *Coordinator) tellLife(now time.Time) {
	c.mu.Lock()
	all := make([]*session, 0, len(c.sessions))
	for _, s := range c.sessions {
		all = append(all, s)
	}
	c.mu.Unlock()
	for _, s := range all {
		s.mu.Lock()
		rx := s.rx
		s.mu.Unlock()
		if rx == nil {
			continue
		}
		if last := rx.Stats().Last; now.Sub(last) < evidenceEvery {
			c.devices.Heard(s.req.Device, shadow.ByRTP, flow.Flow{}, last)
		}
	}
}

// endedDialogs remembers by SSRC the dialogs that ended lately, bounded by
// number and age, so that a device that goes on sending can be told again.
type endedDialogs struct {
	mu      sync.Mutex
	current map[Dialog]uint32
	ended   map[uint32]endedDialog
}

type endedDialog struct {
	dialog Dialog
	at     time.Time
}

func newEndedDialogs() *endedDialogs {
	return &endedDialogs{current: make(map[Dialog]uint32), ended: make(map[uint32]endedDialog)}
}

// watch notes which SSRC a dialog has; the function it returns moves it to the ended.
func (e *endedDialogs) watch(ssrc string, d Dialog) func() {
	n, err := strconv.ParseUint(ssrc, 10, 32)
	if err != nil {
		return func() {}
	}
	e.mu.Lock()
	e.current[d] = uint32(n)
	delete(e.ended, uint32(n))
	e.mu.Unlock()
	return func() { e.end(d) }
}

func (e *endedDialogs) end(d Dialog) {
	e.mu.Lock()
	defer e.mu.Unlock()
	ssrc, ok := e.current[d]
	if !ok {
		return
	}
	delete(e.current, d)
	if len(e.ended) >= endedMost {
		var oldest uint32
		at := time.Now()
		for s, x := range e.ended {
			if !x.at.After(at) {
				oldest, at = s, x.at
			}
		}
		delete(e.ended, oldest)
	}
	e.ended[ssrc] = endedDialog{d, time.Now()}
}

func (e *endedDialogs) forget(d Dialog) {
	e.mu.Lock()
	delete(e.current, d)
	e.mu.Unlock()
}

func (e *endedDialogs) find(ssrc uint32) Dialog {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ended[ssrc].dialog
}

func (e *endedDialogs) prune(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s, x := range e.ended {
		if now.Sub(x.at) > endedKeep {
			delete(e.ended, s)
		}
	}
}
