package api

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// call is what the handlers know of the request beyond its input.
type call struct {
	r     *http.Request
	who   principal
	lang  string // en or zh
	trace string

	// For the audit.
	sensitive bool   // it read what is secret, or signed somebody in
	target    string // what the body named
	code      int    // of the fault that was answered
}

type callKey struct{}

func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// callOf returns the call of a context that went through the middleware; of any
// other an anonymous one.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{lang: "en"}
}

// language is zh when Accept-Language names Chinese before any other language
// of ours, else en. Weights are read.
func language(header string) string {
	best, lang := -1.0, "en"
	for i, item := range strings.Split(header, ",") {
		if i == 16 {
			break
		}
		tag, params, _ := strings.Cut(strings.TrimSpace(item), ";")
		q := quality(params)
		primary, _, _ := strings.Cut(strings.ToLower(tag), "-")
		switch {
		case q <= best || q == 0:
		case primary == "zh":
			best, lang = q, "zh"
		case primary == "en", primary == "*":
			best, lang = q, "en"
		}
	}
	return lang
}

func quality(params string) float64 {
	value, ok := strings.CutPrefix(strings.TrimSpace(params), "q=")
	if !ok {
		return 1
	}
	q, scale := 0.0, 1.0
	for i, c := range value {
		switch {
		case c == '.' && i == 1:
		case c < '0' || c > '9' || i > 5:
			return 0
		case i == 0:
			q = float64(c - '0')
		default:
			scale /= 10
			q += float64(c-'0') * scale
		}
	}
	return min(q, 1)
}

// origin is how the caller reaches this server: what stands before the path of
// every address given back. A proxy tells by X-Forwarded-Proto, -Host, -Port
// and -Prefix; they shape only the answer to the one who sent them.
type origin struct {
	secure bool
	host   string // host[:port]
	prefix string // "" or "/path"
}

func originOf(r *http.Request) origin {
	o := origin{secure: r.TLS != nil, host: r.Host}
	switch strings.ToLower(first(r.Header.Get("X-Forwarded-Proto"))) {
	case "https", "wss":
		o.secure = true
	case "http", "ws":
		o.secure = false
	}
	if h := first(r.Header.Get("X-Forwarded-Host")); hostname(h) {
		o.host = h
	}
	if p := first(r.Header.Get("X-Forwarded-Port")); digits(p) && len(p) <= 5 {
		if h, _, err := net.SplitHostPort(o.host); err == nil {
			o.host = h
		}
		o.host = strings.Trim(o.host, "[]")
		if strings.Contains(o.host, ":") {
			o.host = "[" + o.host + "]"
		}
		if p != "80" && p != "443" {
			o.host += ":" + p
		}
	}
	if p := first(r.Header.Get("X-Forwarded-Prefix")); strings.HasPrefix(p, "/") && !strings.ContainsAny(p, "?#\\\" <>") && !strings.HasPrefix(p, "//") {
		o.prefix = strings.TrimRight(p, "/")
	}
	if !hostname(o.host) {
		o.host = "localhost"
	}
	return o
}

func (o origin) url(path string) string {
	scheme := "http"
	if o.secure {
		scheme = "https"
	}
	return scheme + "://" + o.host + o.prefix + path
}

func first(list string) string {
	item, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(item)
}

func hostname(s string) bool {
	for _, c := range s {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.ContainsRune(".-_:[]", c):
		default:
			return false
		}
	}
	return s != "" && len(s) <= 260
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// clientAddr is the address to judge a caller by: that of the connection, or
// what a trusted proxy says of it.
func (s *Server) clientAddr(r *http.Request) netip.Addr {
	addr := remoteAddr(r)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusted(addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap()
	}
	return addr
}

func (s *Server) trusted(a netip.Addr) bool {
	for _, p := range s.cfg.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func remoteAddr(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// loopback reports whether the caller is on this machine, and no proxy's client.
func loopback(r *http.Request) bool {
	for _, h := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Forwarded", "Via"} {
		if r.Header.Get(h) != "" {
			return false
		}
	}
	return remoteAddr(r).IsLoopback()
}
