package registrar_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/gb28181/device"
	"fengsui/gb28181/registrar"
	"fengsui/sip/digest"
	"fengsui/sip/flow"
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

// Quirk: 10
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

// In a storm strangers wait, whatever ID they name; who was challenged goes on,
// and who is provisioned with that address goes first.
func TestInAStormStrangersAreSentAwayForAWhile(t *testing.T) {
	provisioned := accounts{
		"34020000001320000002": {Password: "own"},
		"34020000001320000003": {Password: password, Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
	}
	run(t, nil, provisioned, func(b *bench) {
		crowded := func(c *client, authorization string) intake.Answer {
			r := c.request(authorization)
			r.Crowded = true
			return b.Register(r)
		}
		waits := map[string]bool{}
		for i := range 60 {
			c := b.client()
			if i%2 == 0 {
				c.id = "34020000001320000002"
			}
			a := crowded(c, "")
			wait := header(a, "Retry-After")
			if a.Status != 503 || wait == "" {
				t.Fatalf("%s is answered %+v, want 503 with Retry-After", c.id, a)
			}
			waits[wait] = true
			if n, err := strconv.Atoi(wait); err != nil || n < 5 || n > 30 {
				t.Errorf("Retry-After %s", wait)
			}
		}
		if len(waits) < 10 {
			t.Errorf("all come back together: %v", waits)
		}
		if n := len(b.attempts.List()); n != 0 {
			t.Errorf("%d attempts listed", n)
		}
		c := b.client()
		credentials := c.sign(c.challenge())
		if a := crowded(c, credentials); a.Status != 200 {
			t.Errorf("who was challenged before is answered %d", a.Status)
		}
		c.id = "34020000001320000003"
		if a := crowded(c, ""); a.Status != 401 {
			t.Errorf("a device at the address it is provisioned with is answered %d", a.Status)
		}
	})
}

// The median time of an answer must not tell an ID that is known from one that
// is not, neither when it is challenged nor when its password is refused; nor
// that the password was right, where something else keeps the device out.
func TestTheTimeOfAnAnswerTellsNothing(t *testing.T) {
	const unknown = gb28181.ID("34020000001320000077")
	away := []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	for name, account := range map[string]registrar.Account{
		"wrong password":              {Password: "own"},
		"wrong address":               {Password: "guess", Allow: away},
		"wrong address, no common":    {Password: "guess", Allow: away},
		"wrong transport":             {Password: "guess", Transport: flow.TCP},
		"no password of its own":      {},
		"common password, not set up": {Allow: away},
	} {
		common := password
		if name == "wrong address, no common" {
			common = ""
		}
		t.Run(name, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			b := &bench{
				t: t, table: device.New(device.Config{}, nil, nil, zerolog.Nop(), reg),
				attempts: registrar.NewAttempts(50), nonces: digest.NewNonces([]byte("0123456789abcdef"), 0),
			}
			b.Registrar = registrar.New(registrar.Config{ID: server, Password: func() string { return common }}, b.table,
				accounts{camera: account}, b.nonces, b.attempts, zerolog.Nop(), reg)
			// took is the median time of the calls for each of two IDs, asked in turn, so
			// that both meet the same disturbances.
			took := func(requests [2]*intake.Request, status int) (median [2]time.Duration) {
				const rounds = 2000
				var all [2][]time.Duration
				for i := range 2 * rounds {
					r := requests[i%2]
					r.At = time.Now()
					a := b.Register(r)
					all[i%2] = append(all[i%2], time.Since(r.At))
					if a.Status != status {
						t.Fatalf("answered %d, want %d", a.Status, status)
					}
				}
				for i := range all {
					slices.Sort(all[i])
					median[i] = all[i][rounds/2]
				}
				return median
			}
			var first, second [2]*intake.Request
			for i, id := range []gb28181.ID{camera, unknown} {
				c := b.client()
				c.id, c.password = id, "guess"
				first[i] = c.request("")
				second[i] = c.request(c.sign(c.challenge()))
			}
			for what, m := range map[string][2]time.Duration{"challenge": took(first, 401), "refusal": took(second, 403)} {
				t.Logf("%s: known %v, unknown %v", what, m[0], m[1])
				if d := float64(m[0]) / float64(m[1]); d < 0.8 || d > 1.25 {
					t.Errorf("%s: known %v, unknown %v: the difference can be measured", what, m[0], m[1])
				}
			}
		})
	}
}
