package download

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/play"
	"fengsui/media"
	"fengsui/media/record"
)

// State is where a job is in its life.
type State string

// The states of a job. One that has ended without being done can be continued.
const (
	Running     State = "running"     // the device sends
	Waiting     State = "waiting"     // the device's sending was cut; it is asked again
	Done        State = "done"        // all has come
	Partial     State = "partial"     // it was cut, and asking again did not help
	Interrupted State = "interrupted" // the server stopped
	Canceled    State = "canceled"    // a caller ended it
)

// Active reports whether somebody works at the job.
func (s State) Active() bool { return s == Running || s == Waiting }

// Request asks for a recording.
type Request struct {
	Device    gb28181.ID    `json:"device"`
	Channel   gb28181.ID    `json:"channel"`
	Profile   media.Profile `json:"profile"`
	Transport string        `json:"transport"` // as of [play.Request]
	Start     time.Time     `json:"start"`     // whole seconds
	End       time.Time     `json:"end"`
	Records   int           `json:"records"` // 0 all, 1 manual, 2 alarm, 3 time
	Speed     int           `json:"speed"`   // 1 to 8
	By        string        `json:"by"`      // who asks
}

// Job is a download as it stands at one moment: a value, safe to keep.
type Job struct {
	ID       string        `json:"id"` // 16 hexadecimal digits
	Request  Request       `json:"request"`
	State    State         `json:"state"`
	Reason   string        `json:"reason"`   // why it ended, or waits
	Mark     record.Mark   `json:"mark"`     // what of the file can be read
	Covered  time.Duration `json:"covered"`  // of the recording, from its start, by its own clock
	Expected int64         `json:"expected"` // bytes by the device's word; 0 unknown
	Speed    int           `json:"speed"`    // that the device agreed to
	Asked    int           `json:"asked"`    // times that the device was asked for some of it and sent
	Dropped  uint64        `json:"dropped"`  // frames that came faster than the disk took them
	Codecs   []media.Codec `json:"codecs"`
	// Generation is raised when the end of the file was lost, which somebody may
	// have read: what is written there from then on is not the same.
	Generation int       `json:"generation"`
	Stream     string    `json:"stream"` // ID of the session that sends now; "" none
	CreatedAt  time.Time `json:"created_at"`
	EndedAt    time.Time `json:"ended_at"` // zero while active
	ExpiresAt  time.Time `json:"-"`        // when it will be deleted; zero while active
}

// Length is that of the recording that was asked for.
func (j *Job) Length() time.Duration { return j.Request.End.Sub(j.Request.Start) }

// Name is what the file is called when somebody takes it away.
func (j *Job) Name() string {
	const form = "20060102T150405"
	return fmt.Sprintf("%s_%s_%s.ps", j.Request.Channel, j.Request.Start.UTC().Format(form), j.Request.End.UTC().Format(form))
}

// next is where in the recording the device is asked to go on: at a whole
// second, so that a little comes twice rather than never.
func (j *Job) next() time.Duration { return j.Covered.Truncate(time.Second) }

// ask is the request to the device for what is not there yet.
func (j *Job) ask() play.Request {
	r := &j.Request
	return play.Request{
		Device: r.Device, Channel: r.Channel, Profile: r.Profile, Transport: r.Transport,
		Start: r.Start.Add(j.next()), End: r.End, Records: r.Records, Speed: r.Speed, By: r.By,
	}
}

const (
	fileEnd   = ".ps"
	recordEnd = ".json"
)

// shelf is the folder of the files, with a record of each job beside its file.
type shelf string

func (s shelf) file(id string) string { return filepath.Join(string(s), id+fileEnd) }

func (s shelf) record(id string) string { return filepath.Join(string(s), id+recordEnd) }

// save writes a job's record, the old one or the new one whole whenever the
// power fails.
func (s shelf) save(j *Job) error {
	text, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("encode download %s: %w", j.ID, err)
	}
	path := s.record(j.ID)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return fmt.Errorf("save download: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("save download: %w", err)
	}
	return nil
}

// load reads a job's record. Of its file no more counts than is there.
func (s shelf) load(id string) (j Job, err error) {
	text, err := os.ReadFile(s.record(id))
	if err != nil {
		return j, fmt.Errorf("read download: %w", err)
	}
	if err := json.Unmarshal(text, &j); err != nil {
		return j, fmt.Errorf("read download %s: %w", s.record(id), err)
	}
	if j.ID != id || j.Length() <= 0 || j.Covered < 0 || j.Mark.Bytes < 0 {
		return j, fmt.Errorf("read download %s: it is not the record of one", s.record(id))
	}
	info, err := os.Stat(s.file(id))
	if err != nil {
		return j, fmt.Errorf("read download: %w", err)
	}
	if info.Size() < j.Mark.Bytes {
		j.Mark.Bytes, j.Reason = info.Size(), "the end of its file is lost"
	}
	return j, nil
}

// ids are the jobs that have a record.
func (s shelf) ids() ([]string, error) {
	entries, err := os.ReadDir(string(s))
	if err != nil {
		return nil, fmt.Errorf("read downloads: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), recordEnd); ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// remove deletes file and record. What is not there is no fault.
func (s shelf) remove(id string) error {
	for _, path := range []string{s.file(id), s.record(id)} {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("delete download: %w", err)
		}
	}
	return nil
}

// largest are the jobs that hold the most space, by size.
func largest(jobs []Job, n int) []Job {
	slices.SortFunc(jobs, func(a, b Job) int { return int(min(max(b.Mark.Bytes-a.Mark.Bytes, -1), 1)) })
	return jobs[:min(n, len(jobs))]
}
