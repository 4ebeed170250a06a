package sim

import (
	"maps"
	"slices"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// alarmMethod is that of every simulated alarm: by video.
const alarmMethod = 5

// maxDuties is the most channels whose guard is told and kept.
const maxDuties = 64

// duty is the guard of one channel.
type duty struct {
	guarded bool
	alarm   int // type of the alarm that nobody has ended, 0 for none
}

func (u duty) String() string {
	switch {
	case u.alarm > 0:
		return "ALARM"
	case u.guarded:
		return "ONDUTY"
	}
	return "OFFDUTY"
}

// change changes the guard of a channel, or with -1 of all.
func (d *device) change(ch int, what func(*duty)) {
	if d.duties == nil {
		d.duties = map[int]duty{}
	}
	for i := range min(d.sim.cfg.Channels, maxDuties) {
		if ch == -1 || ch == i {
			u := d.duties[i]
			what(&u)
			d.duties[i] = u
		}
	}
}

func (d *device) guard(ch int, set bool) { d.change(ch, func(u *duty) { u.guarded = set }) }

// reset ends the alarms that a command means.
func (d *device) reset(ch int, a manscdp.AlarmCmd) {
	if len(a.Methods) > 0 && !slices.Contains(a.Methods, 0) && !slices.Contains(a.Methods, alarmMethod) {
		return
	}
	d.change(ch, func(u *duty) {
		if len(a.Types) == 0 || slices.Contains(a.Types, u.alarm) {
			u.alarm = 0
		}
	})
}

// condition is the answer to DeviceStatus (signalling.md section 3.9).
func (d *device) condition(r *request) string {
	m, err := manscdp.Decode([]byte(r.body))
	if err != nil {
		return ""
	}
	s := manscdp.DeviceStatus{SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), OK: true, Online: true, Works: true, Encode: "ON", Record: "OFF", Time: localTime()}
	i, ch, ok := d.sim.ids.find(m.DeviceID)
	if !ok || i != d.index {
		ch = -1
	}
	for n, c := range d.cameras {
		if len(c.recording) > 0 && (ch == -1 || ch == n) {
			s.Record = "ON"
		}
	}
	for _, n := range slices.Sorted(maps.Keys(d.duties)) {
		if ch == -1 || ch == n {
			s.Alarms = append(s.Alarms, manscdp.Duty{DeviceID: gb28181.ID(d.sim.ids.channelID(d.index, n)), Status: d.duties[n].String()})
		}
	}
	return d.say(s)
}
