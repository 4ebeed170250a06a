package telemetry

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// ErrBadTraceparent is reported for a traceparent that cannot be read.
var ErrBadTraceparent = errors.New("bad traceparent")

// Trace names one call across processes (W3C Trace Context, level 1). The zero
// Trace names none.
type Trace struct {
	trace [16]byte
	span  [8]byte
	flags byte
}

// NewTrace makes a trace of its own, sampled.
func NewTrace() Trace {
	t := Trace{flags: 1}
	_, _ = rand.Read(t.trace[:]) // never fails: crypto/rand
	_, _ = rand.Read(t.span[:])
	return t
}

// TraceOf is the trace of something that has a name of its own, such as a SIP
// dialog its Call-ID: the same name gives the same trace ID.
func TraceOf(name string) Trace {
	sum := sha256.Sum256([]byte(name))
	t := Trace{flags: 1}
	copy(t.trace[:], sum[:16])
	copy(t.span[:], sum[16:])
	return t
}

// ParseTraceparent reads "00-<32 hex>-<16 hex>-<2 hex>". Of a version newer
// than 00 the first four fields are read and what follows is ignored, as the
// recommendation asks (section 3.2.2).
func ParseTraceparent(s string) (Trace, error) {
	var t Trace
	var version, flags [1]byte
	bad := func(what string) (Trace, error) {
		if len(s) > 80 {
			s = s[:80] + "..."
		}
		return Trace{}, fmt.Errorf("%w: %s in %q", ErrBadTraceparent, what, s)
	}
	if len(s) < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return bad("fields")
	}
	for _, f := range []struct {
		dst  []byte
		text string
		what string
	}{
		{version[:], s[:2], "version"}, {t.trace[:], s[3:35], "trace ID"},
		{t.span[:], s[36:52], "parent ID"}, {flags[:], s[53:55], "flags"},
	} {
		for i := range len(f.text) {
			if c := f.text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return bad(f.what)
			}
		}
		if _, err := hex.Decode(f.dst, []byte(f.text)); err != nil {
			return bad(f.what)
		}
	}
	switch {
	case version[0] == 0xff:
		return bad("version")
	case version[0] == 0 && len(s) != 55, len(s) > 55 && s[55] != '-':
		return bad("length")
	case t.trace == [16]byte{}:
		return bad("trace ID")
	case t.span == [8]byte{}:
		return bad("parent ID")
	}
	t.flags = flags[0] & 1 // the only bit that is defined
	return t, nil
}

// Child is the same trace with a span of its own: what is handed on.
func (t Trace) Child() Trace {
	_, _ = rand.Read(t.span[:])
	return t
}

// IsZero reports whether the trace names nothing.
func (t Trace) IsZero() bool { return t.trace == [16]byte{} }

// ID is the trace ID, 32 hexadecimal digits; "" for the zero Trace.
func (t Trace) ID() string {
	if t.IsZero() {
		return ""
	}
	return hex.EncodeToString(t.trace[:])
}

// Traceparent is the header value, version 00.
func (t Trace) Traceparent() string {
	return fmt.Sprintf("00-%x-%x-%02x", t.trace, t.span, t.flags)
}

type traceKey struct{}

// NewContext puts a trace into a context.
func NewContext(ctx context.Context, t Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

// FromContext takes the trace out of a context; false where there is none.
func FromContext(ctx context.Context) (Trace, bool) {
	if ctx == nil {
		return Trace{}, false
	}
	t, ok := ctx.Value(traceKey{}).(Trace)
	return t, ok && !t.IsZero()
}

// TraceID is the ID of the context's trace, "" where there is none.
func TraceID(ctx context.Context) string {
	t, _ := FromContext(ctx)
	return t.ID()
}
