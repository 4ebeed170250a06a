package journal_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"fengsui/shadow/journal"
)

func outbox(t testing.TB, j *journal.Journal, most int, want func(journal.Event) bool) *journal.Outbox {
	t.Helper()
	if want == nil {
		want = func(journal.Event) bool { return true }
	}
	o, err := j.Outbox("hook", most, want)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func next(t testing.TB, o *journal.Outbox, after uint64) []journal.Letter {
	t.Helper()
	letters, err := o.Next(after, 100)
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

func contents(letters []journal.Letter) string {
	var events []journal.Event
	for _, l := range letters {
		events = append(events, l.Event)
	}
	return numbers(events)
}

func TestLettersStayUntilTheyAreSettled(t *testing.T) {
	c := journal.Config{Path: filepath.Join(t.TempDir(), "j")}
	j := open(t, c)
	fill(j, 2)
	flush(t, j) // before there was an outbox
	o := outbox(t, j, 100, nil)
	fill(j, 4)
	flush(t, j)
	letters := next(t, o, 0)
	if contents(letters) != "0 1 2 3" || o.Pending() != 4 || contents(next(t, o, letters[1].Seq)) != "2 3" {
		t.Fatalf("%q, %d pending", contents(letters), o.Pending())
	}
	o.Sent(letters[0], time.UnixMilli(1_800_000_000_000), 2)
	shut(t, j) // writes it

	j = open(t, c)
	o = outbox(t, j, 100, nil)
	again := next(t, o, 0)
	if contents(again) != "1 2 3" || o.Pending() != 3 || again[0].Key != letters[1].Key || again[0].Key == again[1].Key {
		t.Errorf("after a restart: %q, %d pending, keys %s and %s", contents(again), o.Pending(), again[0].Key, letters[1].Key)
	}
	sent, err := o.List("sent", 0, 9)
	if err != nil || len(sent) != 1 || sent[0].Key != letters[0].Key || sent[0].At.UnixMilli() != 1_800_000_000_000 || sent[0].Tries != 2 {
		t.Errorf("sent: %+v, %v", sent, err)
	}
	fill(j, 1)
	flush(t, j)
	if got := next(t, o, again[2].Seq); contents(got) != "0" {
		t.Errorf("behind the last: %q", contents(got))
	}
}

func TestACrashBeforeTheAcknowledgementIsWrittenSendsAgainUnderTheSameKey(t *testing.T) {
	dir := t.TempDir()
	j := open(t, journal.Config{Path: filepath.Join(dir, "a")})
	o := outbox(t, j, 100, nil)
	fill(j, 2)
	flush(t, j)
	before := next(t, o, 0)
	o.Sent(before[0], time.Now(), 1)
	if err := j.Crash(filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	after := next(t, outbox(t, open(t, journal.Config{Path: filepath.Join(dir, "b")}), 100, nil), 0)
	if len(after) != 2 || after[0].Key != before[0].Key || after[1].Key != before[1].Key {
		t.Errorf("%+v, before %+v", after, before)
	}
}

func TestFilterDecidesAndPassedEventsAreOnlyInTheOutbox(t *testing.T) {
	j := open(t, journal.Config{})
	j.Pass(journal.Event{Type: "position.moved", Device: cam}) // no outbox yet
	o := outbox(t, j, 100, func(e journal.Event) bool { return e.Type == "position.moved" })
	at := time.UnixMilli(1_800_000_000_123)
	j.Append(journal.Event{Type: "device.online", Device: cam})
	j.Pass(journal.Event{Type: "position.moved", Device: cam, At: at})
	j.Pass(journal.Event{Type: "position.lost", Device: cam})
	flush(t, j)
	letters := next(t, o, 0)
	if len(letters) != 1 || letters[0].Event.ID != 0 || !strings.HasSuffix(letters[0].Key, cam+"_1800000000123") {
		t.Fatalf("%+v", letters)
	}
	if events, _ := j.History(cam, time.UnixMilli(0), time.Now().Add(1e6*time.Hour), 9); len(events) != 1 || events[0].Type != "device.online" {
		t.Errorf("the time line has %+v", events)
	}
}

func TestDeadLettersAreListedSentAgainAndDiscarded(t *testing.T) {
	j := open(t, journal.Config{})
	o := outbox(t, j, 100, nil)
	fill(j, 4)
	flush(t, j)
	letters := next(t, o, 0)
	for _, l := range letters[:3] {
		o.Bury(l, time.Now(), 10, "410 Gone")
	}
	flush(t, j)
	dead, err := o.List("dead", 0, 2)
	if err != nil || len(dead) != 2 || dead[0].Seq != letters[2].Seq || dead[0].Reason != "410 Gone" || dead[0].Tries != 10 || o.Dead() != 3 || o.Pending() != 1 {
		t.Fatalf("%+v, %v; %d dead, %d pending", dead, err, o.Dead(), o.Pending())
	}
	if rest, err := o.List("dead", dead[1].Seq, 9); err != nil || len(rest) != 1 || rest[0].Seq != letters[0].Seq {
		t.Errorf("next page: %+v, %v", rest, err)
	}
	if n, err := o.Resend(letters[1].Seq, 999); n != 1 || err != nil {
		t.Errorf("sent again %d, %v", n, err)
	}
	if got := next(t, o, 0); contents(got) != "3 1" || got[1].Key != letters[1].Key {
		t.Errorf("pending: %q", contents(got))
	}
	if n, err := o.Discard(letters[0].Seq); n != 1 || err != nil {
		t.Errorf("discarded %d, %v", n, err)
	}
	if n, err := o.Resend(); n != 1 || err != nil || o.Dead() != 0 || o.Pending() != 3 {
		t.Errorf("all again: %d, %v; %d dead, %d pending", n, err, o.Dead(), o.Pending())
	}
	if _, err := o.List("lost", 0, 1); !errors.Is(err, journal.ErrUnknownState) {
		t.Errorf("another state: %v", err)
	}
}

func TestOutboxDropsTheOldest(t *testing.T) {
	reg := prometheus.NewRegistry()
	j, err := journal.Open(journal.Config{Path: filepath.Join(t.TempDir(), "j")}, reg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, j)
	o := outbox(t, j, 3, nil)
	fill(j, 2)
	flush(t, j)
	onItsWay := next(t, o, 0)[0]
	fill(j, 3)
	flush(t, j)
	if got := next(t, o, 0); contents(got) != "0 1 2" || o.Pending() != 3 || o.Dropped() != 2 {
		t.Errorf("%q, %d pending, %d dropped", contents(got), o.Pending(), o.Dropped())
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`# HELP fengsui_journal_outbox_dropped_total Letters to receivers that were dropped, the oldest first, because too many were pending or dead.
# TYPE fengsui_journal_outbox_dropped_total counter
fengsui_journal_outbox_dropped_total 2
`), "fengsui_journal_outbox_dropped_total"); err != nil {
		t.Error(err)
	}
	o.Sent(onItsWay, time.Now(), 1)
	flush(t, j)
	if o.Pending() != 3 {
		t.Errorf("%d pending once one that was dropped is acknowledged", o.Pending())
	}
}

func TestForgetEndsAnOutbox(t *testing.T) {
	j := open(t, journal.Config{})
	o := outbox(t, j, 100, nil)
	fill(j, 2)
	flush(t, j)
	onItsWay := next(t, o, 0)[0]
	if names, err := j.Outboxes(); err != nil || len(names) != 1 || names[0] != "hook" {
		t.Errorf("outboxes %v, %v", names, err)
	}
	if n, err := j.Forget("hook"); n != 2 || err != nil {
		t.Errorf("forgot %d, %v", n, err)
	}
	o.Sent(onItsWay, time.Now(), 1)
	fill(j, 1)
	flush(t, j)
	if names, err := j.Outboxes(); err != nil || len(names) != 0 || len(next(t, o, 0)) != 0 {
		t.Errorf("still there: %v, %v", names, err)
	}
	if n, err := j.Forget("hook"); n != 0 || err != nil {
		t.Errorf("forgot %d again, %v", n, err)
	}
}
