package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181/snapshot"
	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
)

// UploadPath is below which devices upload pictures; a token follows.
const UploadPath = "/upload/"

// uploadTimeout is how long a picture may take to arrive.
const uploadTimeout = time.Minute

// Snapshots is what the face asks of the album; snapshot.Album has it.
type Snapshots interface {
	Take(ctx context.Context, r snapshot.Request) (snapshot.Snapshot, error)
	Snapshot(id string) (snapshot.Snapshot, bool)
	Snapshots() []snapshot.Snapshot
	Delete(id string) error
	Open(id string, n int) (*os.File, snapshot.Picture, error)
	Upload(token, name string, body io.Reader) error
}

type pictureView struct {
	Name  string `json:"name" doc:"as the device names it"`
	Bytes int64  `json:"bytes"`
	At    stamp  `json:"at" doc:"when it was here"`
	URL   string `json:"url"`
}

type snapshotView struct {
	ID        string        `json:"id"`
	Device    string        `json:"device"`
	Channel   string        `json:"channel"`
	State     string        `json:"state" enum:"ordered,taking,done,partial,failed" doc:"partial: some pictures came and no more do; failed: none"`
	Count     int           `json:"count" doc:"pictures asked for"`
	Interval  int           `json:"interval_seconds"`
	By        string        `json:"by"`
	StartedAt stamp         `json:"started_at"`
	EndedAt   *stamp        `json:"ended_at,omitempty"`
	Pictures  []pictureView `json:"pictures"`
}

type snapshotInput struct {
	CommandedChannel
	Body *struct {
		Count    int `json:"count,omitempty" default:"1" doc:"1 to 10"`
		Interval int `json:"interval_seconds,omitempty" default:"1" doc:"between two, 1 to 600"`
	}
}

type snapshotOutput struct {
	Location string `header:"Location"`
	Body     snapshotView
}

type snapshotPath struct {
	Snapshot string `path:"snapshot" maxLength:"64"`
}

type snapshotList struct {
	ListInput
	Device  string `query:"device" maxLength:"64"`
	Channel string `query:"channel" maxLength:"64"`
}

func (s *Server) addSnapshots() {
	const path = "/api/v1/snapshots"
	tags := []string{"snapshots"}
	op(s, access{act: rights.PTZ}, huma.Operation{OperationID: "take-snapshot", Method: http.MethodPost, Path: "/api/v1/devices/{device}/channels/{channel}/snapshots", DefaultStatus: http.StatusAccepted, Tags: tags,
		Summary: "Have a camera take pictures and upload them (2022 only)", Description: "Answers when the device has accepted; the pictures follow: event snapshot.ended. "}, s.takeSnapshot)
	op(s, access{act: rights.Look, judged: true}, huma.Operation{OperationID: "list-snapshots", Method: http.MethodGet, Path: path, Tags: tags, Summary: "Snapshots that are kept"}, s.listSnapshots)
	op(s, access{act: rights.Look, judged: true}, huma.Operation{OperationID: "get-snapshot", Method: http.MethodGet, Path: path + "/{snapshot}", Tags: tags, Summary: "A snapshot with its pictures"}, s.getSnapshot)
	op(s, access{act: rights.PTZ, judged: true}, huma.Operation{OperationID: "delete-snapshot", Method: http.MethodDelete, Path: path + "/{snapshot}", Tags: tags, Summary: "Delete a snapshot with its pictures"}, s.deleteSnapshot)
	s.route("GET "+path+"/{snapshot}/pictures/{picture}", access{act: rights.Look, judged: true, query: true}, s.picture)
	s.describe(huma.Operation{OperationID: "get-picture", Method: http.MethodGet, Path: path + "/{snapshot}/pictures/{picture}", Tags: tags,
		Summary: "A picture of a snapshot, the first is 1", Description: "With Range and If-Modified-Since, as files have them."}, "image/jpeg", "token")
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		s.route(method+" "+UploadPath+"{token}", access{open: true}, s.upload)
		s.route(method+" "+UploadPath+"{token}/{name...}", access{open: true}, s.upload)
	}
}

func viewSnapshot(p snapshot.Snapshot) snapshotView {
	v := snapshotView{
		ID: p.ID, Device: string(p.Device), Channel: string(p.Channel), State: string(p.State), Count: p.Count, Interval: int(p.Interval.Seconds()),
		By: p.By, StartedAt: stamp(p.StartedAt), EndedAt: at(p.EndedAt), Pictures: make([]pictureView, 0, len(p.Pictures)),
	}
	for i, one := range p.Pictures {
		v.Pictures = append(v.Pictures, pictureView{one.Name, one.Bytes, stamp(one.At), "/api/v1/snapshots/" + p.ID + "/pictures/" + strconv.Itoa(i+1)})
	}
	return v
}

func (s *Server) album() (Snapshots, error) {
	if s.svc.Snapshots == nil {
		return nil, fault.New(fault.NotBuiltIn, "snapshots are off")
	}
	return s.svc.Snapshots, nil
}

func (s *Server) takeSnapshot(ctx context.Context, in *snapshotInput) (*snapshotOutput, error) {
	album, err := s.album()
	if err != nil {
		return nil, err
	}
	device, channel, err := s.target(in.Device, in.Channel)
	if err != nil {
		return nil, err
	}
	r := snapshot.Request{Device: device, Channel: channel, Count: 1, Interval: time.Second, By: callOf(ctx).who.name, Edition: in.edition()}
	if in.Body != nil {
		r.Count, r.Interval = in.Body.Count, time.Duration(in.Body.Interval)*time.Second
	}
	p, err := album.Take(ctx, r)
	if err != nil {
		return nil, err
	}
	return &snapshotOutput{"/api/v1/snapshots/" + p.ID, viewSnapshot(p)}, nil
}

func (s *Server) listSnapshots(ctx context.Context, in *snapshotList) (*listOutput[snapshotView], error) {
	album, err := s.album()
	if err != nil {
		return nil, err
	}
	var rows []snapshot.Snapshot
	see := s.sight(ctx)
	for _, p := range album.Snapshots() {
		if (in.Device == "" || in.Device == string(p.Device)) && (in.Channel == "" || in.Channel == string(p.Channel)) && see.channel(p.Device, p.Channel) {
			rows = append(rows, p)
		}
	}
	return listing[snapshot.Snapshot, snapshotView]{
		words: func(p snapshot.Snapshot) []string { return []string{p.ID, p.By} },
		first: "-started_at",
		sorts: map[string]func(snapshot.Snapshot) string{
			"started_at": func(p snapshot.Snapshot) string { return sortable(p.StartedAt) },
			"device":     func(p snapshot.Snapshot) string { return string(p.Device) },
			"state":      func(p snapshot.Snapshot) string { return string(p.State) },
		},
		id:   func(p snapshot.Snapshot) string { return p.ID },
		view: viewSnapshot,
	}.page(in.ListInput, rows)
}

// shown is a snapshot that the caller may look at.
func (s *Server) shown(ctx context.Context, id string) (Snapshots, snapshot.Snapshot, error) {
	album, err := s.album()
	if err != nil {
		return nil, snapshot.Snapshot{}, err
	}
	p, ok := album.Snapshot(id)
	if !ok || !s.sight(ctx).channel(p.Device, p.Channel) {
		return nil, p, fault.New(fault.UnknownSnapshot, "snapshot %q", id)
	}
	return album, p, nil
}

func (s *Server) getSnapshot(ctx context.Context, in *snapshotPath) (*snapshotOutput, error) {
	_, p, err := s.shown(ctx, in.Snapshot)
	if err != nil {
		return nil, err
	}
	return &snapshotOutput{Body: viewSnapshot(p)}, nil
}

func (s *Server) deleteSnapshot(ctx context.Context, in *snapshotPath) (*struct{}, error) {
	album, p, err := s.shown(ctx, in.Snapshot)
	if err != nil {
		return nil, err
	}
	if err := s.may(callOf(ctx).who, rights.PTZ, p.Device, p.Channel); err != nil {
		return nil, err
	}
	return nil, album.Delete(p.ID)
}

// picture serves a picture as a file.
func (s *Server) picture(w http.ResponseWriter, r *http.Request) {
	album, p, err := s.shown(r.Context(), r.PathValue("snapshot"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	n, err := strconv.Atoi(r.PathValue("picture"))
	if err != nil {
		n = 0 // there is none
	}
	f, one, err := album.Open(p.ID, n-1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "image/jpeg")
	w.Header().Set("Cache-Control", "private, max-age=3600")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": p.ID + "-" + strconv.Itoa(n) + ".jpg"}))
	http.ServeContent(w, r, "", one.At, f)
}

// uploading reports whether a request carries a picture.
func uploading(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, UploadPath) }

// upload takes a picture from whoever knows the token: as the body, or as the files
// of multipart/form-data, as devices do (signalling.md section 3.14).
func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	album, err := s.album()
	if err != nil {
		s.fail(w, r, err)
		return
	}
	select {
	case s.uploads <- struct{}{}:
		defer func() { <-s.uploads }()
	default:
		s.m.busy.WithLabelValues("uploads").Inc()
		s.fail(w, r, fault.New(fault.TooManyUploads, "%d pictures", cap(s.uploads)))
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(uploadTimeout)) // not every writer has one
	r.Body = http.MaxBytesReader(w, r.Body, snapshot.MaxCount*(snapshot.MaxPicture+maxBody))
	if err := takeUpload(album, r); err != nil {
		s.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func takeUpload(album Snapshots, r *http.Request) error {
	token, name := r.PathValue("token"), r.PathValue("name")
	form, err := r.MultipartReader()
	if errors.Is(err, http.ErrNotMultipart) {
		return album.Upload(token, name, r.Body)
	}
	if err != nil {
		return fault.New(fault.BadContentType, "%v", err)
	}
	for files := 0; ; {
		part, err := form.NextPart()
		switch {
		case errors.Is(err, io.EOF) && files == 0:
			return fault.New(fault.NotJPEG, "the form has no file")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fault.New(fault.BadContentType, "the form cannot be read: %v", err)
		case part.FileName() == "":
			continue // a field of the maker's
		}
		if err := album.Upload(token, part.FileName(), part); err != nil {
			return err
		}
		files++
	}
}
