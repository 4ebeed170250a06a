package catalog

import (
	"maps"
	"slices"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// outcome is what a job brought.
type outcome struct {
	state   State
	items   map[gb28181.ID]row
	sum     int
	skipped int
	remove  bool // rows that are not among the items do not exist any more
	empty   bool // the device says that it has none
	err     error
}

// Absent is the OffReason of a channel whose device said once that its catalog is
// empty, as recorders do while they start.
const Absent = "ABSENT"

// finish ends the job, applies what it brought, tells it, and then applies the
// changes that were reported meanwhile. It is called with e.mu held, which it unlocks.
func (c *Catalog) finish(e *entry, o outcome) {
	j := e.job
	j.ended = true
	c.agenda.Drop(e)
	e.mu.Unlock()

	e.order.Lock()
	defer e.order.Unlock()
	e.mu.Lock()
	d := c.settle(e, j, o)
	last := ending{id: j.id, state: o.state, attempt: j.attempt, took: time.Since(j.started)}
	if o.err != nil && o.state != Complete {
		last.err = o.err.Error()
	}
	e.last, e.job = last, nil
	if e.again {
		c.agenda.Set(e, c.notBefore(e))
	}
	e.mu.Unlock()

	close(j.done)
	c.running.Add(-1)
	c.m.jobs.WithLabelValues(string(o.state)).Inc()
	c.log.Debug().Str("device", string(e.id)).Str("result", string(o.state)).Int("items", len(o.items)).
		Int("attempts", last.attempt).Dur("took", last.took).AnErr("err", o.err).Msg("catalog job ended")
	c.tell(e, d)
	if len(j.queued) > 0 {
		e.mu.Lock()
		d := c.change(e, j.queued)
		e.mu.Unlock()
		c.tell(e, d)
	}
}

// settle makes the rows what the job brought. The caller holds e.mu.
func (c *Catalog) settle(e *entry, j *job, o outcome) Diff {
	if e.gone {
		return Diff{}
	}
	if o.empty {
		return c.settleEmpty(e)
	}
	if o.state == Complete {
		e.zeros = 0
	}
	if o.state != Failed {
		e.state = gb28181.Completeness{
			Expected: max(o.sum, 0), Received: len(o.items), Complete: o.state == Complete, At: time.Now(), Skipped: o.skipped,
		}
	}
	rows := slices.Collect(maps.Values(o.items))
	for _, old := range e.rows {
		_, listed := o.items[old.id()]
		_, touched := j.touched[old.id()]
		if !listed && (touched || !o.remove) {
			rows = append(rows, old)
		}
	}
	return c.replace(e, rows)
}

// settleEmpty takes an answer of no items: the first marks the channels absent
// and has the device asked once more, the second in a row removes them.
func (c *Catalog) settleEmpty(e *entry) Diff {
	e.zeros = min(e.zeros+1, 2)
	e.state = gb28181.Completeness{Complete: true, At: time.Now()}
	if e.zeros >= 2 || len(e.rows) == 0 {
		return c.replace(e, nil)
	}
	e.state.Complete = false
	rows := make([]row, len(e.rows))
	for i := range e.rows {
		absent := e.rows[i].channel(e.id)
		absent.On, absent.OffReason = false, Absent
		rows[i] = pack(e.id, &absent)
	}
	e.again = true
	return c.replace(e, rows)
}

// show applies what an unfinished job has so far.
func (c *Catalog) show(e *entry, j *job, items map[gb28181.ID]row) {
	if len(items) == 0 {
		return
	}
	e.order.Lock()
	defer e.order.Unlock()
	e.mu.Lock()
	if e.gone || e.job != j || j.ended {
		e.mu.Unlock()
		return
	}
	rows := slices.Collect(maps.Values(items))
	for _, old := range e.rows {
		if _, listed := items[old.id()]; !listed {
			rows = append(rows, old)
		}
	}
	d := c.replace(e, rows)
	e.mu.Unlock()
	c.tell(e, d)
}

// replace makes rows, in any order, the rows of e and returns what that changed.
// The caller holds e.mu.
func (c *Catalog) replace(e *entry, rows []row) Diff {
	slices.SortFunc(rows, byID)
	rows = withoutSelf(e.id, rows)
	if len(rows) > c.cfg.MaxItems {
		c.m.dropped.WithLabelValues("over").Add(float64(len(rows) - c.cfg.MaxItems))
		rows = rows[:c.cfg.MaxItems]
	}
	var d Diff
	old := e.rows
	for i := 0; i < len(rows); {
		order := -1
		if len(old) > 0 {
			order = byID(rows[i], old[0])
		}
		switch {
		case order > 0:
			d.Removed = append(d.Removed, old[0].id())
			old = old[1:]
			continue
		case order == 0 && rows[i] == old[0]:
			rows[i] = old[0]
			old = old[1:]
		case order == 0:
			d.Updated = append(d.Updated, rows[i].channel(e.id))
			old = old[1:]
		default:
			d.Added = append(d.Added, rows[i].channel(e.id))
		}
		i++
	}
	for i := range old {
		d.Removed = append(d.Removed, old[i].id())
	}
	c.m.channels.Add(float64(len(rows) - len(e.rows)))
	e.rows = slices.Clip(rows)
	e.counted, e.on = 0, 0
	for i := range e.rows {
		e.count(&e.rows[i], +1)
	}
	d.Channels, d.Online, d.State = int(e.counted), int(e.on), e.state
	return d
}

// withoutSelf drops the item by which a device lists itself, unless it is the one
// camera there is: devices whose own ID is also their channel's exist.
func withoutSelf(device gb28181.ID, rows []row) []row {
	self, cameras := -1, 0
	for i := range rows {
		if id := rows[i].id(); id == device {
			self = i
		} else if id.Type().Invitable() {
			cameras++
		}
	}
	if self < 0 || cameras == 0 && device.Type().Invitable() {
		return rows
	}
	return slices.Delete(rows, self, self+1)
}

// change is one change to one item: an event of a NOTIFY, or an item that came
// without being asked for (event "").
type change struct {
	event string
	item  manscdp.CatalogItem
}

func upserts(items []manscdp.CatalogItem) []change {
	out := make([]change, len(items))
	for i := range items {
		out[i] = change{item: items[i]}
	}
	return out
}

// Notify applies the changes that a device reports; while a job of the device
// runs they wait for its end.
func (c *Catalog) Notify(device gb28181.ID, m *manscdp.Message) {
	n, err := m.AsCatalogNotify()
	if err != nil {
		c.log.Debug().Err(err).Str("device", string(device)).Msg("no catalog report")
		return
	}
	e, err := c.entry(device)
	if err != nil {
		c.log.Warn().Err(err).Str("device", string(device)).Msg("catalog report dropped")
		return
	}
	c.m.dropped.WithLabelValues("items").Add(float64(n.Skipped))
	changes := make([]change, len(n.Items))
	for i := range n.Items {
		changes[i] = change{event: n.Items[i].Event, item: n.Items[i]}
	}
	c.apply(e, changes)
}

// apply applies changes now, or queues them while a job runs.
func (c *Catalog) apply(e *entry, changes []change) {
	if len(changes) == 0 {
		return
	}
	e.order.Lock()
	defer e.order.Unlock()
	e.mu.Lock()
	if e.job != nil && !e.job.ended {
		c.enqueue(e, changes)
		e.mu.Unlock()
		return
	}
	d := c.change(e, changes)
	e.mu.Unlock()
	c.tell(e, d)
}

// enqueue keeps changes for the end of the job. The caller holds e.mu.
func (c *Catalog) enqueue(e *entry, changes []change) {
	room := max(maxQueued-len(e.job.queued), 0)
	if len(changes) > room {
		c.m.dropped.WithLabelValues("changes").Add(float64(len(changes) - room))
		changes = changes[:room]
		e.again = true // what is lost here, another answer brings
	}
	e.job.queued = append(e.job.queued, changes...)
}

// change applies changes and returns what they changed. The caller holds e.mu.
func (c *Catalog) change(e *entry, changes []change) Diff {
	if e.gone {
		return Diff{}
	}
	before := make(map[gb28181.ID]*row) // first row of each ID changed, nil if there was none
	for i := range changes {
		c.changeOne(e, &changes[i], before)
	}
	var d Diff
	for _, id := range slices.Sorted(maps.Keys(before)) {
		old := before[id]
		at, found := e.find(id)
		switch {
		case found && old == nil:
			d.Added = append(d.Added, e.rows[at].channel(e.id))
		case found && *old != e.rows[at]:
			d.Updated = append(d.Updated, e.rows[at].channel(e.id))
		case !found && old != nil:
			d.Removed = append(d.Removed, id)
		}
	}
	d.Channels, d.Online, d.State = int(e.counted), int(e.on), e.state
	return d
}

func (c *Catalog) changeOne(e *entry, ch *change, first map[gb28181.ID]*row) {
	id := ch.item.DeviceID
	at, found := e.find(id)
	if !found && id == e.id {
		return // a device that reports about itself
	}
	var old *row
	var before, after *gb28181.Channel
	if found {
		was := e.rows[at]
		had := was.channel(e.id)
		old, before = &was, &had
	}
	label := ch.event
	switch ch.event {
	case "ON", "OFF", "VLOST", "DEFECT":
		if !found {
			if ch.event == "ON" {
				c.soon(e)
			}
			c.m.changes.WithLabelValues("unknown").Inc()
			return
		}
		after = before
		after.On, after.OffReason = ch.event == "ON", ""
		if !after.On {
			after.OffReason = ch.event
		}
	case "DEL":
		if !found {
			return
		}
	default: // ADD, UPDATE and items without being asked for
		if label == "" {
			label = "unsolicited"
		}
		if !found && len(e.rows) >= c.cfg.MaxItems {
			c.m.dropped.WithLabelValues("over").Inc()
			return
		}
		item := merged(e.id, before, &ch.item)
		after = &item
	}
	c.m.changes.WithLabelValues(label).Inc()
	if _, noted := first[id]; !noted {
		first[id] = old
	}
	if found {
		e.count(old, -1)
	}
	if after == nil {
		e.rows = slices.Delete(e.rows, at, at+1)
		c.m.channels.Dec()
		return
	}
	r := pack(e.id, after)
	if found {
		e.rows[at] = r
	} else {
		e.rows = slices.Insert(e.rows, at, r)
		c.m.channels.Inc()
	}
	e.count(&r, +1)
}

// merged is old with what the item says; what it leaves empty stays.
func merged(device gb28181.ID, old *gb28181.Channel, it *manscdp.CatalogItem) gb28181.Channel {
	ch := it.Channel(device)
	if old == nil {
		return ch
	}
	for _, f := range [...]struct{ v, old *string }{
		{&ch.Name, &old.Name}, {&ch.Manufacturer, &old.Manufacturer}, {&ch.Model, &old.Model},
		{&ch.CivilCode, &old.CivilCode}, {&ch.Address, &old.Address}, {&ch.ParentID, &old.ParentID}, {&ch.Streams, &old.Streams},
	} {
		if *f.v == "" {
			*f.v = *f.old
		}
	}
	if ch.BusinessGroup == "" {
		ch.BusinessGroup = old.BusinessGroup
	}
	if it.Parental == "" {
		ch.Parental = old.Parental
	}
	if it.Secrecy == "" {
		ch.Secrecy = old.Secrecy
	}
	if ch.PTZType == 0 {
		ch.PTZType = old.PTZType
	}
	if ch.Longitude == 0 && ch.Latitude == 0 {
		ch.Longitude, ch.Latitude = old.Longitude, old.Latitude
	}
	if _, known := it.On(); !known {
		ch.On, ch.OffReason = old.On, old.OffReason
	}
	return ch
}
