package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/trace"
	"time"
)

// flightBytes bounds the memory of the flight recorder, whatever its window.
const flightBytes = 16 << 20

// ErrFlightOff reports that nothing is recorded.
var ErrFlightOff = errors.New("the flight recorder is off")

// Flight keeps the last seconds of the runtime's execution trace in memory, so
// that what was slow can be looked at after it happened. A process has one that
// is on.
type Flight struct{ recorder *trace.FlightRecorder } // nil: off

// NewFlight makes a recorder of the last window; 0 is off.
func NewFlight(window time.Duration) *Flight {
	if window <= 0 {
		return &Flight{}
	}
	return &Flight{trace.NewFlightRecorder(trace.FlightRecorderConfig{MinAge: window, MaxBytes: flightBytes})}
}

// Run records until ctx ends.
func (f *Flight) Run(ctx context.Context) error {
	if f.recorder == nil {
		return nil
	}
	if err := f.recorder.Start(); err != nil {
		return fmt.Errorf("start the flight recorder (telemetry.flight_recorder: 0 leaves it off): %w", err)
	}
	defer f.recorder.Stop()
	<-ctx.Done()
	return nil
}

// Snapshot writes what is recorded now, as `go tool trace` reads it. It reports
// [ErrFlightOff], and an error when another snapshot is being taken.
func (f *Flight) Snapshot(w io.Writer) error {
	if f.recorder == nil || !f.recorder.Enabled() {
		return ErrFlightOff
	}
	var b bytes.Buffer // the recorder shall not wait for the reader
	if _, err := f.recorder.WriteTo(&b); err != nil {
		return fmt.Errorf("take a snapshot of the flight recorder: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}
