package api

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"

	"fengsui/internal/api/fault"
)

// page is one file of the console, read at the start.
type page struct {
	body, gz []byte // gz is nil when there is no smaller form
	kind     string
	etag     string
	cache    string
}

// addConsole reads the console and serves it at every path that is nothing
// else. A path without a file is a view of the console and gets index.html.
func (s *Server) addConsole() error {
	pages := map[string]*page{}
	if s.cfg.Console != nil {
		err := fs.WalkDir(s.cfg.Console, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(name, ".gz") || strings.HasSuffix(name, ".br") {
				return err
			}
			p, err := readPage(s.cfg.Console, name)
			pages["/"+name] = p
			return err
		})
		if err != nil {
			return fmt.Errorf("read console: %w", err)
		}
	}
	index := pages["/index.html"]
	if index == nil {
		index = pages["/placeholder.html"]
	}
	s.route("/", access{open: true}, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead || machinePath(r.URL.Path) {
			s.nowhere(w, r)
			return
		}
		p := pages[r.URL.Path]
		if p == nil && path.Ext(r.URL.Path) == "" {
			p = index
		}
		if p == nil {
			s.fail(w, r, fault.New(fault.NoRoute, "%s %s", r.Method, r.URL.Path))
			return
		}
		p.serve(w, r)
	})
	return nil
}

func readPage(files fs.FS, name string) (*page, error) {
	body, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	p := &page{body: body, kind: contentType(name), etag: `"` + hex.EncodeToString(sum[:12]) + `"`, cache: "no-cache"}
	if strings.HasPrefix(name, "assets/") { // the build puts a hash into these names
		p.cache = "public, max-age=31536000, immutable"
	}
	p.gz, err = fs.ReadFile(files, name+".gz")
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return p, err
}

func (p *page) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", p.kind)
	h.Set("Cache-Control", p.cache)
	h.Set("Etag", p.etag)
	body := p.body
	if p.gz != nil {
		h.Set("Vary", "Accept-Encoding")
		if takesGzip(r.Header.Get("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			body = p.gz
		}
	}
	if strings.Contains(r.Header.Get("If-None-Match"), p.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the caller may be gone
	}
}

func takesGzip(accept string) bool {
	for _, item := range strings.Split(accept, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(item), ";")
		if name == "gzip" && quality(params) > 0 {
			return true
		}
	}
	return false
}

// nowhere answers a path that is not there, or not with this method.
func (s *Server) nowhere(w http.ResponseWriter, r *http.Request) {
	var allow []string
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := s.mux.Handler(other); pattern != "/" && pattern != "" {
			allow = append(allow, method)
		}
	}
	if allow == nil {
		s.fail(w, r, fault.New(fault.NoRoute, "%s %s", r.Method, r.URL.Path))
		return
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	s.fail(w, r, fault.New(fault.BadMethod, "%s %s, want %s", r.Method, r.URL.Path, strings.Join(allow, ", ")))
}

// contentType does not ask the machine, whose tables differ.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json", ".map":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".ico":
		return "image/x-icon"
	case ".webp":
		return "image/webp"
	case ".woff2":
		return "font/woff2"
	case ".woff":
		return "font/woff"
	case ".wasm":
		return "application/wasm"
	case ".txt":
		return "text/plain; charset=utf-8"
	case ".webmanifest":
		return "application/manifest+json"
	}
	return "application/octet-stream"
}
