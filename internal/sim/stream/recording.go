package stream

import (
	"math"
	"time"

	"fengsui/internal/sim/clips"
)

// heldEvery is how often a paused recording looks whether it goes on.
const heldEvery = 20 * time.Millisecond

// Recording makes a stream end, and lets it be controlled: the program stands for
// the period from its start, over and over. Stamps count recorded time, as most
// devices do.
type Recording struct {
	Length time.Duration
	// Done is called once when all is sent, or Early before that. It may be nil.
	Done  func()
	Early time.Duration
}

// playing is how a recording moves; guarded by Stream.mu.
type playing struct {
	held  bool
	scale float64
	due   time.Time // of the segment to be sent next
	done  bool
	told  bool // that all is sent
}

// Hold pauses a recording.
func (s *Stream) Hold() { s.move(func(p *playing) { p.held = true }) }

// Go lets a paused recording go on.
func (s *Stream) Go() { s.move(func(p *playing) { p.held = false }) }

// Scale plays at another speed from now on, backwards where it is less than 0.
func (s *Stream) Scale(scale float64) { s.move(func(p *playing) { p.scale = scale }) }

// Seek goes on at the key picture before a place.
func (s *Stream) Seek(to time.Duration) {
	s.move(func(p *playing) {
		at := int64(to) * 9 / int64(100*time.Microsecond)
		s.loops = at / clips.Duration
		s.at = s.opt.Program.keyBefore(at % clips.Duration)
		p.done, p.told = false, false
	})
}

func (s *Stream) move(change func(*playing)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.playing)
	s.playing.due = time.Time{}
}

// keyBefore is the last segment with a key picture not after a time of the clip.
func (p *Program) keyBefore(at int64) int {
	found := 0
	for i := range p.segments {
		if p.segments[i].key && p.segments[i].at <= at {
			found = i
		}
	}
	return found
}

// step moves a recording on by the segment that was sent and says when the next
// is due. mu is held.
func (s *Stream) step(now time.Time) time.Time {
	p, segments := &s.playing, s.opt.Program.segments
	from := s.place()
	if s.at++; s.at == len(segments) {
		s.at, s.loops = 0, s.loops+1
	}
	took := s.place() - from
	if p.scale < 0 && segments[s.at].key {
		s.back()
	}
	if p.due.IsZero() || now.Sub(p.due) > maxLag {
		p.due = now
	}
	p.due = p.due.Add(time.Duration(float64(span(took)) / math.Abs(p.scale)))
	return p.due
}

// back goes from the end of a group of pictures to the one before it.
func (s *Stream) back() {
	for range 2 { // its own key picture, then that of the one before
		for {
			if s.at--; s.at < 0 {
				s.at, s.loops = len(s.opt.Program.segments)-1, s.loops-1
			}
			if s.opt.Program.segments[s.at].key || s.loops < 0 {
				break
			}
		}
	}
}

// place is where the next segment is in the recording, 90 kHz.
func (s *Stream) place() int64 { return s.loops*clips.Duration + s.opt.Program.segments[s.at].at }

// rests reports whether a recording sends nothing now: paused, or at its end,
// which it tells. mu is held.
func (s *Stream) rests() bool {
	p, r := &s.playing, s.opt.Recording
	place := span(s.place())
	p.done = p.done || place >= r.Length || s.loops < 0
	if !p.told && (p.done || place >= r.Length-r.Early) {
		p.told = true
		if r.Done != nil {
			go r.Done()
		}
	}
	return p.held || p.done
}
