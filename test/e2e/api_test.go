package e2e_test

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"fengsui/internal/sim"
)

func TestEveryRouteButHealthWantsSomeoneWhoIsSignedIn(t *testing.T) {
	t.Parallel()
	s := start(t)
	stranger := client{base: s.base}
	for _, path := range []string{"/healthz", "/readyz", "/"} {
		if a := stranger.call(t, "GET", path, nil); a.status != 200 {
			t.Errorf("GET %s is %d for a stranger, want 200", path, a.status)
		}
	}
	spec := get[struct {
		OpenAPI string                    `json:"openapi"`
		Paths   map[string]map[string]any `json:"paths"`
	}](t, s.client, "/openapi.json")
	if !strings.HasPrefix(spec.OpenAPI, "3.1") || len(spec.Paths) < 25 {
		t.Errorf("OpenAPI %q with %d paths", spec.OpenAPI, len(spec.Paths))
	}
	param := regexp.MustCompile(`\{[^}]*\}`)
	forged := client{base: s.base, token: "fss_" + strings.Repeat("A", 60) + "." + strings.Repeat("A", 43)}
	tried := 0
	try := func(method, path string) {
		t.Helper()
		for name, c := range map[string]client{"a stranger": stranger, "a forged token": forged} {
			if a := c.call(t, method, path, nil); a.status != 401 {
				t.Errorf("%s %s is %d for %s, want 401", method, path, a.status, name)
			} else {
				refused(t, a, 401)
			}
		}
		tried++
	}
	for path, methods := range spec.Paths {
		for method := range methods {
			if method = strings.ToUpper(method); path == "/api/v1/sessions" && method == "POST" || path == "/healthz" || path == "/readyz" || path == "/tls/root.crt" {
				continue
			}
			try(method, param.ReplaceAllString(path, "34020000001320000001"))
		}
	}
	for _, path := range []string{"/openapi.json", "/docs", "/api", "/api/v1/nothing", "/live/x", "/debug/pprof/", "/api/v1/events", "/api/v1/trace.pcap"} {
		try("GET", path)
	}
	t.Logf("%d routes were tried", tried)
	if a := stranger.call(t, "GET", "/api/v1/devices", nil, "Cookie", "fengsui_session="+s.token); a.status != 200 {
		t.Errorf("the session cookie opens a page with %d, want 200", a.status)
	}
	if a := stranger.call(t, "DELETE", "/api/v1/devices/34020000001320000001", nil, "Cookie", "fengsui_session="+s.token); a.status != 401 {
		t.Errorf("the session cookie alone changes something: %d, want 401", a.status)
	}
	if a := s.call(t, "DELETE", "/api/v1/sessions", nil); a.status/100 != 2 {
		t.Errorf("signing out: %d", a.status)
	}
	refused(t, s.call(t, "GET", "/api/v1/devices", nil), 401)
}

func TestBadRequestsAreRefusedByName(t *testing.T) {
	t.Parallel()
	s := start(t)
	device := `"device":"34020000001320000001","channel":"34020000001320000001"`
	for name, c := range map[string]struct {
		method, path, body string
		status, code       int
		field              string
	}{
		"body too large":     {"POST", "/api/v1/streams", `{"device":"` + strings.Repeat("3", 1<<20) + `"}`, 413, 104003, ""},
		"no JSON":            {"POST", "/api/v1/streams", `{"device":`, 400, 104001, ""},
		"wrong type":         {"POST", "/api/v1/streams", `{"device":5,"channel":"x"}`, 422, 104002, "body.device"},
		"field left out":     {"POST", "/api/v1/streams", `{"device":"34020000001320000001"}`, 422, 104002, "channel"},
		"field not known":    {"POST", "/api/v1/streams", `{` + device + `,"colour":"red"}`, 422, 104002, "body.colour"},
		"word not known":     {"POST", "/api/v1/streams", `{` + device + `,"transport":"smoke"}`, 422, 104002, "body.transport"},
		"no ID":              {"POST", "/api/v1/devices", `{"id":"123"}`, 422, 124001, "body.id"},
		"open to the world":  {"POST", "/api/v1/devices", `{"id":"34020000001320000001","auth":"none"}`, 422, 104002, "body.auth"},
		"page of nothing":    {"GET", "/api/v1/devices?page=0", "", 422, 104002, "query.page"},
		"sorted by nonsense": {"GET", "/api/v1/devices?sort=colour", "", 422, 104002, "query.sort"},
		"no such path":       {"GET", "/api/v1/nothing", "", 404, 104004, ""},
		"no such method":     {"PUT", "/api/v1/devices", "{}", 405, 104005, ""},
		"no such device":     {"GET", "/api/v1/devices/34020000001320000001", "", 404, 124002, ""},
		"no such stream":     {"GET", "/api/v1/streams/x", "", 404, 144001, ""},
		"no such node":       {"GET", "/api/v1/tree?root=34020000001320000001", "", 404, 124002, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var body any
			if c.body != "" {
				body = c.body
			}
			p := refused(t, s.call(t, c.method, c.path, body), c.status)
			if p.Code != c.code {
				t.Errorf("code %d, want %d (%s)", p.Code, c.code, p.Detail)
			}
			found := c.field == ""
			for _, e := range p.Errors {
				found = found || e.Location == c.field || strings.Contains(e.Message, c.field)
			}
			if !found {
				t.Errorf("errors %+v do not name %s", p.Errors, c.field)
			}
		})
	}
}

func TestFailedStartsSayHowFarTheyCameAndWhatToTry(t *testing.T) {
	t.Parallel()
	s := start(t, "media.packet_timeout=1s", "media.answer_timeout=3s")
	gone := dial(t, s, "udp", "34020000001320000801")
	gone.enrol(t, "gone", 3600)
	challenge := gone.ask(t, gone.register("gone", 0))
	if ok := gone.ask(t, gone.register("gone", 0, gone.credentials(challenge, sipPassword))); statusOf(ok) != 200 {
		t.Fatalf("unregister: %s", ok)
	}
	quirk := func(i int, names ...string) string {
		return simulate(t, s, sim.Config{FirstID: series(i), Quirks: names}).id(0)
	}
	good, silent, busy := quirk(1), quirk(2, "silent"), quirk(3, "busy")
	deaf := simulate(t, s, sim.Config{FirstID: series(4)})
	if err := deaf.Drop(0); err != nil {
		t.Fatal(err)
	}
	t.Run("start", func(t *testing.T) {
		for name, c := range map[string]struct {
			device, channel string
			status, code    int
			stage           string // the one that failed
		}{
			"device offline":   {gone.id, gone.id, 409, 126001, "device"},
			"unknown device":   {"34020000001320000999", "34020000001320000999", 404, 124002, "device"},
			"unknown channel":  {good, "34020000001320000998", 404, 134001, "device"},
			"nothing is sent":  {silent, silent, 504, 147001, "first_packet"},
			"no stream free":   {busy, busy, 409, 146001, "offer"},
			"nobody answers":   {deaf.id(0), deaf.id(0), 504, 146003, "offer"},
			"nothing by tcp":   {silent, silent, 504, 147001, ""},
			"no ID of channel": {good, "a b", 422, 104002, ""},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				body := map[string]string{"device": c.device, "channel": c.channel}
				if name == "nothing by tcp" {
					body["profile"], body["transport"] = "sub", "tcp-passive"
				}
				p := refused(t, s.call(t, http.MethodPost, "/api/v1/streams", body, "Accept-Language", "en"), c.status)
				t.Logf("%d %s: %s Remedy: %s", p.Code, p.Title, p.Detail, p.Remedy)
				if p.Code != c.code {
					t.Errorf("code %d, want %d", p.Code, c.code)
				}
				failed := ""
				for _, st := range p.Stages {
					if st.Failed {
						failed = st.Name
					}
				}
				if c.stage != "" && failed != c.stage {
					t.Errorf("stages %+v: failed at %q, want %q", p.Stages, failed, c.stage)
				}
				if name == "nothing by tcp" {
					return // a stream for each
				}
				zh := refused(t, s.call(t, http.MethodPost, "/api/v1/streams", body, "Accept-Language", "zh-CN,zh;q=0.9,en;q=0.5"), c.status)
				if zh.Code != p.Code || !han(zh.Title) || !han(zh.Remedy) || han(p.Title) || han(p.Remedy) {
					t.Errorf("Chinese %q, %q; English %q, %q", zh.Title, zh.Remedy, p.Title, p.Remedy)
				}
			})
		}
	})
	eventually(t, 10*time.Second, func() string {
		held := s.mediaLeases(t)
		delete(held, "dialogs") // catalog subscriptions
		if len(held) != 0 {
			return fmt.Sprintf("leases %v after starts that failed", held)
		}
		return ""
	})
}

func han(text string) bool {
	return strings.ContainsFunc(text, func(c rune) bool { return unicode.Is(unicode.Han, c) })
}

func TestPlayAddressesOpenOneStreamForATime(t *testing.T) {
	t.Parallel()
	const secret = "e2e-cluster-secret-of-32-letters"
	s := start(t, "cluster.secret="+secret)
	devices := simulate(t, s, sim.Config{Devices: 2})
	a, b := devices.id(0), devices.id(1)
	st := s.live(t, a, a)
	stranger := client{base: s.base}

	watch(t, st.URLs["flv"], "avc", 5) // as given
	_, token, _ := strings.Cut(st.URLs["flv"], "?token=")
	path := func(id string) string { return "/live/" + id + "_" + id + ".flv" }
	for name, address := range map[string]string{
		"no token":                path(a),
		"token of another stream": path(b) + "?token=" + token,
		"token of the sub stream": strings.Replace(path(a), ".flv", "_sub.flv", 1) + "?token=" + token,
		"token with a later time": path(a) + "?token=z" + token,
		"token cut off":           path(a) + "?token=" + token[:len(token)-2],
		"token that has expired":  path(a) + "?token=" + playToken(t, secret, "live/"+a+"_"+a, -time.Second),
		"token of another server": path(a) + "?token=" + playToken(t, "another-secret-of-more-than-16", "live/"+a+"_"+a, time.Hour),
		"session that is forged":  path(a) + "?token=fss_x.y",
	} {
		if got := stranger.call(t, "GET", address, nil); got.status != 401 {
			t.Errorf("%s: %d, want 401", name, got.status)
		} else {
			refused(t, got, 401)
		}
		whep := strings.Replace(strings.Replace(address, "/live/", "/whep/live/", 1), ".flv", "", 1)
		if got := stranger.call(t, "POST", whep, "v=0", "Content-Type", "application/sdp"); got.status != 401 {
			t.Errorf("%s for WHEP: %d, want 401", name, got.status)
		}
	}
	// The same token, made here, opens it while its time lasts: what was refused
	// above was refused for its age.
	watch(t, s.base+path(a)+"?token="+playToken(t, secret, "live/"+a+"_"+a, time.Minute), "avc", 5)
	if n := devices.Stats().Invites; n != 1 {
		t.Errorf("%d INVITEs, want one: whoever is refused costs a camera nothing", n)
	}
	refused(t, stranger.call(t, "GET", "/live/nonsense.flv?token="+token, nil), 404)
}

// playToken makes the token of a play address (internal/api, token.go): base36
// of the end in Unix seconds, a dot, and an HMAC.
func playToken(t *testing.T, secret, key string, lasts time.Duration) string {
	t.Helper()
	k, err := hkdf.Key(sha256.New, []byte(secret), nil, "fengsui play addresses v1", 32)
	if err != nil {
		t.Fatal(err)
	}
	at := strconv.FormatInt(time.Now().Add(lasts).Unix(), 36)
	h := hmac.New(sha256.New, k)
	h.Write([]byte(at + " " + key))
	return at + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
