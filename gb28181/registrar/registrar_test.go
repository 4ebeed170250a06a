package registrar_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fengsui/gb28181"
	"fengsui/gb28181/device"
	"fengsui/gb28181/registrar"
	"fengsui/shadow"
	"fengsui/sip/digest"
	"fengsui/sip/flow"
	"fengsui/sip/intake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	camera   = gb28181.ID("34020000001320000001")
	server   = gb28181.ID("34020000002000000001")
	password = "12345678"
)

type accounts map[gb28181.ID]registrar.Account

func (a accounts) Account(id gb28181.ID) (registrar.Account, bool) {
	acc, ok := a[id]
	return acc, ok
}

// bench is a registrar with its table, in virtual time.
type bench struct {
	*registrar.Registrar
	t        *testing.T
	table    *device.Table
	attempts *registrar.Attempts
	nonces   *digest.Nonces
}

func run(t *testing.T, change func(*registrar.Config), acc accounts, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg := registrar.Config{
			ID: server, Password: func() string { return password }, IsKeepalive: isKeepalive,
			Zone: time.FixedZone("UTC+8", 8*60*60),
		}
		if change != nil {
			change(&cfg)
		}
		reg := prometheus.NewRegistry()
		deaf := device.ProberFunc(func(ctx context.Context, _ gb28181.ID, _ flow.Flow) error { <-ctx.Done(); return ctx.Err() })
		b := &bench{
			t: t, table: device.New(device.Config{}, deaf, nil, zerolog.Nop(), reg),
			attempts: registrar.NewAttempts(50), nonces: digest.NewNonces([]byte("0123456789abcdef"), 0),
		}
		b.Registrar = registrar.New(cfg, b.table, acc, b.nonces, b.attempts, zerolog.Nop(), reg)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.table.Run(ctx) }()
		test(b)
		cancel()
		<-done
	})
}

var keepaliveBody = regexp.MustCompile(`<CmdType>Keepalive</CmdType>(?s:.*)<DeviceID>(\d+)</DeviceID>(?s:.*)<Status>(\w*)</Status>`)

func isKeepalive(body []byte) (deviceID, status []byte, ok bool) {
	m := keepaliveBody.FindSubmatch(body)
	if m == nil {
		return nil, nil, false
	}
	return m[1], m[2], true
}

// message reads a file of testdata; the body goes as it is, the head with CRLF.
func message(tb testing.TB, name string) string {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	_, data, _ = bytes.Cut(data, []byte("\n")) // the comment
	head, body, _ := strings.Cut(string(data), "\n\n")
	return strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body
}

// client is a device that registers.
type client struct {
	b        *bench
	message  string // file of testdata
	id       gb28181.ID
	f        flow.Flow
	password string
	headers  []string // more of them
	expires  string   // instead of the file's, when set
	call     string   // likewise
	tweak    func(c *digest.Credentials)
	nc       int
}

func (b *bench) client() *client {
	return &client{
		b: b, message: "register.sip", id: camera, password: password,
		f: flow.Flow{Transport: flow.UDP, Remote: netip.MustParseAddrPort("192.0.2.20:5060")},
	}
}

func (c *client) request(authorization string) *intake.Request {
	c.b.t.Helper()
	text := message(c.b.t, c.message)
	text = strings.ReplaceAll(text, string(camera), string(c.id))
	if c.expires != "" {
		text = strings.Replace(text, "Expires: 3600", "Expires: "+c.expires, 1)
	}
	if c.call != "" {
		text = strings.Replace(text, "Call-ID: 1011047669", "Call-ID: "+c.call, 1)
	}
	more := ""
	for _, h := range c.headers {
		more += h + "\r\n"
	}
	if authorization != "" {
		more += "Authorization: " + authorization + "\r\n"
	}
	text = strings.Replace(text, "Content-Length", more+"Content-Length", 1)
	r, err := intake.Scan([]byte(text))
	if err != nil {
		c.b.t.Fatal(err)
	}
	r.Flow, r.At = c.f, time.Now()
	return &r
}

// challenge sends the first REGISTER and returns the answer.
func (c *client) challenge() intake.Answer { return c.b.Register(c.request("")) }

// sign answers a challenge.
func (c *client) sign(challenge intake.Answer) string {
	c.b.t.Helper()
	value := header(challenge, "WWW-Authenticate")
	if challenge.Status != 401 || value == "" {
		c.b.t.Fatalf("not a challenge: %+v", challenge)
	}
	cred, _, err := digest.ParseChallenge([]byte(value))
	if err != nil {
		c.b.t.Fatal(err)
	}
	cred.Username, cred.URI = string(c.id), "sip:34020000002000000001@3402000000"
	if cred.QOP != "" {
		c.nc++
		cred.NC, cred.CNonce = fmt.Sprintf("%08x", c.nc), "0a4f113b"
	}
	if c.tweak != nil {
		c.tweak(&cred)
	}
	cred.Sign("REGISTER", c.password)
	return cred.String()
}

// register does both rounds and returns the verdict.
func (c *client) register() intake.Answer {
	c.b.t.Helper()
	return c.b.Register(c.request(c.sign(c.challenge())))
}

func (b *bench) state() shadow.State {
	d, _ := b.table.Device(camera)
	return d.Presence.State
}

func (b *bench) expectStatus(a intake.Answer, status int) {
	b.t.Helper()
	if a.Status != status {
		b.t.Errorf("answered %d, want %d: %s", a.Status, status, a.Fields)
	}
	if header(a, "X-GB-Ver") != "3.0" {
		b.t.Errorf("%d without X-GB-Ver: %s", a.Status, a.Fields)
	}
}

// expectAttempt checks the newest attempt.
func (b *bench) expectAttempt(check, words string) {
	b.t.Helper()
	list := b.attempts.List()
	if len(list) == 0 || list[0].Check != check || !strings.Contains(list[0].Detail, words) {
		b.t.Errorf("attempts %+v, want first %q with %q", list, check, words)
	}
}

func header(a intake.Answer, name string) string {
	if all := headers(a, name); len(all) > 0 {
		return all[0]
	}
	return ""
}

// headers are all values of that name.
func headers(a intake.Answer, name string) (values []string) {
	for line := range strings.SplitSeq(string(a.Fields), "\r\n") {
		if n, v, _ := strings.Cut(line, ": "); n == name {
			values = append(values, v)
		}
	}
	return values
}

func TestDeviceRegistersInTwoRounds(t *testing.T) {
	run(t, nil, nil, func(b *bench) {
		c := b.client()
		first := c.challenge()
		b.expectStatus(first, 401)
		if v := header(first, "WWW-Authenticate"); !strings.HasPrefix(v, `Digest realm="3402000000",nonce="`) || !strings.HasSuffix(v, `",algorithm=MD5`) {
			t.Errorf("challenge %s", v)
		}
		if _, known := b.table.Device(camera); known {
			t.Error("a challenge made a row")
		}
		a := b.Register(c.request(c.sign(first)))
		b.expectStatus(a, 200)
		for name, want := range map[string]string{
			"Contact": "<sip:34020000001320000001@192.0.2.20:5060>;expires=3600",
			"Expires": "3600",
			"Date":    "2000-01-01T08:00:00.000", // the virtual clock, in UTC+8 (section 2.8)
		} {
			if got := header(a, name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		d, _ := b.table.Device(camera)
		if d.Presence.State != shadow.Online || d.Edition != gb28181.Edition2022 || d.UserAgent != "IP Camera" ||
			d.Remote != "192.0.2.20:5060" || !d.ExpiresAt.Equal(time.Now().Add(time.Hour)) {
			t.Errorf("%+v", d)
		}
		if len(b.attempts.List()) != 0 {
			t.Errorf("attempts %+v", b.attempts.List())
		}
	})
}

func TestMissingContactAndExpiresAreMadeUp(t *testing.T) { // section 9, rows 2, 3, 4
	run(t, nil, nil, func(b *bench) {
		c := b.client()
		c.f.Remote = netip.MustParseAddrPort("[::ffff:198.51.100.7]:6060")
		c.message = "no-contact.sip"
		a := c.register()
		b.expectStatus(a, 200)
		if got := header(a, "Contact"); got != "<sip:34020000001320000001@198.51.100.7:6060>;expires=3600" {
			t.Errorf("Contact %s", got)
		}
		if d, _ := b.table.Device(camera); d.Edition != gb28181.EditionUnknown {
			t.Errorf("edition %v", d.Edition)
		}
		c.message = "expires-in-contact.sip"
		a = c.register()
		if got := header(a, "Contact") + " " + header(a, "Expires"); got != "<sip:34020000001320000001@10.0.0.8:5060>;expires=120 120" {
			t.Errorf("Contact %s", got)
		}
		if f, _ := b.table.Flow(camera); f != c.f {
			t.Errorf("bound to %v instead of where it spoke from", f)
		}
	})
}

func TestExpiresIsGrantedWithinBounds(t *testing.T) {
	run(t, nil, nil, func(b *bench) {
		c := b.client()
		for asked, granted := range map[string]string{"1": "60", "60": "60", "86400": "86400", "4000000": "86400", "junk": "3600"} {
			c.expires = asked
			if got := header(c.register(), "Expires"); got != granted {
				t.Errorf("asked %s, granted %s, want %s", asked, got, granted)
			}
		}
	})
}

func TestSeveralAlgorithmsAreOfferedInOrder(t *testing.T) {
	all := []digest.Algorithm{digest.SM3, digest.SHA256, digest.MD5}
	run(t, func(c *registrar.Config) { c.Algorithms = all }, accounts{
		"34020000001320000009": {Algorithms: []digest.Algorithm{digest.SHA256}},
	}, func(b *bench) {
		c := b.client()
		var offered []string
		for _, value := range headers(c.challenge(), "WWW-Authenticate") {
			cred, _, _ := digest.ParseChallenge([]byte(value))
			offered = append(offered, cred.Algorithm)
		}
		if !slices.Equal(offered, []string{"SM3", "SHA-256", "MD5"}) {
			t.Errorf("offered %q", offered)
		}
		for _, alg := range all {
			c.tweak = func(cred *digest.Credentials) { cred.Algorithm = string(alg) }
			b.expectStatus(c.register(), 200)
			// a device that does not name what it used
			value := regexp.MustCompile(`,algorithm=[^,]*`).ReplaceAllString(c.sign(c.challenge()), "")
			b.expectStatus(b.Register(c.request(value)), 200)
		}
		c.id = "34020000001320000009"
		c.tweak = func(cred *digest.Credentials) { cred.Algorithm = "MD5" }
		b.expectStatus(c.register(), 403)
		b.expectAttempt(registrar.CheckAlgorithm, "MD5")
	})
}

func TestRefusalsSayWhichCheckFailed(t *testing.T) {
	const provisioned, locked, open = gb28181.ID("34020000001320000002"), gb28181.ID("34020000001320000003"), gb28181.ID("34020000001320000004")
	acc := accounts{
		provisioned: {Password: "own-secret"},
		locked:      {Allow: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}},
		open:        {Auth: registrar.AuthNone, Allow: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}},
	}
	for name, c := range map[string]struct {
		change       func(*registrar.Config)
		client       func(*client)
		check, words string
	}{
		"wrong password": {
			client: func(c *client) { c.password = "87654321" },
			check:  registrar.CheckPassword, words: "wrong password",
		},
		"no password in the device": {
			client: func(c *client) { c.password = "" },
			check:  registrar.CheckPassword, words: "no password set",
		},
		"common password where an own one is set": {
			client: func(c *client) { c.id = provisioned },
			check:  registrar.CheckPassword, words: "common password",
		},
		"own realm": {
			client: func(c *client) { c.tweak = func(d *digest.Credentials) { d.Realm = "my.domain" } },
			check:  registrar.CheckRealm, words: `"my.domain"`,
		},
		"own realm and wrong password": {
			client: func(c *client) {
				c.password, c.tweak = "x", func(d *digest.Credentials) { d.Realm = "my.domain" }
			},
			check: registrar.CheckPassword, words: `realm is "my.domain"`,
		},
		"another username": {
			change: func(c *registrar.Config) { c.StrictUsername = true },
			client: func(c *client) { c.tweak = func(d *digest.Credentials) { d.Username = "admin" } },
			check:  registrar.CheckUsername, words: `"admin"`,
		},
		"stranger without a common password": {
			change: func(c *registrar.Config) { c.Password = nil },
			client: func(*client) {},
			check:  registrar.CheckUnknownID, words: "not provisioned",
		},
		"known device without any password": {
			change: func(c *registrar.Config) { c.Password = nil },
			client: func(c *client) { c.id = locked },
			check:  registrar.CheckPassword, words: "no password is set",
		},
		"stranger who needs approval": {
			change: func(c *registrar.Config) { c.ApproveUnknown = true },
			client: func(*client) {},
			check:  registrar.CheckApproval, words: "password is right",
		},
		"stranger who needs approval and has the wrong password": {
			change: func(c *registrar.Config) { c.ApproveUnknown = true },
			client: func(c *client) { c.password = "x" },
			check:  registrar.CheckPassword, words: "wrong",
		},
		"stranger who needs approval and cannot be checked": {
			change: func(c *registrar.Config) { c.ApproveUnknown, c.Password = true, nil },
			client: func(*client) {},
			check:  registrar.CheckApproval, words: "approve",
		},
		"address out of the list": {
			client: func(c *client) { c.id = locked },
			check:  registrar.CheckAddress, words: "192.0.2.20",
		},
		"address out of the list of a device without authentication": {
			client: func(c *client) { c.id = open },
			check:  registrar.CheckAddress, words: "192.0.2.20",
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, c.change, acc, func(b *bench) {
				dev := b.client()
				c.client(dev)
				b.expectStatus(dev.challenge(), 401) // as everyone gets it
				a := dev.register()
				b.expectStatus(a, 403)
				if string(a.Fields) != "X-GB-Ver: 3.0\r\n" || a.Reason != "" {
					t.Errorf("the refusal tells a stranger more than others: %+v", a)
				}
				b.expectAttempt(c.check, c.words)
				if d, ok := b.table.Device(dev.id); ok {
					t.Errorf("in the table: %+v", d)
				}
				dev.register()
				if row := b.attempts.List()[0]; row.Count != 2 || row.ID != string(dev.id) || row.Remote != "192.0.2.20:5060" ||
					row.UserAgent != "IP Camera" || row.Transport != "udp" {
					t.Errorf("%+v", row)
				}
				b.attempts.Forget(string(dev.id))
				if list := b.attempts.List(); len(list) != 0 {
					t.Errorf("after Forget: %+v", list)
				}
			})
		})
	}
}

func TestRequiredTransportIsKept(t *testing.T) {
	for name, acc := range map[string]registrar.Account{
		"digest": {Transport: flow.TLS},
		"none":   {Transport: flow.TLS, Auth: registrar.AuthNone, Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, nil, accounts{camera: acc}, func(b *bench) {
				register := func(transport string) intake.Answer {
					dev := b.client()
					dev.f.Transport = transport
					if a := dev.challenge(); a.Status != 401 {
						return a
					}
					return dev.register()
				}
				b.expectStatus(register(flow.UDP), 403)
				b.expectAttempt(registrar.CheckTransport, "TLS is required")
				if _, ok := b.table.Device(camera); ok {
					t.Error("in the table")
				}
				b.expectStatus(register(flow.TLS), 200)
				bound, err := b.table.Flow(camera)
				if err != nil {
					t.Fatal(err)
				}
				plain := bound
				plain.Transport = flow.UDP
				if err := b.table.Keepalive(camera, plain, true, time.Now()); err == nil {
					t.Error("a keepalive by UDP moved the binding")
				}
				again := bound
				again.Remote = netip.MustParseAddrPort("192.0.2.20:5999")
				if err := b.table.Keepalive(camera, again, true, time.Now()); err != nil {
					t.Errorf("a keepalive by another TLS connection: %v", err)
				}
			})
		})
	}
}

func TestEditionOfTheAccountCountsInsteadOfTheDevices(t *testing.T) {
	run(t, nil, accounts{camera: {Edition: gb28181.Edition2016}}, func(b *bench) {
		b.expectStatus(b.client().register(), 200) // announces 3.0
		if d, _ := b.table.Device(camera); d.Edition != gb28181.Edition2016 {
			t.Errorf("edition %v", d.Edition)
		}
	})
}

// Quirk: 1
func TestTolerancesForRealmAndUsername(t *testing.T) {
	tolerant := func(c *registrar.Config) {
		c.AnyRealm = func(id gb28181.ID, _ string) bool { return id == camera }
	}
	run(t, tolerant, nil, func(b *bench) {
		dev := b.client()
		dev.tweak = func(c *digest.Credentials) { c.Realm, c.Username = "my.domain", "admin" }
		b.expectStatus(dev.register(), 200)
		dev.password = "x"
		b.expectStatus(dev.register(), 403)
	})
}

// They are challenged as any other: scanners begin with such a one.
func TestMalformedIDsAreRefused(t *testing.T) {
	run(t, nil, nil, func(b *bench) {
		for _, bad := range []gb28181.ID{"100", "3402000000132000000x", "alice", "340200000013200000011111"} {
			dev := b.client()
			dev.id = bad
			b.expectStatus(dev.challenge(), 401)
			b.expectAttempt(registrar.CheckBadID, "20 digits")
			b.expectStatus(dev.register(), 403)
			b.expectAttempt(registrar.CheckBadID, "20 digits")
		}
		dev := b.client()
		dev.id = "340200000132000001" // 18 digits, rule B of 2016
		b.expectStatus(dev.register(), 200)
	})
}

func TestApprovedDeviceIsLetIn(t *testing.T) {
	run(t, func(c *registrar.Config) { c.ApproveUnknown = true }, accounts{camera: {Approved: true}}, func(b *bench) {
		b.expectStatus(b.client().register(), 200)
	})
}

func TestDeviceWithoutAuthenticationNeedsItsAddress(t *testing.T) {
	acc := accounts{
		camera: {Auth: registrar.AuthNone, Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
	}
	run(t, nil, acc, func(b *bench) {
		dev := b.client()
		b.expectStatus(dev.challenge(), 200)
		if b.state() != shadow.Online {
			t.Error("not online")
		}
		neighbour := b.client()
		neighbour.f.Remote = netip.MustParseAddrPort("192.0.2.99:5060")
		neighbour.expires = "0"
		neighbour.challenge()
		if b.state() != shadow.Online {
			t.Error("kicked by a neighbour")
		}
		dev.expires = "0"
		b.expectStatus(dev.challenge(), 200)
		if b.state() != shadow.Offline {
			t.Error("still online")
		}
	})
}

func TestUnregisterIsAlwaysAuthenticated(t *testing.T) { // section 2.9.3
	run(t, nil, nil, func(b *bench) {
		dev := b.client()
		dev.register()
		dev.expires = "0"
		b.expectStatus(dev.challenge(), 401)
		if b.state() != shadow.Online {
			t.Fatal("offline without a password")
		}
		a := dev.register()
		b.expectStatus(a, 200)
		if header(a, "Expires") != "0" || !strings.HasSuffix(header(a, "Contact"), ";expires=0") || b.state() != shadow.Offline {
			t.Errorf("%+v, %v", a, b.state())
		}
		dev.expires = "" // the flap: it comes back at once
		dev.call = "another"
		b.expectStatus(dev.register(), 200)
		if b.state() != shadow.Online {
			t.Errorf("%v after it came back", b.state())
		}
	})
}

func TestCredentialsAreGoodForOneChange(t *testing.T) {
	run(t, nil, nil, func(b *bench) {
		dev := b.client()
		first := dev.sign(dev.challenge())
		b.expectStatus(b.Register(dev.request(first)), 200)

		replayed := b.client() // in another transaction, from another port, to end the registration
		replayed.f.Remote = netip.MustParseAddrPort("192.0.2.20:6666")
		replayed.expires = "0"
		a := b.Register(replayed.request(first))
		b.expectStatus(a, 401)
		if v := header(a, "WWW-Authenticate"); !strings.HasSuffix(v, ",stale=true") {
			t.Errorf("challenge %s", v)
		}
		if f, _ := b.table.Flow(camera); b.state() != shadow.Online || f != dev.f {
			t.Errorf("a replay changed the binding: %v, %v", b.state(), f)
		}
		b.expectStatus(b.Register(dev.request(dev.sign(a))), 200)

		time.Sleep(100 * time.Second) // both halves of the memory
		dev.register()
		time.Sleep(19 * time.Second)
		b.expectStatus(b.Register(replayed.request(first)), 401)
		if b.state() != shadow.Online {
			t.Error("unregistered by a replay")
		}
		time.Sleep(10 * time.Minute)
		b.expectStatus(b.Register(replayed.request(first)), 401)
	})
}

func TestOlderNonceIsNoWayAroundTheMemory(t *testing.T) {
	run(t, nil, nil, func(b *bench) {
		dev := b.client()
		early := dev.sign(dev.challenge())
		time.Sleep(time.Second)
		b.expectStatus(dev.register(), 200)
		b.expectStatus(b.Register(dev.request(early)), 401)
	})
}

func TestCounterMustGrowWithQOP(t *testing.T) {
	run(t, func(c *registrar.Config) { c.QOP = true }, nil, func(b *bench) {
		dev := b.client()
		challenge := dev.challenge()
		one, two, three := dev.sign(challenge), dev.sign(challenge), dev.sign(challenge)
		b.expectStatus(b.Register(dev.request(one)), 200)
		b.expectStatus(b.Register(dev.request(three)), 200)
		b.expectStatus(b.Register(dev.request(two)), 401)
		b.expectStatus(b.Register(dev.request(three)), 401)
		dev.nc = 9 // printed in decimal by some firmware: 10 grows when read as hex, too
		dev.tweak = func(c *digest.Credentials) { c.NC = "10" }
		b.expectStatus(b.Register(dev.request(dev.sign(challenge))), 200)
		dev.tweak = func(c *digest.Credentials) { c.NC = "soon" } // unreadable: good for once only
		b.expectStatus(b.Register(dev.request(dev.sign(challenge))), 401)
		// A client that leaves qop out of its answer is not refused for it.
		dev.tweak = func(c *digest.Credentials) { c.QOP, c.NC, c.CNonce = "", "", "" }
		b.expectStatus(dev.register(), 200)
	})
}

func TestOldAndForeignNoncesAreStale(t *testing.T) {
	run(t, nil, nil, func(b *bench) {
		dev := b.client()
		old := dev.sign(dev.challenge())
		time.Sleep(121 * time.Second)
		a := b.Register(dev.request(old))
		b.expectStatus(a, 401)
		if !strings.HasSuffix(header(a, "WWW-Authenticate"), ",stale=true") {
			t.Errorf("%+v", a)
		}
		b.Register(dev.request(old)) // although it has a new one
		b.expectAttempt(registrar.CheckNonce, "expired")

		elsewhere := string(digest.NewNonces([]byte("another server's"), 0).Append(nil, string(camera), dev.f.Remote.Addr(), time.Now()))
		dev.tweak = func(c *digest.Credentials) { c.Nonce = elsewhere }
		b.expectStatus(dev.register(), 401)
		b.expectAttempt(registrar.CheckNonce, "not one that we gave")

		dev.tweak = nil
		dev.f.Remote = netip.MustParseAddrPort("192.0.2.20:7777") // NAT gave it another port between the two
		first := b.client().challenge()
		b.expectStatus(b.Register(dev.request(dev.sign(first))), 200)
	})
}

func TestNoncesFromBeforeOurStartAreStale(t *testing.T) {
	run(t, nil, nil, func(b *bench) {
		dev := b.client()
		before := string(digest.NewNonces([]byte("0123456789abcdef"), 0).Append(nil, string(camera), dev.f.Remote.Addr(), time.Now().Add(-time.Second)))
		dev.tweak = func(c *digest.Credentials) { c.Nonce = before }
		b.expectStatus(dev.register(), 401)
		dev.tweak = nil
		b.expectStatus(dev.register(), 200)
	})
}

func TestUnreadableAndOtherSchemesGetAChallenge(t *testing.T) {
	run(t, nil, nil, func(b *bench) {
		dev := b.client()
		b.expectStatus(b.Register(dev.request(`Capability algorithm="A:SM2;H:SM3;S:SM4/OFB/PKCS5;SI:SM3-SM2"`)), 401) // section 2.9.7
		b.expectStatus(b.Register(dev.request(`,,,`)), 401)
		b.expectAttempt(registrar.CheckHeader, "empty")
	})
}

func TestUnansweredChallengeIsReported(t *testing.T) {
	run(t, nil, nil, func(b *bench) {
		lost, fine := b.client(), b.client()
		fine.id = "34020000001320000002"
		for range 4 {
			lost.challenge()
			time.Sleep(3 * time.Second)
			fine.register()
		}
		b.expectAttempt(registrar.CheckNoSecond, "does not reach the device")
		if list := b.attempts.List(); len(list) != 1 || list[0].ID != string(camera) {
			t.Errorf("%+v", list)
		}
		time.Sleep(11 * time.Second)
		if list := b.attempts.List(); len(list) != 1 || list[0].Count != 1 {
			t.Errorf("%+v", list)
		}
	})
}

func TestAttemptsAreBounded(t *testing.T) {
	run(t, nil, nil, func(b *bench) {
		for i := range 200 {
			dev := b.client()
			dev.id, dev.password = gb28181.ID(fmt.Sprintf("3402000000132%07d", i)), "x"
			dev.register()
		}
		list := b.attempts.List()
		if len(list) != 50 || list[0].ID != "34020000001320000199" || list[49].ID != "34020000001320000150" || b.attempts.Dropped() != 150 {
			t.Errorf("%d rows, first %s, %d dropped", len(list), list[0].ID, b.attempts.Dropped())
		}
	})
}

func TestStrangersDoNotWriteTheLog(t *testing.T) {
	run(t, nil, nil, func(b *bench) {
		var lines bytes.Buffer
		b.Registrar = registrar.New(registrar.Config{ID: server}, b.table, accounts{}, b.nonces, b.attempts, zerolog.New(&lines), nil)
		for i := range 200 {
			dev := b.client()
			dev.id = gb28181.ID(fmt.Sprintf("34020000001320%06d", i))
			b.expectStatus(dev.register(), 403)
		}
		if n := bytes.Count(lines.Bytes(), []byte("registration refused")); n == 0 || n > 10 {
			t.Errorf("%d lines for 200 IDs refused in one second", n)
		}
	})
}

func TestFullTableSays503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		table := device.New(device.Config{MaxDevices: 1}, nil, nil, zerolog.Nop(), reg)
		b := &bench{t: t, table: table, attempts: registrar.NewAttempts(0), nonces: digest.NewNonces([]byte("k"), 0)}
		b.Registrar = registrar.New(registrar.Config{ID: server, Password: func() string { return password }},
			table, accounts{}, b.nonces, b.attempts, zerolog.Nop(), reg)
		b.expectStatus(b.client().register(), 200)
		second := b.client()
		second.id = "34020000001320000002"
		a := second.register()
		b.expectStatus(a, 503)
		if header(a, "Retry-After") == "" {
			t.Errorf("%+v", a)
		}
	})
}

func TestKeepalive(t *testing.T) {
	run(t, nil, nil, func(b *bench) {
		dev := b.client()
		dev.message = "keepalive.sip"
		expect := func(r *intake.Request, status int) {
			t.Helper()
			if a, answered := b.Message(r); !answered || a.Status != status {
				t.Errorf("answered %v %d, want %d", answered, a.Status, status)
			}
		}
		expect(dev.request(""), 403) // never for unknown IDs
		if _, known := b.table.Device(camera); known {
			t.Error("a keepalive made a row")
		}
		b.client().register()
		expect(dev.request(""), 200)

		time.Sleep(200 * time.Second)
		if b.state() != shadow.Offline {
			t.Fatalf("%v", b.state())
		}
		forged := dev.request("")
		forged.Body = bytes.Replace(forged.Body, []byte(camera), []byte("34020000001320000009"), 1)
		expect(forged, 403)
		elsewhere := b.client()
		elsewhere.message, elsewhere.f.Remote = "keepalive.sip", netip.MustParseAddrPort("203.0.113.9:5060")
		expect(elsewhere.request(""), 403)
		if b.state() != shadow.Offline {
			t.Errorf("%v after bad keepalives", b.state())
		}
		expect(dev.request(""), 200)
		if b.state() != shadow.Online {
			t.Errorf("%v", b.state())
		}

		faulty := dev.request("")
		faulty.Body = bytes.Replace(faulty.Body, []byte("OK"), []byte("ERROR"), 1)
		expect(faulty, 200)
		if d, _ := b.table.Device(camera); !strings.Contains(d.Presence.Reason, "ERROR") {
			t.Errorf("%q", d.Presence.Reason)
		}

		other := dev.request("")
		other.Body = []byte("<Notify><CmdType>Alarm</CmdType></Notify>")
		if _, answered := b.Message(other); answered {
			t.Error("an alarm was answered as a keepalive")
		}
		other.Body = nil
		if _, answered := b.Message(other); answered {
			t.Error("an empty body was answered as a keepalive")
		}
	})
}

// Quirk: 40
func TestEmptyBodyIsAKeepaliveWhereConfigured(t *testing.T) {
	run(t, func(c *registrar.Config) { c.EmptyKeepalive = true }, nil, func(b *bench) {
		dev := b.client()
		dev.message = "keepalive.sip"
		r := dev.request("")
		r.Body = nil
		if _, answered := b.Message(r); answered {
			t.Error("from a stranger")
		}
		b.client().register()
		if a, answered := b.Message(r); !answered || a.Status != 200 {
			t.Errorf("%v %+v", answered, a)
		}
	})
}

// Quirk: 41
func TestKeepaliveOfAPlatformGoesOn(t *testing.T) {
	run(t, func(c *registrar.Config) { c.Platform = func(id gb28181.ID) bool { return id == camera } }, nil, func(b *bench) {
		dev := b.client()
		dev.message = "keepalive.sip"
		if _, answered := b.Message(dev.request("")); answered {
			t.Error("answered")
		}
	})
}

func TestRegistrationsFromManySocketsAtOnce(t *testing.T) {
	run(t, nil, nil, func(b *bench) {
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 50 {
					dev := b.client()
					dev.id = gb28181.ID(fmt.Sprintf("3402000000132%07d", g*100+i))
					if a := dev.register(); a.Status != 200 {
						t.Errorf("%s: %d", dev.id, a.Status)
					}
					dev.password = "x"
					dev.register()
					dev.message = "keepalive.sip"
					if a, _ := b.Message(dev.request("")); a.Status != 200 {
						t.Errorf("keepalive of %s: %d", dev.id, a.Status)
					}
					b.attempts.List()
				}
			})
		}
		wg.Wait()
		if online, _, _ := b.table.Counts(); online != 400 {
			t.Errorf("%d online", online)
		}
	})
}

func TestOneOfTwoEqualCredentialsAtOnceIsGood(t *testing.T) {
	run(t, nil, nil, func(b *bench) {
		for range 50 {
			dev := b.client()
			value := dev.sign(dev.challenge())
			var wg sync.WaitGroup
			var mu sync.Mutex
			var got []int
			for range 4 {
				r := dev.request(value)
				wg.Go(func() {
					a := b.Register(r)
					mu.Lock()
					defer mu.Unlock()
					got = append(got, a.Status)
				})
			}
			wg.Wait()
			if slices.Sort(got); !slices.Equal(got, []int{200, 401, 401, 401}) {
				t.Fatalf("%v", got)
			}
		}
	})
}

func BenchmarkRegisterPair(b *testing.B) {
	reg := prometheus.NewRegistry()
	table := device.New(device.Config{}, nil, nil, zerolog.Nop(), reg)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- table.Run(ctx) }()
	nonces := digest.NewNonces([]byte("k"), 0)
	g := registrar.New(registrar.Config{ID: server, Password: func() string { return password }},
		table, accounts{}, nonces, registrar.NewAttempts(0), zerolog.Nop(), reg)
	text := message(b, "register.sip")
	first, err := intake.Scan([]byte(text))
	if err != nil {
		b.Fatal(err)
	}
	first.Flow = flow.Flow{Transport: flow.UDP, Remote: netip.MustParseAddrPort("192.0.2.20:5060")}
	b.ReportAllocs()
	for b.Loop() {
		first.At, first.Authorization = time.Now(), nil
		c, _, _ := digest.ParseChallenge([]byte(header(g.Register(&first), "WWW-Authenticate")))
		c.Username, c.URI = string(camera), "sip:34020000002000000001@3402000000"
		c.Sign("REGISTER", password)
		first.Authorization = []byte(c.String())
		if a := g.Register(&first); a.Status != 200 {
			b.Fatal(a)
		}
	}
	cancel()
	<-done
}

func TestChallengesLookedAfterAreBounded(t *testing.T) {
	run(t, nil, nil, func(b *bench) {
		const looked = 16384
		for i := range looked + 100 {
			dev := b.client()
			dev.id = gb28181.ID(fmt.Sprintf("3402000000132%07d", i))
			b.expectStatus(dev.challenge(), 401)
		}
		if n := b.attempts.Dropped(); n != 100 {
			t.Errorf("%d challenges not looked after, want 100", n)
		}
		time.Sleep(11 * time.Second)
		if list := b.attempts.List(); len(list) != 50 || list[0].Check != registrar.CheckNoSecond {
			t.Errorf("%d rows", len(list))
		}
	})
}
