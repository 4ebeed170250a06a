package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181/play"
	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/internal/store"
	"fengsui/media"
)

// access is what a route asks of its caller. An act is asked at the {device},
// and {channel}, of the path, at the stream of a play address, else everywhere.
// Exactly one of act, member and open says who may.
type access struct {
	act    rights.Act
	judged bool // the handler asks sight or may about each device it shows or touches; here the act somewhere is enough
	member bool // to all who are signed in
	open   bool // to strangers too

	query bool // ?token= may carry the session token or key, for clients that cannot set headers
	play  bool // a signed play address will do
	local bool // a token of [LocalToken] will do
}

// String is what documentation says of it.
func (a access) String() string {
	switch {
	case a.member:
		return "For all who are signed in."
	case a.judged:
		return fmt.Sprintf("Needs the right to %s; only what the caller has it for is shown or done.", a.act)
	}
	return fmt.Sprintf("Needs the right to %s.", a.act)
}

// document writes into an operation what its route asks, and returns its
// description with the same in words.
func (a access) document(o *huma.Operation) string {
	if o.Extensions == nil {
		o.Extensions = map[string]any{}
	}
	switch {
	case a.open:
		o.Extensions["x-right"] = "open"
		return o.Description
	case a.member:
		o.Extensions["x-right"] = "member"
	default:
		o.Extensions["x-right"] = a.act.String()
	}
	o.Security = []map[string][]string{{"bearer": {}}}
	return o.Description + a.String()
}

// principal is who calls.
type principal struct {
	name    string // user name, or "key <name>"
	roles   []string
	rights  rights.Set
	user    int64   // 0 for keys
	session session // zero for keys
	via     string  // session, key, play, local
}

// guard lets through who may, and puts who it is into the call. A route that is
// not in the table is for administrators: nothing is open by accident.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		need, pattern := s.access(r)
		if need.open {
			next.ServeHTTP(w, r)
			return
		}
		who, err := s.authenticate(r, need)
		if err == nil {
			callOf(r.Context()).who = who
			err = s.admit(who, need, pattern, r.URL)
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// admit judges a caller by what a route asks.
func (s *Server) admit(who principal, need access, pattern string, u *url.URL) error {
	device := pathValue(pattern, u, "device")
	switch {
	case need.member:
		return nil
	case need.play:
		key, device, channel, err := s.playKey(u.Path)
		if err != nil {
			return err
		}
		return s.may(who, watching(key), device, channel)
	case need.judged:
		if who.rights.Somewhere(need.act) {
			return nil
		}
	case device != "":
		return s.may(who, need.act, gbID(device), gbID(pathValue(pattern, u, "channel")))
	case who.rights.Everywhere(need.act):
		return nil
	}
	return lacks(who, need.act, "")
}

// lacks is the answer to one who may not.
func lacks(who principal, act rights.Act, where string) error {
	return fault.New(fault.NotAllowed, "%s has not the right to %s%s", who.name, act, where)
}

// may judges an act at a device or one of its channels; channel "" is the whole
// device, for looking also a part of it. What the caller may not see is answered
// as though it were not there.
func (s *Server) may(who principal, act rights.Act, device, channel gbID) error {
	set := who.rights
	if set.Device(act, string(device)) {
		return nil
	}
	look := sight{set: set, catalog: s.svc.Catalog}
	switch {
	case !look.device(device):
		return fault.New(fault.UnknownDevice, "device %s", device)
	case channel == "" && act == rights.Look:
		return nil
	case channel == "":
		return lacks(who, act, " at all of device "+string(device))
	case !look.channel(device, channel):
		return fault.New(fault.UnknownChannel, "channel %s of device %s", channel, device)
	}
	if items := set.Items(act, string(device)); len(items) > 0 && s.svc.Catalog.Part(device, items...).Inside[channel] {
		return nil
	}
	return lacks(who, act, fmt.Sprintf(" at channel %s of device %s", channel, device))
}

// pathValue is what stands in a path where a route's pattern has {name}, as the
// mux will tell the handler.
func pathValue(pattern string, u *url.URL, name string) string {
	_, pattern, _ = strings.Cut(pattern, " ")
	names, values := strings.Split(pattern, "/"), strings.Split(u.EscapedPath(), "/")
	i := slices.Index(names, "{"+name+"}")
	if i < 0 || i >= len(values) {
		return ""
	}
	value, err := url.PathUnescape(values[i])
	if err != nil {
		return values[i]
	}
	return value
}

// access is what the route of a request asks, and its pattern.
func (s *Server) access(r *http.Request) (access, string) {
	_, pattern := s.mux.Handler(r)
	if pattern == "/" && machinePath(r.URL.Path) {
		return access{member: true}, pattern // whether a path is there is not told to strangers
	}
	if a, ok := s.routes[pattern]; ok && (a.act != rights.None || a.member || a.open) {
		return a, pattern
	}
	return access{act: rights.Admin}, pattern
}

// machinePath reports whether a path can never be a page of the console; /live
// and /playback alone are.
func machinePath(path string) bool {
	if path == "/live" || path == "/playback" {
		return false
	}
	for _, p := range []string{"/api", "/live", "/playback", "/whep", "/whip", "/metrics", "/openapi", "/debug", "/upload"} {
		if path == p || strings.HasPrefix(path, p+"/") || strings.HasPrefix(path, p+".") {
			return true
		}
	}
	return false
}

// cookieName is the session cookie: SameSite=Strict, HttpOnly, and taken for
// GET and HEAD only, so that it can forge no change. It carries pages, downloads
// and event streams, which cannot set headers.
const cookieName = "fengsui_session"

func (s *Server) authenticate(r *http.Request, need access) (principal, error) {
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, token, _ := strings.Cut(h, " ")
		if !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(token) == "" {
			return principal{}, fault.New(fault.NoCredentials, "Authorization is not Bearer")
		}
		token = strings.TrimSpace(token)
		if need.local && s.signer.checkLocal(token, time.Now()) == nil {
			return principal{name: "a program on this machine", rights: rights.Of(rights.Grant{Act: rights.Look, Subtree: rights.Everywhere}), via: "local"}, nil
		}
		return s.credential(r.Context(), token)
	}
	if token := queryToken(r.URL); token != "" {
		ours := strings.HasPrefix(token, sessionPrefix) || strings.HasPrefix(token, keyPrefix)
		switch {
		case need.play && !ours:
			return s.playCredential(r, token)
		case need.play || need.query:
			return s.credential(r.Context(), token)
		}
	}
	if c, err := r.Cookie(cookieName); err == nil && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		return s.credential(r.Context(), c.Value)
	}
	if need.play {
		return principal{}, fault.New(fault.BadPlayToken, "the address has no token")
	}
	return principal{}, fault.New(fault.NoCredentials, "the request carries no session token and no API key")
}

// queryToken reads ?token= even where the rest of the query cannot be parsed.
func queryToken(u *url.URL) string { return u.Query().Get("token") }

// credential is who a session token or an API key belongs to.
func (s *Server) credential(ctx context.Context, token string) (principal, error) {
	if strings.HasPrefix(token, keyPrefix) {
		return s.keyCredential(ctx, token)
	}
	ended := func(why string) error { return fault.New(fault.SessionEnded, "the session %s", why) }
	now := time.Now()
	t, err := s.signer.readSession(token, now)
	if err != nil {
		return principal{}, ended("token is not valid or has expired")
	}
	revoked, err := s.svc.Store.SessionRevoked(ctx, t.ID)
	if err != nil {
		return principal{}, storeFault(err)
	}
	if revoked {
		return principal{}, ended("was signed out")
	}
	u, err := s.svc.Store.User(ctx, t.User)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return principal{}, ended("belongs to a user who is gone")
	case err != nil:
		return principal{}, storeFault(err)
	case u.Disabled, u.Epoch != t.Epoch:
		return principal{}, ended("ended when the user was changed")
	}
	set, err := s.rightsOf(ctx, u.Roles)
	if err != nil {
		return principal{}, err
	}
	return principal{name: u.Name, roles: u.Roles, rights: set, user: u.ID, session: t, via: "session"}, nil
}

func (s *Server) keyCredential(ctx context.Context, secret string) (principal, error) {
	k, err := s.svc.Store.KeyBySecret(ctx, secret)
	if errors.Is(err, store.ErrNotFound) {
		return principal{}, fault.New(fault.SessionEnded, "the API key is unknown or was deleted")
	}
	if err != nil {
		return principal{}, storeFault(err)
	}
	now := time.Now()
	if !k.ExpiresAt.IsZero() && now.After(k.ExpiresAt) {
		return principal{}, fault.New(fault.SessionEnded, "API key %q expired at %s", k.Name, k.ExpiresAt.UTC().Format(timeFormat))
	}
	if s.touches.due(k.ID, now) {
		if err := s.svc.Store.TouchKey(ctx, k.ID, now); err != nil {
			s.log.Warn().Ctx(ctx).Err(err).Msg("use of an API key not recorded")
		}
	}
	return principal{name: "key " + k.Name, rights: rights.Of(k.Grants...), via: "key"}, nil
}

func (s *Server) playCredential(r *http.Request, token string) (principal, error) {
	key, device, _, err := s.playKey(r.URL.Path)
	if errors.Is(err, errNoPlayback) { // what plays is not told to strangers
		return principal{}, fault.New(fault.BadPlayToken, "the token opens no playback")
	}
	if err != nil {
		return principal{}, err
	}
	if err := s.signer.checkPlay(token, key, time.Now()); err != nil {
		return principal{}, fault.New(fault.BadPlayToken, "the token does not open %s, or has expired", key)
	}
	grant := rights.Grant{Act: watching(key), Subtree: string(device)} // the token has been checked to be of this channel
	return principal{name: "play address", rights: rights.Of(grant), via: "play"}, nil
}

// playKey is the stream that a play address names: /live/<name>.<form>,
// /playback/<id>.<form>, or /whep/ before one without its form and with more
// behind it.
func (s *Server) playKey(path string) (key media.Key, device, channel gbID, err error) {
	rest, whep := strings.CutPrefix(path, "/whep")
	kind, name, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	if whep {
		name, _, _ = strings.Cut(name, "/")
	} else {
		name = name[:max(strings.LastIndexByte(name, '.'), 0)]
	}
	if kind == string(play.Playback) {
		return s.playbackKey(name)
	}
	d, c, profile, err := media.ParseLive(name)
	if err != nil {
		return "", "", "", fault.New(fault.BadLiveName, "%v", err)
	}
	return media.LiveKey(d, c, profile), gbID(d), gbID(c), nil
}

// watching is what one must have the right to for watching a stream.
func watching(key media.Key) rights.Act {
	if strings.HasPrefix(string(key), string(play.Playback)+"/") {
		return rights.Playback
	}
	return rights.Look
}

var errNoPlayback = errors.New("no such playback")

// playbackKey is the stream of a playback and what it plays.
func (s *Server) playbackKey(id string) (key media.Key, device, channel gbID, err error) {
	if s.svc.Streams != nil {
		if p, ok := s.svc.Streams.Session(id); ok && p.Request.Kind == play.Playback {
			return p.Key, p.Request.Device, p.Request.Channel, nil
		}
	}
	return "", "", "", &fault.Error{Code: fault.UnknownStream, Detail: fmt.Sprintf("playback %q", id), Cause: errNoPlayback}
}

// touches remembers when the use of a key was last recorded: once a minute each.
type touches struct {
	mu   sync.Mutex
	last map[string]time.Time
}

func (t *touches) due(id string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.last[id]) < time.Minute {
		return false
	}
	if len(t.last) >= 1024 {
		clear(t.last) // costs one record for each key in use
	}
	t.last[id] = now
	return true
}
