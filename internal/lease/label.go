package lease

import (
	"context"
	"runtime/pprof"
	"runtime/trace"
)

// Label has profiles show the calling goroutine, and those it starts from now
// on, with the labels kind and owner.
func Label(k Kind, owner string) {
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), labels(k, owner)))
}

// Do calls f under the labels kind and owner, and ends them with it.
func Do(ctx context.Context, k Kind, owner string, f func()) {
	pprof.Do(ctx, labels(k, owner), func(context.Context) { f() })
}

func labels(k Kind, owner string) pprof.LabelSet {
	return pprof.Labels("kind", k.String(), "owner", owner)
}

// Region begins a piece of work for an owner as a region of runtime/trace, named
// "<kind> <owner>"; end it by its End in the same goroutine. While nothing is
// traced it costs some nanoseconds.
func Region(k Kind, owner string) *trace.Region {
	name := ""
	if trace.IsEnabled() {
		name = k.String() + " " + owner
	}
	return trace.StartRegion(context.Background(), name)
}

// Labels are kind and owner made ready, for work that several goroutines do in
// turn.
type Labels struct {
	ctx context.Context // with the labels
	k   Kind
}

// NewLabels makes labels.
func NewLabels(k Kind, owner string) Labels {
	return Labels{pprof.WithLabels(context.Background(), labels(k, owner)), k}
}

// Owner is the one they were made with.
func (l Labels) Owner() string {
	owner, _ := pprof.Label(l.ctx, "owner")
	return owner
}

// Set is [Label].
func (l Labels) Set() { pprof.SetGoroutineLabels(l.ctx) }

// Work calls f for the owner: under the labels, which the goroutine has no more
// after it, and as a region.
func (l Labels) Work(f func()) {
	pprof.SetGoroutineLabels(l.ctx)
	defer pprof.SetGoroutineLabels(context.Background())
	if trace.IsEnabled() {
		defer Region(l.k, l.Owner()).End()
	}
	f()
}
