package sim

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/ptz"
)

// Angles of view and sight at a zoom of 1.
const (
	wideAngle = 60.0 // degrees, horizontal
	highAngle = 34.0 // degrees, vertical
	farthest  = 30.0 // metres
)

// stored answers a query of what a channel's front end keeps (signalling.md
// section 3.13), with an ERROR for what the device or its edition has not.
func (d *device) stored(r *request) *job {
	m, err := manscdp.Decode([]byte(r.body))
	if err != nil {
		return nil
	}
	q, err := m.AsInquiry()
	if err != nil {
		return nil
	}
	text := ""
	if b := d.answerStored(q); b != nil {
		text = d.say(b)
	}
	if text == "" {
		text = d.say(manscdp.Answer{CmdType: m.CmdType, SN: q.SN, DeviceID: q.DeviceID})
	}
	return &job{next: once(text)}
}

// answerStored is the answer to a query, nil for what there is not.
func (d *device) answerStored(q manscdp.Inquiry) manscdp.Body {
	i, ch, ok := d.sim.ids.find(string(q.DeviceID))
	switch {
	case !ok || i != d.index:
		return nil
	case q.CmdType == manscdp.CmdSDCardStatus:
		return d.cardList(d.sim.now(), q)
	case ch < 0:
		return nil
	}
	c := d.camera(ch)
	c.advance(d.sim.now())
	switch q.CmdType {
	case manscdp.CmdPresetQuery:
		return c.presetList(q)
	case manscdp.CmdHomePosition:
		return c.homeAnswer(q)
	case manscdp.CmdCruiseTrackList:
		return c.trackList(q)
	case manscdp.CmdCruiseTrack:
		return c.track(q)
	case manscdp.CmdPTZPosition:
		return c.position(manscdp.Response, q.SN, q.DeviceID)
	}
	return nil
}

func (c *camera) presetList(q manscdp.Inquiry) manscdp.Body {
	l := manscdp.PresetList{SN: q.SN, DeviceID: q.DeviceID, SumNum: len(c.preset), OK: true}
	for _, n := range slices.Sorted(maps.Keys(c.preset)) {
		l.Presets = append(l.Presets, manscdp.Preset{ID: strconv.Itoa(n), Name: c.preset[n].name})
	}
	return l
}

func (c *camera) homeAnswer(q manscdp.Inquiry) manscdp.Body {
	h := manscdp.HomePosition{Enabled: c.home.enabled}
	if h.Enabled {
		h.ResetTime, h.PresetIndex = new(int(c.home.after/time.Second)), new(c.home.preset)
	}
	return manscdp.HomePositionAnswer{SN: q.SN, DeviceID: q.DeviceID, Home: &h, OK: true}
}

func (c *camera) trackList(q manscdp.Inquiry) manscdp.Body {
	l := manscdp.CruiseTrackList{SN: q.SN, DeviceID: q.DeviceID, SumNum: len(c.cruise), OK: true}
	for _, n := range slices.Sorted(maps.Keys(c.cruise)) {
		l.Tracks = append(l.Tracks, manscdp.CruiseTrack{Number: n, Name: c.cruise[n].name})
	}
	return l
}

func (c *camera) track(q manscdp.Inquiry) manscdp.Body {
	r := c.cruise[q.Number]
	if r == nil {
		return manscdp.CruiseTrackAnswer{SN: q.SN, DeviceID: q.DeviceID}
	}
	a := manscdp.CruiseTrackAnswer{SN: q.SN, DeviceID: q.DeviceID, SumNum: len(r.points), OK: true,
		CruiseTrack: manscdp.CruiseTrack{Number: q.Number, Name: r.name}}
	for _, p := range r.points {
		a.Points = append(a.Points, manscdp.CruisePoint{Preset: p, Stay: int(r.dwell / time.Second), Speed: min(max(r.speed, 1), 15)})
	}
	return a
}

func (c *camera) position(root string, sn int, id gb28181.ID) manscdp.PTZPosition {
	v := c.view
	return manscdp.PTZPosition{
		Root: root, SN: sn, DeviceID: id, OK: true, Pan: &v.Pan, Tilt: &v.Tilt, Zoom: &v.Zoom,
		HorizontalFieldAngle: new(wideAngle / v.Zoom), VerticalFieldAngle: new(highAngle / v.Zoom), MaxViewDistance: new(farthest * v.Zoom),
	}
}

// framed turns a camera to the middle of a rectangle of its picture.
func (c *camera) framed(now instant, r manscdp.Rectangle) {
	c.advance(now)
	c.left, c.move, c.cruising, c.scanning = now, ptz.Move{}, 0, 0
	c.view.Pan += (float64(r.MidPointX)/float64(r.Length) - 0.5) * wideAngle / c.view.Zoom
	c.view.Tilt += (float64(r.MidPointY)/float64(r.Width) - 0.5) * highAngle / c.view.Zoom
	c.view = c.view.moved(ptz.Move{}, 0)
}

// dragZoom fills the window with a rectangle, or the rectangle with the window.
func (c *camera) dragZoom(now instant, z manscdp.DragZoom) {
	c.framed(now, z.Rectangle)
	factor := float64(z.Length) / float64(z.LengthX)
	if z.Out {
		factor = 1 / factor
	}
	c.view.Zoom *= factor
	c.view = c.view.within()
}

// follow lets a camera follow a target, which is where the panorama shows it.
func (c *camera) follow(now instant, t manscdp.TargetTrack) {
	c.tracking = t.Mode
	if t.Area != nil {
		c.framed(now, *t.Area)
	}
}
