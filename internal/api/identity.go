package api

import (
	"context"
	"strings"

	"fengsui/sip"
)

// maxIdentity bounds a Monitor-User-Identity that a caller brings, in bytes.
const maxIdentity = 512

// onBehalf has requests to devices say for whom they are sent: the caller, or whom
// the caller names by a Monitor-User-Identity of its own domain, each behind our
// gateway (signalling.md section 2.11). What is brought is never shortened.
func (s *Server) onBehalf(ctx context.Context) context.Context {
	c := callOf(ctx)
	if s.cfg.Gateway == "" || c.who.name == "" {
		return ctx
	}
	identity := c.who.name
	if c.r != nil {
		if brought := strings.TrimSpace(c.r.Header.Get("Monitor-User-Identity")); brought != "" && len(brought) <= maxIdentity {
			identity = brought
		}
	}
	for _, r := range identity {
		if r < ' ' || r == 0x7f {
			return ctx
		}
	}
	return sip.OnBehalf(ctx, s.cfg.Gateway+"-"+identity)
}
