package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/internal/api/fault"
	"fengsui/internal/store"
)

// Store is what the face asks of the database; store.Store has it.
type Store interface {
	Ping(ctx context.Context) error

	Provisioned(id gbID) (store.Device, bool)
	Devices() []store.Device
	AddDevice(ctx context.Context, d store.Device) (store.Device, error)
	PutDevice(ctx context.Context, d store.Device) (store.Device, error)
	RemoveDevice(ctx context.Context, id gbID) error

	User(ctx context.Context, id int64) (store.User, error)
	UserByName(ctx context.Context, name string) (store.User, error)
	Users(ctx context.Context) ([]store.User, error)
	AddUser(ctx context.Context, u store.User) (store.User, error)
	SetPassword(ctx context.Context, id int64, hash string) error
	SetRoles(ctx context.Context, id int64, roles []string, disabled bool) error
	RemoveUser(ctx context.Context, id int64) error
	RevokeSession(ctx context.Context, id string, expires time.Time) error
	SessionRevoked(ctx context.Context, id string) (bool, error)

	AddRole(ctx context.Context, r store.Role) (store.Role, error)
	PutRole(ctx context.Context, r store.Role) error
	RemoveRole(ctx context.Context, name string) error
	Role(ctx context.Context, name string) (store.Role, error)
	Roles(ctx context.Context) ([]store.Role, error)

	AddKey(ctx context.Context, k store.Key, secret string) (store.Key, error)
	KeyBySecret(ctx context.Context, secret string) (store.Key, error)
	Keys(ctx context.Context) ([]store.Key, error)
	TouchKey(ctx context.Context, id string, at time.Time) error
	RemoveKey(ctx context.Context, id string) error

	AddAudit(ctx context.Context, e store.Audit) error
	Audits(ctx context.Context, f store.AuditFilter, offset, limit int) ([]store.Audit, int, error)
	VerifyAudit(ctx context.Context) (store.AuditChain, error)
}

type loginInput struct {
	Body struct {
		Username string `json:"username" minLength:"1" maxLength:"64"`
		Password string `json:"password" minLength:"1" maxLength:"256"`
	}
}

type loginOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      struct {
		Token     string `json:"token"`
		ExpiresAt stamp  `json:"expires_at"`
		WhoView
	}
}

// WhoView is who is signed in and what it may.
type WhoView struct {
	Username string   `json:"username"`
	Roles    []string `json:"roles" nullable:"false"`
	Acts     []string `json:"acts" nullable:"false" enum:"look,ptz,playback,talk,configure,admin" doc:"allowed at least somewhere"`
}

func viewWho(p principal) WhoView {
	v := WhoView{p.name, append([]string{}, p.roles...), []string{}}
	for _, a := range p.rights.Acts() {
		v.Acts = append(v.Acts, a.String())
	}
	return v
}

type whoOutput struct {
	Body struct {
		WhoView
		Via       string `json:"via" enum:"session,key" doc:"how the caller signed in"`
		ExpiresAt *stamp `json:"expires_at,omitempty" doc:"end of the session"`
	}
}

func (s *Server) addSessions() {
	tags := []string{"sign-in"}
	op(s, access{open: true}, huma.Operation{
		OperationID: "sign-in", Method: http.MethodPost, Path: "/api/v1/sessions", DefaultStatus: http.StatusCreated, Tags: tags,
		Summary: "Sign in", Description: "Gives a token for Authorization: Bearer, and the same as a cookie for pages and downloads. Failed tries are slowed by address and user. ",
	}, s.login)
	op(s, access{member: true}, huma.Operation{
		OperationID: "who-am-i", Method: http.MethodGet, Path: "/api/v1/sessions/current", Tags: tags, Summary: "Who is signed in",
	}, s.who)
	for _, path := range []string{"/api/v1/sessions/current", "/api/v1/sessions"} {
		id := "sign-out"
		if path == "/api/v1/sessions" {
			id = "sign-out-short"
		}
		op(s, access{member: true}, huma.Operation{
			OperationID: id, Method: http.MethodDelete, Path: path, Tags: tags,
			Summary: "Sign out", Description: "Ends the session whose token the call carries. ",
		}, s.logout)
	}
}

func (s *Server) login(ctx context.Context, in *loginInput) (*loginOutput, error) {
	c := callOf(ctx)
	addr, name, now := s.clientAddr(c.r), in.Body.Username, time.Now()
	if wait := s.throttle.begin(addr, name, now); wait > 0 {
		s.m.logins.WithLabelValues("slowed").Inc()
		seconds := int(wait/time.Second) + 1
		return nil, huma.ErrorWithHeaders(s.problem(ctx, fault.New(fault.TooManyLogins, "wait %d s before the next try", seconds)),
			http.Header{"Retry-After": {strconv.Itoa(seconds)}})
	}
	u, err := s.svc.Store.UserByName(ctx, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, storeFault(err)
	}
	c.sensitive, c.who.name = true, u.Name
	if u.Name == "" {
		c.who.name = "unknown user" // not what was typed: some type their password there
	}
	if u.Disabled {
		u.Hash = ""
	}
	ok, err := s.hasher.verify(ctx, u.Hash, in.Body.Password)
	if err != nil {
		return nil, err
	}
	if !ok {
		s.m.logins.WithLabelValues("wrong").Inc()
		s.log.Warn().Ctx(ctx).Str("user", name).Str("remote", addr.String()).Msg("sign-in refused")
		return nil, fault.New(fault.BadLogin, "the sign-in was refused")
	}
	s.throttle.succeeded(addr, name)
	s.m.logins.WithLabelValues("ok").Inc()
	set, err := s.rightsOf(ctx, u.Roles)
	if err != nil {
		return nil, err
	}
	expires := now.Add(s.cfg.SessionLifetime).Truncate(time.Millisecond)
	token, err := s.signer.signSession(newSession(u.ID, u.Epoch, expires))
	if err != nil {
		return nil, err
	}
	out := &loginOutput{SetCookie: s.cookie(c.r, token, s.cfg.SessionLifetime)}
	out.Body.Token, out.Body.ExpiresAt, out.Body.WhoView = token, stamp(expires), viewWho(principal{name: u.Name, roles: u.Roles, rights: set})
	return out, nil
}

// cookie is the session cookie; an empty token takes it away.
func (s *Server) cookie(r *http.Request, token string, lifetime time.Duration) http.Cookie {
	c := http.Cookie{
		Name: cookieName, Value: token, Path: "/", MaxAge: int(lifetime / time.Second),
		HttpOnly: true, Secure: originOf(r).secure, SameSite: http.SameSiteStrictMode,
	}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}

func (s *Server) who(ctx context.Context, _ *struct{}) (*whoOutput, error) {
	who := callOf(ctx).who
	out := &whoOutput{}
	out.Body.WhoView, out.Body.Via = viewWho(who), who.via
	if who.session.Expires > 0 {
		out.Body.ExpiresAt = at(time.UnixMilli(who.session.Expires))
	}
	return out, nil
}

type logoutOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

func (s *Server) logout(ctx context.Context, _ *struct{}) (*logoutOutput, error) {
	c := callOf(ctx)
	if c.who.session.ID == "" {
		return nil, fault.New(fault.NotAllowed, "an API key is no session; delete it under /api/v1/keys")
	}
	if err := s.svc.Store.RevokeSession(ctx, c.who.session.ID, time.UnixMilli(c.who.session.Expires)); err != nil {
		return nil, storeFault(err)
	}
	return &logoutOutput{SetCookie: s.cookie(c.r, "", 0)}, nil
}
