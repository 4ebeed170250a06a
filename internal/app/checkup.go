package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/gb28181/checkup"
	"fengsui/gb28181/command"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/play"
	"fengsui/gb28181/records"
	"fengsui/gb28181/setting"
	"fengsui/gb28181/subscribe"
	"fengsui/sip/trace"
)

// Times of a check-up.
const (
	catalogPatience = time.Minute
	recordsPatience = time.Minute
	pictureWatched  = 6 * time.Second // long enough for a key frame each 4 s
	turnFor         = 500 * time.Millisecond
)

// ErrNonconforming is returned for a device that failed a step.
var ErrNonconforming = errors.New("the device failed a step; the report says which")

// CheckupQuestion is what `fengsui doctor --device` asks.
type CheckupQuestion struct {
	Server string // "http://host:port"; "" = http.listen on this machine
	Key    string // API key of an administrator
	Device string
	Act    bool
	Lang   string // of problems: zh or en
}

// AskCheckup has a server that runs check a device.
func AskCheckup(ctx context.Context, c configs.Config, q CheckupQuestion) (*checkup.Report, error) {
	if q.Key == "" {
		return nil, errors.New("no API key: make one of an administrator (POST /api/v1/keys) and give it with --key or FENGSUI_API_KEY")
	}
	transport := &http.Transport{DisableKeepAlives: true}
	if q.Server == "" {
		address, ok := reachable(c.HTTP.Listen)
		if !ok {
			return nil, fmt.Errorf("http.listen %q is no address: give one with --server", c.HTTP.Listen)
		}
		q.Server = "http://" + address
		if c.HTTP.TLS.Cert != "" {
			q.Server = "https://" + address
			var err error
			if transport.TLSClientConfig, err = onlyOurs(&c); err != nil {
				return nil, err
			}
		}
	}
	path := fmt.Sprintf("%s/api/v1/devices/%s/checkup?act=%v", strings.TrimSuffix(q.Server, "/"), url.PathEscape(q.Device), q.Act)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, path, nil)
	if err != nil {
		return nil, fmt.Errorf("--server: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+q.Key)
	req.Header.Set("Accept-Language", q.Lang)
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the server: %w; does it run?", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		var p struct{ Title, Detail, Remedy string }
		_ = json.NewDecoder(res.Body).Decode(&p) // its status says enough
		return nil, fmt.Errorf("%s: %s %s %s", res.Status, p.Title, p.Detail, p.Remedy)
	}
	report := new(checkup.Report)
	if err := json.NewDecoder(res.Body).Decode(report); err != nil {
		return nil, fmt.Errorf("read the report: %w", err)
	}
	return report, nil
}

// checker is what a check-up does things with.
type checker struct{ *App }

// Checkup runs the conformance test of a device, for the API.
func (a *App) Checkup(ctx context.Context, id gb28181.ID, act bool) (*checkup.Report, error) {
	return checkup.Run(ctx, checker{a}, id, checkup.Options{Act: act, Interval: a.cfg.Keepalive.Interval})
}

func (c checker) Device(id gb28181.ID) (gb28181.Device, bool) { return c.table.Device(id) }
func (c checker) Channels(id gb28181.ID) []gb28181.Channel    { return c.catalog.Channels(id) }
func (c checker) Zone(id gb28181.ID) *time.Location           { return c.zoneOf(id) }

func (c checker) Ask(ctx context.Context, id gb28181.ID, cmd string) (*manscdp.Message, error) {
	return c.command.Query(ctx, id, cmd, string(id))
}

func (c checker) Catalog(ctx context.Context, id gb28181.ID) (gb28181.Completeness, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, catalogPatience, gb28181.ErrTimeout)
	defer cancel()
	if _, err := c.catalog.Sync(ctx, id); err != nil {
		return gb28181.Completeness{}, err
	}
	_, err := c.catalog.Wait(ctx, id)
	return c.catalog.Completeness(id), err
}

func (c checker) Records(ctx context.Context, device, channel gb28181.ID, from, to time.Time) (int, bool, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, recordsPatience, gb28181.ErrTimeout)
	defer cancel()
	res, err := c.records.Find(ctx, records.Query{Device: device, Channel: channel, Span: records.Span{From: from, To: to}})
	return len(res.Records), res.Complete, err
}

func (c checker) Presets(ctx context.Context, device, channel gb28181.ID) (int, bool, error) {
	list, err := c.command.Presets(ctx, device, channel, gb28181.EditionUnknown)
	return len(list.Items), list.Complete, err
}

func (c checker) Setting(ctx context.Context, device gb28181.ID, t *setting.Type) error {
	_, err := c.command.Settings(ctx, device, device, []*setting.Type{t}, gb28181.EditionUnknown)
	return err
}

// Picture plays a channel for a while. A stream that others watch is looked at as
// it is and goes on.
func (c checker) Picture(ctx context.Context, device, channel gb28181.ID, transport string) (p checkup.Picture, err error) {
	begun := time.Now()
	s, err := c.play.Start(ctx, play.Request{Device: device, Channel: channel, Transport: transport})
	if err != nil {
		return p, err
	}
	p.First = time.Since(begun)
	select {
	case <-time.After(pictureWatched):
	case <-ctx.Done():
	}
	st, _ := c.engine.Stats(s.Key)
	p.KeyInterval, p.Lost = st.KeyInterval, st.LossRate
	for _, t := range st.Tracks {
		p.Codec += string(t.Codec) + " "
	}
	if st.Readers > 0 {
		return p, nil
	}
	if err := c.play.Stop(context.WithoutCancel(ctx), s.ID); err != nil {
		return p, fmt.Errorf("stop: %w", err)
	}
	return p, nil
}

func (c checker) Subscribed(device gb28181.ID, kind string) (active bool, reason string) {
	st, ok := c.subscribe.Subscription(device, subscribe.Kind(kind))
	if !ok || !st.Enabled {
		return false, ""
	}
	return st.State == subscribe.Active, string(st.State) + " " + st.Reason
}

func (c checker) Turn(ctx context.Context, device, channel gb28181.ID) error {
	if err := c.command.Move(ctx, device, channel, command.Movement{Pan: 0.3, For: turnFor}, gb28181.EditionUnknown); err != nil {
		return err
	}
	return c.command.Move(ctx, device, channel, command.Movement{}, gb28181.EditionUnknown)
}

func (c checker) Messages(device gb28181.ID, since time.Time) []checkup.Message {
	found := c.ring.Find(trace.Query{Device: string(device), Since: since})
	list := make([]checkup.Message, len(found))
	for i, m := range found {
		list[i] = checkup.Message{At: m.At, Dir: m.Dir.String(), Text: string(m.Raw)}
	}
	return list
}
