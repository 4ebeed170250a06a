package play

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/gbsdp"
	"fengsui/media"
	"fengsui/media/engine"
	"fengsui/sip"
)

// Times and bounds of recordings.
const (
	longest    = 24 * time.Hour   // of a period that is asked for
	fastest    = 8                // speed of a download
	discTime   = 20 * time.Second // at least, from ACK to media: disks spin up
	beatEvery  = 250 * time.Millisecond
	drainQuiet = time.Second      // without RTP after the device said that all is sent
	drainMost  = 3 * time.Second  // some say so seconds before their last packet
	drainFetch = 15 * time.Second // likewise of a download, which may still be in the buffers of a slow link
	nearEnd    = 2 * time.Second  // so close to its end a recording may fall silent for good
)

// kind is what is asked for.
func (r *Request) kind() Kind { return cmp.Or(r.Kind, Live) }

// recorded reports whether the request is for a recording.
func (r *Request) recorded() bool { return r.kind() != Live }

// check refuses what no device can be asked for. The error wraps [ErrRange] or
// [ErrSpeed].
func (r *Request) check(now time.Time) error {
	length := r.End.Sub(r.Start)
	switch {
	case r.Start.Unix() <= 0 || length <= 0:
		return fmt.Errorf("%w: %s to %s: want start before end", ErrRange, r.Start.Format(time.RFC3339), r.End.Format(time.RFC3339))
	case length > longest:
		return fmt.Errorf("%w: it is %v long, more than %v", ErrRange, length, longest)
	case r.Start.After(now):
		return fmt.Errorf("%w: it begins at %s, which is to come", ErrRange, r.Start.Format(time.RFC3339))
	case r.Kind == Download && (r.Speed < 1 || r.Speed > fastest):
		return fmt.Errorf("%w: %d: want 1 to %d", ErrSpeed, r.Speed, fastest)
	}
	return nil
}

// keyOf is the key of the stream of a session.
func keyOf(r Request, id string) media.Key {
	switch r.kind() {
	case Playback:
		return media.PlaybackKey(id)
	case Download:
		return media.DownloadKey(id)
	}
	return r.Key()
}

// begin begins a session for a recording, if the device has a slot for it.
func (c *Coordinator) begin(ctx context.Context, r Request) (*session, error) {
	now := time.Now()
	r.Start, r.End = r.Start.Truncate(time.Second), r.End.Truncate(time.Second)
	if err := r.check(now); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return nil, ErrClosing
	}
	if err := c.slots.admit(r.Device, c.cfg.Slots, c.holders(r.Device, nil), now); err != nil {
		c.metrics.slotless.Inc()
		return nil, err
	}
	s := newSession(ctx, c, r)
	c.sessions[s.key] = s
	c.work.Go(s.run)
	return s, nil
}

// want adds to a receiver's wish what a recording has of its own.
func (s *session) want(w engine.Want) engine.Want {
	if s.req.recorded() {
		w.History, w.Silent, w.Length = true, s.c.cfg.Silence, s.req.End.Sub(s.req.Start)
	}
	return w
}

// history is the part of the offer that names the recording, nil of live pictures.
func (s *session) history() *gbsdp.History {
	if !s.req.recorded() {
		return nil
	}
	return &gbsdp.History{Channel: s.req.Channel, Kind: s.req.Records, Start: s.req.Start, End: s.req.End, Speed: s.speed()}
}

// speed is that of a download which is asked for now, 0 of a playback.
func (s *session) speed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.Speed
}

// slows reports whether a download that failed is worth another try at the speed
// of life, and sets it: the device refused, but neither the channel, the time nor
// its being busy.
func (s *session) slows(err error) bool {
	var refused *sip.Rejected
	if s.req.Kind != Download || s.ctx.Err() != nil || !errors.Is(err, ErrNoRecording) || !errors.As(err, &refused) {
		return false
	}
	switch refused.Status {
	case 401, 403, 404, 407, 480:
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	slow := s.view.Speed > 1
	s.view.Speed = 1
	return slow
}

// patience is how long may pass from ACK to the first packet and again to the
// first key frame.
func (s *session) patience() time.Duration {
	if s.req.recorded() && s.c.cfg.PacketTimeout > time.Second {
		return max(s.c.cfg.PacketTimeout, discTime)
	}
	return s.c.cfg.PacketTimeout
}

// agree takes from a download's answer how fast and how large it will be.
func (s *session) agree(sdp []byte) {
	d, err := gbsdp.Parse(sdp)
	if err != nil || s.req.Kind != Download {
		return
	}
	number := func(name string) int64 {
		for _, a := range d.Attrs {
			if a.Name == name {
				n, _ := strconv.ParseInt(a.Value, 10, 64)
				return n
			}
		}
		if m := d.First("video"); m != nil {
			value, _ := m.Attr(name)
			n, _ := strconv.ParseInt(value, 10, 64)
			return n
		}
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := number("downloadspeed"); n > 0 && n <= 64 {
		s.view.Speed = int(n)
	}
	s.view.Size = max(number("filesize"), 0)
}

func (s *session) paused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.Paused
}

// playedOut is why a recording has come to its end, "" while it has not.
func (s *session) playedOut(l *live, now time.Time) string {
	stats, place := l.rx.Stats(), l.rx.Place()
	last, most := stats.Last, drainMost
	if s.req.Kind == Download {
		most = drainFetch
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if last.Before(s.stirred) {
		last = s.stirred
	}
	silent := now.Sub(last)
	if !s.sentAll.IsZero() && (silent >= drainQuiet || now.Sub(s.sentAll) >= most) {
		s.view.Whole = true
		return "the recording was sent completely"
	}
	if s.view.Size > 0 && stats.Bytes >= uint64(s.view.Size) && silent >= drainQuiet {
		s.view.Whole = true
		return "as much came as the device had announced"
	}
	if s.view.Paused || silent < s.c.cfg.Silence/2 {
		return ""
	}
	if s.scale > 0 && place >= s.view.Duration-nearEnd || s.scale < 0 && place <= nearEnd {
		s.view.Whole = true
		return "the recording was played to its end"
	}
	return ""
}

// closed notes whether a device that hung up had come to the recording's end.
func (s *session) closed(l *live) {
	if !s.req.recorded() {
		return
	}
	place, bytes := l.rx.Place(), l.rx.Stats().Bytes
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view.Whole = !s.sentAll.IsZero() || place >= s.view.Duration-nearEnd || s.view.Size > 0 && bytes >= uint64(s.view.Size)
}

// SentAll takes a device's word that it has sent all of a recording (MediaStatus
// 121). Its session is that of the Call-ID; else, as some devices begin a new
// call for it, the only one of the channel, else the only one of the device. It
// reports whether there is one.
func (c *Coordinator) SentAll(callID string, device, sender gb28181.ID) bool {
	s := c.senderOf(callID, device, sender)
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sentAll.IsZero() {
		s.sentAll = time.Now()
	}
	return true
}

func (c *Coordinator) senderOf(callID string, device, sender gb28181.ID) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ofChannel, ofDevice []*session
	for _, s := range c.sessions {
		call, ok := s.call()
		switch {
		case !s.req.recorded() || !ok:
		case call == callID:
			return s
		case s.req.Device == device:
			ofDevice = append(ofDevice, s)
			if s.req.Channel == sender {
				ofChannel = append(ofChannel, s)
			}
		}
	}
	switch {
	case len(ofChannel) == 1:
		return ofChannel[0]
	case len(ofChannel) == 0 && len(ofDevice) == 1:
		return ofDevice[0]
	}
	return nil
}

// Caller is the device in whose dialog a Call-ID is, while its stream plays.
func (c *Coordinator) Caller(callID string) (gb28181.ID, bool) {
	s := c.find(func(s *session) bool {
		call, ok := s.call()
		return ok && call == callID
	})
	if s == nil {
		return "", false
	}
	return s.req.Device, true
}

// call is the Call-ID of a session that plays.
func (s *session) call() (id string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.CallID, s.view.State == Playing
}
