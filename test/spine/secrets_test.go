package spine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/internal/sim"
	"fengsui/sip/digest"
	"fengsui/sip/siptest"
)

// leaks looks for secrets in what the server logs, the finest level included.
type leaks struct {
	mu      sync.Mutex
	secrets map[string]string // what it is, by itself
	found   []string
	lines   int
}

func (l *leaks) add(what, secret string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.secrets[secret] = what
}

func (l *leaks) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines++
	for secret, what := range l.secrets {
		if strings.Contains(string(line), secret) {
			l.found = append(l.found, what+": "+string(line))
		}
	}
	return len(line), nil
}

// What opens a device or this server must not stand in a log, which is kept for
// long and sent to strangers, nor in a trace, which goes into tickets.
func TestNoSecretIsLoggedOrTraced(t *testing.T) {
	t.Parallel()
	const own, wrong, person = "Own-Secret-of-1", "Wrong-Guess-2", "Correct-Horse-3"
	log := &leaks{secrets: map[string]string{
		password: "common password", own: "a device's password", wrong: "a wrong password", person: "a user's password",
		apiKey: "API key", clusterSecret: "cluster secret", "response=": "Digest response", "fss_": "session token",
	}}
	h := open(t, func(c *configs.Config) { c.Log.Level = "trace" })
	h.log.tee(log)
	for _, d := range []string{string(camera), "34020000001320000002"} {
		for _, p := range []string{password, own} {
			log.add("HA1", digest.MD5.HA1(d, "3402000000", p))
		}
	}

	// Devices: right and wrong passwords, messages that cannot be read, a password in an answer.
	h.must("POST", "/api/v1/devices", map[string]any{"id": camera, "password": own}, nil)
	h.run(sim.Config{Password: own, Channels: 1})
	h.launch(sim.Config{FirstID: "34020000001320000009", Password: wrong})
	h.attempt("34020000001320000009")
	d := h.camera(siptest.Config{ID: "34020000001320000002"})
	d.React(okToMessages(d))
	m := register(d)
	signed := m.Get("Authorization")
	_, response, _ := strings.Cut(signed, `response="`)
	response, _, _ = strings.Cut(response, `"`)
	log.add("Digest response", response)
	lost := h.camera(siptest.Config{ID: "34020000001320000003"}) // registers at another server, with a password in the address
	lost.React(okToMessages(lost))
	m = lost.Request("REGISTER", "", siptest.Header{Name: "Expires", Value: "3600"})
	m.URI = "sip:34020000002000000009:" + own + "@h"
	lost.Send(m.Bytes())
	authorize(m, lost.ExpectStatus(401))
	lost.Send(m.Bytes())
	lost.ExpectStatus(200)
	for _, raw := range []string{
		"REGISTER sip:x SIP/2.0\r\nAuthorization: " + signed + "\r\n\r\n",
		"INVITE sip:x:" + own + "@h SIP/2.0\r\nVia: \r\nFrom: <sip:" + d.ID() + ":" + own + "@h>\r\nAuthorization: " + signed + "\r\nCSeq: x\r\n\r\n",
		"SIP/2.0 abc\r\nAuthorization: " + signed + "\r\n\r\n",
		"Authorization: " + signed + "\r\n\r\n<Password>" + own + "</Password>",
	} {
		d.Send([]byte(raw))
	}
	for _, body := range []string{
		"<Response><CmdType>ConfigDownload</CmdType><SN>1</SN><DeviceID>" + d.ID() + "</DeviceID><BasicParam><Password>" + own + "</Password></BasicParam></Response>",
		"<Response><Password>" + own, "Password=" + own,
	} {
		q := d.Request("MESSAGE", body, siptest.Header{Name: "Content-Type", Value: "Application/MANSCDP+xml"}, siptest.Header{Name: "Authorization", Value: signed},
			siptest.Header{Name: "X-Auth-Token", Value: own})
		d.Send(q.Bytes())
		d.ExpectAnswer(q)
	}

	// People: sign-in, a wrong one, a token in an address, a play address.
	h.must("POST", "/api/v1/users", map[string]any{"username": "eve", "password": person, "roles": []string{"administrator"}}, nil)
	var session struct{ Token string }
	h.must("POST", "/api/v1/sessions", map[string]any{"username": "eve", "password": person}, &session)
	if p, err := h.call(context.Background(), "POST", "/api/v1/sessions", map[string]any{"username": "eve", "password": wrong}, nil); err != nil || p == nil {
		t.Errorf("a wrong password: %+v, %v", p, err)
	}
	log.add("session token", session.Token)
	for _, path := range []string{"/api/v1/trace.pcap?token=" + session.Token, "/api/v1/devices/x?token=" + session.Token, "/live/x.flv?token=" + own} {
		res, err := h.http.Get(h.base + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Error(err)
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			untold(t, path, string(body), own, response, password)
		}
	}
	untold(t, "the trace", fmt.Sprint(h.trace(camera, time.Time{}), h.trace("34020000001320000002", time.Time{})), own, response, password)

	h.close()
	log.mu.Lock()
	defer log.mu.Unlock()
	for _, f := range log.found {
		t.Error(f)
	}
	if log.lines < 10 {
		t.Errorf("only %d lines are written", log.lines)
	}
}

// Some firmware tells its SIP password in BasicParam, and an operator may try to
// set it there (signalling.md section 9 row 52). It is in no log, no trace, no
// event, no answer of the API, no metric and no file, in either edition; not even
// an administrator who asks for the trace with its secrets sees it.
//
// Conformance: server Response/ConfigDownload/BasicParam 2016 2022
// Conformance: server Control/DeviceConfig/BasicParam 2016 2022
// Quirk: 52
func TestASIPPasswordInBasicParamGoesNowhere(t *testing.T) {
	t.Parallel()
	const own, wanted = "Told-By-The-Device-1", "Wanted-By-A-Person-2"
	log := &leaks{secrets: map[string]string{own: "the password that the device told", wanted: "the password that a person wanted"}}
	h := open(t, func(c *configs.Config) { c.Log.Level = "trace" })
	h.log.tee(log)
	for i, edition := range []gb28181.Edition{gb28181.Edition2016, gb28181.Edition2022} {
		id := string(number(camera, 500+i))
		h.must("POST", "/api/v1/devices", map[string]any{"id": id, "password": own}, nil)
		h.must("PUT", "/api/v1/trace/watches/"+id, map[string]any{}, nil) // every message whole
		s := h.run(sim.Config{FirstID: gb28181.ID(id), Password: own, Edition: edition, Quirks: []string{"config-password"}})
		h.complete(s.Device(0).ID, 1)
		var answer json.RawMessage
		h.get("/api/v1/devices/"+id+"/config/BasicParam", &answer)
		untold(t, "the configuration", string(answer), own)
		for _, field := range []string{"password", "Password", "sip_password"} {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			p, err := h.call(ctx, "PUT", "/api/v1/devices/"+id+"/config/BasicParam", map[string]any{"values": map[string]any{field: wanted}}, nil)
			cancel()
			if err != nil || p == nil {
				t.Fatalf("%s was set: %+v, %v", field, p, err)
			}
			untold(t, "the refusal", p.Detail+p.Remedy+p.Title, wanted)
		}
		// What a device answers unasked, and what it reports under the same element.
		d := h.camera(siptest.Config{ID: string(number(camera, 510+i))})
		d.React(okToMessages(d))
		register(d)
		for _, root := range []string{"Response", "Notify", "Control"} {
			q := d.Request("MESSAGE", "<"+root+"><CmdType>DeviceConfig</CmdType><SN>9</SN><DeviceID>"+d.ID()+"</DeviceID><BasicParam><Name>x</Name><Password>"+
				own+"</Password></BasicParam></"+root+">", siptest.Header{Name: "Content-Type", Value: "Application/MANSCDP+xml"})
			d.Send(q.Bytes())
			d.ExpectAnswer(q)
		}
		for _, device := range []string{id, d.ID()} {
			whole := fmt.Sprint(h.trace(gb28181.ID(device), time.Time{}))
			if !strings.Contains(whole, "BasicParam") || !strings.Contains(whole, "<Password>*") {
				t.Errorf("the trace of %s has no BasicParam with a password", device)
			}
			untold(t, "the trace of "+device, whole, own, wanted)
			untold(t, "the events of "+device, fmt.Sprint(h.events(gb28181.ID(device))), own, wanted)
		}
	}
	for _, path := range []string{"/api/v1/trace.pcap", "/api/v1/trace?redact=false", "/api/v1/trace.pcap?redact=false", "/api/v1/devices?page_size=1000", "/api/v1/channels?page_size=1000", "/api/v1/attempts", "/api/v1/audit", "/api/v1/alarms", "/metrics"} {
		r, err := http.NewRequest(http.MethodGet, h.base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+h.token)
		res, err := h.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d, %v", path, res.StatusCode, err)
		}
		untold(t, path, string(body), own, wanted)
	}
	h.close()
	err := filepath.WalkDir(h.cfg.DataDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		untold(t, path, string(b), own, wanted)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	for _, f := range log.found {
		t.Error(f)
	}
}

func untold(t *testing.T, where, text string, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		if i := strings.Index(text, s); i >= 0 {
			t.Errorf("%s tells %s: %q", where, s, text[max(0, i-200):i])
		}
	}
}
