package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181"
	"fengsui/gb28181/catalog"
	"fengsui/gb28181/command"
	"fengsui/gb28181/device"
	"fengsui/gb28181/download"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/play"
	"fengsui/gb28181/records"
	"fengsui/gb28181/snapshot"
	"fengsui/gb28181/subscribe"
	"fengsui/gb28181/talk"
	"fengsui/gb28181/upgrade"
	"fengsui/internal/api/fault"
	"fengsui/internal/store"
	"fengsui/media/out/flv"
	"fengsui/media/out/whep"
	"fengsui/media/voice"
	"fengsui/media/whip"
	"fengsui/sip"
	"fengsui/sip/trace"
)

// problem is an error as callers get it (RFC 9457).
type problem struct {
	Type     string       `json:"type" doc:"urn:fengsui:error:<code>"`
	Title    string       `json:"title" doc:"what went wrong, in the caller's language"`
	Status   int          `json:"status" doc:"HTTP status"`
	Detail   string       `json:"detail" doc:"what and which value"`
	Instance string       `json:"instance" doc:"path of the request"`
	Code     int          `json:"code" doc:"six digits, listed in docs/errors.md" minimum:"100000" maximum:"999999"`
	Name     string       `json:"name" doc:"the code as a word"`
	Remedy   string       `json:"remedy" doc:"what to do, in the caller's language"`
	Trace    string       `json:"trace" doc:"trace ID, the same as in the log"`
	Errors   []fieldError `json:"errors,omitempty" doc:"each value that is not acceptable"`
	Space    []spaceView  `json:"space,omitempty" doc:"the downloads that hold the most space"`
	Stages   []stageView  `json:"stages,omitempty" doc:"how far a stream or talk came"`
	Holders  []holderView `json:"holders,omitempty" doc:"who has the device's slots, or speaks to the channel"`
}

// holderView is a stream that takes a slot of a device, or a talk to a channel.
type holderView struct {
	Stream  string `json:"stream" doc:"ID of the stream or talk"`
	Kind    string `json:"kind" enum:"playback,download,talk"`
	Channel string `json:"channel"`
	By      string `json:"by" doc:"who asked for it"`
	Since   *stamp `json:"since,omitempty" doc:"of a talk"`
}

// holdersOf are those for whom there is no slot, or who speaks to a channel that is
// taken; nil for any other error.
func holdersOf(err error) (views []holderView) {
	if views = speakerOf(err); views != nil {
		return views
	}
	var e *play.SlotError
	if errors.As(err, &e) {
		for _, h := range e.Holders {
			views = append(views, holderView{Stream: h.Stream, Kind: string(h.Kind), Channel: string(h.Channel), By: h.By})
		}
	}
	return views
}

type fieldError struct {
	Location string `json:"location" doc:"body.name, query.page, path.device"`
	Message  string `json:"message"`
	Value    any    `json:"value,omitempty" doc:"as given; secrets are left out"`
}

// Error, GetStatus and ContentType make it what huma wants of an error.
func (p *problem) Error() string             { return fmt.Sprintf("%s (%06d): %s", p.Name, p.Code, p.Detail) }
func (p *problem) GetStatus() int            { return p.Status }
func (p *problem) ContentType(string) string { return "application/problem+json" }

// known are the services' errors with the code that callers get for each; the
// first that matches counts.
func known() []struct {
	err  error
	code fault.Code
} {
	return []struct {
		err  error
		code fault.Code
	}{
		{play.ErrRange, fault.BadRange},
		{play.ErrSpeed, fault.BadSpeed},
		{play.ErrScale, fault.BadScale},
		{play.ErrBackwards, fault.NoReverse},
		{play.ErrPlace, fault.BadPosition},
		{play.ErrNotPlayback, fault.NotPlayback},
		{play.ErrNoControl, fault.NoControl},
		{play.ErrUnwilling, fault.ControlRefused},
		{play.ErrNoRecording, fault.NoRecording},
		{play.ErrNoSlot, fault.NoSlot},
		{play.ErrBusy, fault.StreamBusy},
		{play.ErrRejected, fault.StreamRefused},
		{play.ErrNoAnswer, fault.NoAnswer},
		{play.ErrBadAnswer, fault.BadAnswer},
		{play.ErrConnect, fault.NoConnection},
		{play.ErrNoPacket, fault.NoPacket},
		{play.ErrNoKeyFrame, fault.NoKeyFrame},
		{play.ErrNoReceiver, fault.NoReceiver},
		{play.ErrGivenUp, fault.GaveUp},
		{download.ErrUnknown, fault.UnknownDownload},
		{download.ErrActive, fault.DownloadActive},
		{download.ErrDone, fault.DownloadDone},
		{download.ErrBusy, fault.DownloadsBusy},
		{download.ErrFull, fault.DownloadsBusy},
		{download.ErrSpace, fault.NoSpace},
		{talk.ErrTaken, fault.TalkTaken},
		{talk.ErrFull, fault.TooManyTalks},
		{talk.ErrDeclined, fault.TalkDeclined},
		{talk.ErrMute, fault.TalkMute},
		{talk.ErrNoInvite, fault.TalkNoInvite},
		{talk.ErrOffer, fault.BadTalkSDP},
		{talk.ErrAnswer, fault.BadTalkSDP},
		{talk.ErrRejected, fault.TalkRejected},
		{talk.ErrNoAnswer, fault.TalkMute},
		{talk.ErrNoACK, fault.TalkMute},
		{talk.ErrConnect, fault.NoTalkConnection},
		{talk.ErrNoPort, fault.NoReceiver},
		{talk.ErrEdition, fault.NotInEdition},
		{talk.ErrGivenUp, fault.GaveUp},
		{talk.ErrClosing, fault.NotReady},
		{talk.ErrNoTalk, fault.UnknownTalk},
		{voice.ErrWAV, fault.BadWAV},
		{trace.ErrBadPeer, fault.BadPeer},
		{trace.ErrTooManyWatches, fault.TooManyWatches},
		{play.ErrClosing, fault.NotReady},
		{play.ErrNoSession, fault.UnknownStream},
		{play.ErrNotLive, fault.NoPicture},
		{gb28181.ErrBadID, fault.BadID},
		{gb28181.ErrUnknownDevice, fault.UnknownDevice},
		{gb28181.ErrUnknownChannel, fault.UnknownChannel},
		{gb28181.ErrOffline, fault.DeviceOffline},
		{gb28181.ErrRefused, fault.DeviceRefused},
		{gb28181.ErrTimeout, fault.DeviceSilent},
		{whep.ErrOffer, fault.BadOffer},
		{whip.ErrOffer, fault.BadVoiceOffer},
		{whip.ErrCodec, fault.NoVoiceCodec},
		{whip.ErrFull, fault.TooManyTalks},
		{whip.ErrClosed, fault.NotReady},
		{whip.ErrNoSession, fault.UnknownTalk},
		{whep.ErrNoSession, fault.UnknownViewer},
		{whep.ErrFull, fault.TooManyViewers},
		{flv.ErrFull, fault.TooManyViewers},
		{whep.ErrClosed, fault.NotReady},
		{whep.ErrNoMedia, fault.NoKeyFrame},
		{sip.ErrUnreachable, fault.Unreachable},
		{sip.ErrTimeout, fault.DeviceSilent},
		{sip.ErrClosed, fault.NotReady},
		{device.ErrFull, fault.TablesFull},
		{catalog.ErrFull, fault.TablesFull},
		{subscribe.ErrFull, fault.TablesFull},
		{records.ErrBusy, fault.RecordsBusy},
		{snapshot.ErrToken, fault.NoPictureAwaited},
		{snapshot.ErrPicture, fault.NotJPEG},
		{snapshot.ErrLarge, fault.PictureTooLarge},
		{snapshot.ErrFull, fault.TooManySnapshots},
		{snapshot.ErrUnknown, fault.UnknownSnapshot},
		{snapshot.ErrRange, fault.OutOfRange},
		{upgrade.ErrRunning, fault.UpgradeRunning},
		{upgrade.ErrFull, fault.TooManyUpgrades},
		{command.ErrMoving, fault.TooManyMoving},
		{command.ErrBusy, fault.TooManyQuestions},
		{context.DeadlineExceeded, fault.TookTooLong},
		{context.Canceled, fault.GaveUp},
	}
}

// faultOf finds the fault in an error. What is not known is [fault.Internal],
// whose detail tells nothing of the inside.
func (s *Server) faultOf(err error) *fault.Error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	for _, k := range known() {
		if errors.Is(err, k.err) {
			f = fault.Wrap(k.code, err)
			var start *play.StartError
			if errors.As(err, &start) {
				f.Remedy = fault.Text(start.Remedy)
			}
			if _, words := talkStages(err); words.EN != "" {
				f.Remedy = fault.Text(words)
			}
			return f
		}
	}
	var lacks *subscribe.EditionError
	if errors.As(err, &lacks) {
		return fault.Wrap(fault.SubscriptionEdition, err)
	}
	var edition manscdp.ErrEdition
	if errors.As(err, &edition) {
		return fault.Wrap(fault.NotInEdition, err)
	}
	var value manscdp.ErrValue
	if errors.As(err, &value) {
		f := fault.Wrap(fault.OutOfRange, value)
		f.Fields = []fault.Field{{Location: "body." + value.Field, Message: "want " + value.Want, Value: plain(value.Field, value.Value)}}
		return f
	}
	var codec *whep.CodecError
	if errors.As(err, &codec) {
		return fault.Wrap(fault.NoCodec, err)
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return fault.New(fault.TooLarge, "the body is larger than %d bytes", large.Limit)
	}
	return &fault.Error{Code: fault.Internal, Detail: "the log holds the cause under this trace", Cause: err}
}

// storeFault is for errors of the store that are not about the request.
func storeFault(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) {
		return err
	}
	return &fault.Error{Code: fault.StoreDown, Detail: "the database did not do what was asked; the log holds the cause under this trace", Cause: err}
}

// problem renders an error for the caller of ctx and logs what is ours.
func (s *Server) problem(ctx context.Context, err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	c := callOf(ctx)
	f := s.faultOf(err)
	c.code = int(f.Code)
	row := fault.Of(f.Code)
	if row.Status >= 500 && f.Cause != nil && f.Code/1000%10 == 5 {
		s.log.Error().Ctx(ctx).Err(f.Cause).Int("code", int(f.Code)).Msg("request failed")
	}
	p = &problem{
		Type:   fmt.Sprintf("urn:fengsui:error:%06d", row.Code),
		Title:  row.Title.In(c.lang),
		Status: row.Status,
		Detail: f.Detail,
		Code:   int(row.Code),
		Name:   row.Name,
		Remedy: row.Remedy.In(c.lang),
		Trace:  c.trace,
		Stages: stagesOf(err), Holders: holdersOf(err), Space: spaceOf(err),
	}
	if c.r != nil {
		p.Instance = c.r.URL.Path
	}
	if words := f.Remedy.In(c.lang); words != "" {
		p.Remedy = words
	}
	for _, field := range f.Fields {
		p.Errors = append(p.Errors, fieldError(field))
	}
	return p
}

// Fail answers a request with an error, where nothing was written yet. The
// media outputs use it too.
func (s *Server) Fail(w http.ResponseWriter, r *http.Request, err error) { s.fail(w, r, err) }

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := s.problem(r.Context(), err)
	h := w.Header()
	for _, name := range []string{"Content-Length", "Content-Encoding", "Etag"} {
		h.Del(name)
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if p.Status == http.StatusUnauthorized {
		h.Set("Www-Authenticate", `Bearer realm="fengsui"`)
	}
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_ = json.NewEncoder(w).Encode(p) // the caller may be gone
	}
}

// fieldsTold bounds the values that a problem names. A body of the largest size
// can have a hundred thousand wrong ones: to tell them all takes long and makes
// the answer ten times the request.
const fieldsTold = 20

// transform turns the errors that huma makes itself into problems.
func (s *Server) transform(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	f := &fault.Error{Code: fault.BadValue, Detail: m.Detail}
	for i, e := range m.Errors {
		if i == fieldsTold {
			f.Detail += fmt.Sprintf("; and %d more", len(m.Errors)-i)
			break
		}
		field := fault.Field{Location: e.Location, Message: e.Message, Value: plain(e.Location, e.Value)}
		f.Fields = append(f.Fields, field)
		if len(f.Fields) == 1 {
			f.Detail = field.String()
		} else {
			f.Detail += "; " + field.String()
		}
	}
	switch m.Status {
	case http.StatusBadRequest:
		f.Code = fault.BadJSON
	case http.StatusRequestEntityTooLarge:
		f.Code, f.Detail = fault.TooLarge, fmt.Sprintf("the body is larger than %d bytes", maxBody)
	case http.StatusUnsupportedMediaType:
		f.Code, f.Detail = fault.BadContentType, "Content-Type "+ctx.Header("Content-Type")
	case http.StatusNotAcceptable:
		f.Code, f.Detail = fault.NotAcceptable, "Accept "+ctx.Header("Accept")
	case http.StatusRequestTimeout:
		f.Code = fault.SlowBody
	case http.StatusInternalServerError:
		f = &fault.Error{Code: fault.Internal, Detail: "the log holds the cause under this trace", Cause: m}
	}
	p := s.problem(ctx.Context(), f)
	p.Status = m.Status // already on the wire
	return p, nil
}

// plain is a value that may be shown: no secret, no document, not long.
func plain(location string, v any) any {
	lower := strings.ToLower(location)
	for _, word := range []string{"password", "token", "secret", "current", "new"} {
		if strings.Contains(lower, word) {
			return nil
		}
	}
	switch x := v.(type) {
	case string:
		if r := []rune(x); len(r) > 100 {
			return string(r[:100]) + "..."
		}
		return x
	case bool, float64, int, int64, json.Number:
		return x
	}
	return nil
}
