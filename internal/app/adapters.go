package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/play"
	"fengsui/gb28181/quirk"
	"fengsui/gb28181/subscribe"
	"fengsui/gb28181/talk"
	"fengsui/internal/api"
	"fengsui/media"
	"fengsui/media/engine"
	"fengsui/media/out/whep"
	"fengsui/sip"
	"fengsui/sip/digest"
	"fengsui/sip/flow"
	"fengsui/sip/guard"
)

func guardConfig(c *configs.SIPGuard) guard.Config {
	return guard.Config{
		Rate: c.Rate, Burst: c.Burst, PerDevice: c.PerDevice, Failures: c.Failures, Ban: c.Ban,
		Allow: configs.Networks(c.Allow), Deny: configs.Networks(c.Deny),
		AllowIDs: c.AllowIDs, DenyIDs: c.DenyIDs, AllowAgents: c.AllowAgents, DenyAgents: c.DenyAgents,
	}
}

// subscribedKinds are what every device is subscribed to.
func subscribedKinds(c *configs.Subscribe) []subscribe.Kind {
	kinds := []subscribe.Kind{subscribe.Catalog}
	if c.Alarm {
		kinds = append(kinds, subscribe.Alarm)
	}
	if c.Position {
		kinds = append(kinds, subscribe.Position)
	}
	return kinds
}

func parseAlgorithms(names []string) ([]digest.Algorithm, error) {
	var out []digest.Algorithm
	for _, n := range names {
		alg, ok := digest.ParseAlgorithm(n)
		if !ok {
			return nil, fmt.Errorf("digest algorithm %q: want MD5, SHA-256 or SM3", n)
		}
		out = append(out, alg)
	}
	return out, nil
}

// inviter shows the endpoint to play.
type inviter struct{ *sip.Endpoint }

func (i inviter) Invite(ctx context.Context, p sip.Peer, inv sip.Invite) (play.Dialog, error) {
	d, err := i.Endpoint.Invite(ctx, p, inv)
	if err != nil {
		return nil, err // not a nil *Dialog in an interface
	}
	return d, nil
}

// caller shows the endpoint to talk.
type caller struct{ *sip.Endpoint }

func (c caller) Invite(ctx context.Context, p sip.Peer, inv sip.Invite) (talk.Dialog, error) {
	d, err := c.Endpoint.Invite(ctx, p, inv)
	if err != nil {
		return nil, err // not a nil *Dialog in an interface
	}
	return d, nil
}

func (c caller) Accept(r *sip.Request, secret func() string, sdp []byte) (sip.Response, talk.Dialog, error) {
	res, d, err := c.Endpoint.Accept(r, secret, sdp)
	if err != nil {
		return res, nil, err
	}
	return res, d, nil
}

// streams shows the coordinator with the engine's counters to the API.
type streams struct {
	*play.Coordinator
	engine *engine.Engine
}

func (s streams) Statistics(key media.Key) (api.Statistics, bool) {
	st, ok := s.engine.Stats(key)
	if !ok {
		return api.Statistics{}, false
	}
	out := api.Statistics{
		Bytes: st.Bytes, Packets: st.Packets, Lost: st.Lost, Reordered: st.Reordered, Damaged: st.Damaged,
		Bitrate: st.Bitrate, LossRate: st.LossRate, FPS: st.FPS, KeyInterval: st.KeyInterval, Readers: st.Readers,
	}
	if st.Source.IsValid() {
		out.Source = st.Source.String()
	}
	return out, true
}

// subscriptions shows the table of subscriptions to the API.
type subscriptions struct{ table *subscribe.Subscriptions }

func (s subscriptions) Subscription(id gb28181.ID, kind string) (api.Subscription, bool) {
	st, ok := s.table.Subscription(id, subscribe.Kind(kind))
	return api.Subscription{
		Enabled: st.Enabled, State: string(st.State), Reason: st.Reason, Terms: api.Terms(st.Terms),
		ExpiresAt: st.ExpiresAt, LastNotifyAt: st.LastNotifyAt, Notifies: st.Notifies,
	}, ok
}

func (s subscriptions) Subscribe(_ context.Context, id gb28181.ID, kind string, t api.Terms) error {
	return s.table.Subscribe(id, subscribe.Kind(kind), subscribe.Terms(t))
}

func (s subscriptions) Unsubscribe(_ context.Context, id gb28181.ID, kind string) error {
	return s.table.Unsubscribe(id, subscribe.Kind(kind))
}

// orderUpgrade gives a device the command; it counts as accepted when it was taken
// and no answer came.
func (a *App) orderUpgrade(ctx context.Context, id gb28181.ID, cmd manscdp.DeviceUpgrade, as gb28181.Edition) error {
	_, err := a.command.Control(ctx, id, id, cmd, as)
	return err
}

// offers shows WebRTC to the API: a path with a viewer's name behind the
// stream's is of a session that exists.
type offers struct{ *whep.Server }

func (o offers) ServeOffer(w http.ResponseWriter, r *http.Request, key media.Key) {
	if viewer := r.PathValue("viewer"); viewer != "" {
		o.ServeSession(w, r, viewer)
		return
	}
	o.Server.ServeOffer(w, r, key)
}

// fail answers for the media outputs as the API does. It is built after them,
// so it is found when it is needed.
func (a *App) fail(w http.ResponseWriter, r *http.Request, err error) { a.api.Fail(w, r, err) }

// deviceOn is a device that is bound to a connection, "" when none is.
func (a *App) deviceOn(f flow.Flow) string {
	id, _ := a.table.On(f)
	return string(id)
}

// wanted reports whether a stream still has its session: what is held open for
// one that has none is a leak. The coordinator is built after the engine, so it
// is found when it is needed.
func (a *App) wanted(key media.Key) bool { return a.play.Has(key) }

// probe asks a device whether it lives. The table is built before the
// commander, so it is found when it is needed.
func (a *App) probe(ctx context.Context, id gb28181.ID, f flow.Flow) error {
	return a.command.Probe(ctx, id, f)
}

// devicePassword is what answers a device's own challenge.
func (a *App) devicePassword(id gb28181.ID) string {
	if d, ok := a.store.Provisioned(id); ok && d.Password != "" {
		return d.Password
	}
	return a.SIPPassword()
}

func (a *App) playSettings(id gb28181.ID) play.Settings {
	s := play.Settings{Password: a.devicePassword(id)}
	if d, ok := a.store.Provisioned(id); ok {
		s.Transport, s.Mode = d.MediaTransport, d.MediaMode
	}
	q := a.traits.Of(id)
	if s.Transport == "" && q.Has(quirk.MediaTCP) {
		s.Transport = "tcp-passive"
	}
	if s.Mode == "" && q.Has(quirk.MediaRange) {
		s.Mode = "range"
	}
	return s
}

func (a *App) talkSettings(id gb28181.ID) talk.Settings {
	s := talk.Settings{Password: a.devicePassword(id)}
	if d, ok := a.store.Provisioned(id); ok {
		s.Transport = d.MediaTransport
	}
	return s
}

func sipTLS(c *configs.SIPTLS) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("sip.tls: %w; name a PEM certificate and its key", err)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	if c.ClientCA == "" {
		return conf, nil
	}
	pem, err := os.ReadFile(c.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("sip.tls.client_ca: %w", err)
	}
	conf.ClientCAs = x509.NewCertPool()
	if !conf.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("sip.tls.client_ca: %s holds no PEM certificate", c.ClientCA)
	}
	conf.ClientAuth = tls.RequireAndVerifyClientCert
	return conf, nil
}
