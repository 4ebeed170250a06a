package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/internal/api/fault"
)

func (s *Server) addRoot() {
	const path = "/tls/root.crt"
	s.route("GET "+path, access{open: true}, s.root)
	s.describe(huma.Operation{OperationID: "get-root", Method: http.MethodGet, Path: path, Tags: []string{"system"},
		Summary: "The root certificate of http.tls.auto", Description: "PEM, over HTTP too: install it where browsers should trust this server. "}, "application/x-x509-ca-cert")
}

// root gives the certificate to whoever is to trust it.
func (s *Server) root(w http.ResponseWriter, r *http.Request) {
	if s.svc.Root == nil {
		s.fail(w, r, fault.New(fault.NotBuiltIn, "there is no own authority (http.tls.auto)"))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-x509-ca-cert")
	h.Set("Content-Disposition", `attachment; filename="fengsui-root.crt"`)
	_, _ = w.Write(s.svc.Root) // the caller may be gone
}
