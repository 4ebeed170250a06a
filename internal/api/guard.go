package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"fengsui/internal/api/fault"
	"fengsui/internal/store"
	"fengsui/media"
)

// Role is what someone may do. A greater role may all that a lesser one may.
type Role int

// The roles.
const (
	nobody        Role = iota // not signed in
	Viewer                    // see and watch
	Operator                  // also act on devices and streams
	Administrator             // also change devices, users and keys
)

var roleNames = [...]string{"", "viewer", "operator", "administrator"}

func (r Role) String() string { return roleNames[r] }

// parseRole reads a role's name; any other word is nobody.
func parseRole(s string) Role {
	for i, name := range roleNames {
		if i > 0 && name == s {
			return Role(i)
		}
	}
	return nobody
}

// access is what a route asks of its caller.
type access struct {
	role  Role // the least; nobody = open to all
	query bool // ?token= may carry the session token or key, for clients that cannot set headers
	play  bool // a signed play address will do
	local bool // a token of [LocalToken] will do
}

// principal is who calls.
type principal struct {
	name    string // user name, or "key <name>"
	role    Role
	user    int64   // 0 for keys
	session session // zero for keys
	via     string  // session, key, play, local
}

// guard lets through who may, and puts who it is into the call. A route that is
// not in the table is for administrators: nothing is open by accident.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		need := s.access(r)
		if need.role == nobody {
			next.ServeHTTP(w, r)
			return
		}
		who, err := s.authenticate(r, need)
		if err == nil && who.role < need.role {
			err = fault.New(fault.NotAllowed, "%s is %s; this needs %s", who.name, who.role, need.role)
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		callOf(r.Context()).who = who
		next.ServeHTTP(w, r)
	})
}

// access is what the route of a request asks.
func (s *Server) access(r *http.Request) access {
	_, pattern := s.mux.Handler(r)
	if pattern == "/" && machinePath(r.URL.Path) {
		return access{role: Viewer} // whether a path is there is not told to strangers
	}
	if a, ok := s.routes[pattern]; ok {
		return a
	}
	return access{role: Administrator}
}

// machinePath reports whether a path can never be a page of the console; /live
// alone is one.
func machinePath(path string) bool {
	if path == "/live" {
		return false
	}
	for _, p := range []string{"/api", "/live", "/whep", "/metrics", "/openapi", "/debug"} {
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
			return principal{name: "a program on this machine", role: need.role, via: "local"}, nil
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
	return principal{name: u.Name, role: parseRole(u.Role), user: u.ID, session: t, via: "session"}, nil
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
	return principal{name: "key " + k.Name, role: parseRole(k.Role), via: "key"}, nil
}

func (s *Server) playCredential(r *http.Request, token string) (principal, error) {
	key, err := playKey(r.URL.Path)
	if err != nil {
		return principal{}, err
	}
	if err := s.signer.checkPlay(token, key, time.Now()); err != nil {
		return principal{}, fault.New(fault.BadPlayToken, "the token does not open %s, or has expired", key)
	}
	return principal{name: "play address", role: Viewer, via: "play"}, nil
}

// playKey is the stream that a play address names: /live/<name>.<form> or
// /whep/live/<name>[/...].
func playKey(path string) (media.Key, error) {
	name, whep := strings.CutPrefix(path, "/whep/live/")
	if whep {
		name, _, _ = strings.Cut(name, "/")
	} else {
		name = strings.TrimPrefix(path, "/live/")
		name = name[:max(strings.LastIndexByte(name, '.'), 0)]
	}
	device, channel, profile, err := media.ParseLive(name)
	if err != nil {
		return "", fault.New(fault.BadLiveName, "%v", err)
	}
	return media.LiveKey(device, channel, profile), nil
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
