package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// client calls the API as a program would.
type client struct {
	base  string // "http://127.0.0.1:8080"
	token string
}

// answer is what a call came back with.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// problem is an RFC 9457 answer.
type problem struct {
	Type   string  `json:"type"`
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail"`
	Code   int     `json:"code"`
	Remedy string  `json:"remedy"`
	Trace  string  `json:"trace"`
	Stages []stage `json:"stages"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
}

type stage struct {
	Name   string `json:"name"`
	Detail string `json:"detail"`
	Failed bool   `json:"failed"`
	TookMS int64  `json:"took_ms"`
}

// call sends a request; body is marshalled unless it is a string or nil. Header
// values come in pairs.
func (c client) call(t *testing.T, method, path string, body any, header ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, in)
	if err != nil {
		t.Fatal(err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: read answer: %v", method, path, err)
	}
	return answer{resp.StatusCode, resp.Header, out}
}

// want decodes a successful answer.
func want[T any](t *testing.T, a answer, status int) (v T) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if len(a.body) > 0 {
		if err := json.Unmarshal(a.body, &v); err != nil {
			t.Fatalf("decode %s: %v", a.body, err)
		}
	}
	return v
}

// refused decodes a problem and checks what every one must have.
func refused(t *testing.T, a answer, status int) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal(a.body, &p); err != nil || a.status != status {
		t.Fatalf("status %d, want %d with a problem (%v): %s", a.status, status, err, a.body)
	}
	if kind := a.header.Get("Content-Type"); kind != "application/problem+json" {
		t.Errorf("Content-Type %q, want application/problem+json", kind)
	}
	if p.Code < 100000 || p.Code > 999999 || p.Status != status || p.Title == "" || p.Remedy == "" || p.Trace == "" {
		t.Errorf("code, status, title, remedy or trace is missing in %s", a.body)
	}
	return p
}

func get[T any](t *testing.T, c client, path string) T {
	t.Helper()
	return want[T](t, c.call(t, http.MethodGet, path, nil), http.StatusOK)
}

func (c client) signIn(t *testing.T, user, password string) (token string) {
	t.Helper()
	return want[struct{ Token string }](t, c.call(t, http.MethodPost, "/api/v1/sessions",
		map[string]string{"username": user, "password": password}), http.StatusCreated).Token
}

// page is a list.
type page[T any] struct {
	Items []T `json:"items"`
	Total int `json:"total"`
}

type deviceInfo struct {
	ID             string `json:"id"`
	State          string `json:"state"`
	StateReason    string `json:"state_reason"`
	Transport      string `json:"transport"`
	Remote         string `json:"remote"`
	Channels       int    `json:"channels"`
	OnlineChannels int    `json:"online_channels"`
}

type streamInfo struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Codec  string `json:"codec"`
	CallID string `json:"call_id"`
	Tracks []struct {
		Codec string `json:"codec"`
		Width int    `json:"width"`
	} `json:"tracks"`
	Transport string            `json:"transport"`
	URLs      map[string]string `json:"urls"`
	Stages    []stage           `json:"stages"`
	Stats     *struct {
		Readers int    `json:"readers"`
		Lost    uint64 `json:"lost"`
		Source  string `json:"source"`
	} `json:"stats"`
}

type systemInfo struct {
	Counts struct {
		Devices struct {
			Total   int `json:"total"`
			Online  int `json:"online"`
			Offline int `json:"offline"`
			Unknown int `json:"unknown"`
		} `json:"devices"`
		Streams int `json:"streams"`
	} `json:"counts"`
	Leases map[string]int `json:"leases"`
}

type messageInfo struct {
	Dir    string `json:"dir"`
	Label  string `json:"label"`
	CallID string `json:"call_id"`
	CSeq   string `json:"cseq"`
	Method string `json:"method"`
	Status int    `json:"status"`
	Repeat bool   `json:"repeat"`
	Text   string `json:"text"`
}

func (s *server) device(t *testing.T, id string) deviceInfo {
	t.Helper()
	return get[deviceInfo](t, s.client, "/api/v1/devices/"+id)
}

func (s *server) system(t *testing.T) systemInfo {
	t.Helper()
	return get[systemInfo](t, s.client, "/api/v1/system")
}

// live asks for a live stream and waits for its first key frame. choice are
// further fields of the request, name and value by turns.
func (s *server) live(t *testing.T, device, channel string, choice ...string) streamInfo {
	t.Helper()
	body := map[string]string{"device": device, "channel": channel, "kind": "live"}
	for i := 0; i+1 < len(choice); i += 2 {
		body[choice[i]] = choice[i+1]
	}
	return want[streamInfo](t, s.call(t, http.MethodPost, "/api/v1/streams", body), http.StatusCreated)
}

// mediaLeases are the leases that a stream holds.
func (s *server) mediaLeases(t *testing.T) map[string]int {
	t.Helper()
	all := s.system(t).Leases
	out := map[string]int{}
	for _, name := range []string{"ports", "ssrcs", "receivers", "media_connections", "dialogs"} {
		if n, ok := all[name]; !ok {
			t.Fatalf("no lease %q among %v", name, all)
		} else if n != 0 {
			out[name] = n
		}
	}
	return out
}
