package whep

import (
	"github.com/pion/logging"
	"github.com/rs/zerolog"
)

// pionLog gives pion's words to our log. A viewer's troubles are no news to the
// operator, so all but errors is at debug level.
type pionLog struct{ log zerolog.Logger }

// NewLogger makes the logger of one part of pion.
func (l pionLog) NewLogger(scope string) logging.LeveledLogger {
	return leveled{l.log.With().Str("pion", scope).Logger()}
}

type leveled struct{ log zerolog.Logger }

func (l leveled) Trace(msg string)                  { l.log.Trace().Msg(msg) }
func (l leveled) Tracef(format string, args ...any) { l.log.Trace().Msgf(format, args...) }
func (l leveled) Debug(msg string)                  { l.log.Trace().Msg(msg) }
func (l leveled) Debugf(format string, args ...any) { l.log.Trace().Msgf(format, args...) }
func (l leveled) Info(msg string)                   { l.log.Debug().Msg(msg) }
func (l leveled) Infof(format string, args ...any)  { l.log.Debug().Msgf(format, args...) }
func (l leveled) Warn(msg string)                   { l.log.Debug().Msg(msg) }
func (l leveled) Warnf(format string, args ...any)  { l.log.Debug().Msgf(format, args...) }
func (l leveled) Error(msg string)                  { l.log.Warn().Msg(msg) }
func (l leveled) Errorf(format string, args ...any) { l.log.Warn().Msgf(format, args...) }
