package app

import (
	"context"
	"net/netip"
	"time"

	"fengsui/internal/api"
	"fengsui/internal/rights"
	"fengsui/internal/store"
	"fengsui/sip/flow"
)

// addFirstAdministrator makes the user admin when there is no user at all.
// It returns how many users there are.
func (a *App) addFirstAdministrator(ctx context.Context) (int, error) {
	if users, err := a.store.Users(ctx); err != nil || len(users) > 0 {
		return len(users), err // no need to hash a password, which takes its time and 64 MiB
	}
	_, err := a.store.AddFirstUser(ctx, store.User{
		Name: "admin", Roles: []string{rights.Administrator}, Hash: api.HashPassword(a.secrets.adminPassword), CreatedAt: time.Now(), PasswordAt: time.Now(),
	})
	return 1, err
}

// Facts is what the process tells of itself (api.System).
func (a *App) Facts() api.Facts {
	f := api.Facts{
		Commit: Commit, StartedAt: a.start.begun, Start: a.start.steps(), SIPID: a.cfg.SIP.ID, SIPDomain: a.cfg.SIP.SIPDomain(),
		Addresses: a.addresses(), Leases: a.leases(), Pools: a.reuse.State(),
	}
	if a.whep == nil {
		f.Degraded = append(f.Degraded, "WebRTC is off: media.webrtc_listen is empty")
	}
	return f
}

// Ready looks at what must work before work can be taken (api.System).
func (a *App) Ready(ctx context.Context) []api.Check {
	var checks []api.Check
	for _, step := range a.Loading() {
		checks = append(checks, api.Check{Name: "start: " + step, Detail: "not done yet"})
	}
	database := api.Check{Name: "database", OK: true}
	if err := a.store.Ping(ctx); err != nil {
		database.OK, database.Detail = false, err.Error()
	}
	return append(checks, database)
}

// Loading are the steps of the start that are not done yet (api.System).
func (a *App) Loading() []string { return a.start.left() }

// addresses are what is listened at and, for SIP, what devices are told where
// that is not learned by route.
func (a *App) addresses() map[string][]string {
	out := map[string][]string{"http": {a.cfg.HTTP.Listen}, "media": {a.cfg.Media.Listen}}
	for _, b := range a.endpoint.Addrs() {
		line := b.Network + " " + b.Local.String()
		if !b.Local.Addr().IsUnspecified() {
			host, port := a.endpoint.Advertised(flow.Flow{Transport: b.Network, Listener: b.Listener, Local: b.Local, Remote: netip.AddrPortFrom(b.Local.Addr(), 1)})
			if ip, err := netip.ParseAddr(host); err != nil || netip.AddrPortFrom(ip, uint16(port)) != b.Local {
				line += " as " + host
			}
		}
		out["sip"] = append(out["sip"], line)
	}
	if m := a.mediaAdvertise(); m != "" {
		out["media_advertised"] = []string{m}
	}
	if a.whep != nil {
		out["webrtc"] = []string{a.cfg.Media.WebRTCListen}
	}
	return out
}

// leases are counts of what is held now.
func (a *App) leases() map[string]int {
	media, signalling := a.engine.Counts(), a.endpoint.Counts()
	return map[string]int{
		"ports": media.Ports, "ssrcs": media.SSRCs, "receivers": media.Receivers, "media_connections": media.Conns,
		"dialogs": signalling.Dialogs, "transactions": signalling.Transactions, "sip_connections": signalling.Connections,
	}
}

// Reconcile does at once what is done each minute anyway: what is held open
// without a living owner is marked, and RTP that goes on after its session gets
// another BYE.
func (a *App) Reconcile(ctx context.Context) {
	a.book.Mark()
	a.play.Reconcile(ctx, a.engine.Orphans())
}
