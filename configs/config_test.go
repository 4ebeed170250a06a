package configs_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fengsui/configs"
)

func TestAnEmptyFileIsTheDefaults(t *testing.T) {
	got, err := configs.Load(configs.Source{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(configs.Default(), got); diff != "" {
		t.Fatal(diff)
	}
}

func TestTheSampleEqualsTheDefaults(t *testing.T) {
	got, err := configs.Load(configs.Source{File: []byte(configs.Sample)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(configs.Default(), got); diff != "" {
		t.Fatal(diff)
	}
}

func TestWhatIsPrintedLoadsAsTheSameConfiguration(t *testing.T) {
	want, err := configs.Load(configs.Source{File: []byte(`
sip:
  id: "31010000002000000007"
  listeners: [{transport: tls, address: "[::]:5061", advertise: "gb.example.org:5061"}]
  digest_algorithms: [SM3, MD5]
  tls: {cert: a.pem, key: a.key}
  guard: {allow: ["10.0.0.0/8", "::1"], deny_ids: ["0034", "34020000001320000001"], deny_agents: ["a: b", "c, d"], ban: 1h}
media: {ports: 40000-40999, idle_close: 90s}
trace: {memory: 8MiB}
subscribe: {alarm: true, interval: 7s}
alarms: {keep: 2h}
positions: {rows: 5000}
snapshots: {keep: 3h, size: 64MiB, upload_url: "http://gb.example.org:8080"}
journal: {keep: 24h, size: 2MiB}
sinks:
  - {name: bus, kind: kafka, url: "kafkas://a:9093,b", events: [device, alarm.raised], subtrees: ["*"], age: 1h}
  - {name: mq, kind: redis, url: "redis://broker", tries: 3, tenant: north}
downloads: {space: 3GiB, keep: 2h, running: 2}
telemetry: {flight_recorder: 10s}
`)})
	if err != nil {
		t.Fatal(err)
	}
	got, err := configs.Load(configs.Source{File: []byte(want.Print())})
	if err != nil {
		t.Fatalf("%v\n%s", err, want.Print())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

func TestALaterSourceWins(t *testing.T) {
	got, err := configs.Load(configs.Source{
		File: []byte("sip: {query_rate: 10}\nhttp: {listen: 127.0.0.1:1}\nlog: {level: debug}"),
		Env:  []string{"FENGSUI_HTTP_LISTEN=127.0.0.1:2", "FENGSUI_SIP_QUERY_RATE=20", "HOME=/x"},
		Set:  []string{"sip.query_rate=30", "sip.password=", "keepalive.interval=30s", "sip.digest_algorithms=SHA-256,MD5"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.SIP.QueryRate != 30 || got.HTTP.Listen != "127.0.0.1:2" || got.Log.Level != "debug" || got.Keepalive.Interval != 30*time.Second {
		t.Fatalf("got %+v", got)
	}
	if got.SIP.Password == nil || *got.SIP.Password != "" {
		t.Fatal("an empty password is not the same as none")
	}
	if diff := cmp.Diff([]string{"SHA-256", "MD5"}, got.SIP.DigestAlgorithms); diff != "" {
		t.Fatal(diff)
	}
}

func TestEveryFaultIsNamedByItsKey(t *testing.T) {
	_, err := configs.Load(configs.Source{
		File: []byte(`
sip:
  id: "123"
  listen: nowhere
  qop: sometimes
  advertise: 0.0.0.0
  digest_algorithms: [MD5, MD5]
  listeners: [{transport: sctp, address: ":70000"}]
  guard: {rate: 1, burst: 1, per_device: 0, failures: 1, ban: 1ms, bodies: 1, allow: [everywhere], deny: [10.0.0.0/33], allow_ids: ["34x"],
    deny_ids: [""], allow_agents: [" "], deny_agents: [""]}
http: {tls: {cert: a.pem, auto: true, names: ["no name"]}}
media: {ports: 10-5, mode: both, idle_close: 1ms, advertise: cam.example.org}
keepalive: {missed: 0}
time: {zone: Mars/Olympus}
trace: {memory: 1KiB}
subscribe: {interval: 10ms}
alarms: {keep: 1s}
positions: {rows: 1}
snapshots: {keep: 1s, size: 1KiB, upload_url: "ftp://x"}
journal: {keep: 1s, size: 1KiB}
sinks:
  - {name: a b, kind: fax, tries: 0, age: 1s, pending: 1, events: ["*"], subtrees: [a/], length: 1, sasl: x, tenant: a/b, topic: "#"}
  - {name: hook, kind: webhook, url: "http:/host", secret: whsec_c2hvcnQ=, ca: /nowhere}
  - {name: hook, kind: redis, url: "redis://user:pw@host", secret: x, password: "(set, not shown)"}
downloads: {space: 1MiB, keep: 1s, running: 0}
telemetry: {flight_recorder: 1ms}
cluster: {secret: short}
store: {url: "mysql://x"}
`)})
	var faults configs.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("Load = %v, want Faults", err)
	}
	found := map[string]bool{}
	for _, f := range faults {
		found[f.Key] = true
	}
	for _, key := range []string{"sip.id", "sip.listen", "sip.qop", "sip.advertise", "sip.digest_algorithms",
		"sip.listeners[0].transport", "sip.listeners[0].address", "http.tls.key", "http.tls.auto", "http.tls.names", "media.ports", "media.mode",
		"media.idle_close", "media.advertise", "keepalive.missed", "sip.guard.rate", "sip.guard.burst",
		"sip.guard.per_device", "sip.guard.failures", "sip.guard.ban", "sip.guard.bodies", "sip.guard.allow", "sip.guard.deny",
		"sip.guard.allow_ids", "sip.guard.deny_ids", "sip.guard.allow_agents", "sip.guard.deny_agents", "time.zone", "trace.memory", "telemetry.flight_recorder", "subscribe.interval", "alarms.keep", "positions.rows", "snapshots.keep", "snapshots.size", "snapshots.upload_url", "downloads.space", "downloads.keep", "downloads.running", "sinks[0].name", "sinks[0].kind", "sinks[0].tries", "sinks[0].age", "sinks[0].pending", "sinks[0].events", "sinks[0].subtrees", "sinks[0].length", "sinks[0].sasl",
		"sinks[0].tenant", "sinks[0].topic", "sinks[1].url", "sinks[1].secret", "sinks[1].ca", "sinks[2].name", "sinks[2].url",
		"sinks[2].secret", "sinks[2].password", "journal.keep", "journal.size", "cluster.secret", "store.url"} {
		if !found[key] {
			t.Errorf("no fault for %s in:\n%v", key, err)
		}
	}
}

func TestAnUnknownKeyHidesNoOtherFault(t *testing.T) {
	_, err := configs.Load(configs.Source{
		File: []byte("sip: {lisen: x, id: \"123\"}\nmedia: {mode: both, ports: many}"), Set: []string{"nothing=1", "keepalive.missed=0"},
	})
	var faults configs.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("Load = %v, want Faults", err)
	}
	var keys []string
	for _, f := range faults {
		keys = append(keys, f.Key)
	}
	want := []string{"keepalive.missed", "media.mode", "media.ports", "nothing", "sip.id", "sip.lisen"}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Fatalf("%s\n%v", diff, err)
	}
}

func TestWordsThatAreNotValuesAreRefused(t *testing.T) {
	for name, src := range map[string]configs.Source{
		"sip.id":                   {File: []byte("sip: {id: 34020000002000000001}")},
		"sip.query_rate":           {Set: []string{"sip.query_rate=fast"}},
		"keepalive.interval":       {Set: []string{"keepalive.interval=60"}},
		"sip.approve_unknown":      {Set: []string{"sip.approve_unknown=maybe"}},
		"trace.memory":             {Set: []string{"trace.memory=lots"}},
		"media.ports":              {Set: []string{"media.ports=30000"}},
		"sip.lisen":                {File: []byte("sip: {lisen: x}")},
		"FENGSUI_SIP_LISTENN":      {Env: []string{"FENGSUI_SIP_LISTENN=x"}},
		"sinks":                    {File: []byte("sinks: [{nam: x}]")},
		"sinks: entry 1: age":      {File: []byte("sinks: [{age: soon}]")},
		"sip.listeners":            {Set: []string{"sip.listeners=x"}},
		"(file)":                   {File: []byte("sip: [")},
		"auth.admin_password":      {Set: []string{"auth.admin_password=123"}},
		"nothing":                  {Set: []string{"nothing"}},
		"media.packet_timeout":     {Set: []string{"media.packet_timeout=2m"}},
		"sip.tls.cert":             {Set: []string{"sip.tls.listen=0.0.0.0:5061"}},
		"http.listen":              {Set: []string{"http.listen=localhost:8080"}},
		"media.webrtc_listen":      {Set: []string{"media.webrtc_listen=8189"}},
		"sip.listeners[0].address": {File: []byte("sip: {listeners: [{transport: udp, address: x}]}")},
	} {
		_, err := configs.Load(src)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Load(%s) = %v, want a fault of %s", src.File, err, name)
		}
	}
	_, err := configs.Load(configs.Source{File: []byte("sip: {lisen: x}")})
	if err == nil || !strings.Contains(err.Error(), "did you mean sip.listen?") {
		t.Errorf("no suggestion in %v", err)
	}
}

func TestNetworksTakesAddressesToo(t *testing.T) {
	got := configs.Networks([]string{"192.0.2.77/24", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.2"})
	if fmt.Sprint(got) != "[192.0.2.0/24 192.0.2.1/32 2001:db8::1/128 192.0.2.2/32]" {
		t.Errorf("Networks = %v", got)
	}
}

func TestAnIDInAListMustBeQuoted(t *testing.T) {
	_, err := configs.Load(configs.Source{File: []byte("sip: {guard: {deny_ids: [34020000001320000001]}}")})
	if err == nil || !strings.Contains(err.Error(), "sip.guard.deny_ids") || !strings.Contains(err.Error(), "quotes") {
		t.Errorf("Load = %v, want a fault that asks for quotes", err)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	c, err := configs.Load(configs.Source{Set: []string{"sip.password=hunter2hunter2", "cluster.secret=0123456789abcdef0", "auth.admin_password=sesame-open"}})
	if err != nil {
		t.Fatal(err)
	}
	c.Sinks = []configs.Sink{{Name: "x", Kind: "webhook", URL: "https://host/path?token=tkn", Secret: "whsec_sssss", Password: "ppppp"}}
	for _, secret := range []string{"hunter2", "0123456789abcdef0", "sesame", "tkn", "sssss", "ppppp"} {
		if strings.Contains(c.Print(), secret) {
			t.Errorf("%q is shown in\n%s", secret, c.Print())
		}
	}
}

func TestChangedNamesTheKeysThatDiffer(t *testing.T) {
	a, b := configs.Default(), configs.Default()
	if got := configs.Changed(&a, &b); len(got) != 0 {
		t.Fatalf("Changed = %q, want none", got)
	}
	word := "changed-password"
	b.SIP.Password, b.Log.Level, b.SIP.Listeners = &word, "debug", []configs.Listener{{Transport: "udp"}}
	if diff := cmp.Diff([]string{"log.level", "sip.listeners", "sip.password"}, configs.Changed(&a, &b)); diff != "" {
		t.Fatal(diff)
	}
}
