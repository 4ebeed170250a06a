package engine

import (
	"math"
	"time"

	"fengsui/media"
)

const judgeOver = time.Second // of arrival, before a device's way to count time is judged

// playhead follows where in a recording a stream is, and turns the source's
// times into times of playing, which run evenly at every speed. At a speed other
// than one, devices differ in what they count: recorded time, which most do, or
// playing time. A second of it shows which (media.md section 5).
type playhead struct {
	length int64 // of the period asked for, 90 kHz; the place is never beyond it
	place  int64 // recorded time since the start of the period, 90 kHz
	scale  float64
	seek   bool // the next leap of the source goes to target
	target int64

	// The source's times become playing times: out = base + (in - origin) * rate.
	started      bool
	origin, base int64
	last, out    int64 // of the last frame of any track
	step         int64 // last plausible distance of two frames, playing time

	video   int64 // source's time of the last picture
	key     int64 // of the last key picture
	gap     int64 // between the last two pictures at normal speed, source's time
	playing bool  // the source counts playing time
	judged  bool
	ignored bool      // the source takes no notice of the speed
	steps   int64     // pictures since it is judged
	keys    int64     // key pictures among them
	group   int64     // pictures of a group at normal speed
	inGroup int64     // pictures since the last key picture
	since   time.Time // arrival from which it is judged
	run     int64     // source's time since then
}

func newPlayhead(length time.Duration) *playhead {
	return &playhead{length: ticks(length), judged: true, scale: 1, step: stepDefault}
}

// setScale changes the speed from the next frame on.
func (p *playhead) setScale(scale float64) {
	if p.scale < 0 && scale > 0 {
		p.place += p.video - p.key // backwards it is that of the group's key picture
	}
	p.scale = scale
	p.playing, p.ignored, p.judged, p.since, p.run, p.steps, p.keys = false, false, scale == 1, time.Time{}, 0, 0, 0
	p.key = p.video
	p.anchor()
}

// setPlace says that a seek to this place was asked for.
func (p *playhead) setPlace(to int64) {
	p.place, p.seek, p.target = to, true, to
}

// resume begins to judge anew: arrival stood still.
func (p *playhead) resume() { p.since, p.run, p.steps, p.keys = time.Time{}, 0, 0, 0 }

// take rewrites the times of a frame. It reports whether the source has leaped.
func (p *playhead) take(f *media.Frame) (leaped bool) {
	in, cts := f.DTS, f.PTS-f.DTS
	video := f.Track.Codec.Video()
	if !p.started {
		p.started, p.origin, p.base, p.last, p.out = true, in, in, in, in
		p.video, p.key = in, in
	}
	if leaped = p.leaps(in-p.last, video && f.Key); leaped {
		p.origin, p.base = in, p.out+p.step
	}
	if video {
		p.move(f, in)
	}
	out := p.base + int64(float64(in-p.origin)*p.rate())
	if d := out - p.out; d > 0 && d < media.ClockRate {
		p.step = d
	}
	p.last, p.out = in, out
	f.DTS, f.PTS = out, out+int64(float64(cts)*p.rate())
	return leaped
}

// leaps reports whether a distance to the frame before is none of playing on.
// Backwards every group of pictures begins before the last one.
func (p *playhead) leaps(d int64, key bool) bool {
	forward := int64(jumpForward * max(1, math.Abs(p.scale)))
	return d > forward || d < -jumpBack || p.scale < 0 && key && d < 0
}

// rate is playing time for source's time.
func (p *playhead) rate() float64 {
	if p.playing || p.ignored {
		return 1
	}
	return 1 / math.Abs(p.scale)
}

// move moves the place by a picture.
func (p *playhead) move(f *media.Frame, in int64) {
	d := in - p.video
	p.video = in
	speed := math.Abs(p.scale)
	switch {
	case p.leaps(d, f.Key) && p.seek:
		p.place, p.seek = p.target, false
	case p.scale < 0 && f.Key:
		if back := p.key - in; back > 0 {
			p.place -= back // recorded time
		} else {
			p.place += int64(float64(back) * speed) // playing time
		}
	case p.scale < 0, p.leaps(d, f.Key):
	case p.playing:
		p.place += int64(float64(d) * speed)
	default:
		p.place += d
		p.learn(f, d)
		p.judge(f, d)
	}
	if f.Key {
		p.key = in
	}
	p.place = min(max(p.place, 0), p.length)
}

// judge finds out what the source counts, by its pace against arrival. At the pace
// of life it counts playing time, or takes no notice of the speed: then its
// pictures are as far apart as they were.
func (p *playhead) judge(f *media.Frame, d int64) {
	at := f.Arrived
	if p.judged {
		return
	}
	if p.since.IsZero() {
		p.since = at
		return
	}
	p.run += d
	p.steps++
	if f.Key {
		p.keys++
	}
	took := at.Sub(p.since)
	if took < judgeOver {
		return
	}
	ratio := float64(p.run) * float64(time.Second) / media.ClockRate / float64(took)
	p.judged = true
	if ratio <= 0 || math.Abs(math.Log(ratio)) >= math.Abs(math.Log(ratio/p.scale)) {
		return
	}
	p.anchor()
	if p.unchanged() {
		p.ignored = true
		return
	}
	p.playing = true
	p.place += int64(float64(p.run) * (p.scale - 1))
}

// unchanged reports whether pictures are as far apart as at normal speed, and key
// pictures as rare: a device that leaves out pictures has more of these.
func (p *playhead) unchanged() bool {
	if p.gap == 0 || p.group == 0 {
		return false
	}
	apart := float64(p.run) / float64(p.steps) / float64(p.gap)
	return apart > 0.8 && apart < 1.25 && float64(p.keys) <= 1.5*float64(p.steps)/float64(p.group)+1
}

// learn notes at normal speed how far apart pictures and key pictures are.
func (p *playhead) learn(f *media.Frame, d int64) {
	if p.scale != 1 {
		p.inGroup = 0
		return
	}
	p.gap = d
	if p.inGroup++; f.Key {
		p.group, p.inGroup = p.inGroup, 0
	}
}

// pace is how fast the recording really runs, less than 0 backwards.
func (p *playhead) pace() float64 {
	if p.ignored {
		return 1
	}
	return p.scale
}

// anchor makes the times go on from the last frame at another rate.
func (p *playhead) anchor() { p.origin, p.base = p.last, p.out }

func ticks(d time.Duration) int64 { return int64(d/time.Microsecond) * 9 / 100 }

func duration(ticks int64) time.Duration { return time.Duration(ticks) * time.Microsecond * 100 / 9 }
