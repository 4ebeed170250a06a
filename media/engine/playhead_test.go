package engine

import (
	"testing"
	"time"

	"fengsui/media"
)

const (
	second = int64(media.ClockRate)
	frame  = second / 25
)

// recorder is a device's way to send a recording to a playhead.
type recorder struct {
	t       *testing.T
	head    *playhead
	track   *media.Track
	in      int64
	arrived time.Time
	last    *media.Frame
}

func newRecorder(t *testing.T, length time.Duration) *recorder {
	return &recorder{t: t, head: newPlayhead(length), track: &media.Track{Codec: media.H264}, in: 5000 * second, arrived: time.Unix(1000, 0)}
}

// send sends frames, each step after the one before by the source's clock and
// took after it by the wall.
func (r *recorder) send(n int, step int64, took time.Duration) {
	r.t.Helper()
	for i := range n {
		r.frame(i%25 == 0, step, took)
	}
}

func (r *recorder) frame(key bool, step int64, took time.Duration) bool {
	r.t.Helper()
	r.in += step
	r.arrived = r.arrived.Add(took)
	f := &media.Frame{Track: r.track, PTS: r.in, DTS: r.in, Key: key, Arrived: r.arrived}
	leaped := r.head.take(f)
	if r.last != nil && (f.DTS <= r.last.DTS || f.DTS-r.last.DTS > second) {
		r.t.Fatalf("playing time goes from %d to %d", r.last.DTS, f.DTS)
	}
	r.last = f
	return leaped
}

// at checks the place and how much playing time has passed since from.
func (r *recorder) at(place, played float64, from int64) {
	r.t.Helper()
	if got := float64(r.head.place) / float64(second); got < place-0.1 || got > place+0.1 {
		r.t.Errorf("place %.2f s, want %.2f", got, place)
	}
	if got := float64(r.last.DTS-from) / float64(second); got < played-0.1 || got > played+0.1 {
		r.t.Errorf("%.2f s of playing time, want %.2f", got, played)
	}
}

func TestPlaceAndPlayingTimeFollowTheSpeed(t *testing.T) {
	const wall = 40 * time.Millisecond
	for name, c := range map[string]struct {
		scale float64
		step  int64 // of the source's clock for 40 ms of recording
		took  time.Duration
	}{
		"normal":                       {1, frame, wall},
		"4 times, in recorded time":    {4, frame, wall / 4},
		"4 times, in playing time":     {4, frame / 4, wall / 4},
		"a quarter, in recorded time":  {0.25, frame, wall * 4},
		"a quarter, in playing time":   {0.25, frame * 4, wall * 4},
		"16 times, the key frames":     {16, 25 * frame, 25 * wall / 16},
		"16 times, the key frames too": {16, 25 * frame / 16, 25 * wall / 16},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder(t, time.Hour)
			r.send(50, frame, wall)
			from, before := r.last.DTS, r.arrived
			r.head.setScale(c.scale)
			r.send(400, c.step, c.took)
			took := r.arrived.Sub(before).Seconds()
			// Until the device's way to count is judged its playing time may be off.
			if got := float64(r.last.DTS-from) / float64(second); got < took-2*max(1, 1/c.scale) || got > took+2*max(1, 1/c.scale) {
				t.Errorf("%.2f s of playing time in %.2f s", got, took)
			}
			want := 2 + took*c.scale
			if got := float64(r.head.place) / float64(second); got < want-max(c.scale, 1)/10 || got > want+max(c.scale, 1)/10 {
				t.Errorf("place %.2f s, want %.2f", got, want)
			}
		})
	}
}

// A device may take a speed and go on as before: the place must not run ahead.
func TestADeviceThatIgnoresTheSpeedIsFoundOut(t *testing.T) {
	const wall = 40 * time.Millisecond
	for _, scale := range []float64{4, 16, 0.25} {
		r := newRecorder(t, time.Hour)
		r.send(50, frame, wall)
		r.head.setScale(scale)
		r.send(250, frame, wall)
		if got := float64(r.head.place) / float64(second); got < 11.8 || got > 12.2 || r.head.pace() != 1 {
			t.Errorf("at %v: place %.2f s at pace %v, want 12 s at 1", scale, got, r.head.pace())
		}
		from := r.last.DTS
		r.send(25, frame, wall)
		r.at(13, 1, from)
		r.head.setScale(2)
		r.send(250, frame, wall/2)
		if got := r.head.pace(); got != 2 {
			t.Errorf("pace %v at a speed that it takes, want 2", got)
		}
	}
}

func TestASeekMovesThePlaceAtTheLeap(t *testing.T) {
	r := newRecorder(t, time.Hour)
	r.send(50, frame, 40*time.Millisecond)
	r.head.setPlace(600 * second)
	r.send(2, frame, 40*time.Millisecond) // on the way before the device knew
	from := r.last.DTS
	if !r.frame(true, 598*second, 40*time.Millisecond) {
		t.Error("no leap was seen")
	}
	r.at(600, 0.04, from)
	r.send(25, frame, 40*time.Millisecond)
	r.at(601, 1.04, from)
	r.head.setPlace(10 * second)
	r.frame(true, -590*second, 40*time.Millisecond)
	r.at(10, 1.08, from)
}

// GB/T 28181-2022 B.2.8: groups of pictures come in reverse order, the frames in
// a group in their own.
func TestBackwardsThePlaceGoesBackByGroups(t *testing.T) {
	r := newRecorder(t, time.Hour)
	r.send(10*25, frame, 40*time.Millisecond)
	r.head.setScale(-1)
	from := r.last.DTS
	for range 4 {
		r.frame(true, -2*second+frame, 40*time.Millisecond)
		for range 24 {
			r.frame(false, frame, 40*time.Millisecond)
		}
	}
	r.at(5, 4, from)
	r.head.setScale(1)
	r.send(25, frame, 40*time.Millisecond)
	r.at(7, 5, from)
}

func TestAPlaceIsWithinTheRecording(t *testing.T) {
	r := newRecorder(t, 2*time.Second)
	r.send(100, frame, 40*time.Millisecond)
	r.at(2, 0, r.last.DTS)
}
