package api_test

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"
)

type audited struct {
	Items []struct {
		ID                                      int64
		User, Via, Remote, Route, Target, Trace string
		Status, Code                            int
	}
	Total int
	Chain *struct {
		OK   bool
		Rows int
	}
}

func TestWhoDidWhatIsKeptWithoutSecrets(t *testing.T) {
	h := build(t)
	viewer := h.login("viewer")
	h.do("", "POST", "/api/v1/sessions", `{"username":"viewer","password":"my-wrong-word"}`).problem(401, 114002)
	h.do("", "POST", "/api/v1/sessions", `{"username":"my-own-password","password":"x"}`).problem(401, 114002)
	h.do("", "DELETE", "/api/v1/users/1", nil).problem(401, 114001) // strangers cannot fill it
	h.do(viewer, "DELETE", "/api/v1/users/1", nil).problem(403, 114004)
	var k struct{ Key string }
	h.do(h.admin, "POST", "/api/v1/keys", `{"name":"nvr","grants":[{"act":"look","subtree":"*"}]}`).want(201).into(&k)
	h.do(h.admin, "POST", "/api/v1/users", `{"username":"joe","password":"joes-long-word","roles":["viewer"]}`).want(201)
	h.do(k.Key, "POST", "/api/v1/streams", map[string]string{"device": string(cam), "channel": string(cam)}).want(201)
	h.do(h.admin, "GET", "/api/v1/trace?redact=false&device="+string(cam), nil).want(200)
	h.do(h.admin, "GET", "/api/v1/trace", nil).want(200) // no secret: not kept
	h.do(h.admin, "GET", "/api/v1/system/profiles/goroutine", nil).want(200)
	h.do(h.admin, "GET", "/api/v1/devices", nil).want(200)

	var a audited
	got := h.do(h.admin, "GET", "/api/v1/audit?verify=true", nil).want(200).into(&a)
	var lines []string
	for _, e := range a.Items {
		lines = append(lines, fmt.Sprint(e.User, " ", e.Route, " ", e.Target, " ", e.Status, " ", e.Code))
		if e.Remote != "127.0.0.1" || len(e.Trace) != 32 {
			t.Errorf("%+v", e)
		}
	}
	slices.Reverse(lines)
	const in = " POST /api/v1/sessions /api/v1/sessions "
	want := []string{
		"admin" + in + "201 0", "viewer" + in + "201 0", "viewer" + in + "401 114002", "unknown user" + in + "401 114002",
		"viewer DELETE /api/v1/users/{user} /api/v1/users/1 403 114004",
		"admin POST /api/v1/keys /api/v1/keys nvr 201 0",
		"admin POST /api/v1/users /api/v1/users joe 201 0",
		"key nvr POST /api/v1/streams /api/v1/streams " + string(cam) + "/" + string(cam) + " 201 0",
		"admin GET /api/v1/trace /api/v1/trace " + string(cam) + " 200 0",
		"admin GET /api/v1/system/profiles/{name} /api/v1/system/profiles/goroutine 200 0",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("audit:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if a.Chain == nil || !a.Chain.OK || a.Chain.Rows != len(want) || a.Total != len(want) {
		t.Errorf("chain %+v, total %d", a.Chain, a.Total)
	}
	for _, secret := range []string{"my-wrong-word", "my-own-password", "joes-long-word", k.Key, h.admin} {
		if strings.Contains(string(got.body), secret) {
			t.Errorf("the audit holds %q", secret)
		}
	}

	h.do(h.admin, "GET", "/api/v1/audit?user=viewer&target=/users", nil).want(200).into(&a)
	if a.Total != 1 {
		t.Errorf("%d rows of viewer at users", a.Total)
	}
	h.do(h.admin, "GET", "/api/v1/audit?since=2100-01-01T00:00:00Z", nil).want(200).into(&a)
	if a.Total != 0 {
		t.Errorf("%d rows of the future", a.Total)
	}
	rows, err := csv.NewReader(strings.NewReader(string(h.do(h.admin, "GET", "/api/v1/audit.csv", nil).want(200).body))).ReadAll()
	if err != nil || len(rows) != len(want)+1 || rows[1][2] != "admin" {
		t.Errorf("csv = %v, %v", rows, err)
	}
	h.do(h.admin, "GET", "/api/v1/audit.csv?since=x", nil).problem(422, 104002)
	for _, method := range []string{"DELETE", "PATCH", "PUT", "POST"} {
		h.do(h.admin, method, "/api/v1/audit", nil).problem(405, 104005)
	}
	h.do(viewer, "GET", "/api/v1/audit", nil).problem(403, 114004)
}
