package sim

import (
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

func localTime() string { return time.Now().In(beijing()).Format("2006-01-02T15:04:05") }

// tellPlace answers a question for a position, which is done by a notification
// (signalling.md section 3.11).
func (d *device) tellPlace(r *request) *job {
	d.sn++
	now, id := localTime(), gb28181.ID(r.id)
	lon, lat := d.place(0)
	return &job{next: once(d.say(manscdp.PositionNotify{SN: int(d.sn), DeviceID: id, Time: now, Positions: []manscdp.Position{
		{DeviceID: id, Time: now, Longitude: lon, Latitude: lat},
	}}))}
}

// place is where a channel stands, in degrees.
func (d *device) place(ch int) (lon, lat float64) {
	n := d.index*d.sim.cfg.Channels + ch
	return 118.36 + float64(n%100)*0.001, 31.33 + float64(n/100%100)*0.001
}
