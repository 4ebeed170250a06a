package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181/play"
	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/media"
)

// Streams is what the face asks of the coordinator; play.Coordinator has all
// but Statistics.
type Streams interface {
	Start(ctx context.Context, r play.Request) (play.Session, error)
	Stop(ctx context.Context, id string) error
	Sessions() []play.Session
	Session(id string) (play.Session, bool)
	Control(ctx context.Context, id string, want play.Control) (play.Session, error)
	// Statistics are those of a stream that is received; false when it is not.
	Statistics(key media.Key) (Statistics, bool)
}

// Statistics are counters of one stream since it began.
type Statistics struct {
	Bytes       uint64        // RTP payload
	Packets     uint64        //
	Lost        uint64        // packets
	Reordered   uint64        //
	Damaged     uint64        // frames
	Bitrate     float64       // bits a second, lately
	LossRate    float64       // 0 to 1, lately
	FPS         float64       // frames a second, lately
	KeyInterval time.Duration // between the last two key frames
	Readers     int           // viewers now
	Source      string        // address:port that media come from
}

type stageView struct {
	Name    string `json:"name"`
	At      stamp  `json:"at"`
	TookMS  int64  `json:"took_ms"`
	Detail  string `json:"detail,omitempty" doc:"what was offered, answered, received"`
	Failed  bool   `json:"failed,omitempty"`
	Attempt int    `json:"attempt,omitempty" doc:"2 = second try over TCP"`
	Trace   string `json:"trace,omitempty" doc:"trace ID of the call that started the stream, also in log lines and events"`
}

func viewStages(stages []play.Stage) []stageView {
	views := make([]stageView, len(stages))
	for i, st := range stages {
		views[i] = stageView{st.Name, stamp(st.At), st.Took.Milliseconds(), st.Detail, st.Failed, st.Attempt, st.Trace}
	}
	return views
}

// stagesOf are the stages of a failed start of a stream or talk, nil for any other
// error.
func stagesOf(err error) []stageView {
	var e *play.StartError
	if errors.As(err, &e) {
		return viewStages(e.Stages)
	}
	if stages, _ := talkStages(err); stages != nil {
		return viewStages(stages)
	}
	return nil
}

type trackView struct {
	Codec      string `json:"codec"`
	Width      int    `json:"width,omitempty"`
	Height     int    `json:"height,omitempty"`
	SampleRate int    `json:"sample_rate,omitempty"`
	Channels   int    `json:"channels,omitempty"`
}

type statsView struct {
	Bytes         uint64  `json:"bytes"`
	Packets       uint64  `json:"packets"`
	Lost          uint64  `json:"lost"`
	Reordered     uint64  `json:"reordered"`
	Damaged       uint64  `json:"damaged" doc:"frames"`
	Bitrate       float64 `json:"bitrate" doc:"bits a second, lately"`
	LossRate      float64 `json:"loss_rate" doc:"0 to 1, lately"`
	FPS           float64 `json:"fps"`
	KeyIntervalMS int64   `json:"key_interval_ms"`
	Readers       int     `json:"readers" doc:"viewers now"`
	Source        string  `json:"source" doc:"where media come from"`
}

type streamView struct {
	ID        string            `json:"id"`
	Device    string            `json:"device"`
	Channel   string            `json:"channel"`
	Kind      string            `json:"kind" enum:"live,playback,download"`
	Profile   string            `json:"profile" enum:"main,sub"`
	State     string            `json:"state" enum:"starting,playing,ended"`
	Codec     string            `json:"codec" doc:"of the pictures: H264 or H265"`
	Tracks    []trackView       `json:"tracks" nullable:"false"`
	Transport string            `json:"transport" doc:"the one that worked"`
	SSRC      string            `json:"ssrc"`
	CallID    string            `json:"call_id"`
	StartedAt *stamp            `json:"started_at,omitempty"`
	URLs      map[string]string `json:"urls" doc:"play addresses by form, signed for one hour: flv, whep"`
	Stages    []stageView       `json:"stages" nullable:"false" doc:"how the start went"`
	Stats     *statsView        `json:"stats,omitempty"`
	Trace     string            `json:"trace"`
	Recording *recordingView    `json:"recording,omitempty" doc:"of a playback: how it stands"`
}

type recordingView struct {
	Start    stamp   `json:"start"`
	End      stamp   `json:"end"`
	Duration float64 `json:"duration" doc:"seconds"`
	Position float64 `json:"position" doc:"seconds from the start"`
	Paused   bool    `json:"paused"`
	Scale    float64 `json:"scale" doc:"speed; less than 0 runs backwards"`
	Pace     float64 `json:"pace" doc:"speed by the times of the pictures: 1 where the device took scale but goes on as before"`
	By       string  `json:"by" doc:"who asked for it"`
}

func (s *Server) viewStream(o origin, p play.Session) streamView {
	v := streamView{
		ID: p.ID, Device: string(p.Request.Device), Channel: string(p.Request.Channel), Kind: string(cmp.Or(p.Request.Kind, play.Live)), Profile: string(media.Main),
		State: string(p.State), Tracks: []trackView{}, Transport: p.Transport, SSRC: p.SSRC, CallID: p.CallID,
		StartedAt: at(p.StartedAt), URLs: s.playURLs(o, p.Key), Stages: viewStages(p.Stages), Trace: p.Trace,
	}
	if p.Request.Profile == media.Sub {
		v.Profile = string(media.Sub)
	}
	for _, t := range p.Tracks {
		v.Tracks = append(v.Tracks, trackView{string(t.Codec), t.Width, t.Height, t.SampleRate, t.Channels})
		if t.Codec.Video() {
			v.Codec = string(t.Codec)
		}
	}
	if p.Request.Kind == play.Playback {
		v.Recording = &recordingView{stamp(p.Request.Start), stamp(p.Request.End), p.Duration.Seconds(), p.Position.Seconds(), p.Paused, p.Scale, p.Pace, p.Request.By}
	}
	if st, ok := s.svc.Streams.Statistics(p.Key); ok {
		v.Stats = &statsView{st.Bytes, st.Packets, st.Lost, st.Reordered, st.Damaged, st.Bitrate, st.LossRate, st.FPS, st.KeyInterval.Milliseconds(), st.Readers, st.Source}
	}
	return v
}

type streamInput struct {
	Body struct {
		Device    string `json:"device" maxLength:"64" example:"34020000001320000001"`
		Channel   string `json:"channel" maxLength:"64" example:"34020000001320000001"`
		Kind      string `json:"kind,omitempty" enum:"live,playback" default:"live" doc:"playback = a recording, with start and end"`
		Transport string `json:"transport,omitempty" enum:"udp,tcp-passive,tcp-active" doc:"absent = the device's setting, then tcp-passive where UDP brought nothing"`
		Profile   string `json:"profile,omitempty" enum:"main,sub" default:"main"`

		Start   time.Time `json:"start,omitzero" doc:"of a recording; whole seconds"`
		End     time.Time `json:"end,omitzero" doc:"of a recording; at most 24 hours after start"`
		Records string    `json:"records,omitempty" enum:"all,manual,alarm,time" default:"all" doc:"which records of that time"`
	}
}

type controlInput struct {
	Stream string `path:"stream" maxLength:"128"`
	Body   struct {
		Paused   *bool    `json:"paused,omitempty"`
		Scale    *float64 `json:"scale,omitempty" doc:"0.25 to 16; less than 0 runs backwards, by devices of the 2022 edition"`
		Position *float64 `json:"position,omitempty" doc:"seconds from the start" minimum:"0"`
	}
}

// recordKinds are the kinds of records in the order of u= (signalling.md section 6.1).
var recordKinds = []string{"all", "manual", "alarm", "time"}

type streamOutput struct {
	Location string `header:"Location"`
	Body     streamView
}

type streamPath struct {
	Stream string `path:"stream" maxLength:"128"`
}

type streamList struct {
	ListInput
	Device string `query:"device" maxLength:"64"`
}

func (s *Server) addStreams() {
	tags := []string{"streams"}
	op(s, access{act: rights.Look, judged: true}, huma.Operation{OperationID: "start-stream", Method: http.MethodPost, Path: "/api/v1/streams", DefaultStatus: http.StatusCreated, Tags: tags,
		Summary: "Start a stream, or join a running one", Description: "Answers when the first key frame is in. Of live pictures there is one INVITE however many callers, a playback is the caller's own. A failure tells by its stages how far it came. "}, s.startStream)
	op(s, access{act: rights.Look, judged: true}, huma.Operation{OperationID: "list-streams", Method: http.MethodGet, Path: "/api/v1/streams", Tags: tags, Summary: "Running streams"}, s.listStreams)
	op(s, access{act: rights.Look, judged: true}, huma.Operation{OperationID: "get-stream", Method: http.MethodGet, Path: "/api/v1/streams/{stream}", Tags: tags, Summary: "One stream with statistics and fresh play addresses"}, s.getStream)
	op(s, access{act: rights.Playback, judged: true}, huma.Operation{OperationID: "control-stream", Method: http.MethodPatch, Path: "/api/v1/streams/{stream}", Tags: tags,
		Summary: "Pause a playback, let it go on, change its speed, or seek", Description: "Answers when the device has done it. What is left out stays as it is; a speed given to a paused playback waits for the end of the pause. "}, s.controlStream)
	op(s, access{act: rights.Look, judged: true}, huma.Operation{OperationID: "stop-stream", Method: http.MethodDelete, Path: "/api/v1/streams/{stream}", Tags: tags,
		Summary: "End a stream for all its viewers", Description: "Live pictures need the right to configure, a recording that to playback. "}, s.stopStream)
}

func (s *Server) streams() (Streams, error) {
	if s.svc.Streams == nil {
		return nil, fault.New(fault.NotBuiltIn, "streams are off")
	}
	return s.svc.Streams, nil
}

func (s *Server) startStream(ctx context.Context, in *streamInput) (*streamOutput, error) {
	streams, err := s.streams()
	if err != nil {
		return nil, err
	}
	device, channel, err := playable(in.Body.Device, in.Body.Channel)
	if err != nil {
		return nil, err
	}
	callOf(ctx).target = string(device) + "/" + in.Body.Channel
	act := rights.Look
	if in.Body.Kind == string(play.Playback) {
		act = rights.Playback
	}
	if err := s.may(callOf(ctx).who, act, device, channel); err != nil {
		return nil, err
	}
	p, err := streams.Start(ctx, play.Request{
		Kind: play.Kind(in.Body.Kind), Device: device, Channel: channel, Profile: media.Profile(in.Body.Profile), Transport: in.Body.Transport,
		Start: in.Body.Start, End: in.Body.End, Records: slices.Index(recordKinds, in.Body.Records), By: callOf(ctx).who.name,
	})
	if err != nil {
		return nil, err
	}
	return &streamOutput{"/api/v1/streams/" + p.ID, s.viewStream(originOf(callOf(ctx).r), p)}, nil
}

func (s *Server) listStreams(ctx context.Context, in *streamList) (*listOutput[streamView], error) {
	streams, err := s.streams()
	if err != nil {
		return nil, err
	}
	var rows []play.Session
	see := s.sight(ctx)
	for _, p := range streams.Sessions() {
		if !see.channel(p.Request.Device, p.Request.Channel) {
			continue
		}
		if in.Device == "" || in.Device == string(p.Request.Device) {
			rows = append(rows, p)
		}
	}
	o := originOf(callOf(ctx).r)
	return listing[play.Session, streamView]{
		words: func(p play.Session) []string { return []string{p.ID, string(p.Key), p.CallID, p.SSRC} },
		first: "started_at",
		sorts: map[string]func(play.Session) string{
			"started_at": func(p play.Session) string { return sortable(p.StartedAt) },
			"id":         func(p play.Session) string { return p.ID },
			"device":     func(p play.Session) string { return string(p.Request.Device) },
			"channel":    func(p play.Session) string { return string(p.Request.Channel) },
			"state":      func(p play.Session) string { return string(p.State) },
		},
		id:   func(p play.Session) string { return p.ID },
		view: func(p play.Session) streamView { return s.viewStream(o, p) },
	}.page(in.ListInput, rows)
}

func (s *Server) getStream(ctx context.Context, in *streamPath) (*streamOutput, error) {
	streams, err := s.streams()
	if err != nil {
		return nil, err
	}
	p, ok := streams.Session(in.Stream)
	if !ok || !s.sight(ctx).channel(p.Request.Device, p.Request.Channel) {
		return nil, fault.New(fault.UnknownStream, "stream %q", in.Stream)
	}
	return &streamOutput{Body: s.viewStream(originOf(callOf(ctx).r), p)}, nil
}

func (s *Server) controlStream(ctx context.Context, in *controlInput) (*streamOutput, error) {
	streams, err := s.streams()
	if err != nil {
		return nil, err
	}
	if p, ok := streams.Session(in.Stream); ok {
		if err := s.may(callOf(ctx).who, rights.Playback, p.Request.Device, p.Request.Channel); err != nil {
			return nil, err
		}
	}
	want := play.Control{Paused: in.Body.Paused, Scale: in.Body.Scale}
	if in.Body.Position != nil {
		at := time.Duration(min(*in.Body.Position, 1e9) * float64(time.Second))
		want.Position = &at
	}
	p, err := streams.Control(ctx, in.Stream, want)
	if err != nil {
		return nil, err
	}
	return &streamOutput{Body: s.viewStream(originOf(callOf(ctx).r), p)}, nil
}

func (s *Server) stopStream(ctx context.Context, in *streamPath) (*struct{}, error) {
	streams, err := s.streams()
	if err != nil {
		return nil, err
	}
	if p, ok := streams.Session(in.Stream); ok {
		act := rights.Configure
		if p.Request.Kind == play.Playback || p.Request.Kind == play.Download {
			act = rights.Playback
		}
		if err := s.may(callOf(ctx).who, act, p.Request.Device, p.Request.Channel); err != nil {
			return nil, err
		}
	}
	return nil, streams.Stop(ctx, in.Stream)
}
