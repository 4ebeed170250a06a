package api_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/play"
	"fengsui/gb28181/registrar"
	"fengsui/gb28181/subscribe"
	"fengsui/internal/api"
	"fengsui/sip/flow"
	"fengsui/sip/trace"
)

var update = flag.Bool("update", false, "write docs/openapi.json")

func TestDeviceIsProvisionedChangedAndRemoved(t *testing.T) {
	h := build(t)
	var d map[string]any
	a := h.do(h.admin, "POST", "/api/v1/devices", map[string]any{
		"id": string(cam), "name": "东门", "password": "s3cret-of-cam", "auth": "none", "allow": []string{"192.0.2.20", "2001:db8::1/32"},
		"transport": "", "edition": "2016", "media_transport": "tcp-passive", "algorithms": []string{"SM3", "MD5"},
	}).want(201).into(&d)
	if d["name"] != "东门" || d["password_set"] != true || d["state"] != "unknown" || d["owner"] != "here" || d["edition"] != "2016" || d["provisioned"] != true {
		t.Errorf("device = %s", a.body)
	}
	if fmt.Sprint(d["allow"]) != "[192.0.2.20/32 2001:db8::/32]" {
		t.Errorf("allow = %v", d["allow"])
	}
	if strings.Contains(string(a.body), "s3cret-of-cam") {
		t.Error("the answer holds the password")
	}
	h.do(h.admin, "POST", "/api/v1/devices", map[string]any{"id": string(cam)}).problem(409, 124003)
	h.online(cam)
	a = h.do(h.admin, "PATCH", "/api/v1/devices/"+string(cam), `{"name":"西门","password":"","approved":false}`).want(200).into(&d)
	if d["name"] != "西门" || d["password_set"] != false || d["approved"] != false || d["state"] != "online" || d["auth"] != "none" || d["remote"] != "192.0.2.20:5060" {
		t.Errorf("after PATCH: %s", a.body)
	}
	if at, _ := d["registered_at"].(string); !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`).MatchString(at) {
		t.Errorf("registered_at = %q", at)
	}
	h.do(h.admin, "DELETE", "/api/v1/devices/"+string(cam), nil).want(204)
	h.do(h.admin, "GET", "/api/v1/devices/"+string(cam), nil).problem(404, 124002)
}

func TestBadInputNamesFieldAndValue(t *testing.T) {
	h := build(t)
	for _, c := range []struct {
		method, path, body string
		status, code       int
		words              []string
	}{
		{"POST", "/api/v1/devices", `{"id":"3402"}`, 422, 124001, []string{"body.id", "3402", "4 characters"}},
		{"POST", "/api/v1/devices", `{"id":5}`, 422, 104002, []string{"body.id", "string"}},
		{"POST", "/api/v1/devices", `{}`, 422, 104002, []string{"id"}},
		{"POST", "/api/v1/devices", `{"id":"34020000001320000001","colour":"red"}`, 422, 104002, []string{"colour"}},
		{"POST", "/api/v1/devices", `{"id":"34020000001320000001","transport":"pigeon"}`, 422, 104002, []string{"body.transport", "pigeon"}},
		{"POST", "/api/v1/devices", `{"id":"34020000001320000001","auth":"none"}`, 422, 104002, []string{"body.auth", "allow"}},
		{"POST", "/api/v1/devices", `{"id":"34020000001320000001","allow":["everywhere"]}`, 422, 104002, []string{"body.allow", "everywhere"}},
		{"POST", "/api/v1/devices", `{"id":`, 400, 104001, []string{"JSON"}},
		{"POST", "/api/v1/devices", ``, 400, 104001, nil},
		{"GET", "/api/v1/devices/abc", "", 422, 124001, []string{"abc"}},
		{"GET", "/api/v1/devices?page_size=5000", "", 422, 104002, []string{"query.page_size", "5000", "1000"}},
		{"GET", "/api/v1/devices?page=x", "", 422, 104002, []string{"query.page", "x"}},
		{"GET", "/api/v1/devices?sort=colour", "", 422, 104002, []string{"query.sort", "colour", "keepalive_at"}},
		{"GET", "/api/v1/trace?since=yesterday", "", 422, 104002, []string{"query.since", "yesterday"}},
		{"GET", "/api/v1/trace.pcap?page_size=0", "", 422, 104002, []string{"query.page_size", "0"}},
		{"GET", "/api/v1/events?last_event_id=x", "", 422, 104002, []string{"query.last_event_id", "x"}},
		{"POST", "/api/v1/streams", `{"device":"1","channel":"2"}`, 422, 124001, []string{"body.device"}},
		{"POST", "/api/v1/streams", `{"device":"34020000001320000001","channel":"a_b"}`, 422, 104002, []string{"body.channel", "a_b"}},
	} {
		var body any
		if c.method == "POST" {
			body = c.body
		}
		p := h.do(h.admin, c.method, c.path, body).problem(c.status, c.code)
		for _, w := range c.words {
			if !strings.Contains(p.Detail+fmt.Sprint(p.Errors), w) {
				t.Errorf("%s %s %s: %+v does not say %q", c.method, c.path, c.body, p, w)
			}
		}
	}
	p := h.do("", "POST", "/api/v1/sessions", `{"username":"admin","password":["hunter2-hunter2"]}`).problem(422, 104002)
	if strings.Contains(fmt.Sprintf("%+v", p), "hunter2") {
		t.Errorf("a password came back: %+v", p)
	}
}

// A stranger needs no token for it: naming every value took 23 s of a core.
func TestABodyFullOfFaultsGetsAShortAnswer(t *testing.T) {
	h := build(t)
	var body strings.Builder
	body.WriteString(`{"username":"a","password":"b"`)
	for i := range 90_000 {
		fmt.Fprintf(&body, `,"%x":0`, i)
	}
	body.WriteString("}")
	began := time.Now()
	r, err := http.Post(h.http.URL+"/api/v1/sessions", "application/json", strings.NewReader(body.String()))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != http.StatusUnprocessableEntity || len(answer) > 8<<10 || !strings.Contains(string(answer), "and 89980 more") {
		t.Errorf("%d with %d bytes: %.300s", r.StatusCode, len(answer), answer)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestWhatIsNotTakenIsRefusedWithItsOwnCode(t *testing.T) {
	h := build(t)
	big := `{"name":"` + strings.Repeat("x", 1<<20) + `"}`
	h.do(h.admin, "POST", "/api/v1/keys", big).problem(413, 104003)
	h.do(h.admin, "POST", "/api/v1/keys", "{}", "Content-Type", "text/plain").problem(415, 104006)
	a := h.do(h.admin, "PUT", "/api/v1/devices", nil)
	if a.problem(405, 104005); a.Header.Get("Allow") != "GET, POST" {
		t.Errorf("Allow = %q", a.Header.Get("Allow"))
	}
	h.do(h.admin, "GET", "/api/v1/nothing", nil).problem(404, 104004)
	h.do(h.admin, "GET", "/api/v1/devices", nil, "Accept", "image/png").want(200) // JSON all the same
}

func TestErrorsSpeakTheCallersLanguage(t *testing.T) {
	h := build(t)
	for accept, want := range map[string]string{
		"zh-CN,zh;q=0.9,en;q=0.8": "设备不存在", "en": "no such device", "": "no such device",
		"fr, en;q=0.5, zh;q=0.9": "设备不存在", "zh;q=0": "no such device", "*": "no such device",
	} {
		p := h.do(h.admin, "GET", "/api/v1/devices/"+string(cam), nil, "Accept-Language", accept).problem(404, 124002)
		if !strings.Contains(p.Title, want) || !strings.Contains(p.Detail, string(cam)) {
			t.Errorf("%q: title %q, detail %q", accept, p.Title, p.Detail)
		}
	}
}

func TestListsPageSearchAndSort(t *testing.T) {
	h := build(t)
	for i := range 25 {
		h.do(h.admin, "POST", "/api/v1/devices", map[string]string{"id": fmt.Sprintf("3402000000132%07d", i), "name": fmt.Sprintf("Cam %02d", 24-i)}).want(201)
	}
	list := func(query string) (names []string, total int) {
		var out struct {
			Items []struct{ ID, Name string }
			Total int
		}
		h.do(h.admin, "GET", "/api/v1/devices?"+query, nil).want(200).into(&out)
		for _, d := range out.Items {
			names = append(names, d.Name)
		}
		return names, out.Total
	}
	if names, total := list("page=3&page_size=10&sort=name"); total != 25 || len(names) != 5 || names[0] != "Cam 20" {
		t.Errorf("page 3 by name: %v of %d", names, total)
	}
	if names, _ := list("sort=-name&page_size=1"); names[0] != "Cam 24" {
		t.Errorf("by name downwards: %v", names)
	}
	if names, _ := list("page_size=1"); names[0] != "Cam 24" { // by ID
		t.Errorf("by ID: %v", names)
	}
	if names, total := list("q=cAM+1"); total != 10 || len(names) != 10 {
		t.Errorf("q: %v of %d", names, total)
	}
	if names, total := list("page=99"); total != 25 || names != nil {
		t.Errorf("beyond the end: %v of %d", names, total)
	}
	if _, total := list("state=online"); total != 0 {
		t.Errorf("%d online", total)
	}
	if a := h.do(h.admin, "GET", "/api/v1/streams", nil).want(200); !strings.Contains(string(a.body), `"items":[]`) {
		t.Errorf("an empty list is %s", a.body)
	}
}

func TestChannelStateIsItsOwnAndItsDevices(t *testing.T) {
	h := build(t)
	h.online(nvr,
		gb28181.Channel{ID: "34020000001320000011", Name: "大门", On: true, ParentID: string(nvr), Longitude: 117.3},
		gb28181.Channel{ID: "34020000001320000012", Name: "车库", OffReason: "VLOST", ParentID: string(nvr)},
		gb28181.Channel{ID: "34020000001340000013", Name: "alarm", On: true, ParentID: string(nvr)},
	)
	states := func(path string) map[string]string {
		var out struct {
			Items []struct{ ID, State string }
		}
		h.do(h.admin, "GET", path, nil).want(200).into(&out)
		m := map[string]string{}
		for _, c := range out.Items {
			m[c.ID] = c.State
		}
		return m
	}
	if m := states("/api/v1/devices/" + string(nvr) + "/channels"); len(m) != 3 || m["34020000001320000011"] != "online" || m["34020000001320000012"] != "offline" {
		t.Errorf("states = %v", m)
	}
	if m := states("/api/v1/channels?invitable=true&state=online"); len(m) != 1 {
		t.Errorf("invitable and online: %v", m)
	}
	h.table.Unbind(nvr, flow.Flow{Transport: flow.UDP, Local: netip.MustParseAddrPort("192.0.2.1:5060"), Remote: netip.MustParseAddrPort("192.0.2.20:5060")}, time.Now())
	if m := states("/api/v1/channels?q=大门"); len(m) != 1 || m["34020000001320000011"] != "offline" {
		t.Errorf("with the device offline: %v", m)
	}
	h.do(h.admin, "GET", "/api/v1/devices/"+string(nvr)+"/channels/34020000001320000011", nil).want(200)
	h.do(h.admin, "GET", "/api/v1/devices/"+string(nvr)+"/channels/x", nil).problem(404, 134001)
	h.do(h.admin, "POST", "/api/v1/devices/"+string(nvr)+"/catalog", nil).problem(409, 126001)
}

func TestTreeUnfoldsFromDevicesToChannels(t *testing.T) {
	h := build(t)
	h.online(cam)
	h.online(nvr, gb28181.Channel{ID: "34020000001320000011", Name: "大门", On: true})
	type nodes struct {
		Items []struct {
			Root, Kind, Name, State string
			Channel                 map[string]any
		}
		Total int
	}
	var top, below nodes
	h.do(h.admin, "GET", "/api/v1/tree", nil).want(200).into(&top)
	if top.Total != 2 || top.Items[0].Kind != "device" || top.Items[0].State != "online" {
		t.Fatalf("top = %+v", top)
	}
	h.do(h.admin, "GET", "/api/v1/tree?root="+string(nvr), nil).want(200).into(&below)
	if below.Total != 1 || below.Items[0].Kind != "channel" || below.Items[0].Name != "大门" || below.Items[0].Channel["invitable"] != true {
		t.Errorf("below = %+v", below)
	}
	h.do(h.admin, "GET", "/api/v1/tree?device="+string(nvr)+"&root=34020000001320000011", nil).want(200)
	h.do(h.admin, "GET", "/api/v1/tree?root=34020000001320000099", nil).problem(404, 124002)
	h.do(h.admin, "GET", "/api/v1/tree?root="+string(nvr)+"/x", nil).problem(404, 134003)
}

func TestCatalogQueryAnswersWithItsJob(t *testing.T) {
	h := build(t)
	h.online(nvr)
	var out struct {
		Job struct {
			State    string
			Complete *bool
		}
	}
	h.do(h.admin, "POST", "/api/v1/devices/"+string(nvr)+"/catalog", nil).want(202).into(&out)
	if out.Job.State != "running" || out.Job.Complete == nil {
		t.Errorf("job = %+v", out.Job)
	}
	h.do(h.admin, "GET", "/api/v1/devices/"+string(nvr)+"/catalog", nil).want(200)
}

func TestStreamAnswersWithCodecAddressesAndStages(t *testing.T) {
	h := build(t)
	body := map[string]string{"device": string(nvr), "channel": string(cam), "profile": "sub", "kind": "live"}
	var s struct {
		ID, State, Codec, Profile string
		URLs                      map[string]string
		Stages                    []struct {
			Name   string
			TookMS *int64 `json:"took_ms"`
			At     time.Time
		}
		Stats struct{ FPS float64 }
	}
	a := h.do(h.admin, "POST", "/api/v1/streams", body, "X-Forwarded-Proto", "https", "X-Forwarded-Host", "a.example, b", "X-Forwarded-Port", "8443", "X-Forwarded-Prefix", "/cam").want(201).into(&s)
	if s.Codec != "H265" || s.State != "playing" || s.Profile != "sub" || len(s.Stages) != 2 || *s.Stages[1].TookMS != 2000 || s.Stats.FPS != 25 {
		t.Errorf("stream = %s", a.body)
	}
	if !strings.HasPrefix(s.URLs["flv"], "https://a.example:8443/cam/live/"+string(nvr)+"_"+string(cam)+"_sub.flv?token=") {
		t.Errorf("flv = %s", s.URLs["flv"])
	}
	if a.Header.Get("Location") != "/api/v1/streams/stream-1" {
		t.Errorf("Location = %q", a.Header.Get("Location"))
	}
	h.do(h.admin, "GET", "/api/v1/streams/stream-1", nil, "X-Forwarded-Host", `evil"><script>`).want(200).into(&s)
	if !strings.HasPrefix(s.URLs["flv"], h.http.URL+"/live/") {
		t.Errorf("flv for a bad X-Forwarded-Host = %s", s.URLs["flv"])
	}
	h.do(h.admin, "DELETE", "/api/v1/streams/stream-1", nil).want(204)
	h.do(h.admin, "DELETE", "/api/v1/streams/stream-1", nil).problem(404, 144001)
	h.do(h.admin, "GET", "/api/v1/streams/stream-1", nil).problem(404, 144001)
}

func TestFailedStreamTellsHowFarItCameAndWhatToTry(t *testing.T) {
	h := build(t)
	h.streams.start = func(r play.Request) (play.Session, error) {
		return play.Session{}, &play.StartError{
			Request: r, Cause: fmt.Errorf("after 10 s: %w", play.ErrNoPacket), Remedy: play.Words{EN: "open the port", ZH: "请开放端口"},
			Stages: []play.Stage{{Name: play.StageAnswer, Took: time.Second, Detail: "v=0", Trace: "t1"}, {Name: play.StagePacket, Took: 10 * time.Second, Failed: true}},
		}
	}
	body := map[string]string{"device": string(nvr), "channel": string(cam)}
	p := h.do(h.admin, "POST", "/api/v1/streams", body).problem(504, 147001)
	if p.Remedy != "open the port" || len(p.Stages) != 2 || p.Stages[1]["failed"] != true || p.Stages[1]["took_ms"] != 10000.0 || !strings.Contains(p.Detail, "first_packet") {
		t.Errorf("problem = %+v", p)
	}
	if p := h.do(h.admin, "POST", "/api/v1/streams", body, "Accept-Language", "zh").problem(504, 147001); p.Remedy != "请开放端口" {
		t.Errorf("remedy = %q", p.Remedy)
	}
	for cause, want := range map[error][2]int{
		gb28181.ErrOffline: {409, 126001}, gb28181.ErrUnknownDevice: {404, 124002}, gb28181.ErrUnknownChannel: {404, 134001},
		play.ErrBusy: {409, 146001}, play.ErrRejected: {502, 146002}, play.ErrNoAnswer: {504, 146003}, play.ErrBadAnswer: {502, 146004},
		play.ErrConnect: {502, 147002}, play.ErrNoKeyFrame: {504, 146005}, play.ErrNoReceiver: {503, 145001}, play.ErrNotLive: {422, 134002}, play.ErrClosing: {503, 105002},
	} {
		h.streams.start = func(r play.Request) (play.Session, error) {
			return play.Session{}, &play.StartError{Request: r, Cause: cause}
		}
		h.do(h.admin, "POST", "/api/v1/streams", body).problem(want[0], want[1])
	}
}

func TestInsideOfTheServerIsLoggedAndNotTold(t *testing.T) {
	h := build(t)
	body := map[string]string{"device": string(nvr), "channel": string(cam)}
	h.streams.start = func(play.Request) (play.Session, error) { return play.Session{}, errInside }
	p := h.do(h.admin, "POST", "/api/v1/streams", body).problem(500, 105001)
	if strings.Contains(p.Detail, "inside of") {
		t.Errorf("detail = %q", p.Detail)
	}
	if log := h.log.String(); !strings.Contains(log, errInside.Error()) {
		t.Errorf("log = %s", log)
	}
	h.streams.start = func(play.Request) (play.Session, error) { panic("went wrong") }
	h.do(h.admin, "POST", "/api/v1/streams", body).problem(500, 105001)
	if !strings.Contains(h.log.String(), "went wrong") {
		t.Error("the panic is not in the log")
	}
}

func TestTraceIDIsTakenOverReturnedAndLogged(t *testing.T) {
	h := build(t)
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	a := h.do(h.admin, "DELETE", "/api/v1/streams/x", nil, "Traceparent", "00-"+id+"-00f067aa0ba902b7-01")
	if p := a.problem(404, 144001); p.Trace != id || a.Header.Get("X-Trace-Id") != id || !strings.HasPrefix(a.Header.Get("Traceparent"), "00-"+id+"-") {
		t.Errorf("trace %q, headers %v", p.Trace, a.Header)
	}
	if p := h.do(h.admin, "DELETE", "/api/v1/streams/x", nil, "Traceparent", "junk").problem(404, 144001); p.Trace == id {
		t.Error("a bad traceparent was taken over")
	}
}

func TestRepeatedPostUnderOneKeyIsDoneOnce(t *testing.T) {
	h := build(t)
	body := map[string]string{"device": string(nvr), "channel": string(cam)}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { h.do(h.admin, "POST", "/api/v1/streams", body, "Idempotency-Key", "k1").want(201) })
	}
	wg.Wait()
	if h.streams.calls != 1 {
		t.Errorf("%d starts, want 1", h.streams.calls)
	}
	a := h.do(h.admin, "POST", "/api/v1/streams", body, "Idempotency-Key", "k1").want(201)
	if a.Header.Get("Idempotent-Replayed") != "true" || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("headers = %v", a.Header)
	}
	h.do(h.admin, "POST", "/api/v1/streams", map[string]string{"device": string(cam), "channel": string(cam)}, "Idempotency-Key", "k1").problem(422, 104009)
	h.do(h.admin, "POST", "/api/v1/streams", body, "Idempotency-Key", "bad key").problem(400, 104008)
	h.do(h.login("viewer"), "POST", "/api/v1/streams", body, "Idempotency-Key", "k1").want(201) // another caller's key is another key
	if h.streams.calls != 2 {
		t.Errorf("%d starts, want 2", h.streams.calls)
	}

	h.streams.start = func(play.Request) (play.Session, error) { return play.Session{}, errInside }
	h.do(h.admin, "POST", "/api/v1/streams", body, "Idempotency-Key", "k2").want(500)
	h.streams.start = nil
	h.do(h.admin, "POST", "/api/v1/streams", body, "Idempotency-Key", "k2").want(201) // a failure of ours is tried again
}

func TestAttemptsAreShownAndApproved(t *testing.T) {
	h := build(t)
	h.attempts.rows = []registrar.Attempt{{ID: string(cam), Remote: "203.0.113.5:5060", Transport: "udp", UserAgent: "IPC", At: time.Now(), Check: "pending approval", Detail: "approve it", Count: 3}}
	var list struct {
		Items []struct {
			ID, Check string
			Count     int
		}
	}
	h.do(h.admin, "GET", "/api/v1/attempts", nil).want(200).into(&list)
	if len(list.Items) != 1 || list.Items[0].Check != "pending approval" || list.Items[0].Count != 3 {
		t.Errorf("attempts = %+v", list)
	}
	h.do(h.admin, "POST", "/api/v1/attempts/"+string(nvr)+"/approve", nil).problem(404, 124004)
	h.do(h.admin, "POST", "/api/v1/attempts/"+string(cam)+"/approve", nil).want(200)
	if d, ok := h.store.Provisioned(cam); !ok || !d.Approved || len(h.attempts.List()) != 0 {
		t.Errorf("provisioned = %+v, %v", d, ok)
	}
	h.do(h.admin, "POST", "/api/v1/attempts/"+string(cam)+"/approve", `{"name":"门","password":"own"}`).want(200)
	if d, _ := h.store.Provisioned(cam); d.Name != "门" || d.Password != "own" {
		t.Errorf("provisioned = %+v", d)
	}
}

func TestSubscriptionsAreSwitched(t *testing.T) {
	h := build(t)
	h.online(cam)
	path := "/api/v1/devices/" + string(cam) + "/subscriptions/catalog"
	var s struct{ State string }
	h.do(h.admin, "GET", path, nil).want(200).into(&s)
	if s.State != "off" {
		t.Errorf("state = %q", s.State)
	}
	h.do(h.admin, "PUT", path, `{"enabled":true,"interval":600}`).want(200).into(&s)
	if s.State != "pending" {
		t.Errorf("state = %q", s.State)
	}
	h.do(h.admin, "DELETE", path, nil).want(204)
	h.do(h.admin, "GET", strings.Replace(path, "catalog", "gossip", 1), nil).problem(404, 154001)
	h.do(h.admin, "PUT", path, `{"enabled":true,"interval":1}`).problem(422, 104002)
}

// Of positions the interval is that between two of them.
func TestSubscriptionTermsDependOnTheKind(t *testing.T) {
	h := build(t)
	h.online(cam)
	for _, c := range []struct {
		kind, body string
		want       api.Terms
	}{
		{"catalog", `{"enabled":true,"interval":600}`, api.Terms{Expires: 10 * time.Minute}},
		{"alarm", `{"enabled":true,"expires":900}`, api.Terms{Expires: 15 * time.Minute}},
		{"position", `{"enabled":true,"interval":5}`, api.Terms{Interval: 5 * time.Second}},
		{"ptz", `{"enabled":true}`, api.Terms{}},
	} {
		var v struct {
			Kind              string
			Expires, Interval int
		}
		h.do(h.admin, "PUT", "/api/v1/devices/"+string(cam)+"/subscriptions/"+c.kind, c.body).want(200).into(&v)
		interval := int(c.want.Expires / time.Second)
		if c.kind == "position" {
			interval = 5
		}
		if h.subs.terms != c.want || v.Kind != c.kind || v.Interval != interval {
			t.Errorf("%s %s: asked %+v, shown %+v", c.kind, c.body, h.subs.terms, v)
		}
	}
	path := "/api/v1/devices/" + string(cam) + "/subscriptions/"
	h.do(h.admin, "PUT", path+"position", `{"enabled":true,"interval":86401}`).problem(422, 104002)
	h.subs.err = fmt.Errorf("subscribe: %w", &subscribe.EditionError{Kind: subscribe.PTZ, Edition: gb28181.Edition2016, Since: gb28181.Edition2022})
	h.do(h.admin, "PUT", path+"ptz", `{"enabled":true}`).problem(422, 154002)
}

func TestTraceIsShownAsMessagesLadderAndCaptureFile(t *testing.T) {
	h := build(t)
	h.online(cam)
	f := flow.Flow{Transport: flow.UDP, Local: netip.MustParseAddrPort("192.0.2.1:5060"), Remote: netip.MustParseAddrPort("192.0.2.20:5060")}
	for _, m := range []struct {
		dir trace.Direction
		raw string
	}{
		{trace.Out, "MESSAGE sip:34020000001320000001@192.0.2.20 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\nFrom: <sip:34020000002000000001@3402000000>;tag=1\r\nTo: <sip:34020000001320000001@3402000000>\r\nCall-ID: c1\r\nCSeq: 20 MESSAGE\r\nContent-Length: 4\r\n\r\n\xb4\xf3\xc3\xc5"},
		{trace.In, "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\nFrom: <sip:34020000002000000001@3402000000>;tag=1\r\nTo: <sip:34020000001320000001@3402000000>;tag=2\r\nCall-ID: c1\r\nCSeq: 20 MESSAGE\r\nContent-Length: 0\r\n\r\n"},
	} {
		h.ring.Add(time.Now(), m.dir, f, []byte(m.raw))
	}
	var out struct {
		Items []struct{ Dir, Text, Method, From, To, Label string }
		Total int
	}
	h.do(h.admin, "GET", "/api/v1/trace?device="+string(cam)+"&since="+time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), nil).want(200).into(&out)
	if out.Total != 2 || out.Items[0].Dir != "out" || !strings.HasSuffix(out.Items[0].Text, "大门") || out.Items[0].From != "server" || out.Items[1].Label != "200 OK (MESSAGE)" {
		t.Errorf("trace = %+v", out)
	}
	a := h.do("", "GET", "/api/v1/trace.pcap?call_id=c1&token="+h.admin, nil).want(200)
	if !strings.Contains(a.Header.Get("Content-Disposition"), ".pcap") || len(a.body) < 200 || string(a.body[:4]) != "\xd4\xc3\xb2\xa1" && string(a.body[:4]) != "\xa1\xb2\xc3\xd4" && string(a.body[:4]) != "\x4d\x3c\xb2\xa1" {
		t.Errorf("pcap = %d bytes, %v", len(a.body), a.Header)
	}
}

func TestSystemTellsVersionCountsAndAddresses(t *testing.T) {
	h := build(t)
	h.online(cam)
	var s struct {
		Version, Instance string
		Uptime            int
		Counts            struct{ Devices struct{ Total, Online int } }
		SIP               struct{ ID string }
		Addresses         map[string][]string
		Start             []struct {
			Step  string
			Took  float64 `json:"took_ms"`
			Items int
		}
	}
	h.do(h.admin, "GET", "/api/v1/system", nil).want(200).into(&s)
	if len(s.Start) != 1 || s.Start[0].Step != "shadows" || s.Start[0].Took != 1.5 || s.Start[0].Items != 7 {
		t.Errorf("start = %+v", s.Start)
	}
	if s.Version != "test" || s.Instance != "here" || s.Uptime < 60 || s.Counts.Devices.Online != 1 || s.SIP.ID == "" || s.Addresses["sip"] == nil {
		t.Errorf("system = %+v", s)
	}
}

func TestSystemTellsThePoolsAndTheirModel(t *testing.T) {
	h := build(t)
	var s struct {
		Pools struct {
			MemoryLimit int `json:"memory_limit"`
			Devices     int
			GCPeriod    float64 `json:"gc_period"`
			Items       []struct {
				Name, Level string
				Size, Least int
				HitRate     float64 `json:"hit_rate"`
			}
		}
	}
	h.do(h.admin, "GET", "/api/v1/system", nil).want(200).into(&s)
	p := s.Pools
	if p.MemoryLimit != 1<<30 || p.Devices != 7 || p.GCPeriod != 1.5 || len(p.Items) != 1 || p.Items[0].Name != "sip_request" ||
		p.Items[0].Level != "request" || p.Items[0].Size != 8 || p.Items[0].Least != 12 || p.Items[0].HitRate != 0.75 {
		t.Errorf("pools = %+v", p)
	}
}

func TestLocalTokenOpensTheSystemAndNothingElse(t *testing.T) {
	h := build(t)
	token := func(secret string, left time.Duration) string {
		s, err := api.LocalToken([]byte(secret), time.Now().Add(left))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	good := token(apiSecret, time.Minute)
	h.do(good, "GET", "/api/v1/system", nil).want(200)
	for _, path := range []string{"/api/v1/devices", "/api/v1/users", "/metrics", "/api/v1/sessions/current"} {
		h.do(good, "GET", path, nil).want(401)
	}
	h.do("", "GET", "/api/v1/system?token="+good, nil).want(401)
	for name, bad := range map[string]string{
		"expired": token(apiSecret, -time.Second), "of another secret": token("another secret, long enough", time.Minute), "changed": good[:len(good)-2] + "xx",
		"without signature": strings.SplitN(good, ".", 2)[0],
	} {
		if h.do(bad, "GET", "/api/v1/system", nil).StatusCode != 401 {
			t.Errorf("a token that is %s opens it", name)
		}
	}
	if _, err := api.LocalToken([]byte("short"), time.Now()); err == nil {
		t.Error("a secret of 5 bytes signs")
	}
}

func TestReadinessTellsStrangersNoDetail(t *testing.T) {
	h := build(t, func(_ *api.Config, s *api.Services) { s.System = notReady{} })
	if a := h.do("", "GET", "/readyz", nil).want(503); !strings.Contains(string(a.body), "the port is taken") {
		t.Errorf("on this machine: %s", a.body)
	}
	if a := h.do("", "GET", "/readyz", nil, "X-Forwarded-For", "203.0.113.9").want(503); strings.Contains(string(a.body), "the port is taken") {
		t.Errorf("to a stranger: %s", a.body)
	}
}

func TestOnlyHealthIsServedWhileTheServerLoads(t *testing.T) {
	system := &stillLoading{}
	h := build(t, func(_ *api.Config, s *api.Services) { s.System = system })
	h.do(h.admin, "GET", "/api/v1/devices", nil).want(200)
	system.left = []string{"channels", "total"}
	for _, path := range []string{"/api/v1/devices", "/api/v1/system", "/live/x.flv", "/"} {
		if a := h.do("", "GET", path, nil).want(503); a.Header.Get("Retry-After") != "1" || !strings.Contains(string(a.body), "105002") || !strings.Contains(string(a.body), "channels") {
			t.Errorf("%s: %v %s", path, a.Header, a.body)
		}
	}
	h.do("", "GET", "/healthz", nil).want(200)
	h.do("", "GET", "/readyz", nil).want(200) // facts says that all works
	h.do(h.admin, "GET", "/metrics", nil).want(200)
}

type stillLoading struct {
	facts
	left []string
}

func (s *stillLoading) Loading() []string { return s.left }

type notReady struct{ facts }

func (notReady) Ready(_ context.Context) []api.Check {
	return []api.Check{{Name: "sip", Detail: "the port is taken"}}
}

func TestConsoleIsServedWithItsViewsAndCaching(t *testing.T) {
	h := build(t)
	a := h.do("", "GET", "/devices/34020000001320000001", nil).want(200)
	if !strings.Contains(string(a.body), "console") || a.Header.Get("Cache-Control") != "no-cache" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
		t.Errorf("%s %v", a.body, a.Header)
	}
	h.do("", "GET", "/", nil, "If-None-Match", a.Header.Get("Etag")).want(304)
	a = h.do("", "GET", "/assets/app-1a2b3c4d.js", nil, "Accept-Encoding", "br, gzip;q=0.5").want(200)
	if a.Header.Get("Content-Encoding") != "gzip" || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/javascript") {
		t.Errorf("%v", a.Header)
	}
	if a = h.do("", "GET", "/assets/app-1a2b3c4d.js", nil, "Accept-Encoding", "gzip;q=0").want(200); string(a.body) != "console.log(1)" {
		t.Errorf("%s", a.body)
	}
	h.do("", "GET", "/assets/gone.js", nil).problem(404, 104004)
	h.do("", "GET", "/assets/..%2f..%2fetc/passwd.txt", nil).problem(404, 104004)
	if a := h.do("", "HEAD", "/", nil).want(200); len(a.body) != 0 || a.Header.Get("Content-Length") == "0" {
		t.Errorf("HEAD: %v", a.Header)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Content-Security-Policy": "default-src 'self'"} {
		if got := a.Header.Get(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s = %q", name, got)
		}
	}
	if got := h.do(h.admin, "GET", "/api/v1/devices", nil, "Origin", "https://evil.example").Header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("the API allows origin %q", got)
	}
}

func TestServicesThatAreOffAnswerSo(t *testing.T) {
	h := build(t, func(_ *api.Config, s *api.Services) {
		s.Streams, s.Trace, s.Events, s.Attempts, s.Bans, s.Subscriptions, s.FLV, s.WHEP, s.System = nil, nil, nil, nil, nil, nil, nil, nil, nil
	})
	h.online(cam)
	name := string(cam) + "_" + string(cam)
	for _, path := range []string{"/api/v1/streams", "/api/v1/trace", "/api/v1/trace.pcap", "/api/v1/events", "/api/v1/attempts", "/api/v1/bans", "/live/" + name + ".flv", "/api/v1/devices/" + string(cam) + "/subscriptions/catalog"} {
		h.do(h.admin, "GET", path, nil).problem(501, 105005)
	}
	h.do(h.admin, "POST", "/whep/live/"+name, nil).problem(501, 105005)
	h.do(h.admin, "GET", "/api/v1/system", nil).want(200)
}

func TestOpenAPIDocumentIsInStepAndNeedsNoOtherHost(t *testing.T) {
	h := build(t)
	a := h.do(h.admin, "GET", "/openapi.json", nil).want(200)
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]any
	}
	a.into(&doc)
	if doc.OpenAPI != "3.1.0" || len(doc.Paths) < 20 {
		t.Errorf("openapi %q with %d paths", doc.OpenAPI, len(doc.Paths))
	}
	for pattern, open := range h.server.Routes() {
		method, path, _ := strings.Cut(pattern, " ")
		if strings.HasPrefix(path, "/api/") && doc.Paths[path][strings.ToLower(method)] == nil {
			t.Errorf("%s (open %v) is not in the document", pattern, open)
		}
	}
	if strings.Contains(string(a.body), "$schema") || strings.Contains(string(a.body), "ErrorModel") {
		t.Error("the document speaks of $schema or huma's own errors")
	}
	const file = "../../docs/openapi.json"
	if *update {
		if err := os.WriteFile(file, a.body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := os.ReadFile(file); err != nil || string(kept) != string(a.body) {
		t.Errorf("docs/openapi.json is not in step (%v): run go test ./internal/api -run OpenAPI -update", err)
	}
	page := h.do(h.admin, "GET", "/docs", nil).want(200)
	if text := string(page.body); !strings.Contains(text, "/api/v1/streams") || !strings.Contains(text, "147001") || regexp.MustCompile(`(src|href)="(https?:)?//`).MatchString(text) || strings.Contains(text, "<script") {
		t.Error("the page lacks a route or an error, or needs another host")
	}
	if a := h.do(h.admin, "GET", "/api/v1/devices", nil); strings.Contains(string(a.body), "$schema") || a.Header.Get("Link") != "" {
		t.Errorf("answers carry $schema: %s %v", a.body, a.Header)
	}
}
