package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/internal/store"
)

type userView struct {
	ID         int64    `json:"id"`
	Username   string   `json:"username"`
	Roles      []string `json:"roles" nullable:"false"`
	Disabled   bool     `json:"disabled"`
	CreatedAt  *stamp   `json:"created_at,omitempty"`
	PasswordAt *stamp   `json:"password_at,omitempty" doc:"when the password was last changed"`
}

func viewUser(u store.User) userView {
	return userView{u.ID, u.Name, append([]string{}, u.Roles...), u.Disabled, at(u.CreatedAt), at(u.PasswordAt)}
}

type userOutput struct{ Body userView }

type userInput struct {
	Body struct {
		Username string   `json:"username" minLength:"1" maxLength:"64" pattern:"^[^\\s/:\\x00-\\x1f]+$" patternDescription:"letters and digits, no blanks"`
		Password string   `json:"password" minLength:"1" maxLength:"128"`
		Roles    []string `json:"roles" maxItems:"32" nullable:"false" doc:"viewer, operator, administrator, or such as were added"`
	}
}

type userPatch struct {
	User int64 `path:"user"`
	Body struct {
		Roles    *[]string `json:"roles,omitempty" maxItems:"32"`
		Disabled *bool     `json:"disabled,omitempty"`
		Password string    `json:"password,omitempty" maxLength:"128"`
	}
}

type passwordInput struct {
	Body struct {
		Current string `json:"current" minLength:"1" maxLength:"256"`
		New     string `json:"new" minLength:"1" maxLength:"128"`
	}
}

func (s *Server) addUsers() {
	tags := []string{"users"}
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "list-users", Method: http.MethodGet, Path: "/api/v1/users", Tags: tags, Summary: "Users"}, s.listUsers)
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "add-user", Method: http.MethodPost, Path: "/api/v1/users", DefaultStatus: http.StatusCreated, Tags: tags, Summary: "Add a user"}, s.addUser)
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "change-user", Method: http.MethodPatch, Path: "/api/v1/users/{user}", Tags: tags, Summary: "Change roles or password, disable",
		Description: "Ends the user's sessions. "}, s.changeUser)
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "remove-user", Method: http.MethodDelete, Path: "/api/v1/users/{user}", Tags: tags, Summary: "Remove a user"}, s.removeUser)
	op(s, access{member: true}, huma.Operation{OperationID: "change-own-password", Method: http.MethodPut, Path: "/api/v1/users/me/password", Tags: tags, Summary: "Change one's own password",
		Description: "Ends all sessions of the user, this one included. "}, s.changeOwnPassword)
}

func (s *Server) listUsers(ctx context.Context, in *ListInput) (*listOutput[userView], error) {
	all, err := s.svc.Store.Users(ctx)
	if err != nil {
		return nil, storeFault(err)
	}
	return listing[store.User, userView]{
		words: func(u store.User) []string { return append([]string{u.Name}, u.Roles...) },
		first: "username",
		sorts: map[string]func(store.User) string{
			"username":   func(u store.User) string { return u.Name },
			"roles":      func(u store.User) string { return strings.Join(u.Roles, " ") },
			"created_at": func(u store.User) string { return sortable(u.CreatedAt) },
		},
		id:   func(u store.User) string { return u.Name },
		view: viewUser,
	}.page(*in, all)
}

func (s *Server) addUser(ctx context.Context, in *userInput) (*userOutput, error) {
	b := in.Body
	callOf(ctx).target = b.Username
	if err := CheckPassword(b.Username, b.Password); err != nil {
		return nil, err
	}
	if err := s.knownRoles(ctx, b.Roles); err != nil {
		return nil, err
	}
	hash, err := s.hasher.hash(ctx, b.Password)
	if err != nil {
		return nil, err
	}
	u, err := s.svc.Store.AddUser(ctx, store.User{Name: b.Username, Roles: b.Roles, Hash: hash})
	if errors.Is(err, store.ErrExists) {
		return nil, fault.New(fault.UserExists, "username %q", b.Username)
	}
	if err != nil {
		return nil, storeFault(err)
	}
	return &userOutput{viewUser(u)}, nil
}

func (s *Server) changeUser(ctx context.Context, in *userPatch) (*userOutput, error) {
	u, err := s.user(ctx, in.User)
	if err != nil {
		return nil, err
	}
	roles, disabled := u.Roles, u.Disabled
	if in.Body.Roles != nil {
		roles = *in.Body.Roles
	}
	if in.Body.Disabled != nil {
		disabled = *in.Body.Disabled
	}
	if err := s.knownRoles(ctx, roles); err != nil {
		return nil, err
	}
	changed := disabled != u.Disabled || !slices.Equal(roles, u.Roles)
	if changed {
		err := s.administered(ctx, func(x *store.User) {
			if x.ID == u.ID {
				x.Roles, x.Disabled = roles, disabled
			}
		})
		if err != nil {
			return nil, err
		}
	}
	if in.Body.Password != "" {
		if err := s.setPassword(ctx, u, in.Body.Password); err != nil {
			return nil, err
		}
	}
	if changed {
		if err := s.svc.Store.SetRoles(ctx, u.ID, roles, disabled); err != nil {
			return nil, storeFault(err)
		}
	}
	if u, err = s.user(ctx, in.User); err != nil {
		return nil, err
	}
	return &userOutput{viewUser(u)}, nil
}

type userPath struct {
	User int64 `path:"user"`
}

func (s *Server) removeUser(ctx context.Context, in *userPath) (*struct{}, error) {
	u, err := s.user(ctx, in.User)
	if err != nil {
		return nil, err
	}
	err = s.administered(ctx, func(x *store.User) { x.Disabled = x.Disabled || x.ID == u.ID })
	if err != nil {
		return nil, err
	}
	if err := s.svc.Store.RemoveUser(ctx, u.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, storeFault(err)
	}
	return nil, nil
}

func (s *Server) changeOwnPassword(ctx context.Context, in *passwordInput) (*struct{}, error) {
	c := callOf(ctx)
	if c.who.user == 0 {
		return nil, fault.New(fault.NotAllowed, "an API key has no password")
	}
	u, err := s.user(ctx, c.who.user)
	if err != nil {
		return nil, err
	}
	ok, err := s.hasher.verify(ctx, u.Hash, in.Body.Current)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.Invalid("body.current", nil, "is not the current password")
	}
	return nil, s.setPassword(ctx, u, in.Body.New)
}

func (s *Server) setPassword(ctx context.Context, u store.User, password string) error {
	if err := CheckPassword(u.Name, password); err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	return storeFault(s.svc.Store.SetPassword(ctx, u.ID, hash))
}

func (s *Server) user(ctx context.Context, id int64) (store.User, error) {
	u, err := s.svc.Store.User(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return u, fault.New(fault.UnknownUser, "user %s", strconv.FormatInt(id, 10))
	}
	return u, storeFault(err)
}

// administered refuses a change of users after which nobody would be
// administrator.
func (s *Server) administered(ctx context.Context, after func(*store.User)) error {
	all, err := s.svc.Store.Users(ctx)
	if err != nil {
		return storeFault(err)
	}
	for _, u := range all {
		after(&u)
		if u.Disabled {
			continue
		}
		if set, err := s.rightsOf(ctx, u.Roles); err != nil || set.Everywhere(rights.Admin) {
			return err
		}
	}
	return fault.New(fault.LastAdmin, "no other user is administrator")
}
