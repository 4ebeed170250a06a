package intake

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"fengsui/internal/reuse"
	"fengsui/sip/flow"
)

func TestAnswersThatAreWantedSurviveAChangeOfSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAnswers(4096)
		keys := make([]answerKey, 600)
		for i := range keys {
			if i == 300 {
				time.Sleep(20 * time.Second)
			}
			keys[i] = a.key(fmt.Appendf(nil, "request %d", i), &flow.Flow{})
			a.put(keys[i], fmt.Appendf(nil, "answer %d", i), 0, time.Now())
		}
		found := func(from, to int) (n int) {
			for i := from; i < to; i++ {
				if got, _ := a.append(nil, keys[i], time.Now()); string(got) == fmt.Sprint("answer ", i) {
					n++
				}
			}
			return n
		}
		before := found(0, 600) // less those whose place another took
		a.resize(65536)
		if n := found(0, 600); n != before || n < 500 {
			t.Errorf("%d of %d found in a larger table", n, before)
		}
		time.Sleep(15 * time.Second) // the first half is older than 32 s now
		a.resize(1000)
		if n := found(0, 300); n != 0 {
			t.Errorf("%d found that nobody asks for again", n)
		}
		if n := found(300, 600); n < 200 {
			t.Errorf("%d of 300 found in a smaller table", n)
		}
		a.resize(1)
		if n := len(a.table.Load().kept); n != len(a.locks) {
			t.Errorf("%d entries for %d locks", n, len(a.locks))
		}
	})
}

func TestAnswersThatGiveWayEarlyAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAnswers(256)
		put := func(n int) {
			for i := range n {
				a.put(a.key(fmt.Appendf(nil, "%d at %v", i, time.Now()), &flow.Flow{}), nil, 200, time.Now())
			}
		}
		put(2560)
		all, early := a.counts()
		if all != 2560 || early < 2000 {
			t.Errorf("%d kept, %d gave way early", all, early)
		}
		time.Sleep(answerLife)
		put(1) // takes the place of one that is not wanted any more
		if _, again := a.counts(); again != early {
			t.Errorf("%d gave way early, %d before", again, early)
		}
	})
}

func TestAnswersAreKeptWhileTheSizeChanges(t *testing.T) {
	a := newAnswers(256)
	var users sync.WaitGroup
	for u := range 4 {
		users.Go(func() {
			for i := range 2000 {
				k := a.key(fmt.Appendf(nil, "%d %d", u, i), &flow.Flow{})
				want := fmt.Sprint(u, " ", i)
				a.put(k, []byte(want), 0, time.Now())
				if got, _ := a.append(nil, k, time.Now()); len(got) > 0 && string(got) != want {
					panic(fmt.Sprintf("%q, want %q", got, want))
				}
			}
		})
	}
	for i := range 100 {
		a.resize(256 + 37*i)
	}
	users.Wait()
}

// Each of both tables has an entry for each lock at least.
func TestAnswersFollowTheDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := reuse.NewKeeper(1 << 30)
		in := New(Config{Reuse: k}, nil, nil, nil, zerolog.Nop())
		size := func(devices int) int {
			time.Sleep(time.Second)
			k.Tick(time.Now(), devices, reuse.GC{Period: 8 * time.Second})
			return len(in.answers.table.Load().kept) + len(in.others.table.Load().kept)
		}
		for _, c := range []struct{ devices, want int }{
			{0, 2048}, {500, 2048}, {1000, 4000}, {100_000, (1 << 30) / 512 / 512}, {10, 2048}, // 32 s ÷ 8 s
		} {
			if got := size(c.devices); got != c.want {
				t.Errorf("%d devices: room for %d answers, want %d", c.devices, got, c.want)
			}
		}
	})
}
