package api

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/internal/store"
)

// KeyView is an API key without its secret.
type KeyView struct {
	ID         string      `json:"id"`
	Name       string      `json:"name"`
	Grants     []GrantView `json:"grants" nullable:"false" doc:"what the key may"`
	CreatedBy  string      `json:"created_by"`
	CreatedAt  *stamp      `json:"created_at,omitempty"`
	ExpiresAt  *stamp      `json:"expires_at,omitempty" doc:"absent = never"`
	LastUsedAt *stamp      `json:"last_used_at,omitempty" doc:"to the minute; absent = never used"`
}

func viewKey(k store.Key) KeyView {
	return KeyView{k.ID, k.Name, viewGrants(k.Grants), k.CreatedBy, at(k.CreatedAt), at(k.ExpiresAt), at(k.LastUsedAt)}
}

type keyInput struct {
	Body struct {
		Name      string      `json:"name" minLength:"1" maxLength:"64"`
		Grants    []GrantView `json:"grants" minItems:"1" maxItems:"1000" nullable:"false" doc:"what the key may"`
		ExpiresAt *stamp      `json:"expires_at,omitempty" doc:"absent = never"`
	}
}

type newKeyOutput struct {
	Body struct {
		KeyView
		Key string `json:"key" doc:"shown this once; only its hash is kept"`
	}
}

type keyPath struct {
	Key string `path:"key" maxLength:"64"`
}

func (s *Server) addKeys() {
	tags := []string{"keys"}
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "list-keys", Method: http.MethodGet, Path: "/api/v1/keys", Tags: tags, Summary: "API keys"}, s.listKeys)
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "add-key", Method: http.MethodPost, Path: "/api/v1/keys", DefaultStatus: http.StatusCreated, Tags: tags, Summary: "Make an API key"}, s.addKey)
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "remove-key", Method: http.MethodDelete, Path: "/api/v1/keys/{key}", Tags: tags, Summary: "Delete an API key"}, s.removeKey)
}

func (s *Server) listKeys(ctx context.Context, in *ListInput) (*listOutput[KeyView], error) {
	all, err := s.svc.Store.Keys(ctx)
	if err != nil {
		return nil, storeFault(err)
	}
	return listing[store.Key, KeyView]{
		words: func(k store.Key) []string { return []string{k.ID, k.Name, k.CreatedBy} },
		first: "name",
		sorts: map[string]func(store.Key) string{
			"name":         func(k store.Key) string { return k.Name },
			"expires_at":   func(k store.Key) string { return sortable(k.ExpiresAt) },
			"created_at":   func(k store.Key) string { return sortable(k.CreatedAt) },
			"last_used_at": func(k store.Key) string { return sortable(k.LastUsedAt) },
		},
		id:   func(k store.Key) string { return k.ID },
		view: viewKey,
	}.page(*in, all)
}

func (s *Server) addKey(ctx context.Context, in *keyInput) (*newKeyOutput, error) {
	callOf(ctx).target = in.Body.Name
	grants, err := readGrants(in.Body.Grants)
	if err != nil {
		return nil, err
	}
	k := store.Key{ID: strings.ToLower(rand.Text()[:12]), Name: in.Body.Name, Grants: grants, CreatedBy: callOf(ctx).who.name}
	if e := in.Body.ExpiresAt; e != nil {
		k.ExpiresAt = time.Time(*e)
		if !k.ExpiresAt.After(time.Now()) {
			return nil, fault.Invalid("body.expires_at", k.ExpiresAt.Format(timeFormat), "lies in the past")
		}
	}
	secret := newKeySecret()
	k, err = s.svc.Store.AddKey(ctx, k, secret)
	if err != nil {
		return nil, storeFault(err)
	}
	out := &newKeyOutput{}
	out.Body.KeyView, out.Body.Key = viewKey(k), secret
	return out, nil
}

func (s *Server) removeKey(ctx context.Context, in *keyPath) (*struct{}, error) {
	err := s.svc.Store.RemoveKey(ctx, in.Key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fault.New(fault.UnknownKey, "key %q", in.Key)
	}
	return nil, storeFault(err)
}
