package catalog

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/agenda"
	"fengsui/gb28181/manscdp"
)

// State is how far a job is.
type State string

// The states of a job.
const (
	Running  State = "running"
	Complete State = "complete" // all items announced have come
	Partial  State = "partial"  // some are missing; nothing was removed
	Failed   State = "failed"   // nothing came
)

// Job is one synchronisation of a device's catalog.
type Job struct {
	ID      uint64
	Device  gb28181.ID
	State   State
	Attempt int // queries sent so far
	Started time.Time
	Ended   time.Time // zero while running
	Result  gb28181.Completeness
	Err     string // why it is not complete
}

// job is a Job under way. It is guarded by its entry's mu.
type job struct {
	id      uint64
	started time.Time
	attempt int
	sn      int
	asking  bool      // its query is being sent
	ended   bool      // its result is being applied
	until   time.Time // when the running attempt is over, while not asking
	cur     *assembly // of the running attempt, nil between attempts
	before  *assembly // of the attempt before
	all     map[gb28181.ID]row
	foreign map[int]*assembly // answers under an SN that we never gave
	touched map[gb28181.ID]struct{}
	queued  []change // reported meanwhile
	err     error
	done    chan struct{} // closed at the end
}

// assembly is what one query brought.
type assembly struct {
	sum      int // largest SumNum announced, -1 none yet
	items    map[gb28181.ID]row
	raw      int // items of all parts, unusable ones and equal IDs too
	repeated int // items of parts that came again word for word
	skipped  int // unusable items
	parts    int
	over     bool // items were left out because of the bound
	seen     map[uint64]struct{}
}

func newAssembly() *assembly {
	return &assembly{sum: -1, items: make(map[gb28181.ID]row), seen: make(map[uint64]struct{})}
}

// whole reports whether all that was announced has come, counting equal IDs and
// unusable items too.
func (a *assembly) whole() bool {
	return a.parts > 0 && a.sum >= 0 && (len(a.items) >= a.sum || a.raw >= a.sum)
}

// goesOn reports whether more parts are worth waiting for: a device that sends
// the same ones again and again, or more than is held, ends with the silence
// that it does not keep.
func (a *assembly) goesOn(limit int) bool { return a.parts <= 2*a.raw+10 && a.raw <= limit }

// exact reports whether what is missing from the items is known not to exist.
func (a *assembly) exact() bool { return a.sum > 0 && a.skipped == 0 && !a.over }

// Sync starts a job for the device, or joins the one that is running. It does
// not wait: see [Catalog.Wait] and [Catalog.Completeness].
func (c *Catalog) Sync(ctx context.Context, device gb28181.ID) (Job, error) {
	if err := ctx.Err(); err != nil {
		return Job{}, fmt.Errorf("sync catalog of %s: %w", device, err)
	}
	e, err := c.entry(device)
	if err != nil {
		return Job{}, fmt.Errorf("sync catalog of %s: %w", device, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.job == nil {
		c.start(e)
	}
	return e.snapshot(), nil
}

// Wait waits for the end of the device's running job and returns it; without
// one, the last that ended. It reports gb28181.ErrUnknownDevice when there was none.
func (c *Catalog) Wait(ctx context.Context, device gb28181.ID) (Job, error) {
	e := c.lookup(device)
	if e == nil {
		return Job{}, fmt.Errorf("catalog job of %s: %w", device, gb28181.ErrUnknownDevice)
	}
	e.mu.Lock()
	var done chan struct{}
	if e.job != nil {
		done = e.job.done
	}
	e.mu.Unlock()
	if done != nil {
		select {
		case <-done:
		case <-ctx.Done():
			return Job{}, fmt.Errorf("catalog job of %s: %w", device, context.Cause(ctx))
		}
	}
	if j, ok := c.Job(device); ok {
		return j, nil
	}
	return Job{}, fmt.Errorf("catalog job of %s: %w", device, gb28181.ErrUnknownDevice)
}

// Job is the device's running job, else the last that ended.
func (c *Catalog) Job(device gb28181.ID) (Job, bool) {
	e := c.lookup(device)
	if e == nil {
		return Job{}, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.job != nil:
		return e.snapshot(), true
	case e.last.id != 0:
		l := e.last
		return Job{
			ID: l.id, Device: e.id, State: l.state, Attempt: l.attempt, Started: e.asked, Ended: e.asked.Add(l.took),
			Result: e.state, Err: l.err,
		}, true
	}
	return Job{}, false
}

// Cancel ends the device's job, because the device is gone. What has come stays.
func (c *Catalog) Cancel(device gb28181.ID, reason string) {
	e := c.lookup(device)
	if e == nil {
		return
	}
	e.mu.Lock()
	e.again = false
	if e.job == nil || e.job.ended {
		e.mu.Unlock()
		return
	}
	e.job.err = errors.New(reason)
	c.giveUp(e)
}

// Response takes one part of an answer from the device, asked for or not.
func (c *Catalog) Response(device gb28181.ID, m *manscdp.Message) {
	r, err := m.AsCatalogResponse()
	if err != nil {
		c.log.Debug().Err(err).Str("device", string(device)).Msg("no catalog answer")
		return
	}
	if slices.ContainsFunc(r.Items, func(it manscdp.CatalogItem) bool { return it.Event != "" }) {
		c.Notify(device, m) // a 2011 peer reports changes with this root
		return
	}
	e, err := c.entry(device)
	if err != nil {
		c.log.Warn().Err(err).Str("device", string(device)).Msg("catalog answer dropped")
		return
	}
	c.m.dropped.WithLabelValues("items").Add(float64(r.Skipped))
	e.mu.Lock()
	j := e.job
	if j == nil || j.ended {
		e.mu.Unlock()
		c.m.parts.WithLabelValues("unsolicited").Inc()
		c.apply(e, upserts(r.Items))
		return
	}
	if r.SN != j.sn && r.SN != 0 && !e.gave(r.SN) {
		c.foreign(e, j, r, m.Cut)
		return
	}
	if refused(r, m) {
		if j.cur == nil || r.SN != j.sn {
			e.mu.Unlock()
			return
		}
		j.err = fmt.Errorf("%w: Result %s", gb28181.ErrRefused, m.Node.Value("Result"))
		c.attemptOver(e)
		return
	}
	if r.SN != j.sn {
		c.log.Debug().Str("device", string(device)).Int("sn", r.SN).Int("asked", j.sn).Str("quirk", "sn-echo").Msg("catalog answer under another SN taken")
	}
	a := j.cur
	if a == nil { // late part of the attempt before
		if a = j.before; a == nil {
			a = newAssembly()
			j.before, j.all = a, make(map[gb28181.ID]row)
		}
	}
	c.add(e, a, r, m.Cut)
	if j.all != nil {
		for i := range r.Items {
			if item, ok := a.items[r.Items[i].DeviceID]; ok {
				j.all[item.id()] = item
			}
		}
	}
	if o, ok := j.settled(a); ok {
		c.finish(e, o)
		return
	}
	e.state = gb28181.Completeness{
		Expected: max(a.sum, 0), Received: max(len(a.items), len(j.all)), At: time.Now(), Skipped: a.skipped,
	}
	if j.cur != nil && !j.asking && (a.parts == 1 || a.goesOn(c.cfg.MaxItems)) {
		c.wait(e, j, c.cfg.Between)
	}
	e.mu.Unlock()
}

// gave reports whether an SN is of one of our last queries. The caller holds e.mu.
func (e *entry) gave(sn int) bool {
	return slices.ContainsFunc(e.sns[:], func(ours int32) bool { return int(ours) == sn })
}

// wait has the running attempt end after d without another part. The caller holds e.mu.
func (c *Catalog) wait(e *entry, j *job, d time.Duration) {
	j.until = time.Now().Add(d)
	c.agenda.Set(e, j.until)
}

func (a *assembly) announced() int {
	if a == nil {
		return -1
	}
	return a.sum
}

// refused reports an answer that says only that the device cannot.
func refused(r manscdp.CatalogResponse, m *manscdp.Message) bool {
	return r.SumNum < 0 && len(r.Items)+r.Skipped == 0 && m.Node.Value("Result") != "" && !m.ResultOK()
}

// foreign takes an answer under an SN that we did not give while a job runs: a
// report of the device's own accord, or the answer of a device that makes up
// SNs. Its items are taken at once; whether it is our answer shows when no other comes.
func (c *Catalog) foreign(e *entry, j *job, r manscdp.CatalogResponse, cut bool) {
	c.m.parts.WithLabelValues("foreign").Inc()
	a := j.foreign[r.SN]
	if a == nil && len(j.foreign) < 4 {
		if j.foreign == nil {
			j.foreign = make(map[int]*assembly)
		}
		a = newAssembly()
		j.foreign[r.SN] = a
	}
	if a != nil {
		c.add(e, a, r, cut)
	}
	if j.touched == nil {
		j.touched = make(map[gb28181.ID]struct{})
	}
	for i := range r.Items {
		if len(j.touched) < c.cfg.MaxItems {
			j.touched[r.Items[i].DeviceID] = struct{}{}
		}
	}
	c.enqueue(e, upserts(r.Items))
	e.mu.Unlock()
}

// add puts a part into an assembly. The caller holds e.mu.
func (c *Catalog) add(e *entry, a *assembly, r manscdp.CatalogResponse, cut bool) {
	a.parts++
	h := c.hash(r)
	if _, again := a.seen[h]; again && len(r.Items) > 0 {
		a.repeated += len(r.Items)
		c.m.parts.WithLabelValues("repeated").Inc()
		return
	}
	a.seen[h] = struct{}{}
	c.m.parts.WithLabelValues("job").Inc()
	n := len(r.Items) + r.Skipped
	if cut && r.Skipped > 0 {
		n-- // the item that was cut off is missing, not unusable
		r.Skipped--
	}
	if r.SumNum > 0 || r.SumNum == 0 && n == 0 {
		a.sum = max(a.sum, r.SumNum)
	}
	a.raw += n
	a.skipped += r.Skipped
	for i := range r.Items {
		if len(a.items) >= c.cfg.MaxItems {
			if _, known := a.items[r.Items[i].DeviceID]; !known {
				a.over = true
				c.m.dropped.WithLabelValues("over").Inc()
				continue
			}
		}
		ch := r.Items[i].Channel(e.id)
		item := pack(e.id, &ch)
		a.items[item.id()] = item
	}
}

// hash is equal for parts that came again.
func (c *Catalog) hash(r manscdp.CatalogResponse) uint64 {
	var h maphash.Hash
	h.SetSeed(c.seed)
	for i := range r.Items {
		it := &r.Items[i]
		for _, s := range [...]string{string(it.DeviceID), it.Name, it.Status, it.ParentID, it.Address, it.Model} {
			_, _ = h.WriteString(s)
			_ = h.WriteByte(0)
		}
	}
	return h.Sum64()
}

// start makes a job. The caller holds e.mu and has seen that there is none.
func (c *Catalog) start(e *entry) {
	e.job = &job{id: c.jobs.Add(1), started: time.Now(), done: make(chan struct{})}
	e.again, e.asked = false, e.job.started
	c.running.Add(1)
	c.agenda.Set(e, e.job.started)
}

// soon has a job follow: now, or at the end of the running one, but not within
// Config.Again of the last. The caller holds e.mu.
func (c *Catalog) soon(e *entry) {
	if e.gone || e.again {
		return
	}
	e.again = true
	if e.job == nil {
		c.agenda.Set(e, c.notBefore(e))
	}
}

func (c *Catalog) notBefore(e *entry) time.Time {
	if at := e.asked.Add(c.cfg.Again); at.After(time.Now()) {
		return at
	}
	return time.Now()
}

// due is called when the entry's time has come.
func (c *Catalog) due(ctx context.Context, e *entry) {
	e.mu.Lock()
	if e.job == nil && e.again && !e.gone {
		c.start(e)
		c.agenda.Drop(e)
	}
	j := e.job
	switch {
	case j == nil || j.asking || j.ended:
		e.mu.Unlock()
	case j.cur != nil && time.Now().Before(j.until): // a part came as the time ran out
		c.agenda.Set(e, j.until)
		e.mu.Unlock()
	case j.cur != nil:
		c.attemptOver(e)
	default:
		c.query(ctx, e, j)
	}
}

// query sends the next query of the job. It is called with e.mu held and unlocks it.
func (c *Catalog) query(ctx context.Context, e *entry, j *job) {
	j.sn = int(c.sn.Add(1) & 0x7FFFFFFF)
	copy(e.sns[1:], e.sns[:])
	e.sns[0] = int32(j.sn)
	j.attempt++
	j.cur, j.asking, j.err = newAssembly(), true, nil
	sn := j.sn
	e.mu.Unlock()
	err := c.ask.Ask(ctx, e.id, string(e.id), sn)
	e.mu.Lock()
	if e.job != j || j.ended {
		e.mu.Unlock()
		return
	}
	j.asking = false
	switch {
	case j.cur == nil: // refused meanwhile
		c.agenda.Set(e, time.Now().Add(agenda.Backoff(j.attempt)))
		e.mu.Unlock()
	case j.cur.parts > 0:
		c.wait(e, j, c.cfg.Between)
		e.mu.Unlock()
	case err == nil:
		c.wait(e, j, c.cfg.FirstPart)
		e.mu.Unlock()
	case ctx.Err() != nil: // shutting down
		e.mu.Unlock()
	case errors.Is(err, gb28181.ErrOffline):
		j.err = err
		c.giveUp(e)
	default:
		j.err = err
		c.attemptOver(e)
	}
}

// settled is the outcome when the answer is whole: in the attempt of a, or
// together with the ones before when both announced the same number.
func (j *job) settled(a *assembly) (outcome, bool) {
	o := outcome{state: Complete, items: a.items, sum: a.sum, skipped: a.skipped, remove: a.exact()}
	if a.whole() {
		o.empty = a.sum == 0
		return o, true
	}
	o.items = j.all
	return o, a.sum > 0 && a.sum == j.before.announced() && len(j.all) >= a.sum
}

// attemptOver is called when a query brought all that it will bring, with e.mu
// held, which it unlocks. It asks again, or ends the job.
func (c *Catalog) attemptOver(e *entry) {
	j := e.job
	a := j.cur
	j.cur = nil
	if a != nil && a.parts == 0 {
		a = c.takeForeign(j)
	}
	if a == nil {
		if j.err == nil {
			j.err = fmt.Errorf("%w: no catalog within %v", gb28181.ErrTimeout, c.cfg.FirstPart)
		}
	} else {
		if j.all == nil {
			j.all = make(map[gb28181.ID]row, len(a.items))
		}
		for id, row := range a.items {
			j.all[id] = row
		}
		if j.err == nil {
			j.err = fmt.Errorf("%d of %d items came", len(j.all), max(a.sum, 0))
		}
		// The same answer twice is all there is. It is the whole catalog only if
		// repeated parts account for the number announced, or none was.
		if j.before != nil && sameIDs(j.before.items, a.items) {
			if a.sum < 0 || a.raw+a.repeated >= a.sum {
				c.finish(e, outcome{state: Complete, items: a.items, sum: a.sum, skipped: a.skipped, remove: a.exact()})
			} else {
				c.giveUp(e)
			}
			return
		}
		j.before = a
	}
	if j.attempt >= c.cfg.Attempts {
		c.giveUp(e)
		return
	}
	c.log.Debug().Str("device", string(e.id)).Int("attempt", j.attempt).AnErr("err", j.err).Msg("catalog asked again")
	c.agenda.Set(e, time.Now().Add(agenda.Backoff(j.attempt)))
	items := j.all
	e.mu.Unlock()
	c.show(e, j, items)
}

// takeForeign is the one whole answer that came under a foreign SN when none came
// under ours. It removes nothing: it may have been a report.
func (c *Catalog) takeForeign(j *job) *assembly {
	for sn, a := range j.foreign {
		if a.whole() && a.sum > 0 {
			delete(j.foreign, sn)
			a.over = true
			return a
		}
	}
	return nil
}

// giveUp ends the job with what has come. It is called with e.mu held, which it unlocks.
func (c *Catalog) giveUp(e *entry) {
	j := e.job
	o := outcome{state: Failed, items: j.all, sum: j.before.announced(), err: j.err}
	if j.before != nil {
		o.skipped = j.before.skipped
	}
	if a := j.cur; a != nil && a.parts > 0 {
		o.sum, o.skipped = a.sum, a.skipped
		if o.items == nil {
			o.items = a.items
		}
		for id, row := range a.items {
			o.items[id] = row
		}
	}
	if len(o.items) > 0 {
		o.state = Partial
	}
	c.finish(e, o)
}

func sameIDs(a, b map[gb28181.ID]row) bool {
	if len(a) != len(b) {
		return false
	}
	for id := range a {
		if _, ok := b[id]; !ok {
			return false
		}
	}
	return true
}

// snapshot is the running job. The caller holds e.mu.
func (e *entry) snapshot() Job {
	j := e.job
	return Job{ID: j.id, Device: e.id, State: Running, Attempt: j.attempt, Started: j.started, Result: e.state}
}
