package api

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181/talk"
	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/media"
	"fengsui/media/voice"
	"fengsui/media/whip"
)

// MicrophoneHandler takes microphones by WebRTC: POST opens a line and answers 201
// with its address in Location; DELETE on that address ends it. whip.Server is one.
type MicrophoneHandler interface {
	ServeOffer(w http.ResponseWriter, r *http.Request, open whip.Open)
	ServeSession(w http.ResponseWriter, r *http.Request, id string)
}

func (s *Server) addMicrophones() {
	const path = "/whip/talk/{device}/{channel}"
	speak := access{act: rights.Talk}
	s.route("POST "+path, speak, cors(s.speak))
	s.route("DELETE "+path+"/{talk}", speak, cors(s.hangUp))
	for _, pattern := range []string{"OPTIONS " + path, "OPTIONS " + path + "/{talk}"} {
		s.route(pattern, access{open: true}, cors(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	}
	s.describe(huma.Operation{OperationID: "speak-whip", Method: http.MethodPost, Path: path, Tags: []string{"talk"},
		Summary: "Speak to a channel by WebRTC (WHIP)", Description: "The body is an SDP offer that sends PCMA or PCMU, the answer 201 with an SDP answer when the device listens; DELETE the address in Location to end. Takes ?way=broadcast|talk, transport and edition as for a file. "},
		"application/sdp", "way", "transport", "edition")
}

// speak opens a line from a microphone to a loudspeaker.
func (s *Server) speak(w http.ResponseWriter, r *http.Request) {
	in := CommandedChannel{DevicePath: DevicePath{Device: r.PathValue("device")}, Channel: r.PathValue("channel"), SpeakAs: SpeakAs{Edition: r.URL.Query().Get("edition")}}
	device, channel, err := s.commanded(in)
	way := talk.Way(r.URL.Query().Get("way"))
	switch {
	case err != nil:
	case s.svc.WHIP == nil || s.svc.Talks == nil:
		err = fault.New(fault.NotBuiltIn, "WebRTC is off (media.webrtc_listen)")
	case way != "" && way != talk.Broadcast && way != talk.TwoWay:
		err = fault.Invalid("query.way", string(way), "want broadcast or talk")
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.svc.WHIP.ServeOffer(w, r, func(ctx context.Context) (whip.Line, error) {
		return s.openLine(ctx, talk.Request{
			Device: device, Channel: channel, Way: way, Transport: r.URL.Query().Get("transport"), Edition: in.edition(),
			By: callOf(ctx).who.name, Kind: "microphone",
		})
	})
}

// openLine begins the talk of a microphone.
func (s *Server) openLine(ctx context.Context, req talk.Request) (whip.Line, error) {
	var microphone *voice.Microphone
	done := make(chan struct{})
	hang := sync.OnceFunc(func() { close(done) })
	req.Sound = func(law media.Codec) voice.Source {
		microphone = voice.NewMicrophone(law)
		return microphone
	}
	req.OnEnd = func(talk.Talk) { hang() }
	t, err := s.svc.Talks.Start(ctx, req)
	if err != nil {
		return whip.Line{}, err
	}
	return whip.Line{ID: t.ID, Law: t.Law, Push: microphone.Push, Done: done, Close: microphone.End}, nil
}

// hangUp ends the line of a microphone.
func (s *Server) hangUp(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("talk")
	if s.svc.WHIP == nil || s.svc.Talks == nil {
		s.fail(w, r, fault.New(fault.NotBuiltIn, "WebRTC is off (media.webrtc_listen)"))
		return
	}
	t, ok := s.svc.Talks.Talk(id)
	if !ok || string(t.Request.Device) != r.PathValue("device") || string(t.Request.Channel) != r.PathValue("channel") {
		s.fail(w, r, fmt.Errorf("end %q: %w", id, talk.ErrNoTalk))
		return
	}
	s.svc.WHIP.ServeSession(w, r, id)
}
