//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const apiTime = 60 * time.Second

// api calls the server's HTTP interface.
type api struct {
	base   string
	client *http.Client
	token  string
}

func newAPI(base string) *api {
	return &api{base: base, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: apiTime}}
}

func (a *api) close() { a.client.CloseIdleConnections() }

// call sends a request and reads its JSON into out, if that is not nil.
func (a *api) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	resp, err := a.client.Do(r)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %.300s", method, path, resp.Status, b)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

func (a *api) ready(ctx context.Context) error {
	return a.call(ctx, http.MethodGet, "/readyz", nil, nil)
}

func (a *api) signIn(ctx context.Context, password string) error {
	var out struct {
		Token string `json:"token"`
	}
	in := map[string]string{"username": "admin", "password": password}
	if err := a.call(ctx, http.MethodPost, "/api/v1/sessions", in, &out); err != nil {
		return err
	}
	a.token = out.Token
	return nil
}

// system is what GET /api/v1/system says.
type system struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Counts  struct {
		Devices struct {
			Total   int `json:"total"`
			Online  int `json:"online"`
			Offline int `json:"offline"`
			Unknown int `json:"unknown"`
		} `json:"devices"`
		Channels int `json:"channels"`
		Online   int `json:"online_channels"`
		Streams  int `json:"streams"`
	} `json:"counts"`
	Start []startStep `json:"start"`
}

// startStep is what one step of the server's start took.
type startStep struct {
	Step   string  `json:"step"`
	TookMS float64 `json:"took_ms"`
	Items  int     `json:"items"`
}

func (a *api) system(ctx context.Context) (s system, err error) {
	return s, a.call(ctx, http.MethodGet, "/api/v1/system", nil, &s)
}

// allOnline is an error when not exactly n devices are known, all online.
func (a *api) allOnline(ctx context.Context, n int) error {
	now, err := a.system(ctx)
	if err != nil {
		return err
	}
	if d := now.Counts.Devices; d.Total != n || d.Online != n {
		return fmt.Errorf("of %d devices %d are known: %d online, %d offline, %d unknown", n, d.Total, d.Online, d.Offline, d.Unknown)
	}
	return nil
}

type stage struct {
	Name   string    `json:"name"`
	At     time.Time `json:"at"`
	TookMS int64     `json:"took_ms"`
	Failed bool      `json:"failed"`
}

// liveStream is an item of /api/v1/streams.
type liveStream struct {
	ID     string  `json:"id"`
	Device string  `json:"device"`
	State  string  `json:"state"`
	Codec  string  `json:"codec"`
	Stages []stage `json:"stages"`

	Stats *streamStats `json:"stats"`
}

type streamStats struct {
	Bytes         uint64  `json:"bytes"`
	Packets       uint64  `json:"packets"`
	Lost          uint64  `json:"lost"`
	Damaged       uint64  `json:"damaged"`
	FPS           float64 `json:"fps"`
	KeyIntervalMS int64   `json:"key_interval_ms"`
}

// inviteToKey is the time from the INVITE to the first key frame, in whole ms.
func (s *liveStream) inviteToKey() (time.Duration, bool) {
	var invite, key time.Time
	for _, st := range s.Stages {
		switch {
		case st.Failed:
			return 0, false
		case st.Name == "offer":
			invite = st.At
		case st.Name == "key_frame":
			key = st.At.Add(time.Duration(st.TookMS) * time.Millisecond)
		}
	}
	return key.Sub(invite), !invite.IsZero() && !key.IsZero()
}

func (a *api) startStream(ctx context.Context, device string) (s liveStream, err error) {
	in := map[string]string{"device": device, "channel": device, "kind": "live"}
	return s, a.call(ctx, http.MethodPost, "/api/v1/streams", in, &s)
}

func (a *api) stopStream(ctx context.Context, id string) error {
	return a.call(ctx, http.MethodDelete, "/api/v1/streams/"+url.PathEscape(id), nil, nil)
}

func (a *api) streams(ctx context.Context) ([]liveStream, error) {
	var out struct {
		Items []liveStream `json:"items"`
		Total int          `json:"total"`
	}
	if err := a.call(ctx, http.MethodGet, "/api/v1/streams?page_size=1000", nil, &out); err != nil {
		return nil, err
	}
	if len(out.Items) != out.Total {
		return nil, fmt.Errorf("the list holds %d of %d streams", len(out.Items), out.Total)
	}
	return out.Items, nil
}

// devicesComplete counts the devices that are online with a complete catalog.
func (a *api) devicesComplete(ctx context.Context) (n int, err error) {
	for page := 1; ; page++ {
		var out struct {
			Items []struct {
				State   string `json:"state"`
				Catalog struct {
					Complete bool `json:"complete"`
				} `json:"catalog"`
				Channels int `json:"channels"`
			} `json:"items"`
			Total int `json:"total"`
		}
		if err := a.call(ctx, http.MethodGet, fmt.Sprintf("/api/v1/devices?page_size=1000&page=%d", page), nil, &out); err != nil {
			return n, err
		}
		for _, d := range out.Items {
			if d.State == "online" && d.Catalog.Complete && d.Channels > 0 {
				n++
			}
		}
		if page*1000 >= out.Total {
			return n, nil
		}
	}
}

// metric is the sum of a metric's values over its labels.
func (a *api) metric(ctx context.Context, name string) (sum float64, err error) {
	b, err := a.raw(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	return sumMetric(string(b), name)
}

// heap is what is alive after a collection, in bytes.
func (a *api) heap(ctx context.Context) (float64, error) {
	if _, err := a.raw(ctx, "/api/v1/system/profiles/heap?gc=1"); err != nil {
		return 0, err
	}
	return a.metric(ctx, "go_memstats_heap_alloc_bytes")
}

// raw is a page as it comes.
func (a *api) raw(ctx context.Context, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+path, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	resp, err := a.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, resp.Status)
	}
	return b, nil
}

func sumMetric(text, name string) (sum float64, err error) {
	found := false
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), name)
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		f := strings.Fields(rest[strings.LastIndexByte(rest, '}')+1:])
		if len(f) == 0 {
			continue
		}
		v, err := strconv.ParseFloat(f[0], 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %w", name, err)
		}
		sum, found = sum+v, true
	}
	if !found {
		return 0, fmt.Errorf("no metric is named %s", name)
	}
	return sum, nil
}
