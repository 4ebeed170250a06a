package report

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/shadow/journal"
)

const (
	tellEvery  = time.Second // positions
	maxAnswers = 4096        // that wait to be sent
	answerers  = 32
	clockAhead = 24 * time.Hour // a device's clock that is further ahead is wrong
)

// Keeper keeps reports; store.Store is one. It must not block.
type Keeper interface {
	SaveAlarm(a gb28181.Alarm) (id int64, kept bool)
	SavePosition(p gb28181.Position) (kept bool)
}

// Journal is told what happened; journal.Journal is one.
type Journal interface {
	Append(journal.Event) uint64
	Pass(journal.Event)
}

// Confirmer sends our Response to an alarm; command.Commander is one.
type Confirmer interface {
	Confirm(ctx context.Context, id gb28181.ID, a manscdp.Answer) error
}

// Desk takes reports. Its methods may be called from any goroutine.
type Desk struct {
	// Set by New, never changed after.
	zone    func(device gb28181.ID) *time.Location
	keep    Keeper
	tell    Journal
	confirm Confirmer
	log     zerolog.Logger
	m       *metrics
	answers chan answer

	mu    sync.Mutex // guards all below
	known recent
	moved map[gb28181.ID]gb28181.Position // since the last second
}

type answer struct {
	device gb28181.ID
	body   manscdp.Answer
}

// New builds a desk that starts nothing. zone is that of a
// device's times. reg
// may be nil.
func New(zone func(device gb28181.ID) *time.Location, keep Keeper, tell Journal, confirm Confirmer, log zerolog.Logger, reg prometheus.Registerer) *Desk {
	return &Desk{
		zone: zone, keep: keep, tell: tell, confirm: confirm, log: log, m: newMetrics(reg),
		answers: make(chan answer, maxAnswers), moved: make(map[gb28181.ID]gb28181.Position),
	}
}

// Run answers alarms and tells of positions until ctx ends. Call it exactly once.
func (d *Desk) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	for range answerers {
		all.Go(func() { d.answer(ctx) })
	}
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			d.tellMoved()
		}
	}
}

// Confirm answers an alarm that came by MESSAGE, known or not: the device asks
// until it is told. It does not wait for the device.
func (d *Desk) Confirm(device gb28181.ID, m *manscdp.Message) {
	a, err := m.AsAlarmNotify()
	if err != nil {
		return // no alarm: nothing else is answered
	}
	id := a.DeviceID
	if id == "" {
		id = device
	}
	select {
	case d.answers <- answer{device, manscdp.Answer{CmdType: manscdp.CmdAlarm, SN: a.SN, DeviceID: id, OK: true}}:
	default:
		d.m.answers.WithLabelValues("dropped").Inc()
	}
}

func (d *Desk) answer(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-d.answers:
			err := d.confirm.Confirm(ctx, a.device, a.body)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				d.m.answers.WithLabelValues("failed").Inc()
				d.log.Debug().Err(err).Str("device", string(a.device)).Msg("alarm not confirmed")
				continue
			}
			d.m.answers.WithLabelValues("sent").Inc()
		}
	}
}

// Alarm takes Notify/Alarm, however it came.
func (d *Desk) Alarm(device gb28181.ID, m *manscdp.Message) {
	n, err := m.AsAlarmNotify()
	if err != nil {
		d.m.alarms.WithLabelValues("unreadable").Inc()
		d.log.Debug().Err(err).Str("device", string(device)).Msg("alarm cannot be read")
		return
	}
	now := time.Now()
	if d.again(device, &n, now) {
		d.m.alarms.WithLabelValues("repeated").Inc()
		return
	}
	a := gb28181.Alarm{
		Device: device, Channel: channel(device, n.DeviceID), Priority: n.Priority, Method: n.Method, Type: n.Type, EventType: n.EventType,
		Name: manscdp.AlarmName(n.Method, n.Type), At: d.at(device, n.Time, now), ReceivedAt: now, Description: n.Description,
		Longitude: n.Longitude, Latitude: n.Latitude,
	}
	id, kept := d.keep.SaveAlarm(a)
	a.ID = id
	result := "kept"
	if !kept {
		result = "dropped"
	}
	d.m.alarms.WithLabelValues(result).Inc()
	d.tell.Append(journal.Event{At: now, Type: "alarm.raised", Device: string(device), Channel: string(a.Channel), Data: map[string]any{
		"id": a.ID, "priority": a.Priority, "method": a.Method, "type": a.Type, "name": a.Name, "description": a.Description,
		"at": a.At.UTC().Format(time.RFC3339),
	}})
	if a.Method == manscdp.ByGPS && a.Longitude != nil && a.Latitude != nil {
		d.position(gb28181.Position{Device: device, Channel: a.Channel, At: a.At, ReceivedAt: now, Longitude: *a.Longitude, Latitude: *a.Latitude})
	}
}

// again reports whether an alarm is known: sent again, or by MESSAGE and NOTIFY,
// with another SN (signalling.md section 3.7.1).
func (d *Desk) again(device gb28181.ID, n *manscdp.AlarmNotify, now time.Time) bool {
	s := sight{device: device, source: n.DeviceID, method: n.Method, kind: n.Type, at: n.Time}
	if n.Time == "" {
		s.sn = n.SN
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known.seen(s, now)
}

// Position takes Notify/MobilePosition in either form. One without a channel is
// of the device as a whole (signalling.md section 9 row 43).
func (d *Desk) Position(device gb28181.ID, m *manscdp.Message) {
	n, err := m.AsPositionNotify()
	if err != nil {
		d.m.positions.WithLabelValues("unreadable").Inc()
		d.log.Debug().Err(err).Str("device", string(device)).Msg("position cannot be read")
		return
	}
	now := time.Now()
	d.m.positions.WithLabelValues("unreadable").Add(float64(n.Skipped))
	for _, p := range n.Positions {
		d.position(gb28181.Position{
			Device: device, Channel: channel(device, p.DeviceID), At: d.at(device, p.Time, now), ReceivedAt: now,
			Longitude: p.Longitude, Latitude: p.Latitude, Speed: p.Speed, Direction: p.Direction, Altitude: p.Altitude, Height: p.Height,
		})
	}
}

func (d *Desk) position(p gb28181.Position) {
	result := "kept"
	if !d.keep.SavePosition(p) {
		result = "dropped"
	}
	d.m.positions.WithLabelValues(result).Inc()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.moved[p.Device] = p
}

// tellMoved passes on where each device was last, of those that moved. There may
// be many: they are told to who listens, and not kept in the journal.
func (d *Desk) tellMoved() {
	d.mu.Lock()
	moved := d.moved
	d.moved = make(map[gb28181.ID]gb28181.Position)
	d.mu.Unlock()
	for id, p := range moved {
		data := map[string]any{"longitude": p.Longitude, "latitude": p.Latitude, "at": p.At.UTC().Format(time.RFC3339)}
		for name, v := range map[string]*float64{"speed": p.Speed, "direction": p.Direction, "altitude": p.Altitude} {
			if v != nil {
				data[name] = *v
			}
		}
		d.tell.Pass(journal.Event{At: p.ReceivedAt, Type: "position.moved", Device: string(id), Channel: string(p.Channel), Data: data})
	}
}

// VideoUpload takes Notify/VideoUploadNotify: a device has live pictures to show and
// may be invited (2022 A.2.5.8). Where it is counts as a position.
func (d *Desk) VideoUpload(device gb28181.ID, m *manscdp.Message) {
	n, err := m.AsVideoUpload()
	if err != nil {
		d.log.Debug().Err(err).Str("device", string(device)).Msg("offer of live pictures cannot be read")
		return
	}
	now := time.Now()
	at := d.at(device, n.Time, now)
	d.tell.Append(journal.Event{At: now, Type: "video.offered", Device: string(device), Channel: string(channel(device, n.DeviceID)),
		Data: map[string]any{"at": at.UTC().Format(time.RFC3339)}})
	if n.Longitude != nil && n.Latitude != nil {
		d.position(gb28181.Position{Device: device, Channel: channel(device, n.DeviceID), At: at, ReceivedAt: now, Longitude: *n.Longitude, Latitude: *n.Latitude})
	}
}

// at is a device's time, or now when that cannot be.
func (d *Desk) at(device gb28181.ID, s string, now time.Time) time.Time {
	if t, ok := manscdp.ParseTime(s, d.zone(device)); ok && t.Before(now.Add(clockAhead)) && t.Year() >= 2000 {
		return t
	}
	return now
}

// channel is whose a report is, "" when it is the device's own.
func channel(device, source gb28181.ID) gb28181.ID {
	if source == device {
		return ""
	}
	return source
}

type metrics struct{ alarms, positions, answers *prometheus.CounterVec }

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string, results ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"result"})
		for _, r := range results {
			v.WithLabelValues(r)
		}
		return v
	}
	m := &metrics{
		alarms:    counter("fengsui_report_alarms_total", "Alarms reported by devices: kept, known already, not kept because too many wait to be written, unreadable.", "kept", "repeated", "dropped", "unreadable"),
		positions: counter("fengsui_report_positions_total", "Positions reported by devices: kept, not kept because too many wait to be written, unreadable.", "kept", "dropped", "unreadable"),
		answers:   counter("fengsui_report_answers_total", "Responses to alarms that came by MESSAGE: sent, failed, not sent because too many wait.", "sent", "failed", "dropped"),
	}
	if reg != nil {
		reg.MustRegister(m.alarms, m.positions, m.answers)
	}
	return m
}
