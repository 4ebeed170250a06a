package shadow_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"fengsui/shadow"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

func TestStepFollowsTheTable(t *testing.T) {
	const u, on, off = shadow.Unknown, shadow.Online, shadow.Offline
	for _, row := range []struct {
		from    shadow.State
		meaning shadow.Meaning
		to      shadow.State
		action  shadow.Action
	}{
		{u, shadow.Life, on, shadow.Nothing},
		{u, shadow.Doubt, u, shadow.Probe},
		{u, shadow.Death, off, shadow.Nothing},
		{u, shadow.Restart, u, shadow.Nothing},
		{on, shadow.Life, on, shadow.Nothing},
		{on, shadow.Doubt, u, shadow.Probe},
		{on, shadow.Death, off, shadow.Nothing},
		{on, shadow.Restart, u, shadow.Nothing},
		{off, shadow.Life, on, shadow.Nothing},
		{off, shadow.Doubt, off, shadow.Nothing},
		{off, shadow.Death, off, shadow.Nothing},
		{off, shadow.Restart, off, shadow.Nothing},
	} {
		p := shadow.Presence{State: row.from, Evidence: shadow.ByKeepalive, At: at(0), Since: at(0)}
		got, action := shadow.Step(p, shadow.Sign{Meaning: row.meaning, By: shadow.BySilence, At: at(9)})
		if got.State != row.to || action != row.action {
			t.Errorf("%v + %d = %v, action %d; want %v, %d", row.from, row.meaning, got.State, action, row.to, row.action)
		}
		if changed := row.from != row.to; changed != got.Since.Equal(at(9)) {
			t.Errorf("%v + %d: since %v", row.from, row.meaning, got.Since)
		}
	}
}

func TestLateSignsDoNotOverrule(t *testing.T) {
	for name, c := range map[string]struct {
		p    shadow.Presence
		s    shadow.Sign
		want shadow.State
	}{
		"a keepalive on its way when the device unregistered": {
			shadow.Presence{State: shadow.Offline, Evidence: shadow.ByUnregister, At: at(5)},
			shadow.Sign{Meaning: shadow.Life, By: shadow.ByKeepalive, At: at(4)}, shadow.Offline,
		},
		"a message read just before the connection closed": {
			shadow.Presence{State: shadow.Unknown, Evidence: shadow.ByConnection, At: at(5)},
			shadow.Sign{Meaning: shadow.Life, By: shadow.ByMessage, At: at(4)}, shadow.Unknown,
		},
		"a keepalive that crossed the verdict of silence": {
			shadow.Presence{State: shadow.Offline, Evidence: shadow.BySilence, At: at(5)},
			shadow.Sign{Meaning: shadow.Life, By: shadow.ByKeepalive, At: at(4)}, shadow.Online,
		},
		"the close of the connection it had before": {
			shadow.Presence{State: shadow.Online, Evidence: shadow.ByRegister, At: at(5)},
			shadow.Sign{Meaning: shadow.Doubt, By: shadow.ByConnection, At: at(4)}, shadow.Online,
		},
	} {
		if got, _ := shadow.Step(c.p, c.s); got.State != c.want {
			t.Errorf("%s: %v, want %v", name, got.State, c.want)
		}
	}
}

func TestUnregisteringReplacesTheReasonOfSilence(t *testing.T) {
	p := shadow.Presence{State: shadow.Offline, Evidence: shadow.BySilence, At: at(0), Since: at(0)}
	p, _ = shadow.Step(p, shadow.Sign{Meaning: shadow.Death, By: shadow.ByUnregister, At: at(3), Reason: "unregistered"})
	if p.Reason != "unregistered" || !p.Since.Equal(at(0)) {
		t.Errorf("%+v", p)
	}
	p, _ = shadow.Step(p, shadow.Sign{Meaning: shadow.Death, By: shadow.ByExpiry, At: at(9), Reason: "registration expired"})
	if p.Reason != "unregistered" {
		t.Errorf("expiry of an offline device took over: %+v", p)
	}
}

func TestPresenceKeepsItsPromises(t *testing.T) {
	evidence := []shadow.Evidence{
		shadow.ByRegister, shadow.ByUnregister, shadow.ByKeepalive, shadow.ByRTP, shadow.ByProbe, shadow.ByNotify,
		shadow.ByMessage, shadow.BySilence, shadow.ByConnection, shadow.ByExpiry, shadow.ByRestart, shadow.ByOperator,
	}
	rapid.Check(t, func(t *rapid.T) {
		p := shadow.Presence{At: at(0), Since: at(0)}
		for range rapid.IntRange(1, 60).Draw(t, "signs") {
			s := shadow.Sign{
				Meaning: shadow.Meaning(rapid.IntRange(0, 3).Draw(t, "meaning")),
				By:      rapid.SampledFrom(evidence).Draw(t, "by"),
				At:      at(rapid.IntRange(0, 50).Draw(t, "at")),
			}
			next, action := shadow.Step(p, s)
			switch {
			case next.State == shadow.Offline && p.State != shadow.Offline && s.Meaning != shadow.Death:
				t.Fatalf("offline by %+v", s)
			case next.State == shadow.Online && p.State != shadow.Online && s.Meaning != shadow.Life:
				t.Fatalf("online by %+v", s)
			case s.Meaning == shadow.Life && !s.At.Before(p.At) && next.State != shadow.Online:
				t.Fatalf("fresh life %+v left %v", s, next.State)
			case (action == shadow.Probe) && (s.Meaning != shadow.Doubt || next.State != shadow.Unknown):
				t.Fatalf("probe asked for by %+v in %v", s, next.State)
			case next.At.Before(p.At):
				t.Fatalf("newest evidence went back from %v to %v", p.At, next.At)
			case (next.State != p.State) == next.Since.Equal(p.Since) && next.State != p.State && !s.At.Equal(p.Since):
				t.Fatalf("changed to %v, but since %v", next.State, next.Since)
			case next.State == p.State && !next.Since.Equal(p.Since):
				t.Fatalf("still %v, but since %v instead of %v", next.State, next.Since, p.Since)
			}
			if again, _ := shadow.Step(next, s); again != next {
				t.Fatalf("not idempotent: %+v twice gives %+v, then %+v", s, next, again)
			}
			p = next
		}
	})
}

func TestDescribeSaysReasonAndAge(t *testing.T) {
	for _, c := range []struct {
		p    shadow.Presence
		want string
	}{
		{shadow.Presence{State: shadow.Online, Evidence: shadow.ByKeepalive, At: at(7)}, "keepalive 3 s ago"},
		{shadow.Presence{State: shadow.Online, Evidence: shadow.ByKeepalive, Reason: "keepalive with Status ERROR", At: at(0)}, "keepalive with Status ERROR 10 s ago"},
		{shadow.Presence{State: shadow.Online, Evidence: shadow.ByRegister, At: at(-3600)}, "registered 1h0m10s ago"},
		{shadow.Presence{State: shadow.Offline, Evidence: shadow.BySilence, At: at(9)}, "no sign of life for 3m10s"},
		{shadow.Presence{State: shadow.Unknown, Evidence: shadow.BySilence, Reason: "2 probes unanswered", At: at(9)}, "no sign of life for 3m10s, 2 probes unanswered"},
		{shadow.Presence{State: shadow.Offline, Evidence: shadow.ByUnregister, Reason: "unregistered", At: at(9)}, "unregistered"},
	} {
		if got := c.p.Describe(at(-180), at(10)); got != c.want {
			t.Errorf("%+v: %q, want %q", c.p, got, c.want)
		}
	}
	if got := shadow.Age(-time.Second); got != "0 s" {
		t.Errorf("age of the future: %q", got)
	}
}

func TestRhythmBounds(t *testing.T) {
	def := shadow.Rhythm{Interval: time.Minute, Missed: 3}
	if def.DoubtAfter() != 90*time.Second || def.DeadAfter() != 190*time.Second {
		t.Errorf("doubt after %v, dead after %v", def.DoubtAfter(), def.DeadAfter())
	}
	if got := (shadow.Rhythm{Missed: 1000}).Clamp(def); got != def { // HeartBeatInterval 0, quirk 8
		t.Errorf("clamped to %+v", got)
	}
	if got := (shadow.Rhythm{Interval: 30 * time.Second, Missed: 5}).Clamp(def); got.DeadAfter() != 160*time.Second {
		t.Errorf("a sane rhythm was changed to %+v", got)
	}
	one := shadow.Rhythm{Interval: time.Minute, Missed: 1}
	if one.DoubtAfter() >= one.DeadAfter() {
		t.Errorf("dead after %v, before the doubt at %v", one.DeadAfter(), one.DoubtAfter())
	}
}
