package play

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"fengsui/gb28181"
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
	orphanSilent   = 5 * time.Second  // without a packet an orphan has stopped
	orphanLate     = time.Second      // packets up to so long after the end were on the way
	tellingMost    = 32               // BYEs of one reconciliation that wait for answers at a time
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

// Reconcile acts once on RTP that goes on without a session. It is exported for
// operators' tools and tests; Run calls it each minute.
func (c *Coordinator) Reconcile(ctx context.Context, orphans []engine.Orphan) {
	now := time.Now()
	c.ended.prune(now)
	var telling sync.WaitGroup
	free := make(chan struct{}, tellingMost)
	for _, o := range orphans {
		if now.Sub(o.Last) >= orphanSilent {
			continue // it has stopped
		}
		e, known := c.ended.find(o)
		switch {
		case !known:
			c.metrics.orphans.WithLabelValues("stranger").Inc()
			c.log.Warn().Str("source", o.Source.String()).Uint32("ssrc", o.SSRC).Uint64("packets", o.Count).
				Msg("rtp without a session")
		case o.Last.Sub(e.at) >= orphanLate: // else what was on the way
			free <- struct{}{}
			telling.Go(func() {
				defer func() { <-free }()
				c.tellAgain(ctx, e, o)
			})
		}
	}
	telling.Wait()
}

func (c *Coordinator) tellAgain(ctx context.Context, e endedDialog, o engine.Orphan) {
	ctx, cancel := context.WithTimeout(ctx, byeTimeout)
	defer cancel()
	c.follow(e.device, e.dialog)
	err := e.dialog.ByeAgain(ctx)
	c.metrics.orphans.WithLabelValues("bye").Inc()
	c.log.Info().Str("device", string(e.device)).Str("source", o.Source.String()).Uint32("ssrc", o.SSRC).Str("call_id", e.dialog.CallID()).
		AnErr("err", err).Msg("sent BYE again: rtp goes on after its session ended")
	c.journal.Append(journal.Event{At: time.Now(), Type: "stream.orphan", Device: string(e.device), Data: map[string]any{
		"ssrc": strconv.FormatUint(uint64(o.SSRC), 10), "source": o.Source.String(), "call_id": e.dialog.CallID()}})
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

// endedDialogs remembers the dialogs that ended lately, bounded by number and
// age, so that a device that goes on sending can be told again.
type endedDialogs struct {
	mu   sync.Mutex
	list []endedDialog // the oldest first
}

// endedDialog is a dialog that ended and what its device sent.
type endedDialog struct {
	device gb28181.ID
	dialog Dialog
	at     time.Time
	source netip.AddrPort // invalid where nothing came
	ssrcs  []uint32       // leased, answered and received: a device may mix them up
}

func newEnded(device gb28181.ID, d Dialog, rx *engine.Receiver, answered string) endedDialog {
	st := rx.Stats()
	e := endedDialog{device: device, dialog: d, at: time.Now(), source: st.Source}
	for _, text := range []string{rx.SSRC(), answered} {
		if n, err := strconv.ParseUint(text, 10, 32); err == nil {
			e.ssrcs = append(e.ssrcs, uint32(n))
		}
	}
	if st.Source.IsValid() {
		e.ssrcs = append(e.ssrcs, st.SSRC)
	}
	return e
}

func (l *endedDialogs) add(e endedDialog) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) >= endedMost {
		l.list = slices.Delete(l.list, 0, len(l.list)-endedMost+1)
	}
	l.list = append(l.list, e)
}

// leased says that an SSRC is another stream's from now on.
func (l *endedDialogs) leased(ssrc string) {
	n, err := strconv.ParseUint(ssrc, 10, 32)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.list {
		l.list[i].ssrcs = slices.DeleteFunc(l.list[i].ssrcs, func(s uint32) bool { return s == uint32(n) })
	}
}

// find is the dialog that an orphan was sent for: the newest from its source,
// else the newest with its SSRC.
func (l *endedDialogs) find(o engine.Orphan) (found endedDialog, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.list) - 1; i >= 0; i-- {
		e := &l.list[i]
		if e.source == o.Source {
			return *e, true
		}
		if !known && slices.Contains(e.ssrcs, o.SSRC) {
			found, known = *e, true
		}
	}
	return found, known
}

func (l *endedDialogs) prune(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, func(e endedDialog) bool { return now.Sub(e.at) > endedKeep })
}
