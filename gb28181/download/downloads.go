package download

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/gb28181/play"
	"fengsui/media"
	"fengsui/shadow/journal"
)

// Bounds and times of downloads.
const (
	toldMost   = 5 // jobs that an error for lack of space names
	expireEach = time.Minute
	stopWait   = 5 * time.Second
)

// Fetcher sends a recording's frames; [play.Coordinator] is one.
type Fetcher interface {
	Fetch(ctx context.Context, r play.Request) (play.Session, media.Reader, error)
	Stop(ctx context.Context, id string) error
}

// Config is what the operator chose.
type Config struct {
	Dir     string        // folder of the files, made if it is not there
	Space   int64         // bytes that all files may take
	Keep    time.Duration // how long a job is kept after its end
	Running int           // jobs that are worked at at a time
	Kept    int           // jobs with a file, whatever their size; default 10,000
	// Pauses are how long a job waits before it asks a device again that sent
	// nothing more, one for each try. Default 2 s, 10 s, 30 s. A minute of the
	// recording that came makes the tries begin anew.
	Pauses []time.Duration
}

// Downloads owns every job. mu guards all that changes.
type Downloads struct {
	cfg     Config
	shelf   shelf
	fetch   Fetcher
	journal *journal.Journal
	log     zerolog.Logger
	metrics *metrics

	mu      sync.Mutex
	jobs    map[string]*job
	used    int64 // bytes of all files
	running int   // jobs begun and not ended
	closing bool
	work    sync.WaitGroup // one for each running job
}

// job is one download. Downloads.mu guards its fields; only the goroutine that
// runs it, or begins to, saves its record.
type job struct {
	view  Job
	ctx   context.Context         // while active: ends when the job shall
	end   context.CancelCauseFunc // nil unless active
	ended chan struct{}           // closed at the end of what runs now
}

// Open makes the downloads of a folder: those of an earlier process are there
// again, and what was running then is interrupted.
func Open(cfg Config, f Fetcher, j *journal.Journal, reg prometheus.Registerer, log zerolog.Logger) (*Downloads, error) {
	if cfg.Pauses == nil {
		cfg.Pauses = []time.Duration{2 * time.Second, 10 * time.Second, 30 * time.Second}
	}
	if cfg.Kept == 0 {
		cfg.Kept = 10_000
	}
	d := &Downloads{cfg: cfg, shelf: shelf(cfg.Dir), fetch: f, journal: j, log: log, jobs: make(map[string]*job)}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder of downloads: %w", err)
	}
	ids, err := d.shelf.ids()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if err := d.restore(id); err != nil {
			log.Warn().Err(err).Msg("a download is not there any more")
		}
	}
	d.metrics = newMetrics(d, reg)
	return d, nil
}

func (d *Downloads) restore(id string) error {
	view, err := d.shelf.load(id)
	if errors.Is(err, fs.ErrNotExist) { // its file was deleted by hand
		return errors.Join(err, d.shelf.remove(id))
	}
	if err != nil {
		return err
	}
	if view.State.Active() {
		view.State, view.Reason, view.Stream, view.EndedAt = Interrupted, "the server stopped", "", time.Now()
		view.Generation++ // it did not stop by itself, which had ended the job
		if err := d.shelf.save(&view); err != nil {
			return err
		}
	}
	d.jobs[id] = &job{view: view}
	d.used += view.Mark.Bytes
	return nil
}

// Start begins a download and returns when the device sends: its first key frame
// is in. Nothing is left of one that does not come so far. Errors are those of
// [play.Coordinator.Start], [ErrBusy], [ErrFull], and a [*SpaceError].
func (d *Downloads) Start(ctx context.Context, r Request) (Job, error) {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	r.Start, r.End = r.Start.Truncate(time.Second), r.End.Truncate(time.Second)
	view := Job{ID: hex.EncodeToString(id[:]), Request: r, State: Running, CreatedAt: time.Now()}
	return d.begin(ctx, &job{view: view})
}

// Continue asks the device for what is missing of a job that ended before it was
// done. Errors are those of Start, [ErrUnknown], [ErrActive] and [ErrDone].
func (d *Downloads) Continue(ctx context.Context, id string) (Job, error) {
	d.mu.Lock()
	j := d.jobs[id]
	var err error
	switch {
	case j == nil:
		err = fmt.Errorf("%w: %q", ErrUnknown, id)
	case j.view.State.Active():
		err = fmt.Errorf("%w: %s is %s", ErrActive, id, j.view.State)
	case j.view.State == Done:
		err = fmt.Errorf("%w: %s", ErrDone, id)
	}
	d.mu.Unlock()
	if err != nil {
		return Job{}, err
	}
	return d.begin(ctx, j)
}

// begin takes a place for a job, has the device send, and lets it run.
func (d *Downloads) begin(ctx context.Context, j *job) (Job, error) {
	if err := d.admit(j); err != nil {
		return Job{}, err
	}
	t, err := d.ask(ctx, j)
	if err == nil {
		err = d.enter(j, t)
	}
	if err != nil {
		d.mu.Lock()
		d.running--
		d.mu.Unlock()
		return Job{}, err
	}
	view, _ := d.Job(j.view.ID)
	d.tell("download.started", view)
	return view, nil
}

// admit takes one of the places for running jobs.
func (d *Downloads) admit(j *job) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, kept := d.jobs[j.view.ID]
	var bound string
	var err error
	switch {
	case d.closing:
		return play.ErrClosing
	case d.running >= d.cfg.Running:
		bound, err = "running", fmt.Errorf("%w: %d", ErrBusy, d.running)
	case !kept && len(d.jobs) >= d.cfg.Kept:
		bound, err = "kept", fmt.Errorf("%w: %d", ErrFull, len(d.jobs))
	case d.used >= d.cfg.Space:
		bound, err = "space", d.spaceError(0)
	default:
		d.running++
		return nil
	}
	d.metrics.refused.WithLabelValues(bound).Inc()
	return err
}

// spaceError is that of a device which announced so many bytes. mu is held.
func (d *Downloads) spaceError(wanted int64) error {
	all := make([]Job, 0, len(d.jobs))
	for _, j := range d.jobs {
		all = append(all, j.view)
	}
	return &SpaceError{Space: d.cfg.Space, Used: d.used, Wanted: wanted, Holders: largest(all, toldMost)}
}

// enter puts a job whose device sends among the others and lets it run.
func (d *Downloads) enter(j *job, t *take) error {
	before, err := d.occupy(j, t)
	if err == nil {
		if err = d.open(j, t); err == nil {
			return nil
		}
		d.vacate(j, before)
	}
	d.work.Go(func() { d.stop(t) })
	return err
}

// occupy makes a job active and returns what it was.
func (d *Downloads) occupy(j *job, t *take) (before Job, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before = j.view
	switch missing := t.session.Size; {
	case d.closing:
		return before, play.ErrClosing
	case j.end != nil:
		return before, fmt.Errorf("%w: %s is %s", ErrActive, j.view.ID, j.view.State)
	case j.view.Asked > 0 && d.jobs[j.view.ID] != j:
		return before, fmt.Errorf("%w: %q", ErrUnknown, j.view.ID)
	case missing > d.cfg.Space-d.used:
		d.metrics.refused.WithLabelValues("space").Inc()
		return before, d.spaceError(missing)
	}
	j.ctx, j.end = context.WithCancelCause(context.Background())
	j.ended = make(chan struct{})
	j.adopt(t)
	d.jobs[j.view.ID] = j
	return before, nil
}

// open opens the file of a job that is active, and lets it run.
func (d *Downloads) open(j *job, t *take) error {
	view, _ := d.Job(j.view.ID)
	if err := d.shelf.save(&view); err != nil { // before there is a file: none without a record
		return err
	}
	if err := t.open(d.shelf.file(view.ID), view.Mark); err != nil {
		return err
	}
	d.work.Go(func() { d.run(j, t) })
	return nil
}

// vacate makes a job what it was before: one that never ran is not there.
func (d *Downloads) vacate(j *job, before Job) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j.view = before
	j.end(nil)
	j.end = nil
	close(j.ended)
	if before.Asked > 0 {
		return
	}
	delete(d.jobs, before.ID)
	if err := d.shelf.remove(before.ID); err != nil {
		d.log.Warn().Err(err).Msg("file of a download that did not begin not deleted")
	}
}

// adopt takes into the job what is known of the session that sends. mu is held.
func (j *job) adopt(t *take) {
	v, s := &j.view, &t.session
	v.State, v.Reason, v.EndedAt, v.Stream, v.Speed = Running, "", time.Time{}, s.ID, s.Speed
	v.Asked++
	v.Codecs = nil
	for _, track := range s.Tracks {
		v.Codecs = append(v.Codecs, track.Codec)
	}
	if s.Size > 0 { // of what is missing
		v.Expected = v.Mark.Bytes + s.Size
	}
}

// Jobs are all of them.
func (d *Downloads) Jobs() []Job {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]Job, 0, len(d.jobs))
	for _, j := range d.jobs {
		all = append(all, d.show(j))
	}
	return all
}

// Job is the one with this ID.
func (d *Downloads) Job(id string) (Job, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j := d.jobs[id]
	if j == nil {
		return Job{}, false
	}
	return d.show(j), true
}

func (d *Downloads) show(j *job) Job {
	v := j.view
	if !v.State.Active() {
		v.ExpiresAt = v.EndedAt.Add(d.cfg.Keep)
	}
	return v
}

// Cancel ends a job; what has come stays. It reports [ErrUnknown], or the
// context's cause where the end takes longer.
func (d *Downloads) Cancel(ctx context.Context, id string) error {
	d.mu.Lock()
	j := d.jobs[id]
	if j == nil {
		d.mu.Unlock()
		return fmt.Errorf("%w: %q", ErrUnknown, id)
	}
	ended := j.ended
	if j.end != nil {
		j.end(errCanceled)
	}
	d.mu.Unlock()
	if ended == nil {
		return nil
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Delete ends a job and deletes its file.
func (d *Downloads) Delete(ctx context.Context, id string) error {
	if err := d.Cancel(ctx, id); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	j := d.jobs[id]
	switch {
	case j == nil:
		return fmt.Errorf("%w: %q", ErrUnknown, id)
	case j.end != nil: // it was continued meanwhile
		return fmt.Errorf("%w: %s is %s", ErrActive, id, j.view.State)
	}
	return d.drop(j)
}

// drop deletes a job that has ended. mu is held.
func (d *Downloads) drop(j *job) error {
	if err := d.shelf.remove(j.view.ID); err != nil {
		return err
	}
	delete(d.jobs, j.view.ID)
	d.used -= j.view.Mark.Bytes
	return nil
}

// File opens what a job has of its file now.
func (d *Downloads) File(id string) (Job, *io.SectionReader, io.Closer, error) {
	j, ok := d.Job(id)
	if !ok {
		return Job{}, nil, nil, fmt.Errorf("%w: %q", ErrUnknown, id)
	}
	f, err := os.Open(d.shelf.file(id))
	if errors.Is(err, fs.ErrNotExist) {
		return Job{}, nil, nil, fmt.Errorf("%w: %q", ErrUnknown, id)
	}
	if err != nil {
		return Job{}, nil, nil, fmt.Errorf("open download: %w", err)
	}
	return j, io.NewSectionReader(f, 0, j.Mark.Bytes), f, nil
}

// Run deletes the jobs that are too old, until ctx ends.
func (d *Downloads) Run(ctx context.Context) error {
	tick := time.NewTicker(expireEach)
	defer tick.Stop()
	for {
		d.expire(time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (d *Downloads) expire(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, j := range d.jobs {
		if j.end != nil || now.Sub(j.view.EndedAt) < d.cfg.Keep {
			continue
		}
		if err := d.drop(j); err != nil {
			d.log.Warn().Err(err).Msg("old download not deleted, tried again in a minute")
			continue
		}
		d.metrics.expired.Inc()
	}
}

// Close interrupts every job and waits until their files are on the disk, or for
// ctx.
func (d *Downloads) Close(ctx context.Context) error {
	d.mu.Lock()
	d.closing = true
	for _, j := range d.jobs {
		if j.end != nil {
			j.end(errClosing)
		}
	}
	d.mu.Unlock()
	done := make(chan struct{})
	go func() {
		d.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("end downloads: %w", context.Cause(ctx))
	}
}

func (d *Downloads) tell(kind string, v Job) {
	data := map[string]any{"download": v.ID, "state": string(v.State), "bytes": v.Mark.Bytes, "covered": v.Covered.Seconds()}
	if v.Reason != "" {
		data["reason"] = v.Reason
	}
	d.journal.Append(journal.Event{At: time.Now(), Type: kind, Device: string(v.Request.Device), Channel: string(v.Request.Channel), Data: data})
}
