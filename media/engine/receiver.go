package engine

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"fengsui/media"
	"fengsui/media/rtp"
)

const (
	audioOnly = 3 * time.Second // audio without video for this long is a stream too
)

// Answered is what the device's answer says of its media.
type Answered struct {
	SSRC     string           // y=, empty if absent
	Remote   netip.AddrPort   // c= and m=; may be invalid
	Payloads map[uint8]string // rtpmap: "PS/90000"
	Setup    string           // active, passive or empty
}

// FirstPacket is the first RTP packet of a stream.
type FirstPacket struct {
	At          time.Time
	Source      netip.AddrPort
	Bytes       int
	SSRC        uint32
	PayloadType uint8
}

// Receiver is the receiving end of one stream, from its leases until it ended.
//
// The field in is guarded by the session's mutex, which is taken before mu.
type Receiver struct {
	// Set by newReceiver and open.
	e       *Engine
	want    Want
	created time.Time
	session *rtp.Session
	in      ingest

	first chan struct{}   // closed at the first packet
	keyed chan struct{}   // closed at the first key frame
	life  context.Context // until it ended
	over  context.CancelFunc

	mu          sync.Mutex
	err         error // why it ended
	firstPacket FirstPacket
	video       *media.Track
	audio       *media.Track
	audioSince  time.Time // of the first audio frame
	gop         gop
	readers     map[*reader]struct{}
	idleSince   time.Time // zero before the first packet
	paused      time.Time // zero: not
	meter       meter
}

func newReceiver(e *Engine, w Want) *Receiver {
	r := &Receiver{
		e: e, want: w, created: time.Now(),
		first: make(chan struct{}), keyed: make(chan struct{}),
		readers: make(map[*reader]struct{}),
	}
	r.life, r.over = context.WithCancel(context.Background())
	r.in.r = r
	if w.Length > 0 {
		r.in.head = newPlayhead(w.Length)
	}
	return r
}

// open gives r its session, unless it ended meanwhile.
func (r *Receiver) open(s *rtp.Session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return false
	}
	r.session = s
	return true
}

// Key is the stream's.
func (r *Receiver) Key() media.Key { return r.want.Key }

// SSRC is the leased one as y= wants it: ten digits.
func (r *Receiver) SSRC() string { return rtp.FormatSSRC(r.session.SSRC()) }

// Port is the one for the offer.
func (r *Receiver) Port() int { return r.session.Port() }

// Expect takes the device's answer. Call it before the ACK, so that the first
// packets already find their stream. It reports [ErrSetup] if neither side will
// connect, [ErrClosed] if the stream ended.
func (r *Receiver) Expect(a Answered) error {
	x := rtp.Answered{Remote: a.Remote, Payloads: make(map[uint8]string, len(a.Payloads))}
	for pt, name := range a.Payloads {
		name, _, _ = strings.Cut(name, "/")
		x.Payloads[pt] = strings.ToUpper(strings.TrimSpace(name))
	}
	if a.SSRC != "" {
		if v, err := rtp.ParseSSRC(a.SSRC); err == nil { // else: as if it were absent
			x.SSRC, x.HasSSRC = v, true
		}
	}
	if r.want.Transport == "tcp-passive" && a.Setup == "passive" {
		return fmt.Errorf("answer of %s: %w", r.want.Key, ErrSetup)
	}
	if err := r.session.Expect(x); err != nil {
		return fmt.Errorf("expect the answer of %s: %w", r.want.Key, ErrClosed)
	}
	r.session.Do(func() { r.in.answered = x.Payloads })
	return nil
}

// Connect opens the media connection of TCP active, after the ACK. It returns
// when connected. A device that connected to us instead is fine too.
func (r *Receiver) Connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.life, func() { cancel(ErrClosed) })()
	return r.session.Connect(ctx)
}

// WaitPacket waits for the first RTP packet. If the stream ends before it
// reports why, if ctx ends its cause.
func (r *Receiver) WaitPacket(ctx context.Context) (FirstPacket, error) {
	select {
	case <-r.first:
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.firstPacket, nil
	case <-r.life.Done():
		return FirstPacket{}, r.Err()
	case <-ctx.Done():
		return FirstPacket{}, context.Cause(ctx)
	}
}

// WaitKey waits for the first key frame, in a stream without video for its
// sound, and returns the tracks, video first.
func (r *Receiver) WaitKey(ctx context.Context) ([]*media.Track, error) {
	select {
	case <-r.keyed:
		return r.Tracks(), nil
	case <-r.life.Done():
		return nil, r.Err()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Tracks are the tracks known now, video first.
func (r *Receiver) Tracks() []*media.Track {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tracks()
}

func (r *Receiver) tracks() []*media.Track {
	var out []*media.Track
	for _, t := range []*media.Track{r.video, r.audio} {
		if t != nil {
			out = append(out, t)
		}
	}
	return out
}

// Pause suspends the check for silence until Resume. A stream that nobody reads
// still ends as idle.
func (r *Receiver) Pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = time.Now()
}

// Resume ends a pause.
func (r *Receiver) Resume() {
	r.session.Do(func() {
		if r.in.head != nil {
			r.in.head.resume()
		}
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = time.Time{}
	r.meter.resumed = time.Now()
}

// Scale says at which speed a recording is played from now on; less than 0 is
// backwards. Of a stream without a length it does nothing.
func (r *Receiver) Scale(scale float64) {
	r.session.Do(func() {
		if r.in.head != nil {
			r.in.head.setScale(scale)
		}
	})
}

// Seek says that a recording goes on at a place, from its start: viewers get
// nothing before its next key frame. Of a stream without a length it does nothing.
func (r *Receiver) Seek(to time.Duration) {
	r.session.Do(func() {
		if r.in.head == nil {
			return
		}
		r.in.head.setPlace(ticks(to))
		r.in.unclean = true
		r.mu.Lock()
		defer r.mu.Unlock()
		r.gop.reset()
	})
}

// Place is where a recording is, from its start; 0 of a stream without a length.
func (r *Receiver) Place() (at time.Duration) {
	r.session.Do(func() {
		if r.in.head != nil {
			at = duration(r.in.head.place)
		}
	})
	return at
}

// Pace is how fast a recording really runs, less than 0 backwards: another than
// the speed it was told where the device takes no notice of that. 1 of a stream
// without a length.
func (r *Receiver) Pace() (pace float64) {
	pace = 1
	r.session.Do(func() {
		if r.in.head != nil {
			pace = r.in.head.pace()
		}
	})
	return pace
}

// Done is closed when the stream ended: by Close, silence, idleness, or the loss
// of its connection. All its leases are released by then or shortly after.
func (r *Receiver) Done() <-chan struct{} { return r.life.Done() }

// Err is why the stream ended, nil while it runs: [ErrClosed], [ErrSilent],
// [ErrIdle], [ErrDisconnected] or [ErrOrphaned].
func (r *Receiver) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Close ends the stream, releases its leases and waits for its goroutines.
func (r *Receiver) Close() error {
	r.end(ErrClosed)
	r.mu.Lock()
	s := r.session
	r.mu.Unlock()
	if s != nil {
		s.Close() // waits, if another goroutine is just ending it
	}
	return nil
}

// wanted reports whether the stream runs and somebody still wants it.
func (r *Receiver) wanted() bool {
	return r.Err() == nil && (r.e.cfg.Wanted == nil || r.e.cfg.Wanted(r.want.Key))
}

// end ends the stream once.
func (r *Receiver) end(err error) {
	r.mu.Lock()
	if r.err != nil {
		r.mu.Unlock()
		return
	}
	r.err = err
	readers := r.readers
	r.readers = nil
	r.gop.reset()
	s := r.session
	r.over()
	r.mu.Unlock()
	for rd := range readers {
		rd.finish(nil)
		r.e.totals.dropped.Add(rd.Dropped())
	}
	if s != nil {
		s.Close()
		r.account(s.Stats())
	}
	r.e.forget(r)
}

// check ends the stream if it is silent or idle. It is called once a second.
func (r *Receiver) check(now time.Time) {
	r.mu.Lock()
	s := r.session
	r.mu.Unlock()
	if s == nil {
		return
	}
	st := s.Stats()
	r.account(st)
	r.mu.Lock()
	r.meter.sample(now, st)
	err := r.verdict(now, st)
	if r.video == nil && r.audio != nil && now.Sub(r.audioSince) >= audioOnly {
		r.announce()
	}
	r.mu.Unlock()
	if err != nil {
		r.end(err)
	}
}

// verdict is why the stream must end now, or nil. mu is held.
func (r *Receiver) verdict(now time.Time, st rtp.Stats) error {
	silent := r.want.Silent
	if silent == 0 {
		silent = r.e.cfg.Silent
	}
	last := st.Last
	if last.Before(r.meter.resumed) {
		last = r.meter.resumed
	}
	switch cfg := &r.e.cfg; {
	case !st.Connected && !st.Disconnected.IsZero() &&
		(r.want.Transport == "tcp-active" || now.Sub(st.Disconnected) >= cfg.Reconnect):
		return ErrDisconnected
	case st.Packets == 0:
		if now.Sub(r.created) >= cfg.FirstPacket {
			return ErrSilent
		}
	case r.paused.IsZero() && now.Sub(last) >= silent:
		return ErrSilent
	case cfg.IdleClose > 0 && len(r.readers) == 0 && !r.idleSince.IsZero() && now.Sub(r.idleSince) >= cfg.IdleClose:
		return ErrIdle
	}
	return nil
}

// begin notes the first packet.
func (r *Receiver) begin(f rtp.First) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.firstPacket = FirstPacket(f)
	r.idleSince = f.At
	close(r.first)
}

// announce says, once, that the stream can be watched. mu is held.
func (r *Receiver) announce() {
	select {
	case <-r.keyed:
	default:
		close(r.keyed)
	}
}

// publish hands a frame to the readers. It never blocks.
func (r *Receiver) publish(f *media.Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return
	}
	video := f.Track.Codec.Video()
	if video {
		r.video = f.Track
	} else {
		if r.audio == nil {
			r.audioSince = f.Arrived
		}
		r.audio = f.Track
	}
	r.meter.frame(f, video)
	r.gop.add(f)
	if f.Key && video {
		r.announce()
	}
	for rd := range r.readers {
		if !rd.push(f, r.video != nil) {
			r.drop(rd)
			rd.finish(ErrSlow)
		}
	}
}

// Record attaches whoever keeps all of the stream: from its first key frame, if
// called before that, with a queue of 30 s or 16 MiB. It reports why the stream
// ended, if it has.
func (r *Receiver) Record() (media.Reader, error) {
	if rd := r.attach(recorderDepth); rd != nil {
		return rd, nil
	}
	return nil, fmt.Errorf("record %s: %w", r.want.Key, r.Err())
}

// attach adds a reader; nil if the stream ended.
func (r *Receiver) attach(d depth) *reader {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil || r.session == nil {
		return nil
	}
	rd := newReader(r, d)
	rd.backlog, rd.skip = r.gop.snapshot()
	r.readers[rd] = struct{}{}
	return rd
}

func (r *Receiver) detach(rd *reader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(rd)
}

// drop takes a reader out. mu is held.
func (r *Receiver) drop(rd *reader) {
	if _, ok := r.readers[rd]; !ok {
		return
	}
	delete(r.readers, rd)
	if len(r.readers) == 0 && !r.idleSince.IsZero() {
		r.idleSince = time.Now()
	}
	r.e.totals.dropped.Add(rd.Dropped())
}
