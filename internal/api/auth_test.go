package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"fengsui/internal/api"
	"fengsui/internal/rights"
	"fengsui/internal/store"
)

func TestEveryRouteNeedsAuthenticationButHealthAndSignIn(t *testing.T) {
	h := build(t)
	open := map[string]bool{ // what strangers may do, each with its reason
		"GET /healthz":                                 true, // health
		"GET /readyz":                                  true,
		"POST /api/v1/sessions":                        true, // signing in
		"/":                                            true, // the console's files hold no data; they show the sign-in form
		"OPTIONS /live/{file}":                         true, // CORS preflights carry no credentials and tell nothing
		"OPTIONS /playback/{file}":                     true,
		"POST /upload/{token}":                         true, // devices upload pictures; the token is the right, to one snapshot
		"PUT /upload/{token}":                          true,
		"POST /upload/{token}/{name...}":               true,
		"PUT /upload/{token}/{name...}":                true,
		"GET /tls/root.crt":                            true, // by which a stranger comes to trust us
		"OPTIONS /whip/talk/{device}/{channel}":        true,
		"OPTIONS /whip/talk/{device}/{channel}/{talk}": true,
		"OPTIONS /whep/{kind}/{name}":                  true,
		"OPTIONS /whep/{kind}/{name}/{viewer}":         true,
	}
	routes := h.server.Routes()
	if len(routes) < 40 {
		t.Fatalf("only %d routes", len(routes))
	}
	for pattern, isOpen := range routes {
		if isOpen != open[pattern] {
			t.Errorf("%s: open to strangers = %v, want %v", pattern, isOpen, open[pattern])
		}
		method, path, _ := strings.Cut(pattern, " ")
		if pattern == "/" || open[pattern] {
			continue
		}
		path = strings.NewReplacer("{device}", string(cam), "{channel}", string(cam), "{kind}", "catalog", "{file}", string(cam)+"_"+string(cam)+".flv",
			"{name}", string(cam)+"_"+string(cam), "{user}", "1").Replace(path)
		for what, token := range map[string]string{"no": "", "a bad": "fss_x.y", "an unknown": "fsk_AAAAAAAAAAAAAAAAAAAAAAAAAA"} {
			if a := h.do(token, method, path, nil); a.StatusCode != http.StatusUnauthorized || a.Header.Get("Www-Authenticate") == "" {
				t.Errorf("%s with %s token = %d", pattern, what, a.StatusCode)
			}
		}
		if a := h.do("", method, path+"?token=AAAA.BBBB", nil); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s with a bad query token = %d", pattern, a.StatusCode)
		}
	}
	for _, path := range []string{"/api/v1/nothing", "/api", "/live/x", "/debug/pprof/"} {
		if a := h.do("", "GET", path, nil); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("unknown path %s = %d to a stranger", path, a.StatusCode)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		h.do("", "GET", path, nil).want(200)
	}
}

func TestSignInGivesATokenThatSignOutEnds(t *testing.T) {
	h := build(t)
	var in struct {
		Token, Username string
		Roles, Acts     []string
		ExpiresAt       time.Time `json:"expires_at"`
	}
	a := h.do("", "POST", "/api/v1/sessions", `{"username":"operator","password":"`+password+`"}`).want(201).into(&in)
	if fmt.Sprint(in.Roles, in.Acts) != "[operator] [look ptz playback talk configure]" || in.Username != "operator" || time.Until(in.ExpiresAt) < 11*time.Hour {
		t.Errorf("sign-in = %s", a.body)
	}
	cookie := a.Header.Get("Set-Cookie")
	if !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") || !strings.Contains(cookie, in.Token) {
		t.Errorf("Set-Cookie = %q", cookie)
	}
	h.do(in.Token, "GET", "/api/v1/sessions/current", nil).want(200)

	value, _, _ := strings.Cut(cookie, ";")
	h.do("", "GET", "/api/v1/devices", nil, "Cookie", value).want(200)
	if p := h.do("", "DELETE", "/api/v1/streams/x", nil, "Cookie", value).problem(401, 114001); !strings.Contains(p.Detail, "no session token") {
		t.Errorf("a cookie changed something: %+v", p)
	}

	h.do(in.Token, "DELETE", "/api/v1/sessions/current", nil).want(204)
	h.do(in.Token, "GET", "/api/v1/devices", nil).problem(401, 114003)
	h.do("", "GET", "/api/v1/devices", nil, "Cookie", value).problem(401, 114003)
	h.do(h.admin, "GET", "/api/v1/devices", nil).want(200)
}

func TestWrongPasswordAndUnknownUserLookAlike(t *testing.T) {
	h := build(t)
	wrong := h.do("", "POST", "/api/v1/sessions", `{"username":"admin","password":"wrong-password"}`).problem(401, 114002)
	unknown := h.do("", "POST", "/api/v1/sessions", `{"username":"nobody","password":"wrong-password"}`).problem(401, 114002)
	if wrong.Detail != unknown.Detail {
		t.Errorf("%q and %q tell users apart", wrong.Detail, unknown.Detail)
	}
	if strings.Contains(h.log.String(), "wrong-password") {
		t.Error("the log holds a password")
	}
}

func TestFailedSignInsAreSlowedEvenWithTheRightPassword(t *testing.T) {
	h := build(t)
	for range 5 {
		h.do("", "POST", "/api/v1/sessions", `{"username":"viewer","password":"wrong"}`).problem(401, 114002)
	}
	a := h.do("", "POST", "/api/v1/sessions", `{"username":"viewer","password":"`+password+`"}`)
	a.problem(429, 114005)
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestChangingAUserEndsItsSessions(t *testing.T) {
	h := build(t)
	token := h.login("viewer")
	h.do(token, "PUT", "/api/v1/users/me/password", `{"current":"wrong","new":"another good one"}`).problem(422, 104002)
	p := h.do(token, "PUT", "/api/v1/users/me/password", `{"current":"`+password+`","new":"12345678"}`).problem(422, 114007)
	if strings.Contains(p.Detail, "12345678") {
		t.Errorf("detail shows the password: %s", p.Detail)
	}
	h.do(token, "PUT", "/api/v1/users/me/password", `{"current":"`+password+`","new":"another good one"}`).want(204)
	h.do(token, "GET", "/api/v1/devices", nil).problem(401, 114003)
	h.do("", "POST", "/api/v1/sessions", `{"username":"viewer","password":"another good one"}`).want(201)
}

func TestRolesBoundWhatMayBeDone(t *testing.T) {
	h := build(t)
	viewer, operator := h.login("viewer"), h.login("operator")
	for _, c := range []struct {
		token, method, path, body string
		status                    int
	}{
		{viewer, "GET", "/api/v1/devices", "", 200},
		{viewer, "GET", "/api/v1/trace", "", 403},
		{viewer, "GET", "/api/v1/keys", "", 403},
		{viewer, "DELETE", "/api/v1/streams/x", "", 404}, // of one that is there it is refused: TestARecordingIsWatchedAndEndedWithTheRightToPlayback
		{viewer, "POST", "/api/v1/streams", `{"device":"` + string(cam) + `","channel":"` + string(cam) + `"}`, 201},
		{operator, "GET", "/api/v1/attempts", "", 200},
		{operator, "GET", "/api/v1/trace", "", 403},
		{operator, "DELETE", "/api/v1/streams/x", "", 404},
		{operator, "POST", "/api/v1/devices", `{"id":"` + string(cam) + `"}`, 403},
		{operator, "GET", "/api/v1/users", "", 403},
		{h.admin, "POST", "/api/v1/devices", `{"id":"` + string(cam) + `"}`, 201},
		{h.admin, "GET", "/api/v1/users", "", 200},
	} {
		var body any
		if c.body != "" {
			body = c.body
		}
		a := h.do(c.token, c.method, c.path, body).want(c.status)
		if c.status == 403 {
			a.problem(403, 114004)
		}
	}
}

func TestUsersAreKeptAndTheLastAdministratorStays(t *testing.T) {
	h := build(t)
	var u struct {
		ID       int64
		Username string
	}
	h.do(h.admin, "POST", "/api/v1/users", `{"username":"王","password":"good password","roles":["administrator"]}`).want(201).into(&u)
	h.do(h.admin, "POST", "/api/v1/users", `{"username":"王","password":"good password","roles":["viewer"]}`).problem(409, 114010)
	h.do(h.admin, "POST", "/api/v1/users", `{"username":"two","password":"short","roles":["viewer"]}`).problem(422, 114007)
	h.do(h.admin, "POST", "/api/v1/users", `{"username":"two","password":"good password","roles":["king"]}`).problem(422, 104002)
	h.do(h.admin, "PATCH", "/api/v1/users/1", `{"roles":["viewer"]}`).want(200)
	// The caller is no administrator any more, and its session has ended.
	h.do(h.admin, "GET", "/api/v1/users", nil).problem(401, 114003)
	var in struct{ Token string }
	h.do("", "POST", "/api/v1/sessions", `{"username":"王","password":"good password"}`).want(201).into(&in)
	h.do(in.Token, "DELETE", "/api/v1/users/4", nil).problem(409, 114011)
	h.do(in.Token, "PATCH", "/api/v1/users/4", `{"disabled":true}`).problem(409, 114011)
	h.do(in.Token, "DELETE", "/api/v1/users/1", nil).want(204)
	h.do(in.Token, "DELETE", "/api/v1/users/1", nil).problem(404, 114009)
}

func TestKeysOpenTheAPIUntilTheyAreDeletedOrExpire(t *testing.T) {
	h := build(t)
	var k struct {
		ID, Key string
		Grants  []map[string]string
	}
	h.do(h.admin, "POST", "/api/v1/keys", `{"name":"nvr","grants":[{"act":"configure","subtree":"*"}]}`).want(201).into(&k)
	if !strings.HasPrefix(k.Key, "fsk_") || len(k.Grants) != 1 || k.Grants[0]["act"] != "configure" {
		t.Errorf("key = %+v", k)
	}
	h.do(k.Key, "GET", "/api/v1/attempts", nil).want(200)
	h.do(k.Key, "GET", "/api/v1/keys", nil).problem(403, 114004)
	h.do(k.Key, "DELETE", "/api/v1/sessions/current", nil).problem(403, 114004)
	list := h.do(h.admin, "GET", "/api/v1/keys", nil).want(200)
	if strings.Contains(string(list.body), k.Key) || !strings.Contains(string(list.body), `"last_used_at"`) {
		t.Errorf("list = %s", list.body)
	}
	h.do(h.admin, "DELETE", "/api/v1/keys/"+k.ID, nil).want(204)
	h.do(h.admin, "DELETE", "/api/v1/keys/"+k.ID, nil).problem(404, 114008)
	h.do(k.Key, "GET", "/api/v1/attempts", nil).problem(401, 114003)

	h.do(h.admin, "POST", "/api/v1/keys", `{"name":"old","grants":[{"act":"look","subtree":"*"}],"expires_at":"2020-01-01T00:00:00Z"}`).problem(422, 104002)
	if _, err := h.store.AddKey(t.Context(), store.Key{ID: "old", Name: "old", Grants: []rights.Grant{{Act: rights.Look, Subtree: "*"}}, ExpiresAt: time.Now().Add(-time.Second)}, "fsk_old"); err != nil {
		t.Fatal(err)
	}
	h.do("fsk_old", "GET", "/api/v1/devices", nil).problem(401, 114003)
}

func TestMetricsNeedCredentialsOnThisMachineToo(t *testing.T) {
	h := build(t)
	h.do("", "GET", "/metrics", nil).problem(401, 114001)
	if a := h.do(h.admin, "GET", "/metrics", nil).want(200); !strings.Contains(string(a.body), "fengsui_http_requests_total") {
		t.Errorf("metrics = %.200s", a.body)
	}
}

func TestPlayTokenOpensItsStreamOnly(t *testing.T) {
	h := build(t)
	name := string(nvr) + "_" + string(cam)
	var s struct {
		ID   string
		URLs map[string]string
	}
	h.do(h.admin, "POST", "/api/v1/streams", map[string]string{"device": string(nvr), "channel": string(cam)},
		"X-Forwarded-Proto", "https", "X-Forwarded-Host", "cams.example.com").want(201).into(&s)
	flv, whep := s.URLs["flv"], s.URLs["whep"]
	token := flv[strings.Index(flv, "token=")+6:]
	if !strings.HasPrefix(flv, "https://cams.example.com/live/"+name+".flv?token=") || !strings.HasPrefix(whep, "https://cams.example.com/whep/live/"+name+"?token=") || len(s.URLs) != 2 {
		t.Fatalf("urls = %v", s.URLs)
	}
	a := h.do("", "GET", "/live/"+name+".flv?token="+token, nil).want(200)
	if string(a.body) != "FLV live/"+name || a.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%s, %v", a.body, a.Header)
	}
	for path, code := range map[string]int{
		"/live/" + name + "_sub.flv?token=" + token:                               114006,
		"/live/" + string(cam) + "_" + string(cam) + ".flv?token=" + token:        114006,
		"/live/" + name + ".flv?token=" + token + "x":                             114006,
		"/live/" + name + ".flv?token=zzzzzz" + token[strings.Index(token, "."):]: 114006,
		"/live/" + name + ".flv":                                                  114006,
		"/api/v1/devices?token=" + token:                                          114001,
		"/api/v1/events?token=" + token:                                           114003,
	} {
		h.do("", "GET", path, nil).problem(401, code)
	}
	h.do(h.admin, "GET", "/live/"+name+".flv", nil).want(200)
	h.do("", "GET", "/live/"+name+".flv?token="+h.admin, nil).want(200)
	h.do(h.admin, "GET", "/live/"+name+".mp4", nil).problem(501, 105005)
	h.do(h.admin, "GET", "/live/nonsense.flv", nil).problem(404, 144002)

	a = h.do("", "POST", "/whep/live/"+name+"?token="+token, nil).want(201)
	if got := a.Header.Get("Location"); got != "/whep/live/"+name+"/viewer?token="+token {
		t.Errorf("Location = %q", got)
	}
	h.do("", "DELETE", a.Header.Get("Location"), nil).want(200)
	h.do("", "DELETE", "/whep/live/"+name+"/viewer", nil).problem(401, 114006)
	h.do("", "OPTIONS", "/live/"+name+".flv", nil).want(204)
}

func TestPlayTokenExpires(t *testing.T) {
	h := build(t, func(c *api.Config, _ *api.Services) { c.PlayLifetime = time.Nanosecond })
	var s struct{ URLs map[string]string }
	h.do(h.admin, "POST", "/api/v1/streams", map[string]string{"device": string(cam), "channel": string(cam)}).want(201).into(&s)
	time.Sleep(10 * time.Millisecond)
	h.do("", "GET", strings.TrimPrefix(s.URLs["flv"], h.http.URL), nil).problem(401, 114006)
}
