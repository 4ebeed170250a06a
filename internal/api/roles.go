package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/internal/store"
)

// GrantView allows one act in one subtree.
type GrantView struct {
	Act     string `json:"act" enum:"look,ptz,playback,talk,configure,admin" doc:"each includes look, admin all"`
	Subtree string `json:"subtree" minLength:"1" maxLength:"130" doc:"* = everywhere, else a device or device/item as the tree's roots are written" example:"*"`
}

type roleView struct {
	Name      string      `json:"name"`
	About     string      `json:"about"`
	Builtin   bool        `json:"builtin" doc:"cannot be changed"`
	Grants    []GrantView `json:"grants" nullable:"false"`
	Users     int         `json:"users" doc:"who have it"`
	CreatedAt *stamp      `json:"created_at,omitempty"`
	UpdatedAt *stamp      `json:"updated_at,omitempty"`
}

type roleRow struct {
	store.Role
	builtin bool
	users   int
}

func viewRole(r roleRow) roleView {
	return roleView{r.Name, r.About, r.builtin, viewGrants(r.Grants), r.users, at(r.CreatedAt), at(r.UpdatedAt)}
}

type roleOutput struct{ Body roleView }

type roleInput struct {
	Body struct {
		Name   string      `json:"name" minLength:"1" maxLength:"64" pattern:"^[^\\s/:\\x00-\\x1f]+$" patternDescription:"letters and digits, no blanks"`
		About  string      `json:"about,omitempty" maxLength:"255"`
		Grants []GrantView `json:"grants" maxItems:"1000" nullable:"false"`
	}
}

// RolePath names a role in a path.
type RolePath struct {
	Role string `path:"role" maxLength:"64"`
}

type rolePatch struct {
	RolePath
	Body struct {
		About  *string      `json:"about,omitempty" maxLength:"255"`
		Grants *[]GrantView `json:"grants,omitempty" maxItems:"1000"`
	}
}

func (s *Server) addRoles() {
	tags := []string{"roles"}
	const path = "/api/v1/roles"
	need := access{act: rights.Admin}
	op(s, need, huma.Operation{OperationID: "list-roles", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "Roles: lists of grants", Description: "viewer, operator and administrator are always there. "}, s.listRoles)
	op(s, need, huma.Operation{OperationID: "add-role", Method: http.MethodPost, Path: path, DefaultStatus: http.StatusCreated, Tags: tags,
		Summary: "Add a role", Description: "A grant allows an act in a subtree: *, a device, or device/item as the tree's roots are written. Each act includes look. "}, s.addRole)
	op(s, need, huma.Operation{OperationID: "get-role", Method: http.MethodGet, Path: path + "/{role}", Tags: tags, Summary: "One role"}, s.getRole)
	op(s, need, huma.Operation{OperationID: "change-role", Method: http.MethodPatch, Path: path + "/{role}", Tags: tags,
		Summary: "Change a role", Description: "Holds from the next request of those who have it. "}, s.changeRole)
	op(s, need, huma.Operation{OperationID: "remove-role", Method: http.MethodDelete, Path: path + "/{role}", Tags: tags, Summary: "Remove a role that nobody has"}, s.removeRole)
}

func (s *Server) listRoles(ctx context.Context, in *ListInput) (*listOutput[roleView], error) {
	rows, err := s.roleRows(ctx)
	if err != nil {
		return nil, err
	}
	return listing[roleRow, roleView]{
		words: func(r roleRow) []string { return []string{r.Name, r.About} },
		first: "name",
		sorts: map[string]func(roleRow) string{
			"name":       func(r roleRow) string { return r.Name },
			"created_at": func(r roleRow) string { return sortable(r.CreatedAt) },
			"users":      func(r roleRow) string { return strconv.Itoa(1e6 + r.users) },
		},
		id:   func(r roleRow) string { return r.Name },
		view: viewRole,
	}.page(*in, rows)
}

// roleRows are all roles, those of the program first.
func (s *Server) roleRows(ctx context.Context) ([]roleRow, error) {
	kept, err := s.svc.Store.Roles(ctx)
	if err != nil {
		return nil, storeFault(err)
	}
	users, err := s.svc.Store.Users(ctx)
	if err != nil {
		return nil, storeFault(err)
	}
	count := map[string]int{}
	for _, u := range users {
		for _, r := range u.Roles {
			count[r]++
		}
	}
	var rows []roleRow
	for _, name := range rights.BuiltinRoles() {
		grants, _ := rights.Builtin(name)
		rows = append(rows, roleRow{store.Role{Name: name, Grants: grants}, true, count[name]})
	}
	for _, r := range kept {
		rows = append(rows, roleRow{r, false, count[r.Name]})
	}
	return rows, nil
}

func (s *Server) role(ctx context.Context, name string) (roleRow, error) {
	rows, err := s.roleRows(ctx)
	if err != nil {
		return roleRow{}, err
	}
	for _, r := range rows {
		if r.Name == name {
			return r, nil
		}
	}
	return roleRow{}, fault.New(fault.UnknownRole, "role %q", name)
}

// ownRole is a role that may be changed.
func (s *Server) ownRole(ctx context.Context, name string) (roleRow, error) {
	r, err := s.role(ctx, name)
	if err == nil && r.builtin {
		err = fault.New(fault.RoleFixed, "role %q", name)
	}
	return r, err
}

func (s *Server) getRole(ctx context.Context, in *RolePath) (*roleOutput, error) {
	r, err := s.role(ctx, in.Role)
	if err != nil {
		return nil, err
	}
	return &roleOutput{viewRole(r)}, nil
}

func (s *Server) addRole(ctx context.Context, in *roleInput) (*roleOutput, error) {
	b := in.Body
	callOf(ctx).target = b.Name
	grants, err := readGrants(b.Grants)
	if err != nil {
		return nil, err
	}
	if _, builtin := rights.Builtin(b.Name); builtin {
		return nil, fault.New(fault.RoleExists, "role %q", b.Name)
	}
	r, err := s.svc.Store.AddRole(ctx, store.Role{Name: b.Name, About: b.About, Grants: grants})
	if errors.Is(err, store.ErrExists) {
		return nil, fault.New(fault.RoleExists, "role %q", b.Name)
	}
	if err != nil {
		return nil, storeFault(err)
	}
	return &roleOutput{viewRole(roleRow{Role: r})}, nil
}

func (s *Server) changeRole(ctx context.Context, in *rolePatch) (*roleOutput, error) {
	r, err := s.ownRole(ctx, in.Role)
	if err != nil {
		return nil, err
	}
	if in.Body.About != nil {
		r.About = *in.Body.About
	}
	if in.Body.Grants != nil {
		if r.Grants, err = readGrants(*in.Body.Grants); err != nil {
			return nil, err
		}
		if !rights.Of(r.Grants...).Everywhere(rights.Admin) {
			err := s.administered(ctx, func(u *store.User) {
				u.Roles = slices.DeleteFunc(u.Roles, func(name string) bool { return name == r.Name })
			})
			if err != nil {
				return nil, err
			}
		}
	}
	if err := s.svc.Store.PutRole(ctx, r.Role); errors.Is(err, store.ErrNotFound) {
		return nil, fault.New(fault.UnknownRole, "role %q", in.Role)
	} else if err != nil {
		return nil, storeFault(err)
	}
	return s.getRole(ctx, &in.RolePath)
}

func (s *Server) removeRole(ctx context.Context, in *RolePath) (*struct{}, error) {
	r, err := s.ownRole(ctx, in.Role)
	if err != nil {
		return nil, err
	}
	if r.users > 0 {
		return nil, fault.New(fault.RoleInUse, "%d users have role %q", r.users, r.Name)
	}
	if err := s.svc.Store.RemoveRole(ctx, r.Name); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, storeFault(err)
	}
	return nil, nil
}

// rightsOf is what roles come to. One that is gone allows nothing.
func (s *Server) rightsOf(ctx context.Context, roles []string) (rights.Set, error) {
	var grants []rights.Grant
	for _, name := range roles {
		own, builtin := rights.Builtin(name)
		if !builtin {
			r, err := s.svc.Store.Role(ctx, name)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return rights.Set{}, storeFault(err)
			}
			own = r.Grants
		}
		grants = append(grants, own...)
	}
	return rights.Of(grants...), nil
}

// knownRoles refuses roles that are not there.
func (s *Server) knownRoles(ctx context.Context, roles []string) error {
	rows, err := s.roleRows(ctx)
	if err != nil {
		return err
	}
	for _, name := range roles {
		if !slices.ContainsFunc(rows, func(r roleRow) bool { return r.Name == name }) {
			return fault.Invalid("body.roles", name, "there is no such role")
		}
	}
	return nil
}

// readGrants reads grants as they were sent and refuses those that can mean
// nothing.
func readGrants(views []GrantView) ([]rights.Grant, error) {
	grants := make([]rights.Grant, len(views))
	for i, v := range views {
		g := rights.Grant{Subtree: v.Subtree}
		err := g.Act.UnmarshalText([]byte(v.Act))
		if err == nil {
			err = g.Check()
		}
		if err != nil {
			e := fault.New(fault.BadGrant, "%v", err)
			e.Fields = []fault.Field{{Location: "body.grants[" + strconv.Itoa(i) + "]", Message: err.Error(), Value: v.Subtree}}
			return nil, e
		}
		grants[i] = g
	}
	return grants, nil
}

func viewGrants(grants []rights.Grant) []GrantView {
	views := make([]GrantView, len(grants))
	for i, g := range grants {
		views[i] = GrantView{g.Act.String(), g.Subtree}
	}
	return views
}
