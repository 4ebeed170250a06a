package bothways_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	messages = flag.Int("messages", 100_000, "how many messages TestBothWaysDoTheSame sends")
	seed     = flag.Uint64("seed", 28181, "of its chance")
)

// A tenth in short mode and with the race detector, under which a message takes
// ten times as long.
func count() int {
	if testing.Short() || raceEnabled {
		return *messages / 10
	}
	return *messages
}

func TestBothWaysDoTheSame(t *testing.T) {
	for i := range settings {
		s := &settings[i]
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { compare(t, s, *seed+uint64(i), count()/len(settings)) })
		})
	}
}

// compare sends n messages to both houses, one after the other, and looks at both
// after each.
func compare(t *testing.T, s *setting, seed uint64, n int) {
	direct, mux := open(t, s, true), open(t, s, false)
	rnd := rand.New(rand.NewPCG(seed, 0))
	all := cameras(rnd)
	statuses := map[string]int{}
	var c *camera
	var b []byte
	for i := range n {
		if i > 0 && rnd.IntN(8) == 0 { // again, byte for byte: nothing else between has taken its place among the answers
			time.Sleep(time.Duration(rnd.IntN(int(knownBySipgo / 20))))
		} else {
			wait(rnd)
			c = all[rnd.IntN(len(all))]
			if rnd.IntN(100) == 0 {
				direct.hang(c.at)
				mux.hang(c.at)
				c.move()
			}
			b = c.next()
		}
		direct.send(c.transport, c.at, b)
		mux.send(c.transport, c.at, b)
		synctest.Wait()

		answers, changes := direct.take()
		others, otherChanges := mux.take()
		if !same(answers, others) {
			t.Fatalf("message %d of %s %s is answered in different ways:\n%q\n\ndirectly %d:\n%s\n\nby the mux %d:\n%s",
				i, c.transport, c.at, b, len(answers), text(answers), len(others), text(others))
		}
		if !slices.Equal(changes, otherChanges) {
			t.Fatalf("of message %d watchers are told different things:\n%q\n\n%s\n\n%s", i, b, lines(changes), lines(otherChanges))
		}
		for _, a := range answers {
			c.hear(a.text)
			statuses[a.text[:min(len(a.text), len("SIP/2.0 200"))]]++
		}
		if len(answers) == 0 {
			statuses["silence"]++
		}
		if i%500 == 499 || i == n-1 {
			alike(t, direct, mux)
		}
	}
	t.Logf("%d messages: %v; %d asked directly, %d by the mux; without direct answers %d by the mux", n, statuses, direct.below.n.Load(), direct.above.n.Load(), mux.above.n.Load())
	if mux.below.n.Load() != 0 || direct.below.n.Load() < int64(n)/2 {
		t.Errorf("%d of %d messages took the direct way, %d of the other house", direct.below.n.Load(), n, mux.below.n.Load())
	}
	for _, status := range []string{"SIP/2.0 200", "SIP/2.0 401", "SIP/2.0 403", "silence"} {
		if statuses[status] < n/50 {
			t.Errorf("%d answers %q among %d messages: the mixture tries too little", statuses[status], status, n)
		}
	}
}

// wait lets time pass: mostly a little, at times a nonce's life or a registration.
func wait(rnd *rand.Rand) {
	d := time.Duration(rnd.IntN(200_000_000))
	switch rnd.IntN(1000) {
	case 0:
		d += time.Duration(rnd.IntN(7200)) * time.Second
	case 1, 2, 3:
		d += time.Duration(rnd.IntN(200)) * time.Second
	case 4, 5, 6, 7, 8, 9:
		d += time.Duration(rnd.IntN(40)) * time.Second
	}
	time.Sleep(d)
}

// same compares answers. What sipgo answers has a To tag by chance in both houses.
func same(a, b []heard) bool {
	return slices.EqualFunc(a, b, func(a, b heard) bool {
		return a.by == b.by && (a.text == b.text || untagged(a.text) != "" && untagged(a.text) == untagged(b.text))
	})
}

// untagged is an answer of sipgo's without its To tag; "" for those of the
// registrar and the intake, which have no User-Agent.
func untagged(text string) string {
	if !strings.Contains(text, "\r\nUser-Agent: Fengsui\r\n") {
		return ""
	}
	before, rest, _ := strings.Cut(text, "\r\nTo: ")
	to, after, _ := strings.Cut(rest, "\r\n")
	to, _, _ = strings.Cut(to, ";tag=")
	return before + to + after
}

func lines(all []told) string {
	var b strings.Builder
	for _, t := range all {
		b.WriteString(t.text + "\n")
	}
	return b.String()
}

func text(all []heard) string {
	var b strings.Builder
	for _, h := range all {
		fmt.Fprintf(&b, "to %s\n%s\n", h.by, h.text)
	}
	return b.String()
}

// alike compares all that the two houses know.
func alike(t *testing.T, a, b *house) {
	t.Helper()
	differ := func(what string, a, b []told) {
		t.Helper()
		for i := range max(len(a), len(b)) {
			if i >= len(a) || i >= len(b) || a[i] != b[i] {
				t.Fatalf("%s differ: %d and %d, of which number %d is\n%v\n%v", what, len(a), len(b), i, a[min(i, len(a)):min(i+1, len(a))], b[min(i, len(b)):min(i+1, len(b))])
			}
		}
	}
	differ("the tables", a.devices(), b.devices())
	differ("the journals", a.events(), b.events())
	differ("the attempts", a.refused(), b.refused())
}
