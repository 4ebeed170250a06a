package api

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181/play"
	"fengsui/gb28181/talk"
	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/media"
	"fengsui/media/voice"
)

// Talks is what the face asks of whoever speaks to devices; talk.Switchboard has it.
type Talks interface {
	Start(ctx context.Context, r talk.Request) (talk.Talk, error)
	Stop(ctx context.Context, id string) error
	Talks() []talk.Talk
	Talk(id string) (talk.Talk, bool)
}

type talkView struct {
	ID        string      `json:"id"`
	Device    string      `json:"device"`
	Channel   string      `json:"channel"`
	State     string      `json:"state" enum:"starting,talking,ended"`
	Way       string      `json:"way" enum:",broadcast,talk" doc:"broadcast: the device was told and called; talk: it was called with s=Talk"`
	Source    string      `json:"source" enum:"file,microphone"`
	By        string      `json:"by" doc:"who speaks"`
	Speaker   string      `json:"speaker" doc:"ID of the loudspeaker"`
	Codec     string      `json:"codec" enum:",PCMA,PCMU" doc:"law of the sound"`
	Packing   string      `json:"packing" enum:",PCMA,PCMU,PS" doc:"what the packets hold"`
	Transport string      `json:"transport" enum:",udp,tcp-passive,tcp-active"`
	Remote    string      `json:"remote" doc:"where the sound goes"`
	SSRC      string      `json:"ssrc"`
	CallID    string      `json:"call_id"`
	StartedAt *stamp      `json:"started_at,omitempty"`
	TalkingAt *stamp      `json:"talking_at,omitempty" doc:"since when the device listens"`
	EndedAt   *stamp      `json:"ended_at,omitempty"`
	Reason    string      `json:"reason,omitempty" doc:"why it ended"`
	Warning   string      `json:"warning,omitempty" doc:"why the device perhaps hears nothing, in the caller's language"`
	Packets   uint64      `json:"packets" doc:"sent, 20 ms each"`
	Heard     uint64      `json:"heard" doc:"packets that came back, of a talk both ways"`
	Late      uint64      `json:"late" doc:"delays of the server that were heard"`
	Stages    []stageView `json:"stages" nullable:"false" doc:"how the start went"`
	Trace     string      `json:"trace"`
}

func viewTalk(lang string, t talk.Talk) talkView {
	return talkView{
		ID: t.ID, Device: string(t.Request.Device), Channel: string(t.Request.Channel), State: string(t.State), Way: string(t.Way),
		Source: t.Request.Kind, By: t.Request.By, Speaker: string(t.Target), Codec: string(t.Law), Packing: t.Packing, Transport: t.Transport,
		Remote: t.Remote, SSRC: t.SSRC, CallID: t.CallID, StartedAt: at(t.StartedAt), TalkingAt: at(t.TalkingAt), EndedAt: at(t.EndedAt),
		Reason: t.Reason, Warning: fault.Text(t.Warning).In(lang), Packets: t.Packets, Heard: t.Heard, Late: t.Late,
		Stages: viewStages(t.Stages), Trace: t.Trace,
	}
}

// TalkWay is how a caller wants a device to be spoken to.
type TalkWay struct {
	Way       string `query:"way" enum:"broadcast,talk" doc:"the only way to try; absent = broadcast, then talk where the device's edition has it"`
	Transport string `query:"transport" enum:"udp,tcp-passive,tcp-active" doc:"of way talk; of a broadcast the device decides"`
}

type talkInput struct {
	CommandedChannel
	TalkWay
	RawBody []byte `contentType:"audio/wav" doc:"a WAV file of at most 1 MiB: 16-bit PCM of 8 to 48 kHz, mono or stereo, or G.711 of 8 kHz"`
}

type talkOutput struct {
	Location string `header:"Location"`
	Body     talkView
}

type talkPath struct {
	Talk string `path:"talk" maxLength:"64"`
}

type talkList struct {
	ListInput
	Device string `query:"device" maxLength:"64"`
	State  string `query:"state" enum:"starting,talking,ended"`
}

func (s *Server) addTalks() {
	tags := []string{"talk"}
	op(s, access{act: rights.Talk}, huma.Operation{OperationID: "play-wav", Method: http.MethodPost, Path: "/api/v1/devices/{device}/channels/{channel}/talks", DefaultStatus: http.StatusCreated, Tags: tags,
		Summary: "Play a WAV file on a channel's loudspeaker", Description: "Answers when the device listens; the talk ends with the file. A failure tells by its stages how far it came. "}, s.playWAV)
	op(s, access{act: rights.Look, judged: true}, huma.Operation{OperationID: "list-talks", Method: http.MethodGet, Path: "/api/v1/talks", Tags: tags, Summary: "Talks that run, and the last that ended"}, s.listTalks)
	op(s, access{act: rights.Look, judged: true}, huma.Operation{OperationID: "get-talk", Method: http.MethodGet, Path: "/api/v1/talks/{talk}", Tags: tags, Summary: "One talk"}, s.getTalk)
	op(s, access{act: rights.Talk, judged: true}, huma.Operation{OperationID: "end-talk", Method: http.MethodDelete, Path: "/api/v1/talks/{talk}", Tags: tags, Summary: "End a talk, whoever speaks"}, s.endTalk)
}

func (s *Server) talks() (Talks, error) {
	if s.svc.Talks == nil {
		return nil, fault.New(fault.NotBuiltIn, "talks are off")
	}
	return s.svc.Talks, nil
}

func (s *Server) playWAV(ctx context.Context, in *talkInput) (*talkOutput, error) {
	talks, err := s.talks()
	if err != nil {
		return nil, err
	}
	device, channel, err := s.commanded(in.CommandedChannel)
	if err != nil {
		return nil, err
	}
	clip, err := voice.ReadWAV(bytes.Clone(in.RawBody)) // the talk outlives the request
	if err != nil {
		return nil, err
	}
	t, err := talks.Start(ctx, talk.Request{
		Device: device, Channel: channel, Way: talk.Way(in.Way), Transport: in.Transport, Edition: in.edition(),
		By: callOf(ctx).who.name, Kind: "file", Sound: func(law media.Codec) voice.Source { return clip.Play(law) },
	})
	if err != nil {
		return nil, err
	}
	return &talkOutput{"/api/v1/talks/" + t.ID, viewTalk(callOf(ctx).lang, t)}, nil
}

func (s *Server) listTalks(ctx context.Context, in *talkList) (*listOutput[talkView], error) {
	talks, err := s.talks()
	if err != nil {
		return nil, err
	}
	var rows []talk.Talk
	see := s.sight(ctx)
	for _, t := range talks.Talks() {
		if see.channel(t.Request.Device, t.Request.Channel) && (in.Device == "" || in.Device == string(t.Request.Device)) && (in.State == "" || in.State == string(t.State)) {
			rows = append(rows, t)
		}
	}
	return listing[talk.Talk, talkView]{
		words: func(t talk.Talk) []string {
			return []string{t.ID, string(t.Request.Device), string(t.Request.Channel), t.CallID, t.Request.By}
		},
		first: "started_at",
		sorts: map[string]func(talk.Talk) string{
			"started_at": func(t talk.Talk) string { return sortable(t.StartedAt) },
			"id":         func(t talk.Talk) string { return t.ID },
			"device":     func(t talk.Talk) string { return string(t.Request.Device) },
			"state":      func(t talk.Talk) string { return string(t.State) },
		},
		id:   func(t talk.Talk) string { return t.ID },
		view: func(t talk.Talk) talkView { return viewTalk(callOf(ctx).lang, t) },
	}.page(in.ListInput, rows)
}

func (s *Server) getTalk(ctx context.Context, in *talkPath) (*talkOutput, error) {
	t, err := s.findTalk(ctx, in.Talk)
	if err != nil {
		return nil, err
	}
	return &talkOutput{Body: viewTalk(callOf(ctx).lang, t)}, nil
}

// findTalk finds a talk at a channel that the caller may see.
func (s *Server) findTalk(ctx context.Context, id string) (talk.Talk, error) {
	talks, err := s.talks()
	if err != nil {
		return talk.Talk{}, err
	}
	t, ok := talks.Talk(id)
	if !ok || !s.sight(ctx).channel(t.Request.Device, t.Request.Channel) {
		return talk.Talk{}, fault.New(fault.UnknownTalk, "talk %q", id)
	}
	return t, nil
}

func (s *Server) endTalk(ctx context.Context, in *talkPath) (*struct{}, error) {
	t, err := s.findTalk(ctx, in.Talk)
	if err != nil {
		return nil, err
	}
	if err := s.may(callOf(ctx).who, rights.Talk, t.Request.Device, t.Request.Channel); err != nil {
		return nil, err
	}
	if t.State == talk.Ended {
		return nil, nil
	}
	return nil, s.svc.Talks.Stop(ctx, t.ID)
}

// talkStages are the stages of a talk that did not begin, and its remedy.
func talkStages(err error) (stages []play.Stage, remedy play.Words) {
	var e *talk.StartError
	if errors.As(err, &e) {
		return e.Stages, e.Remedy
	}
	return nil, play.Words{}
}

// speakerOf is who speaks to a channel that is taken, nil for any other error.
func speakerOf(err error) []holderView {
	var e *talk.TakenError
	if !errors.As(err, &e) {
		return nil
	}
	return []holderView{{Stream: e.ID, Kind: "talk", By: e.By, Since: at(e.Since)}}
}
