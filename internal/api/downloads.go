package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181"
	"fengsui/gb28181/download"
	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/media"
)

// Downloads is what the face asks of the jobs that keep recordings in files;
// download.Downloads has it.
type Downloads interface {
	Start(ctx context.Context, r download.Request) (download.Job, error)
	Continue(ctx context.Context, id string) (download.Job, error)
	Cancel(ctx context.Context, id string) error
	Delete(ctx context.Context, id string) error
	Jobs() []download.Job
	Job(id string) (download.Job, bool)
	File(id string) (download.Job, *io.SectionReader, io.Closer, error)
}

const (
	fetchersMost = 256              // of files at a time
	fetchTimeout = 30 * time.Second // a caller that takes nothing for so long has gone
)

type downloadView struct {
	ID        string   `json:"id"`
	Device    string   `json:"device"`
	Channel   string   `json:"channel"`
	Profile   string   `json:"profile" enum:"main,sub"`
	Start     stamp    `json:"start"`
	End       stamp    `json:"end"`
	State     string   `json:"state" enum:"running,waiting,done,partial,interrupted,canceled" doc:"partial, interrupted and canceled can be continued"`
	Reason    string   `json:"reason,omitempty" doc:"why it ended, or waits"`
	Bytes     int64    `json:"bytes" doc:"of the file, as it can be read now"`
	Expected  int64    `json:"expected_bytes" doc:"by the device's word; 0 unknown"`
	Duration  float64  `json:"duration" doc:"seconds that were asked for"`
	Covered   float64  `json:"covered" doc:"seconds that have come, from the start, by the recording's own clock; less than duration at the end where nothing was recorded for a while"`
	Progress  float64  `json:"progress" doc:"0 to 1, by covered"`
	Pictures  int64    `json:"pictures" doc:"in the file"`
	Dropped   uint64   `json:"dropped" doc:"frames lost because the disk was too slow"`
	Speed     int      `json:"speed" doc:"that the device agreed to; 1 where it refused what was asked for"`
	Asked     int      `json:"asked" doc:"how often the device was asked for some of it and sent"`
	Codecs    []string `json:"codecs" nullable:"false"`
	Stream    string   `json:"stream,omitempty" doc:"ID of the stream it comes by"`
	By        string   `json:"by" doc:"who asked for it"`
	File      string   `json:"file" doc:"address of the file: an MPEG program stream, with HTTP Range, also while it grows"`
	Name      string   `json:"name" doc:"of the file when it is saved"`
	CreatedAt *stamp   `json:"created_at"`
	EndedAt   *stamp   `json:"ended_at,omitempty"`
	ExpiresAt *stamp   `json:"expires_at,omitempty" doc:"when it will be deleted (downloads.keep)"`
}

func (s *Server) viewDownload(o origin, j download.Job) downloadView {
	v := downloadView{
		ID: j.ID, Device: string(j.Request.Device), Channel: string(j.Request.Channel), Profile: string(j.Request.Profile),
		Start: stamp(j.Request.Start), End: stamp(j.Request.End), State: string(j.State), Reason: j.Reason,
		Bytes: j.Mark.Bytes, Expected: j.Expected, Duration: j.Length().Seconds(), Covered: j.Covered.Seconds(),
		Progress: j.Covered.Seconds() / j.Length().Seconds(), Pictures: j.Mark.Frames, Dropped: j.Dropped, Speed: j.Speed, Asked: j.Asked,
		Codecs: []string{}, Stream: j.Stream, By: j.Request.By, File: o.url("/api/v1/downloads/" + j.ID + "/file"), Name: j.Name(),
		CreatedAt: at(j.CreatedAt), EndedAt: at(j.EndedAt), ExpiresAt: at(j.ExpiresAt),
	}
	if j.State == download.Done {
		v.Progress = 1
	}
	for _, c := range j.Codecs {
		v.Codecs = append(v.Codecs, string(c))
	}
	return v
}

// spaceView is a download that takes some of the space.
type spaceView struct {
	Download string `json:"download"`
	Channel  string `json:"channel"`
	State    string `json:"state"`
	Bytes    int64  `json:"bytes"`
	By       string `json:"by" doc:"who asked for it"`
}

// spaceOf are the downloads that hold the space, nil for any other error.
func spaceOf(err error) (views []spaceView) {
	var e *download.SpaceError
	if errors.As(err, &e) {
		for i := range e.Holders {
			j := &e.Holders[i]
			views = append(views, spaceView{j.ID, string(j.Request.Channel), string(j.State), j.Mark.Bytes, j.Request.By})
		}
	}
	return views
}

type downloadInput struct {
	Body struct {
		Device    string    `json:"device" maxLength:"64" example:"34020000001320000001"`
		Channel   string    `json:"channel" maxLength:"64" example:"34020000001320000001"`
		Start     time.Time `json:"start" doc:"whole seconds"`
		End       time.Time `json:"end" doc:"at most 24 hours after start"`
		Speed     int       `json:"speed,omitempty" default:"4" minimum:"1" maximum:"8" doc:"times the speed of life; a device that refuses it is asked for 1"`
		Records   string    `json:"records,omitempty" enum:"all,manual,alarm,time" default:"all" doc:"which records of that time"`
		Profile   string    `json:"profile,omitempty" enum:"main,sub" default:"main"`
		Transport string    `json:"transport,omitempty" enum:"udp,tcp-passive,tcp-active" doc:"absent = the device's setting, then tcp-passive where UDP brought nothing"`
	}
}

type downloadOutput struct {
	Location string `header:"Location"`
	Body     downloadView
}

type downloadPath struct {
	Download string `path:"download" maxLength:"64"`
}

type downloadList struct {
	ListInput
	Device string `query:"device" maxLength:"64"`
	State  string `query:"state" enum:"running,waiting,done,partial,interrupted,canceled"`
}

func (s *Server) addDownloads() {
	tags, need := []string{"downloads"}, access{act: rights.Playback, judged: true}
	op(s, need, huma.Operation{OperationID: "start-download", Method: http.MethodPost, Path: "/api/v1/downloads", DefaultStatus: http.StatusCreated, Tags: tags,
		Summary: "Download a recording of a device to a file", Description: "Answers when the device sends; the job goes on by itself and asks again after a cut. A failure tells by its stages how far it came, and nothing is left of it. "}, s.startDownload)
	op(s, need, huma.Operation{OperationID: "list-downloads", Method: http.MethodGet, Path: "/api/v1/downloads", Tags: tags, Summary: "Downloads, running and kept"}, s.listDownloads)
	op(s, need, huma.Operation{OperationID: "get-download", Method: http.MethodGet, Path: "/api/v1/downloads/{download}", Tags: tags, Summary: "One download with its progress"}, s.getDownload)
	op(s, need, huma.Operation{OperationID: "continue-download", Method: http.MethodPost, Path: "/api/v1/downloads/{download}/continue", Tags: tags,
		Summary: "Ask the device for what is missing", Description: "Of a download that ended before it was done. Answers when the device sends. "}, s.continueDownload)
	op(s, need, huma.Operation{OperationID: "cancel-download", Method: http.MethodPost, Path: "/api/v1/downloads/{download}/cancel", Tags: tags,
		Summary: "End a download and keep what has come"}, s.cancelDownload)
	op(s, need, huma.Operation{OperationID: "delete-download", Method: http.MethodDelete, Path: "/api/v1/downloads/{download}", Tags: tags, Summary: "End a download and delete its file"}, s.deleteDownload)
	need.query = true
	s.route("GET /api/v1/downloads/{download}/file", need, s.downloadFile)
	s.describe(huma.Operation{OperationID: "get-download-file", Method: http.MethodGet, Path: "/api/v1/downloads/{download}/file", Tags: tags,
		Summary: "The file of a download", Description: "An MPEG program stream with what the device sent, its times made even. Takes Range and If-Range, so that what was begun can be continued; of a running download it gives what has come by now, and a Range behind that is answered 416. "},
		"video/MP2P", "token")
}

func (s *Server) downloads() (Downloads, error) {
	if s.svc.Downloads == nil {
		return nil, fault.New(fault.NotBuiltIn, "downloads are off")
	}
	return s.svc.Downloads, nil
}

// download is one that the caller may touch; of others nothing is told.
func (s *Server) download(ctx context.Context, id string) (Downloads, download.Job, error) {
	all, err := s.downloads()
	if err != nil {
		return nil, download.Job{}, err
	}
	j, ok := all.Job(id)
	if !ok || s.may(callOf(ctx).who, rights.Playback, j.Request.Device, j.Request.Channel) != nil {
		return nil, download.Job{}, fault.New(fault.UnknownDownload, "download %q", id)
	}
	callOf(ctx).target = string(j.Request.Device) + "/" + string(j.Request.Channel)
	return all, j, nil
}

func (s *Server) startDownload(ctx context.Context, in *downloadInput) (*downloadOutput, error) {
	all, err := s.downloads()
	if err != nil {
		return nil, err
	}
	b := &in.Body
	device, channel, err := playable(b.Device, b.Channel)
	if err != nil {
		return nil, err
	}
	callOf(ctx).target = string(device) + "/" + string(channel)
	if err := s.may(callOf(ctx).who, rights.Playback, device, channel); err != nil {
		return nil, err
	}
	j, err := all.Start(ctx, download.Request{
		Device: device, Channel: channel, Profile: media.Profile(b.Profile), Transport: b.Transport, Start: b.Start, End: b.End,
		Records: slices.Index(recordKinds, b.Records), Speed: b.Speed, By: callOf(ctx).who.name,
	})
	if err != nil {
		return nil, err
	}
	return &downloadOutput{"/api/v1/downloads/" + j.ID, s.viewDownload(originOf(callOf(ctx).r), j)}, nil
}

func (s *Server) listDownloads(ctx context.Context, in *downloadList) (*listOutput[downloadView], error) {
	all, err := s.downloads()
	if err != nil {
		return nil, err
	}
	var rows []download.Job
	for _, j := range all.Jobs() {
		if in.Device != "" && in.Device != string(j.Request.Device) || in.State != "" && in.State != string(j.State) ||
			s.may(callOf(ctx).who, rights.Playback, j.Request.Device, j.Request.Channel) != nil {
			continue
		}
		rows = append(rows, j)
	}
	o := originOf(callOf(ctx).r)
	return listing[download.Job, downloadView]{
		words: func(j download.Job) []string {
			return []string{j.ID, string(j.Request.Device), string(j.Request.Channel), j.Request.By}
		},
		first: "created_at",
		sorts: map[string]func(download.Job) string{
			"created_at": func(j download.Job) string { return sortable(j.CreatedAt) },
			"start":      func(j download.Job) string { return sortable(j.Request.Start) },
			"device":     func(j download.Job) string { return string(j.Request.Device) },
			"channel":    func(j download.Job) string { return string(j.Request.Channel) },
			"state":      func(j download.Job) string { return string(j.State) },
		},
		id:   func(j download.Job) string { return j.ID },
		view: func(j download.Job) downloadView { return s.viewDownload(o, j) },
	}.page(in.ListInput, rows)
}

func (s *Server) getDownload(ctx context.Context, in *downloadPath) (*downloadOutput, error) {
	_, j, err := s.download(ctx, in.Download)
	if err != nil {
		return nil, err
	}
	return &downloadOutput{Body: s.viewDownload(originOf(callOf(ctx).r), j)}, nil
}

func (s *Server) continueDownload(ctx context.Context, in *downloadPath) (*downloadOutput, error) {
	all, _, err := s.download(ctx, in.Download)
	if err != nil {
		return nil, err
	}
	j, err := all.Continue(ctx, in.Download)
	if err != nil {
		return nil, err
	}
	return &downloadOutput{Body: s.viewDownload(originOf(callOf(ctx).r), j)}, nil
}

func (s *Server) cancelDownload(ctx context.Context, in *downloadPath) (*downloadOutput, error) {
	all, _, err := s.download(ctx, in.Download)
	if err == nil {
		err = all.Cancel(ctx, in.Download)
	}
	if err != nil {
		return nil, err
	}
	return s.getDownload(ctx, in)
}

func (s *Server) deleteDownload(ctx context.Context, in *downloadPath) (*struct{}, error) {
	all, _, err := s.download(ctx, in.Download)
	if err != nil {
		return nil, err
	}
	return nil, all.Delete(ctx, in.Download)
}

// downloadFile gives the file, or a range of it. What is there is never changed
// while the file grows, so that its ETag stays and a caller can go on.
func (s *Server) downloadFile(w http.ResponseWriter, r *http.Request) {
	select {
	case s.fetchers <- struct{}{}:
		defer func() { <-s.fetchers }()
	default:
		s.m.busy.WithLabelValues("files").Inc()
		s.fail(w, r, fault.New(fault.TooManyFetchers, "%d are open", fetchersMost))
		return
	}
	all, j, err := s.download(r.Context(), r.PathValue("download"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	j, content, file, err := all.File(j.ID)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer file.Close()
	h := w.Header()
	h.Set("Content-Type", "video/MP2P")
	h.Set("Content-Disposition", `attachment; filename="`+strings.Map(plainName, j.Name())+`"`)
	h.Set("Etag", fmt.Sprintf(`"%s.%d"`, j.ID, j.Generation))
	http.ServeContent(&patient{ResponseWriter: w, control: http.NewResponseController(w)}, r, "", time.Time{}, content)
}

// plainName is what of a name can stand in a header on every system.
func plainName(r rune) rune {
	if r < ' ' || r > '~' || strings.ContainsRune(`"\/:*?<>|`, r) {
		return '_'
	}
	return r
}

// patient gives whoever takes a large file slowly the time for it, and ends who
// takes nothing.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
	until   time.Time
}

func (p *patient) Write(b []byte) (int, error) {
	if now := time.Now(); p.until.Sub(now) < fetchTimeout/2 {
		p.until = now.Add(fetchTimeout)
		_ = p.control.SetWriteDeadline(p.until) // without one the server's own holds
	}
	return p.ResponseWriter.Write(b)
}

// playable are the device and channel that a body names.
func playable(device, channel string) (gbID, gbID, error) {
	id, err := gb28181.ParseID(device)
	if err != nil {
		return "", "", &fault.Error{Code: fault.BadID, Detail: "body.device: " + err.Error(), Fields: []fault.Field{{Location: "body.device", Message: err.Error(), Value: device}}}
	}
	if channel == "" || strings.ContainsAny(channel, "_/?#% ") {
		return "", "", fault.Invalid("body.channel", channel, "want the ID of a channel")
	}
	return id, gbID(channel), nil
}
