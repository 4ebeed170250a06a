package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/play"
	"fengsui/internal/api"
	"fengsui/internal/rights"
	"fengsui/internal/store"
	"fengsui/shadow/journal"
)

// The catalog of nvr: an organisation with two channels, and one beside it.
const (
	yard  = gb28181.ID("34020000002160000001")
	gate  = gb28181.ID("34020000001320000011")
	door  = gb28181.ID("34020000001320000012")
	vault = gb28181.ID("34020000001320000013")
	other = gb28181.ID("34020000001320000009") // a device that the guards below never see
)

// secured is a house with cam, nvr and other, and a way to sign in with grants.
func secured(t *testing.T, change ...func(*api.Config, *api.Services)) (h *house, as func(grants ...rights.Grant) string) {
	h = build(t, change...)
	h.online(cam, gb28181.Channel{ID: cam, Name: "cam", On: true})
	h.online(nvr,
		gb28181.Channel{ID: yard, Name: "yard"}, gb28181.Channel{ID: gate, Name: "gate", ParentID: string(yard), On: true},
		gb28181.Channel{ID: door, Name: "door", ParentID: string(yard)}, gb28181.Channel{ID: vault, Name: "vault", On: true})
	h.online(other, gb28181.Channel{ID: other, Name: "hidden", On: true})
	n := 0
	return h, func(grants ...rights.Grant) string {
		t.Helper()
		n++
		name := fmt.Sprint("role", n)
		if _, err := h.store.AddRole(t.Context(), store.Role{Name: name, Grants: grants}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.store.AddUser(t.Context(), store.User{Name: name, Roles: []string{name}, Hash: hash()}); err != nil {
			t.Fatal(err)
		}
		return h.login(name)
	}
}

func TestEveryRouteHasADeclaredRight(t *testing.T) {
	h := build(t)
	var doc struct {
		Paths map[string]map[string]struct {
			Right string `json:"x-right"`
		}
	}
	if err := json.Unmarshal(h.server.OpenAPI(), &doc); err != nil {
		t.Fatal(err)
	}
	declared := h.server.Rights()
	seen := 0
	for path, methods := range doc.Paths {
		for method, o := range methods {
			pattern := strings.ToUpper(method) + " " + path
			if right, ok := declared[pattern]; !ok || right == "" || o.Right != right {
				t.Errorf("%s: the document says %q, the route %q", pattern, o.Right, right)
			}
			seen++
		}
	}
	for pattern, right := range declared {
		if right == "" {
			t.Errorf("%s has no declared right", pattern)
		}
	}
	if seen < 40 {
		t.Errorf("only %d operations in the document", seen)
	}
}

func TestADeviceOutsideTheSubtreeIsAsThoughItWereNotThere(t *testing.T) {
	h, as := secured(t)
	guard := as(rights.Grant{Act: rights.Configure, Subtree: string(cam)}, rights.Grant{Act: rights.Playback, Subtree: string(cam)},
		rights.Grant{Act: rights.PTZ, Subtree: string(cam)}, rights.Grant{Act: rights.Talk, Subtree: string(cam)})
	walked := 0
	for pattern, right := range h.server.Rights() {
		method, path, _ := strings.Cut(pattern, " ")
		if !strings.Contains(path, "{device}") || method == http.MethodOptions {
			continue
		}
		walked++
		path = strings.NewReplacer("{device}", string(other), "{channel}", string(other), "{kind}", "catalog").Replace(path)
		if right == "admin" {
			continue
		}
		if a := h.do(guard, method, path, nil); a.StatusCode != 404 || !strings.Contains(string(a.body), "124002") {
			t.Errorf("%s of a hidden device = %d %s", pattern, a.StatusCode, a.body)
		}
	}
	if walked < 8 {
		t.Errorf("only %d routes of devices", walked)
	}
	name := string(other) + "_" + string(other)
	h.do(guard, "GET", "/live/"+name+".flv", nil).problem(404, 124002)
	h.do(guard, "POST", "/whep/live/"+name, nil).problem(404, 124002)
	h.do(guard, "POST", "/api/v1/streams", map[string]string{"device": string(other), "channel": string(other)}).problem(404, 124002)
	h.do(guard, "GET", "/api/v1/tree?root="+string(other), nil).problem(404, 124002)
	h.do(guard, "GET", "/api/v1/devices/"+string(cam)+"%2F..%2F"+string(other), nil).want(404)

	h.do(guard, "GET", "/api/v1/devices/"+string(cam), nil).want(200)
	h.do(guard, "GET", "/live/"+string(cam)+"_"+string(cam)+".flv", nil).want(200)
	h.do(guard, "PUT", "/api/v1/devices/"+string(cam)+"/subscriptions/catalog", `{"enabled":true}`).want(200)
	h.do(guard, "GET", "/api/v1/attempts", nil).problem(403, 114004) // of all devices, so not for one's configurer
}

func TestListsAndTreeShowWhatOneMayLookAt(t *testing.T) {
	h, as := secured(t)
	guard := as(rights.Grant{Act: rights.Look, Subtree: string(cam)}, rights.Grant{Act: rights.PTZ, Subtree: string(nvr) + "/" + string(yard)})
	for path, want := range map[string]string{
		"/api/v1/devices":  string(nvr) + " " + string(cam),
		"/api/v1/channels": string(cam) + " " + string(gate) + " " + string(door) + " " + string(yard),
		"/api/v1/devices/" + string(nvr) + "/channels": string(gate) + " " + string(door) + " " + string(yard),
		"/api/v1/tree":                     string(nvr) + " " + string(cam),
		"/api/v1/tree?root=" + string(nvr): string(yard),
		"/api/v1/tree?root=" + string(nvr) + "/" + string(yard): string(gate) + " " + string(door),
		"/api/v1/devices?page_size=1":                           string(nvr),
	} {
		var list struct {
			Items []struct{ ID string }
			Total int
		}
		h.do(guard, "GET", path, nil).want(200).into(&list)
		var ids []string
		for _, i := range list.Items {
			ids = append(ids, i.ID)
		}
		total := len(ids)
		if strings.Contains(path, "page_size") {
			total = 2
		}
		if strings.Join(ids, " ") != want || list.Total != total {
			t.Errorf("%s = %v of %d, want %s", path, ids, list.Total, want)
		}
	}
	var d struct {
		Channels, Children int
		Online             int `json:"online_channels"`
	}
	h.do(guard, "GET", "/api/v1/devices/"+string(nvr), nil).want(200).into(&d)
	if d.Channels != 3 || d.Online != 1 {
		t.Errorf("the device has %d channels, %d online; 3 and 1 are seen", d.Channels, d.Online)
	}
	h.do(guard, "GET", "/api/v1/devices/"+string(nvr)+"/channels/"+string(gate), nil).want(200)
	h.do(guard, "GET", "/api/v1/devices/"+string(nvr)+"/channels/"+string(vault), nil).problem(404, 134001)
	h.do(guard, "GET", "/api/v1/tree?root="+string(nvr)+"/"+string(vault), nil).problem(404, 134003)
	var sys struct {
		Counts struct {
			Devices  struct{ Total int }
			Channels int
		}
	}
	h.do(guard, "GET", "/api/v1/system", nil).want(200).into(&sys)
	if sys.Counts.Devices.Total != 2 || sys.Counts.Channels != 3 {
		t.Errorf("system counts %+v", sys.Counts)
	}
}

func TestStreamsAndPlayAddressesFollowTheRight(t *testing.T) {
	h, as := secured(t)
	guard := as(rights.Grant{Act: rights.Look, Subtree: string(nvr) + "/" + string(yard)})
	h.streams.all = []play.Session{playing(play.Request{Device: nvr, Channel: gate}), playing(play.Request{Device: nvr, Channel: vault})}
	h.streams.all[1].ID = "stream-2"
	var list struct {
		Items []struct{ Channel string }
		Total int
	}
	h.do(guard, "GET", "/api/v1/streams", nil).want(200).into(&list)
	if list.Total != 1 || list.Items[0].Channel != string(gate) {
		t.Errorf("streams = %+v", list)
	}
	h.do(guard, "GET", "/api/v1/streams/stream-2", nil).problem(404, 144001)
	h.do(guard, "DELETE", "/api/v1/streams/stream-1", nil).problem(403, 114004)
	h.do(guard, "GET", "/live/"+string(nvr)+"_"+string(gate)+".flv", nil).want(200)
	h.do(guard, "GET", "/live/"+string(nvr)+"_"+string(vault)+".flv", nil).problem(404, 134001)
	var s struct{ URLs map[string]string }
	h.do(guard, "POST", "/api/v1/streams", map[string]string{"device": string(nvr), "channel": string(gate)}).want(201).into(&s)
	h.do("", "GET", strings.TrimPrefix(s.URLs["flv"], h.http.URL), nil).want(200)
	h.do(guard, "POST", "/api/v1/streams", map[string]string{"device": string(nvr), "channel": string(vault)}).problem(404, 134001)
}

// Whoever may only look sees live pictures and no recordings, by whichever address,
// and ends neither.
func TestARecordingIsWatchedAndEndedWithTheRightToPlayback(t *testing.T) {
	h, as := secured(t)
	look := as(rights.Grant{Act: rights.Look, Subtree: string(nvr)})
	player := as(rights.Grant{Act: rights.Playback, Subtree: string(nvr) + "/" + string(yard)})
	stranger := as(rights.Grant{Act: rights.Playback, Subtree: string(cam)})
	p := playing(play.Request{Kind: play.Playback, Device: nvr, Channel: gate})
	p.ID, p.Key = "rec1", "playback/rec1"
	live := playing(play.Request{Device: nvr, Channel: gate})
	h.streams.all = []play.Session{p, live}
	for _, path := range []string{"/playback/rec1.flv", "/whep/playback/rec1"} {
		method, status := "GET", 200
		if strings.HasPrefix(path, "/whep") {
			method, status = "POST", 201
		}
		h.do(look, method, path, nil).problem(403, 114004)
		h.do(stranger, method, path, nil).problem(404, 124002)
		h.do(player, method, path, nil).want(status)
		h.do("", method, path, nil).want(401)
		h.do(player, method, strings.Replace(path, "rec1", "rec2", 1), nil).problem(404, 144001)
		h.do("", method, strings.Replace(path, "rec1", "rec2", 1)+"?token=x", nil).problem(401, 114006) // what plays is not told
	}
	h.do(look, "DELETE", "/api/v1/streams/rec1", nil).problem(403, 114004)
	h.do(look, "DELETE", "/api/v1/streams/stream-1", nil).problem(403, 114004)
	h.do(player, "DELETE", "/api/v1/streams/stream-1", nil).problem(403, 114004)
	h.do(player, "DELETE", "/api/v1/streams/rec1", nil).want(204)
}

func TestAnAlarmIsAcknowledgedByWhomItsSubtreeIsShown(t *testing.T) {
	h, as := secured(t)
	guard := as(rights.Grant{Act: rights.Look, Subtree: string(nvr) + "/" + string(yard)})
	for _, a := range []gb28181.Alarm{{Device: nvr, Channel: gate}, {Device: nvr, Channel: vault}, {Device: nvr}, {Device: cam}} {
		a.At, a.ReceivedAt = time.Now(), time.Now()
		h.store.SaveAlarm(a)
	}
	h.do(guard, "PATCH", "/api/v1/alarms/1", `{"acknowledged":true}`).want(200)
	for _, hidden := range []string{"2", "3", "4", "5"} {
		h.do(guard, "PATCH", "/api/v1/alarms/"+hidden, `{"acknowledged":true}`).problem(404, 154003)
	}
	var list struct{ Total int }
	h.do(h.admin, "GET", "/api/v1/alarms?open=true", nil).want(200).into(&list)
	if list.Total != 3 {
		t.Errorf("%d alarms are open", list.Total)
	}
}

func TestEventsAreOfWhatOneMayLookAt(t *testing.T) {
	h, as := secured(t)
	guard := as(rights.Grant{Act: rights.Look, Subtree: string(cam)}, rights.Grant{Act: rights.Look, Subtree: string(nvr) + "/" + string(gate)})
	for _, e := range []journal.Event{
		{Type: "hidden", Device: string(other)}, {Type: "system"}, {Type: "hidden", Device: string(nvr), Channel: string(vault)},
		{Type: "seen", Device: string(nvr), Channel: string(gate)}, {Type: "last", Device: string(cam)},
	} {
		h.journal.Append(e)
	}
	events := h.listen("token="+guard, "0")
	var types []string
	for e := events.next(); e != nil; e = events.next() {
		types = append(types, e["type"])
		if e["type"] == "last" {
			break
		}
	}
	if got := strings.Join(types, " "); got != "seen last" {
		t.Errorf("events = %s", got)
	}
}

func TestARoleIsChangedForItsUsersAtOnceAndStaysWhileTheyHaveIt(t *testing.T) {
	h, _ := secured(t)
	const roles = "/api/v1/roles"
	h.do(h.admin, "POST", roles, `{"name":"porter","grants":[{"act":"look","subtree":"`+string(cam)+`"}]}`).want(201)
	h.do(h.admin, "POST", roles, `{"name":"porter","grants":[]}`).problem(409, 114013)
	h.do(h.admin, "POST", roles, `{"name":"viewer","grants":[]}`).problem(409, 114013)
	h.do(h.admin, "POST", roles, `{"name":"x","grants":[{"act":"admin","subtree":"`+string(cam)+`"}]}`).problem(422, 114016)
	h.do(h.admin, "POST", roles, `{"name":"x","grants":[{"act":"fly","subtree":"*"}]}`).problem(422, 104002)
	h.do(h.admin, "PATCH", roles+"/viewer", `{"about":"x"}`).problem(409, 114014)
	h.do(h.admin, "DELETE", roles+"/operator", nil).problem(409, 114014)
	h.do(h.admin, "GET", roles+"/nobody", nil).problem(404, 114012)
	h.do(h.admin, "POST", "/api/v1/users", `{"username":"joe","password":"`+password+`","roles":["nobody"]}`).problem(422, 104002)
	h.do(h.admin, "POST", "/api/v1/users", `{"username":"joe","password":"`+password+`","roles":["porter"]}`).want(201)
	joe := h.login("joe")
	h.do(joe, "GET", "/api/v1/devices/"+string(nvr), nil).problem(404, 124002)
	h.do(h.admin, "PATCH", roles+"/porter", `{"about":"at the door","grants":[{"act":"look","subtree":"*"}]}`).want(200)
	h.do(joe, "GET", "/api/v1/devices/"+string(nvr), nil).want(200)
	h.do(h.admin, "DELETE", roles+"/porter", nil).problem(409, 114015)

	// The only administrator may be one by a role that people made, and that keeps admin.
	h.do(h.admin, "POST", roles, `{"name":"boss","grants":[{"act":"admin","subtree":"*"}]}`).want(201)
	h.do(h.admin, "PATCH", "/api/v1/users/1", `{"roles":["boss"]}`).want(200)
	admin := h.login("admin")
	h.do(admin, "PATCH", roles+"/boss", `{"grants":[]}`).problem(409, 114011)
	h.do(admin, "PATCH", "/api/v1/users/1", `{"roles":["viewer"]}`).problem(409, 114011)
	h.do(admin, "PATCH", roles+"/boss", `{"about":"all"}`).want(200)
}

// Lists of 10,000 devices stay fast for one who has 1,000 grants on single ones.
func TestTenThousandDevicesAreJudgedInOneRequest(t *testing.T) {
	h, as := secured(t)
	grants := make([]rights.Grant, 1000)
	for i := range 10_000 {
		id := gb28181.ID(fmt.Sprintf("3402000000132%07d", 100_000+i))
		if err := h.table.Provision(id, ""); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			grants[i/10] = rights.Grant{Act: rights.PTZ, Subtree: string(id)}
		}
	}
	guard := as(grants...)
	took := func(token string, total int) time.Duration {
		best := time.Hour
		for range 5 {
			start := time.Now()
			var list struct{ Total int }
			h.do(token, "GET", "/api/v1/devices?page_size=100", nil).want(200).into(&list)
			if list.Total != total {
				t.Fatalf("total = %d, want %d", list.Total, total)
			}
			best = min(best, time.Since(start))
		}
		return best
	}
	all, some := took(h.admin, 10_003), took(guard, 1000)
	t.Logf("all of 10,003 in %v; 1,000 by as many grants in %v", all, some)
	if some > 2*all+20*time.Millisecond {
		t.Errorf("rights make the list slow: %v, without %v", some, all)
	}
}
