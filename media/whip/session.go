package whip

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	"fengsui/internal/lease"
	"fengsui/media"
)

// session is one microphone. Until start the request's goroutine owns it, then
// its own.
type session struct {
	server *Server
	name   string // in the server's table
	remote string // where the offer came from
	ctx    context.Context
	cancel context.CancelCauseFunc
	line   Line
	opened bool // the line was
	law    media.Codec
	pc     *webrtc.PeerConnection

	connected     chan struct{} // closed when it is
	connectedOnce sync.Once
	finished      chan struct{} // closed when all is returned
	tracks        sync.WaitGroup
	lease         lease.Lease
	heard         atomic.Int64 // UnixNano of the last packet
}

// negotiate makes the connection and returns the answer, with all candidates.
func (v *session) negotiate(ctx context.Context, offer string, laws map[media.Codec]webrtc.PayloadType) (string, error) {
	v.law = v.line.Law
	if _, ok := laws[v.law]; !ok { // it has the other one alone
		v.law = media.PCMA
		if v.line.Law == media.PCMA {
			v.law = media.PCMU
		}
	}
	mime := webrtc.MimeTypePCMA
	if v.law == media.PCMU {
		mime = webrtc.MimeTypePCMU
	}
	codecs := &webrtc.MediaEngine{}
	err := codecs.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: mime, ClockRate: 8000}, PayloadType: laws[v.law],
	}, webrtc.RTPCodecTypeAudio)
	if err != nil {
		return "", fmt.Errorf("register %s: %w", mime, err)
	}
	api, err := v.server.ports.API(codecs)
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
			v.cancel(errICE)
		case webrtc.PeerConnectionStateClosed:
			v.cancel(errLeft)
		default: // on the way there, or a disturbance that ICE may get over
		}
	})
	v.pc.OnTrack(func(t *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		v.tracks.Add(1)
		defer v.tracks.Done()
		v.receive(t)
	})
	if err := v.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", fmt.Errorf("%w: %w", ErrOffer, err)
	}
	answer, err := v.pc.CreateAnswer(nil)
	if err != nil {
		return "", fmt.Errorf("make answer: %w", err)
	}
	gathered := webrtc.GatheringCompletePromise(v.pc)
	if err := v.pc.SetLocalDescription(answer); err != nil {
		return "", fmt.Errorf("take answer: %w", err)
	}
	select {
	case <-gathered:
	case <-ctx.Done():
		return "", fmt.Errorf("gather candidates: %w", context.Cause(ctx))
	}
	return v.server.ports.Answer(v.pc.LocalDescription().SDP), nil
}

// receive hands the sound on until the connection is closed.
func (v *session) receive(t *webrtc.TrackRemote) {
	for {
		p, _, err := t.ReadRTP()
		if err != nil {
			return
		}
		v.heard.Store(time.Now().UnixNano())
		if len(p.Payload) > 0 {
			v.line.Push(p.SequenceNumber, v.law, p.Payload)
		}
	}
}

// run waits for whatever ends the session first, and returns everything.
func (v *session) run() {
	late := time.NewTimer(connectTimeout)
	defer late.Stop()
	connected := v.connected
	why := errTalk
wait:
	for {
		select {
		case <-connected:
			connected = nil
			late.Stop()
		case <-late.C:
			why = errConnect
			break wait
		case <-v.line.Done:
			break wait
		case <-v.ctx.Done():
			why = context.Cause(v.ctx)
			break wait
		}
	}
	v.cancel(why)
	err := v.close()
	v.server.ended.WithLabelValues(why.Error()).Inc()
	v.server.log.Debug().Str("talk", v.line.ID).Str("reason", why.Error()).AnErr("err", err).Msg("microphone ended")
}

// close gives everything back.
func (v *session) close() (err error) {
	if v.pc != nil {
		err = v.pc.GracefulClose()
		v.tracks.Wait()
	}
	if v.opened {
		v.line.Close()
	}
	if err != nil {
		return fmt.Errorf("close peer connection: %w", err)
	}
	return nil
}

// Living reports whether the talk still is (lease.Holder).
func (v *session) Living(time.Time) bool {
	select {
	case <-v.line.Done:
		return false
	default:
		return true
	}
}

// Reclaim ends the session.
func (v *session) Reclaim() { v.cancel(errOrphaned) }

// Held says whose it is.
func (v *session) Held() lease.Facts {
	f := lease.Facts{Owner: "talk:" + v.line.ID, Remote: v.remote}
	if at := v.heard.Load(); at != 0 {
		f.Used = time.Unix(0, at)
	}
	return f
}
