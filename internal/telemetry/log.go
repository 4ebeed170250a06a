package telemetry

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
)

// ErrBadLog wraps every fault of a [LogConfig].
var ErrBadLog = errors.New("bad log configuration")

// TimeFormat is RFC 3339 with milliseconds and zone, as log lines carry it.
const TimeFormat = "2006-01-02T15:04:05.000Z07:00"

// LogConfig says how to log.
type LogConfig struct {
	Level  string // trace, debug, info, warn, error; "" = info
	Format string // console or json; "" = console on a terminal, else json
}

// Validate reports every fault at once, each wrapping [ErrBadLog].
func (c LogConfig) Validate() error {
	var errs []error
	if _, err := c.level(); err != nil {
		errs = append(errs, err)
	}
	switch c.Format {
	case "", "console", "json":
	default:
		errs = append(errs, fmt.Errorf("%w: log.format %q: want console or json", ErrBadLog, c.Format))
	}
	return errors.Join(errs...)
}

func (c LogConfig) level() (zerolog.Level, error) {
	switch c.Level {
	case "":
		return zerolog.InfoLevel, nil
	case "trace", "debug", "info", "warn", "error":
		return zerolog.ParseLevel(c.Level)
	}
	return zerolog.NoLevel, fmt.Errorf("%w: log.level %q: want trace, debug, info, warn or error", ErrBadLog, c.Level)
}

// NewLogger returns a logger that writes to w. Every line carries its time, and
// the trace of its context where it was given one (Ctx on the event or logger).
func NewLogger(w io.Writer, c LogConfig) (zerolog.Logger, error) {
	if err := c.Validate(); err != nil {
		return zerolog.Nop(), err
	}
	level, _ := c.level()
	if c.Format == "console" || c.Format == "" && terminal(w) {
		w = zerolog.ConsoleWriter{Out: w, NoColor: !terminal(w), TimeFormat: "15:04:05.000"}
	}
	return zerolog.New(w).Level(level).Hook(stamp{}), nil
}

// stamp adds time and trace. The time is formatted here because zerolog's own
// format is a setting of the whole process.
type stamp struct{}

func (stamp) Run(e *zerolog.Event, level zerolog.Level, _ string) {
	if !e.Enabled() {
		return
	}
	e.Str(zerolog.TimestampFieldName, time.Now().Format(TimeFormat))
	if t, ok := FromContext(e.GetCtx()); ok {
		e.Str("trace", t.ID())
	}
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
