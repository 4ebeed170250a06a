package registrar_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/registrar"
	"fengsui/sip/digest"
	"fengsui/sip/intake"
)

// watch is a guard that remembers what it is told.
type watch struct {
	told   []string
	paused bool
}

func (w *watch) Paused(netip.Addr, string, time.Time) bool { return w.paused }
func (w *watch) Failed(a netip.Addr, id string, _ time.Time) {
	w.told = append(w.told, fmt.Sprint("failed ", a, " ", id))
}
func (w *watch) Proved(a netip.Addr, id string) {
	w.told = append(w.told, fmt.Sprint("proved ", a, " ", id))
}

func (w *watch) expect(t *testing.T, want ...string) {
	t.Helper()
	if fmt.Sprint(w.told) != fmt.Sprint(want) {
		t.Errorf("the guard was told %q, want %q", w.told, want)
	}
	w.told = nil
}

// A failure counts only where the sender has shown that it hears us: anybody
// can send wrong passwords in another's name.
func TestTheGuardHearsOfFailuresUnderOurNonceOnly(t *testing.T) {
	w := &watch{}
	run(t, func(c *registrar.Config) { c.Guard = w }, accounts{}, func(b *bench) {
		c := b.client()
		c.password = "wrong"
		c.register()
		w.expect(t, "failed 192.0.2.20 "+string(camera))
		c.tweak = func(c *digest.Credentials) { c.Nonce = "made up" }
		b.expectStatus(c.register(), 401)
		b.expectStatus(c.challenge(), 401)
		w.expect(t)
		c.tweak, c.password = nil, password
		b.expectStatus(c.register(), 200)
		w.expect(t, "proved 192.0.2.20 "+string(camera))
	})
}

func TestAPausedDeviceIsChallengedAndThenNotAnswered(t *testing.T) {
	w := &watch{paused: true}
	run(t, func(c *registrar.Config) { c.Guard = w }, accounts{}, func(b *bench) {
		c := b.client()
		b.expectStatus(c.challenge(), 401)
		if a := c.register(); a.Status != 0 {
			t.Errorf("answered %d", a.Status)
		}
		w.expect(t)
		w.paused = false
		b.expectStatus(c.register(), 200)
	})
}

// Whatever the configuration, an ID that is known and one that is not get the
// same answers to the wrong password, and the guard is told the same.
func TestKnownAndUnknownIDsCannotBeToldApart(t *testing.T) {
	for name, change := range map[string]func(*registrar.Config){
		"common password": nil,
		"none":            func(c *registrar.Config) { c.Password = nil },
		"approval":        func(c *registrar.Config) { c.ApproveUnknown = true },
		"approval, none":  func(c *registrar.Config) { c.ApproveUnknown, c.Password = true, nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := &watch{}
			const unknown = gb28181.ID("34020000001320000077")
			known := accounts{camera: {Password: "own", Approved: true}}
			run(t, func(c *registrar.Config) {
				c.Guard = w
				if change != nil {
					change(c)
				}
			}, known, func(b *bench) {
				var answers [2]intake.Answer
				for i, id := range []gb28181.ID{camera, unknown} {
					c := b.client()
					c.id, c.password = id, "guess"
					answers[i] = c.register()
				}
				if !reflect.DeepEqual(answers[0], answers[1]) || answers[0].Status != 403 {
					t.Errorf("known %+v\nunknown %+v", answers[0], answers[1])
				}
				w.expect(t, "failed 192.0.2.20 "+string(camera), "failed 192.0.2.20 "+string(unknown))
			})
		})
	}
}
