package app

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"fengsui/configs"
)

// live are the keys, and the groups of keys, that Reload applies; any other
// needs a restart.
var live = []string{"log.level", "sip.password", "http.tls.cert", "http.tls.key", "sip.guard.", "quirks.file"}

// Reload applies what can change while the server runs: the log level, the
// common device password, all of sip.guard, the rules of quirks and the certificate
// of the console (both read again even if their paths stayed). It says which changed keys wait for a restart. On error
// nothing has changed.
func (a *App) Reload(next configs.Config) (waiting []string, err error) {
	changed := configs.Changed(&a.cfg, &next)
	for _, key := range changed {
		if !slices.ContainsFunc(live, func(l string) bool { return key == l || strings.HasSuffix(l, ".") && strings.HasPrefix(key, l) }) {
			waiting = append(waiting, key)
		}
	}
	rules, err := loadQuirks(&next)
	if err != nil {
		return nil, err
	}
	if (next.HTTP.TLS.Cert != "") != (a.cfg.HTTP.TLS.Cert != "") {
		waiting = append(waiting, "http.tls.cert") // between HTTP and HTTPS there is a new listener
	} else if next.HTTP.TLS.Cert != "" {
		if err := a.loadCertificate(&next); err != nil {
			return nil, err
		}
	}
	level, err := zerolog.ParseLevel(next.Log.Level)
	if err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	zerolog.SetGlobalLevel(level)
	a.useQuirks(rules)
	if next.SIP.Password != nil {
		a.sipPassword.Store(next.SIP.Password)
	}
	a.guard.Set(guardConfig(&next.SIP.Guard))
	a.endpoint.SetMaxBodies(int64(next.SIP.Guard.Bodies))
	a.log.Info().Strs("changed", changed).Strs("need_restart", waiting).Msg("configuration read again")
	return waiting, nil
}

func (a *App) loadCertificate(cfg *configs.Config) error {
	cert, err := tls.LoadX509KeyPair(cfg.HTTP.TLS.Cert, cfg.HTTP.TLS.Key)
	if err != nil {
		return fmt.Errorf("http.tls: %w; name a PEM certificate and its key", err)
	}
	a.certificate.Store(&cert)
	return nil
}

func (a *App) getCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := a.certificate.Load(); c != nil {
		return c, nil
	}
	return nil, errors.New("no certificate is loaded")
}
