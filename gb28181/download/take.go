package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"fengsui/gb28181/play"
	"fengsui/media"
	"fengsui/media/record"
)

const (
	flushEvery = time.Second      // how old what a reader of the file sees may be
	anew       = time.Minute      // of the recording: after so much the tries begin anew
	askTimeout = 90 * time.Second // longer than any start takes
)

// Why a job's context ends.
var (
	errCanceled = errors.New("a caller ended it")
	errClosing  = errors.New("the server stopped")
)

// take is one session of a device for a job, from its first key frame.
type take struct {
	session play.Session
	frames  media.Reader
	over    chan play.Session // holds one: how the session ended
	from    time.Duration     // in the recording
	file    *record.File
}

// ask has the device send what a job has not.
func (d *Downloads) ask(ctx context.Context, j *job) (*take, error) {
	d.mu.Lock()
	t := &take{over: make(chan play.Session, 1), from: j.view.next()}
	r := j.view.ask()
	d.mu.Unlock()
	r.OnEnd = func(s play.Session) { t.over <- s }
	var err error
	t.session, t.frames, err = d.fetch.Fetch(ctx, r)
	return t, err
}

func (t *take) open(path string, at record.Mark) (err error) {
	t.file, err = record.Open(path, at)
	return err
}

// stop ends the session of a take, if it has not ended, and says how it did.
func (d *Downloads) stop(t *take) play.Session {
	t.frames.Close()
	ctx, cancel := context.WithTimeout(context.Background(), stopWait)
	defer cancel()
	_ = d.fetch.Stop(ctx, t.session.ID) // it may have ended by itself
	select {
	case s := <-t.over:
		return s
	case <-ctx.Done():
		return play.Session{Reason: "the device did not confirm the end"}
	}
}

// run keeps what comes and asks again after each cut, until the job ends.
func (d *Downloads) run(j *job, t *take) {
	tries, tried := 0, d.covered(j)
	for {
		end, err := d.keep(j, t)
		state, reason := judge(j.ctx, end, err)
		if state != Waiting {
			d.finish(j, state, reason)
			return
		}
		now := d.covered(j)
		if now-tried >= anew {
			tries = 0
		}
		tried = now
		if t, tries, err = d.again(j, tries, reason); err != nil {
			state, reason = judge(j.ctx, play.Session{}, err)
			d.finish(j, state, reason)
			return
		}
	}
}

func (d *Downloads) covered(j *job) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return j.view.Covered
}

// judge says what becomes of a job when its device sends no more, or could not
// be asked.
func judge(ctx context.Context, end play.Session, err error) (State, string) {
	switch cause := context.Cause(ctx); {
	case end.Whole && err == nil:
		return Done, end.Reason
	case errors.Is(cause, errClosing), errors.Is(err, play.ErrClosing):
		return Interrupted, errClosing.Error()
	case cause != nil:
		return Canceled, cause.Error()
	case err != nil:
		return Partial, err.Error()
	case end.Stopped: // as a stream, not as a download
		return Canceled, errCanceled.Error()
	}
	return Waiting, end.Reason
}

// again asks the device for the rest after a cut, with its pauses. The error is
// that of the last try, or reason where none is left.
func (d *Downloads) again(j *job, tries int, reason string) (*take, int, error) {
	for ; tries < len(d.cfg.Pauses); tries++ {
		d.change(j, func(v *Job) { v.State, v.Reason, v.Stream = Waiting, reason, "" })
		select {
		case <-time.After(d.cfg.Pauses[tries]):
		case <-j.ctx.Done():
			return nil, tries, context.Cause(j.ctx)
		}
		d.metrics.continued.Inc()
		ctx, cancel := context.WithTimeout(j.ctx, askTimeout)
		t, err := d.ask(ctx, j)
		cancel()
		if err == nil {
			return t, tries + 1, d.resume(j, t)
		}
		if j.ctx.Err() != nil {
			return nil, tries, context.Cause(j.ctx)
		}
		reason = err.Error()
	}
	return nil, tries, errors.New(reason)
}

// resume opens the file again for what the device sends now.
func (d *Downloads) resume(j *job, t *take) error {
	if err := t.open(d.shelf.file(j.view.ID), j.view.Mark); err != nil { // only this goroutine changes the mark
		d.stop(t)
		return err
	}
	d.mu.Lock()
	j.adopt(t)
	d.mu.Unlock()
	return nil
}

// keep writes a take into the file until it ends or cannot be kept, and says how
// it ended.
func (d *Downloads) keep(j *job, t *take) (play.Session, error) {
	err := d.copy(j, t)
	mark, closing := t.file.Close()
	full := d.progress(j, t, mark)
	end := d.stop(t)
	lost := t.frames.Dropped()
	d.metrics.dropped.Add(float64(lost))
	d.change(j, func(v *Job) { v.Dropped, v.Stream = v.Dropped+lost, "" })
	if err == nil && !end.Whole {
		err = full
	}
	return end, errors.Join(err, closing)
}

func (d *Downloads) copy(j *job, t *take) error {
	flushed := time.Now()
	for {
		fr, err := t.frames.Next(j.ctx)
		if errors.Is(err, io.EOF) || j.ctx.Err() != nil {
			return nil //nolint:nilerr // a caller's will is no error; judge knows it
		}
		if err != nil {
			return fmt.Errorf("the disk is too slow: %w", err)
		}
		if err := t.file.Write(fr); err != nil {
			return err
		}
		if now := time.Now(); now.Sub(flushed) >= flushEvery {
			flushed = now
			mark, err := t.file.Flush()
			if err == nil {
				err = d.progress(j, t, mark)
			}
			if err != nil {
				return err
			}
		}
	}
}

// progress tells how far the file has come. It reports a [*SpaceError] when all
// files together have become too large.
func (d *Downloads) progress(j *job, t *take, mark record.Mark) error {
	d.metrics.written.Add(float64(max(mark.Bytes-j.view.Mark.Bytes, 0)))
	var full error
	d.change(j, func(v *Job) {
		d.used += mark.Bytes - v.Mark.Bytes
		v.Mark = mark
		v.Covered = min(max(v.Covered, t.from+t.file.Covered()), v.Length())
		if d.used >= d.cfg.Space {
			full = d.spaceError(0)
		}
	})
	if full != nil {
		d.metrics.refused.WithLabelValues("space").Inc()
	}
	return full
}

// finish ends a job. Its file is on the disk, and its record before anybody can
// continue it.
func (d *Downloads) finish(j *job, state State, reason string) {
	d.mu.Lock()
	view := j.view
	d.mu.Unlock()
	view.State, view.Reason, view.Stream, view.EndedAt = state, reason, "", time.Now()
	d.save(&view)
	d.mu.Lock()
	j.view = view
	j.end(nil)
	j.end = nil
	close(j.ended)
	d.running--
	d.mu.Unlock()
	d.metrics.ended.WithLabelValues(string(state)).Inc()
	d.tell("download.ended", view)
}

// change changes a job and saves its record, which nobody waits for. What cannot
// be saved costs the progress since the last record after a restart.
func (d *Downloads) change(j *job, how func(*Job)) {
	d.mu.Lock()
	how(&j.view)
	view := j.view
	d.mu.Unlock()
	d.save(&view)
}

func (d *Downloads) save(view *Job) {
	if err := d.shelf.save(view); err != nil {
		d.log.Warn().Str("download", view.ID).Err(err).Msg("record of a download not saved")
	}
}
