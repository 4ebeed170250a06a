package sim

import (
	"math"
	"slices"
	"time"

	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/ptz"
)

// How fast a simulated camera is at the highest speed, and how far it goes.
const (
	panPerSecond  = 90.0 // degrees
	tiltPerSecond = 45.0 // degrees
	zoomPerSecond = 5.0
	minTilt       = -30.0
	maxTilt       = 90.0
	maxZoom       = 32.0
	defaultDwell  = 2 * time.Second
)

// View is where a camera looks.
type View struct {
	Pan  float64 // degrees clockwise, 0 to less than 360
	Tilt float64 // degrees below the horizon, -30 to 90
	Zoom float64 // 1 to 32
}

// camera is what a channel's front end is and keeps. It moves as time passes:
// each method first brings it to now. The shard's mutex guards it.
type camera struct {
	view     View
	at       instant // when it looked there
	move     ptz.Move
	lens     ptz.Lens
	moves    int // commands that set it moving
	stops    int
	left     instant // when it was last told anything, for the home position
	preset   map[int]stored
	cruise   map[int]*cruise
	scan     map[int]*scan
	switches map[int]bool

	cruising, scanning int // number + 1; 0 is none
	since              instant

	home      homePosition
	recording map[int]bool // by stream
	tracking  string       // Auto, Manual, Stop, or "" of a camera that was never told
}

type stored struct {
	name string
	view View
}

type cruise struct {
	name   string
	points []int // presets
	dwell  time.Duration
	speed  int
}

type scan struct{ left, right, speed float64 }

type homePosition struct {
	enabled bool
	after   time.Duration
	preset  int
}

func newCamera() *camera {
	return &camera{
		view: View{Zoom: 1}, preset: map[int]stored{}, cruise: map[int]*cruise{}, scan: map[int]*scan{},
		switches: map[int]bool{}, recording: map[int]bool{},
	}
}

// camera is that of a channel, made when it is first asked for.
func (d *device) camera(ch int) *camera {
	if d.cameras == nil {
		d.cameras = map[int]*camera{}
	}
	c := d.cameras[ch]
	if c == nil {
		c = newCamera()
		d.cameras[ch] = c
	}
	return c
}

// advance brings the camera to now.
func (c *camera) advance(now instant) {
	passed := (now - c.at).Seconds()
	c.at = now
	switch {
	case c.cruising > 0:
		c.cruiseTo(now)
		return
	case c.scanning > 0:
		c.scanTo(now)
		return
	}
	c.view = c.view.moved(c.move, passed)
	if h := c.home; h.enabled && c.move == (ptz.Move{}) && now-c.left >= h.after {
		if p, ok := c.preset[h.preset]; ok {
			c.view = p.view
		}
	}
}

func (v View) moved(m ptz.Move, seconds float64) View {
	v.Pan = math.Mod(v.Pan+float64(m.Pan)*float64(m.PanSpeed)/ptz.MaxSpeed*panPerSecond*seconds, 360)
	if v.Pan < 0 {
		v.Pan += 360
	}
	v.Tilt -= float64(m.Tilt) * float64(m.TiltSpeed) / ptz.MaxSpeed * tiltPerSecond * seconds // up is negative
	v.Zoom += float64(m.Zoom) * float64(m.ZoomSpeed) / ptz.MaxZoomSpeed * zoomPerSecond * seconds
	return v.within()
}

// within is the nearest view that the camera can reach.
func (v View) within() View {
	v.Tilt, v.Zoom = min(max(v.Tilt, minTilt), maxTilt), min(max(v.Zoom, 1), maxZoom)
	return v
}

// cruiseTo goes round the presets of the cruise.
func (c *camera) cruiseTo(now instant) {
	r := c.cruise[c.cruising-1]
	if r == nil || len(r.points) == 0 {
		return
	}
	dwell := r.dwell
	if dwell <= 0 {
		dwell = defaultDwell
	}
	c.view = c.preset[r.points[int((now-c.since)/dwell)%len(r.points)]].view
}

// scanTo sweeps between the limits.
func (c *camera) scanTo(now instant) {
	s := c.scan[c.scanning-1]
	if s == nil || s.right <= s.left {
		return
	}
	width := s.right - s.left
	way := math.Mod((now-c.since).Seconds()*max(1, s.speed), 2*width)
	if way > width {
		way = 2*width - way
	}
	c.view.Pan = s.left + way
}

// obey does what a front-end command says. It reports false for what needs a
// preset, cruise or scan that is not there.
func (c *camera) obey(now instant, a ptz.Action, preset, track string) bool {
	c.advance(now)
	c.left = now
	switch a := a.(type) {
	case ptz.Move:
		c.cruising, c.scanning = 0, 0
		c.move = a
		if a == (ptz.Move{}) {
			c.stops++
		} else {
			c.moves++
		}
	case ptz.Lens:
		c.lens = a
	case ptz.Preset:
		return c.obeyPreset(a, preset)
	case ptz.Cruise:
		return c.obeyCruise(now, a, track)
	case ptz.Scan:
		return c.obeyScan(now, a)
	case ptz.Auxiliary:
		c.switches[a.Number] = a.On
	}
	return true
}

func (c *camera) obeyPreset(p ptz.Preset, name string) bool {
	old, known := c.preset[p.Number]
	switch p.Do {
	case ptz.SetPreset:
		if name == "" {
			name = old.name
		}
		c.preset[p.Number] = stored{name, c.view}
		return true
	case ptz.GotoPreset:
		if known {
			c.view, c.move, c.cruising, c.scanning = old.view, ptz.Move{}, 0, 0
		}
	case ptz.DeletePreset:
		delete(c.preset, p.Number)
	}
	return known
}

func (c *camera) obeyCruise(now instant, a ptz.Cruise, name string) bool {
	r := c.cruise[a.Group]
	if r == nil {
		if a.Do != ptz.AddPoint {
			return false
		}
		r = &cruise{speed: 8}
		c.cruise[a.Group] = r
	}
	if name != "" {
		r.name = name
	}
	switch a.Do {
	case ptz.AddPoint:
		if _, ok := c.preset[a.Value]; !ok {
			return false
		}
		r.points = append(r.points, a.Value)
	case ptz.DeletePoint:
		r.points = slices.DeleteFunc(r.points, func(p int) bool { return p == a.Value })
	case ptz.DeleteCruise:
		delete(c.cruise, a.Group)
	case ptz.CruiseSpeed:
		r.speed = a.Value
	case ptz.Dwell:
		r.dwell = time.Duration(a.Value) * time.Second
	case ptz.StartCruise:
		c.cruising, c.scanning, c.since, c.move = a.Group+1, 0, now, ptz.Move{}
	}
	return true
}

func (c *camera) obeyScan(now instant, a ptz.Scan) bool {
	s := c.scan[a.Group]
	if s == nil {
		if a.Do == ptz.StartScan {
			return false
		}
		s = &scan{speed: 10}
		c.scan[a.Group] = s
	}
	switch a.Do {
	case ptz.LeftLimit:
		s.left = c.view.Pan
	case ptz.RightLimit:
		s.right = c.view.Pan
	case ptz.ScanSpeed:
		s.speed = float64(a.Speed)
	case ptz.StartScan:
		c.scanning, c.cruising, c.since, c.move = a.Group+1, 0, now, ptz.Move{}
	}
	return true
}

func (c *camera) setHome(now instant, h manscdp.HomePosition) bool {
	c.advance(now)
	c.left = now
	if !h.Enabled {
		c.home = homePosition{}
		return true
	}
	next := homePosition{enabled: true, after: time.Minute, preset: 1}
	if h.ResetTime != nil {
		next.after = time.Duration(*h.ResetTime) * time.Second
	}
	if h.PresetIndex != nil {
		next.preset = *h.PresetIndex
	}
	c.home = next
	return true
}

// turnTo looks at once where it is told, or as near to that as it can.
func (c *camera) turnTo(now instant, p manscdp.PTZPreciseCtrl) {
	c.advance(now)
	c.left, c.move, c.cruising, c.scanning = now, ptz.Move{}, 0, 0
	for _, f := range [...]struct {
		to   *float64
		from *float64
	}{{&c.view.Pan, p.Pan}, {&c.view.Tilt, p.Tilt}, {&c.view.Zoom, p.Zoom}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	c.view = c.view.within()
}

// Camera is what the front end of a simulated channel does now.
type Camera struct {
	View      View
	Moving    bool
	Focusing  bool
	Moves     int // commands that set it moving
	Stops     int // commands that stopped it
	Presets   map[int]string
	Cruising  int // number of the cruise that runs, -1 for none
	Scanning  int // likewise
	Switches  map[int]bool
	Recording bool
	Tracking  string // Auto, Manual, Stop, or "" when it was never told
}

// Camera tells of a channel of the device of an index; the zero Camera for another.
func (s *Sim) Camera(i, ch int) (out Camera) {
	_ = s.with(i, func(d *device, now instant) error { // the zero Camera
		if ch < 0 || ch >= s.cfg.Channels {
			return nil
		}
		c := d.camera(ch)
		c.advance(now)
		out = Camera{
			View: c.view, Moving: c.move != (ptz.Move{}), Focusing: c.lens != (ptz.Lens{}), Moves: c.moves, Stops: c.stops,
			Presets: map[int]string{}, Cruising: c.cruising - 1, Scanning: c.scanning - 1, Switches: map[int]bool{}, Recording: len(c.recording) > 0, Tracking: c.tracking,
		}
		for n, p := range c.preset {
			out.Presets[n] = p.name
		}
		for n, on := range c.switches {
			out.Switches[n] = on
		}
		return nil
	})
	return out
}
