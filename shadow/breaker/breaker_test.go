package breaker_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"fengsui/shadow/breaker"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

const ms = time.Millisecond

// step is what happens at a time after noon, and what must come of it.
type step struct {
	at   time.Duration
	do   string // "ok", "fail": an allowed call with its end; "refused"; "probe": allowed, with no end yet; "open", "closed": forced for 10 s; "release"
	want breaker.State
}

func times(n int, s step) []step {
	var all []step
	for i := range n {
		all = append(all, step{s.at + time.Duration(i)*ms, s.do, s.want})
	}
	return all
}

func after(all ...any) (steps []step) {
	for _, one := range all {
		switch one := one.(type) {
		case step:
			steps = append(steps, one)
		case []step:
			steps = append(steps, one...)
		}
	}
	return steps
}

func TestBreaker(t *testing.T) {
	opened := after(times(9, step{0, "fail", breaker.Closed}), step{9 * ms, "fail", breaker.Open})
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"nine failures are too few to judge by", times(9, step{0, "fail", breaker.Closed})},
		{"ten failures open it", opened},
		{"two of ten is not under a fifth", after(times(2, step{0, "ok", breaker.Closed}), times(8, step{10 * ms, "fail", breaker.Closed}))},
		{"two of eleven is", after(times(2, step{0, "ok", breaker.Closed}), times(8, step{10 * ms, "fail", breaker.Closed}), step{30 * ms, "fail", breaker.Open})},
		{"failures more than a minute apart do not add up", after(times(9, step{0, "fail", breaker.Closed}), step{61 * time.Second, "fail", breaker.Closed})},
		{"only the last hundred calls count", after(times(900, step{0, "ok", breaker.Closed}), times(80, step{time.Second, "fail", breaker.Closed}), step{2 * time.Second, "fail", breaker.Open})},
		{"it refuses for 100 ms", after(opened, step{10 * ms, "refused", breaker.Open}, step{108 * ms, "refused", breaker.Open}, step{109 * ms, "ok", breaker.Closed})},
		{"a failed probe doubles the pause", after(opened, step{109 * ms, "fail", breaker.Open}, step{308 * ms, "refused", breaker.Open}, step{309 * ms, "refused", breaker.HalfOpen})},
		{"probes begin a second apart", after(opened, step{109 * ms, "fail", breaker.Open}, step{1108 * ms, "refused", breaker.HalfOpen}, step{1109 * ms, "ok", breaker.Closed})},
		{"one probe at a time", after(opened, step{2 * time.Second, "probe", breaker.HalfOpen}, step{5 * time.Second, "refused", breaker.HalfOpen})},
		{"a probe of which nothing is heard has failed", after(opened, step{2 * time.Second, "probe", breaker.HalfOpen},
			step{12 * time.Second, "refused", breaker.Open}, step{13 * time.Second, "ok", breaker.Closed})},
		{"success begins anew with an empty window", after(opened, step{time.Second, "ok", breaker.Closed}, times(9, step{2 * time.Second, "fail", breaker.Closed}))},
		{"success makes the next pause short", after(opened, step{time.Second, "fail", breaker.Open}, step{3 * time.Second, "ok", breaker.Closed},
			times(9, step{4 * time.Second, "fail", breaker.Closed}), step{5 * time.Second, "fail", breaker.Open}, step{5100 * ms, "ok", breaker.Closed})},
		{"forced open, it refuses until the end", after(step{0, "open", breaker.Open}, step{9999 * ms, "refused", breaker.Open}, step{10 * time.Second, "ok", breaker.Closed})},
		{"forced closed, it lets all through until the end", after(step{0, "closed", breaker.Closed}, times(50, step{1, "fail", breaker.Closed}),
			times(9, step{10 * time.Second, "fail", breaker.Closed}), step{11 * time.Second, "fail", breaker.Open})},
		{"released, it has seen nothing", after(opened, step{20 * ms, "open", breaker.Open}, step{30 * ms, "release", breaker.Closed}, times(9, step{40 * ms, "fail", breaker.Closed}))},
		{"a clock set back does not lengthen a pause", after(opened, step{-time.Hour, "refused", breaker.Open}, step{-time.Hour + 100*ms, "ok", breaker.Closed})},
	} {
		t.Run(c.name, func(t *testing.T) { play(t, c.steps) })
	}
}

func play(t *testing.T, steps []step) {
	t.Helper()
	b := breaker.New(breaker.Policy{}.New(), noon)
	for i, s := range steps {
		now := noon.Add(s.at)
		switch s.do {
		case "open":
			b.Force(breaker.Open, now.Add(10*time.Second), now)
		case "closed":
			b.Force(breaker.Closed, now.Add(10*time.Second), now)
		case "release":
			b.Release(now)
		default:
			ticket, _ := b.Allow(now)
			if ticket.OK() != (s.do != "refused") {
				t.Fatalf("step %d, %+v: allowed %v, %+v", i, s, ticket.OK(), b.View(now))
			}
			if s.do == "ok" || s.do == "fail" {
				b.Done(ticket, s.do == "ok", now)
			}
		}
		if got := b.View(now).State; got != s.want {
			t.Fatalf("step %d, %+v: %s, want %s", i, s, got, s.want)
		}
	}
}

func TestAnEndFromBeforeDoesNotCount(t *testing.T) {
	b := breaker.New(breaker.Policy{}.New(), noon)
	old, _ := b.Allow(noon)
	for range 10 {
		ticket, _ := b.Allow(noon)
		b.Done(ticket, false, noon)
	}
	probe, m := b.Allow(noon.Add(time.Second))
	if m != (breaker.Move{From: breaker.Open, To: breaker.HalfOpen}) || !probe.OK() {
		t.Fatalf("%v, %v", probe, m)
	}
	for _, ok := range []bool{true, false} {
		if m := b.Done(old, ok, noon.Add(time.Second)); m != (breaker.Move{}) {
			t.Errorf("a call from before the opening moves it %s to %s", m.From, m.To)
		}
	}
	if m := b.Done(probe, true, noon.Add(time.Second)); m != (breaker.Move{From: breaker.HalfOpen, To: breaker.Closed}) {
		t.Errorf("the probe's success moves it %s to %s", m.From, m.To)
	}
	if m := b.Done(probe, false, noon.Add(time.Second)); m != (breaker.Move{}) {
		t.Errorf("told twice, it moves %s to %s", m.From, m.To)
	}
}

func TestViewCountsWhatIsRefused(t *testing.T) {
	b := breaker.New(breaker.Policy{Least: 2, Success: 0.5}.New(), noon)
	first, _ := b.Allow(noon)
	b.Done(first, true, noon)
	if v := b.View(noon.Add(time.Second)); v.Calls != 1 || v.Failures != 0 || !v.Until.IsZero() {
		t.Errorf("%+v", v)
	}
	if v := b.View(noon.Add(2 * time.Minute)); v.Calls != 0 {
		t.Errorf("after two minutes %+v", v)
	}
	b.Force(breaker.Open, noon.Add(time.Hour), noon)
	for range 3 {
		b.Allow(noon)
	}
	if v := b.View(noon); v.Refused != 3 || !v.Forced || v.State != breaker.Open || !v.Until.Equal(noon.Add(time.Hour)) {
		t.Errorf("%+v", v)
	}
}

func TestPauseDoublesToItsLongest(t *testing.T) {
	pause := breaker.Doubling(100*ms, 5*time.Second)
	for n, want := range map[int]time.Duration{1: 100 * ms, 2: 200 * ms, 3: 400 * ms, 6: 3200 * ms, 7: 5 * time.Second, 1 << 30: 5 * time.Second} {
		if got := pause(n); got != want {
			t.Errorf("pause %d is %v, want %v", n, got, want)
		}
	}
}

// moves are those of the package's comment.
var moves = map[breaker.Move]bool{
	{From: breaker.Closed, To: breaker.Open}:     true,
	{From: breaker.Open, To: breaker.HalfOpen}:   true,
	{From: breaker.HalfOpen, To: breaker.Closed}: true,
	{From: breaker.HalfOpen, To: breaker.Open}:   true,
}

// TestWhateverHappens plays calls, ends and waits by chance and checks what must
// hold always: only the moves of the table, probes one at a time and a second apart, no
// refusal while closed, and a probe as soon as somebody asks after the pause.
func TestWhateverHappens(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		policy := breaker.Policy{}.New()
		b, now := breaker.New(policy, noon), noon
		var out []breaker.Ticket // calls under way
		var lastProbe time.Time
		good := rnd.Float64() // share of calls that succeed, which changes
		for i := range 2000 {
			if now = now.Add(time.Duration(rnd.ExpFloat64() * float64(100*ms))); rnd.IntN(200) == 0 {
				good = rnd.Float64() * rnd.Float64()
				now = now.Add(time.Duration(rnd.IntN(90)) * time.Second)
			}
			before := b.View(now)
			var m breaker.Move
			if len(out) > 0 && rnd.IntN(2) == 0 {
				at := rnd.IntN(len(out))
				m = b.Done(out[at], rnd.Float64() < good, now)
				out = append(out[:at], out[at+1:]...)
				if m.To == breaker.Open && m.From == breaker.Closed && before.Calls+1 < policy.Least {
					t.Fatalf("seed %d, step %d: opened by %d calls", seed, i, before.Calls+1)
				}
			} else {
				var ticket breaker.Ticket
				ticket, m = b.Allow(now)
				v := b.View(now)
				switch {
				case before.State == breaker.Closed && !ticket.OK():
					t.Fatalf("seed %d, step %d: refused while closed", seed, i)
				case ticket.OK() && before.State != breaker.Closed:
					if v.State != breaker.HalfOpen || now.Sub(lastProbe) < policy.Apart {
						t.Fatalf("seed %d, step %d: a probe %v after the last, %+v", seed, i, now.Sub(lastProbe), v)
					}
					lastProbe = now
				case !ticket.OK() && before.State == breaker.Open && !now.Before(before.Until) && now.Sub(lastProbe) >= policy.Apart:
					t.Fatalf("seed %d, step %d: no probe after the pause, %+v", seed, i, before)
				case !ticket.OK() && v.State == breaker.HalfOpen && now.Sub(lastProbe) >= policy.Lost:
					t.Fatalf("seed %d, step %d: stuck half open, %+v", seed, i, before)
				}
				if ticket.OK() && rnd.IntN(20) > 0 { // some are never heard of again
					out = append(out, ticket)
				}
			}
			if m != (breaker.Move{}) && !moves[m] {
				t.Fatalf("seed %d, step %d: moved %s to %s", seed, i, m.From, m.To)
			}
			if after := b.View(now); (m != breaker.Move{}) != (after.State != before.State) || m != (breaker.Move{}) && (m.From != before.State || m.To != after.State) {
				t.Fatalf("seed %d, step %d: told %s to %s, was %s, is %s", seed, i, m.From, m.To, before.State, after.State)
			}
		}
	}
}

func BenchmarkAllow(b *testing.B) {
	for name, force := range map[string]bool{"closed": false, "open": true} {
		b.Run(name, func(b *testing.B) {
			br := breaker.New(breaker.Policy{}.New(), noon)
			if force {
				br.Force(breaker.Open, noon.Add(time.Hour), noon)
			}
			for b.Loop() {
				br.Allow(noon)
			}
		})
	}
}
