package whep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"fengsui/internal/lease"
	"fengsui/media"
)

// Ends of a session, as causes of its context.
var (
	errShutdown = errors.New("shutdown")
	errLeft     = errors.New("left")
	errICE      = errors.New("ice")
	errConnect  = errors.New("connect")
	errCodec    = errors.New("codec")
	errOrphaned = errors.New("orphaned")
)

const (
	// freshKey is how old the cached key frame may be to begin with it. What
	// follows comes as a burst, which makes the browser's buffer grow.
	freshKey = time.Second

	keyPause = 2 * time.Second // between requests of key frames for a viewer
	keepNack = 512             // packets kept for sending again
)

// session is one viewer. Until add the request's goroutine owns it, then its own.
type session struct {
	server *Server
	id     string
	key    media.Key
	owner  string // as lease.Facts has it
	remote string // where the offer came from
	reader media.Reader
	pc     *webrtc.PeerConnection
	ctx    context.Context // ends with the reason as its cause
	cancel context.CancelCauseFunc

	pending      []*media.Frame            // read before the answer: up to the first key frame
	video, audio *media.Track              // that are sent; nil none
	videoCodec   webrtc.RTPCodecParameters // "" not offered
	audioCodec   webrtc.RTPCodecParameters
	videoOut     *packetizer
	audioOut     *packetizer

	connected     chan struct{} // closed when it is
	connectedOnce sync.Once
	readers       sync.WaitGroup // of RTCP

	lease lease.Lease
	wrote atomic.Int64 // UnixNano of the last frame

	asked struct { // the last request of a key frame
		sync.Mutex
		at time.Time
	}
}

// end ends the session for a reason; the first counts.
func (v *session) end(reason error) { v.cancel(reason) }

// first reads up to the first key frame: only then is it known what is sent.
func (v *session) first(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, firstWait)
	defer cancel()
	hasVideo := false
	for _, t := range v.reader.Tracks() {
		v.take(t)
		hasVideo = hasVideo || t.Codec.Video()
	}
	for {
		f, err := v.reader.Next(ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNoMedia, err)
		}
		v.take(f.Track)
		switch {
		case f.Key:
			if f.PTS != f.DTS {
				return &CodecError{f.Track.Codec, bFrames}
			}
		case hasVideo:
			continue
		}
		v.pending = append(v.pending, f)
		return nil
	}
}

// take notes a track.
func (v *session) take(t *media.Track) {
	if t.Codec.Video() {
		v.video = t
	} else {
		v.audio = t
	}
}

// choose picks the codecs out of the offer. Sound that cannot be sent is left
// out; pictures that cannot be are an error. A section of the offer that gets no
// track has some codec still: pion and browsers stumble over refused sections.
func (v *session) choose(video, audio []offered) (err error) {
	if len(video) > 0 {
		v.videoCodec = video[0].params("video/" + video[0].name)
	}
	if len(audio) > 0 {
		v.audioCodec = audio[0].params("audio/" + audio[0].name)
	}
	if v.video != nil {
		if v.videoCodec, err = chooseVideo(v.video, video); err != nil {
			return err
		}
	}
	if v.audio != nil {
		if c, ok := chooseAudio(v.audio, audio); ok {
			v.audioCodec = c
			return nil
		}
		if v.video == nil {
			return &CodecError{v.audio.Codec, noTrack}
		}
		v.audio = nil
	}
	// If sound comes later, it is most likely this.
	t := &media.Track{Codec: media.PCMA}
	if c, ok := chooseAudio(t, audio); ok {
		v.audio, v.audioCodec = t, c
	}
	return nil
}

// negotiate makes the connection and returns the answer, with all candidates.
func (v *session) negotiate(ctx context.Context, offer string) (answer string, err error) {
	v.connected = make(chan struct{})
	engine := &webrtc.MediaEngine{}
	for kind, c := range map[webrtc.RTPCodecType]webrtc.RTPCodecParameters{
		webrtc.RTPCodecTypeVideo: v.videoCodec, webrtc.RTPCodecTypeAudio: v.audioCodec,
	} {
		if c.MimeType == "" {
			continue // not in the offer
		}
		if err := engine.RegisterCodec(c, kind); err != nil {
			return "", fmt.Errorf("register %s: %w", c.MimeType, err)
		}
	}
	api, err := v.server.API(engine)
	if err != nil {
		return "", err
	}
	if v.pc, err = api.NewPeerConnection(webrtc.Configuration{}); err != nil {
		return "", fmt.Errorf("make peer connection: %w", err)
	}
	v.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		switch s {
		case webrtc.PeerConnectionStateConnected:
			v.connectedOnce.Do(func() { close(v.connected) })
		case webrtc.PeerConnectionStateFailed:
			v.end(errICE)
		case webrtc.PeerConnectionStateClosed:
			v.end(errLeft)
		default: // on the way there, or a disturbance that ICE may get over
		}
	})
	if v.video != nil {
		if v.videoOut, err = v.track(v.videoCodec, "video"); err != nil {
			return "", err
		}
	}
	if v.audio != nil {
		if v.audioOut, err = v.track(v.audioCodec, "audio"); err != nil {
			return "", err
		}
	}
	if err := v.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", fmt.Errorf("%w: %w", ErrOffer, err)
	}
	a, err := v.pc.CreateAnswer(nil)
	if err != nil {
		return "", fmt.Errorf("make answer: %w", err)
	}
	gathered := webrtc.GatheringCompletePromise(v.pc)
	if err := v.pc.SetLocalDescription(a); err != nil {
		return "", fmt.Errorf("take answer: %w", err)
	}
	select {
	case <-gathered:
	case <-ctx.Done():
		return "", fmt.Errorf("gather candidates: %w", context.Cause(ctx))
	}
	return v.server.Answer(v.pc.LocalDescription().SDP), nil
}

// Answer is a local description as browsers should see it.
func (s *Server) Answer(sdp string) string { return onlyFrom(sdp, s.cfg.Advertise) }

// onlyFrom leaves out the candidates of other addresses than those advertised:
// an advertised address replaces local ones of its own family only.
func onlyFrom(sdp string, advertised []string) string {
	if len(advertised) == 0 {
		return sdp
	}
	var b strings.Builder
	for line := range strings.Lines(sdp) {
		if f := strings.Fields(line); strings.HasPrefix(line, "a=candidate:") && len(f) > 4 && !slices.Contains(advertised, f[4]) {
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}

// track adds a track and begins to read the viewer's reports of it.
func (v *session) track(c webrtc.RTPCodecParameters, name string) (*packetizer, error) {
	t, err := webrtc.NewTrackLocalStaticRTP(c.RTPCodecCapability, name, "fengsui")
	if err != nil {
		return nil, fmt.Errorf("make %s track: %w", name, err)
	}
	sender, err := v.pc.AddTrack(t)
	if err != nil {
		return nil, fmt.Errorf("add %s track: %w", name, err)
	}
	v.readers.Add(1)
	go func() {
		defer v.readers.Done()
		for {
			packets, _, err := sender.ReadRTCP()
			if err != nil {
				return // the connection is closed
			}
			v.reports(packets)
		}
	}()
	return &packetizer{write: func(p *rtp.Packet) error { return t.WriteRTP(p) }}, nil
}

// reports counts the requests of key frames.
func (v *session) reports(packets []rtcp.Packet) {
	for _, p := range packets {
		switch p.(type) {
		case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
			v.server.metrics.keys.Inc()
			v.requestKey()
		}
	}
}

func (v *session) requestKey() {
	if v.server.cfg.RequestKey == nil {
		return
	}
	v.asked.Lock()
	defer v.asked.Unlock()
	if now := time.Now(); now.Sub(v.asked.at) >= keyPause {
		v.asked.at = now
		v.server.cfg.RequestKey(v.key)
	}
}

// run sends until the stream ends, the viewer goes or the server stops.
func (v *session) run() {
	began := time.Now()
	err := v.connect()
	if err == nil {
		err = v.play()
	}
	reason := v.reason(err)
	v.cancel(err)
	closing := v.close()
	v.server.metrics.ended.WithLabelValues(reason).Inc()
	v.server.metrics.dropped.Add(float64(v.reader.Dropped()))
	v.server.log.Debug().Str("key", string(v.key)).Str("session", v.id).Str("reason", reason).
		Dur("took", time.Since(began)).AnErr("err", errors.Join(err, closing)).Msg("webrtc viewer ended")
}

// reason is the end of a session in one word.
func (v *session) reason(err error) string {
	if errors.Is(err, io.EOF) {
		return "stream"
	}
	for _, e := range []error{errShutdown, errLeft, errICE, errConnect, errCodec, errOrphaned} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	return "failed"
}

// connect waits until the viewer is connected.
func (v *session) connect() error {
	t := time.NewTimer(v.server.cfg.ConnectTimeout)
	defer t.Stop()
	select {
	case <-v.connected:
		return nil
	case <-t.C:
		return errConnect
	case <-v.ctx.Done():
		return context.Cause(v.ctx)
	}
}

// play sends frames, beginning with a key frame: the cached one if it is fresh,
// else the next.
func (v *session) play() error {
	begun := v.video == nil
	for {
		f, err := v.next()
		if err == nil {
			begun, err = v.send(f, begun)
		}
		if err != nil {
			return err
		}
	}
}

// send sends a frame, unless the stream has not begun for the viewer, and
// reports whether it has now.
func (v *session) send(f *media.Frame, begun bool) (bool, error) {
	defer lease.Region(lease.WebRTCViewer, v.owner).End()
	v.wrote.Store(time.Now().UnixNano())
	if !f.Track.Codec.Video() {
		if begun && v.audio != nil && f.Track.Codec == v.audio.Codec {
			if err := v.audioOut.sound(f); err != nil {
				return begun, fmt.Errorf("send audio: %w", err)
			}
		}
		return begun, nil
	}
	switch {
	case v.video == nil:
		return begun, nil
	case f.Track.Codec != v.video.Codec:
		return begun, fmt.Errorf("%w: changed from %s to %s", errCodec, v.video.Codec, f.Track.Codec)
	case f.PTS != f.DTS:
		return begun, fmt.Errorf("%w: %s", errCodec, bFrames)
	case !begun && (!f.Key || time.Since(f.Arrived) > freshKey):
		if f.Key {
			v.requestKey()
		}
		return false, nil
	}
	if err := v.videoOut.video(f); err != nil {
		return true, fmt.Errorf("send video: %w", err)
	}
	return true, nil
}

// next is the next frame, first those read before.
func (v *session) next() (*media.Frame, error) {
	if len(v.pending) > 0 {
		f := v.pending[0]
		v.pending = v.pending[1:]
		return f, nil
	}
	f, err := v.reader.Next(v.ctx)
	if err != nil {
		return nil, fmt.Errorf("read stream: %w", err)
	}
	return f, nil
}

// close gives everything back.
func (v *session) close() error {
	v.reader.Close()
	if v.pc == nil {
		return nil
	}
	err := v.pc.GracefulClose()
	v.readers.Wait()
	if err != nil {
		return fmt.Errorf("close peer connection: %w", err)
	}
	return nil
}

func owner(key media.Key) string { return "stream:" + string(key) }

// Living reports whether the stream still is (lease.Holder).
func (v *session) Living(time.Time) bool {
	return v.server.cfg.Wanted == nil || v.server.cfg.Wanted(v.key)
}

// Reclaim ends the session.
func (v *session) Reclaim() { v.end(errOrphaned) }

// Held says whose stream it is.
func (v *session) Held() lease.Facts {
	f := lease.Facts{Owner: v.owner, Local: v.server.Addr().String(), Remote: v.remote}
	if at := v.wrote.Load(); at != 0 {
		f.Used = time.Unix(0, at)
	}
	return f
}

// interceptors are what the sending side needs: reports, so that pictures and
// sound go together, and sending again what was lost.
func interceptors() (*interceptor.Registry, error) {
	reports, err := report.NewSenderInterceptor()
	if err != nil {
		return nil, fmt.Errorf("make sender reports: %w", err)
	}
	again, err := nack.NewResponderInterceptor(nack.ResponderSize(keepNack))
	if err != nil {
		return nil, fmt.Errorf("make nack responder: %w", err)
	}
	r := &interceptor.Registry{}
	r.Add(reports)
	r.Add(again)
	return r, nil
}
