package sip

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"fengsui/sip/trace"
)

// sipgo's records that pass, a second and at once. It logs a line, with the
// whole packet, for each message it cannot parse: garbage must not write the
// log at line rate, and secrets not at all.
const (
	logRate  = 1
	logBurst = 10
	logField = 300 // bytes of one attribute
)

// bridge gives sipgo's log to zerolog: warnings and errors only, at a bounded
// rate, with the number left out in between.
type bridge struct {
	slog.Handler
	limit *limiter
}

type limiter struct {
	rate    *rate.Limiter
	skipped atomic.Int64
}

func newBridge(log zerolog.Logger) *bridge {
	return &bridge{
		Handler: zerolog.NewSlogHandler(log.With().Str("library", "sipgo").Logger()),
		limit:   &limiter{rate: rate.NewLimiter(logRate, logBurst)},
	}
}

func (b *bridge) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && b.Handler.Enabled(ctx, level)
}

func (b *bridge) Handle(ctx context.Context, r slog.Record) error {
	if !b.limit.rate.Allow() {
		b.limit.skipped.Add(1)
		return nil
	}
	short := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		short.AddAttrs(presentable(a))
		return true
	})
	if n := b.limit.skipped.Swap(0); n > 0 {
		short.AddAttrs(slog.Int64("skipped", n))
	}
	return b.Handler.Handle(ctx, short)
}

// presentable is an attribute without secrets and not too long: sipgo quotes
// whole messages, and errors quote headers.
func presentable(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	if k := v.Kind(); k != slog.KindString && k != slog.KindAny {
		return a
	}
	text := []byte(v.String())
	trace.Redact(text)
	if len(text) > logField {
		text = append(text[:logField], "…"...)
	}
	return slog.String(a.Key, string(text))
}

func (b *bridge) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &bridge{Handler: b.Handler.WithAttrs(attrs), limit: b.limit}
}

func (b *bridge) WithGroup(name string) slog.Handler {
	return &bridge{Handler: b.Handler.WithGroup(name), limit: b.limit}
}
