package app

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fengsui/configs"
	"fengsui/internal/api"
	"fengsui/internal/authority"
)

const askingTime = 3 * time.Second

// running is what a server with the same configuration tells of itself. The
// fields are those of GET /api/v1/system.
type running struct {
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at"`
	Pools     struct {
		Devices    int       `json:"devices"`
		Period     float64   `json:"gc_period"`
		ComputedAt time.Time `json:"computed_at"`
		Postponed  int       `json:"postponed"`
		Items      []poolRow `json:"items"`
	} `json:"pools"`
}

type poolRow struct {
	Name    string  `json:"name"`
	Size    int     `json:"size"`
	Least   int     `json:"least"`
	Free    int     `json:"free"`
	Bytes   int     `json:"bytes"`
	Share   int64   `json:"share"`
	Session float64 `json:"session"`
	Taken   uint64  `json:"taken"`
	Missed  uint64  `json:"missed"`
	Twice   uint64  `json:"returned_twice"`
	HitRate float64 `json:"hit_rate"`
}

// errNotRunning is reported where no server of ours answers.
var errNotRunning = errors.New("no server runs with this configuration")

// askRunning asks the server that has http.listen, with a token made from the
// secret that it keeps in the data folder.
func askRunning(ctx context.Context, c *configs.Config) (*running, error) {
	secret, err := clusterSecret(c)
	if err != nil {
		return nil, errNotRunning
	}
	token, err := api.LocalToken([]byte(secret), time.Now().Add(time.Minute))
	if err != nil {
		return nil, errNotRunning
	}
	address, ok := reachable(c.HTTP.Listen)
	if !ok {
		return nil, errNotRunning
	}
	transport := &http.Transport{DisableKeepAlives: true}
	scheme := "http"
	if c.HTTP.TLS.Cert != "" || c.HTTP.TLS.Auto {
		scheme = "https"
		if transport.TLSClientConfig, err = onlyOurs(c); err != nil {
			return nil, errNotRunning
		}
	}
	ctx, cancel := context.WithTimeout(ctx, askingTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+address+"/api/v1/system", nil)
	if err != nil {
		return nil, errNotRunning
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, errNotRunning
	}
	defer res.Body.Close()
	r := new(running)
	if res.StatusCode != http.StatusOK || json.NewDecoder(res.Body).Decode(r) != nil || r.Version == "" {
		return nil, errNotRunning // another program, or a server with another secret
	}
	return r, nil
}

// clusterSecret is the configured one, or that of the data folder.
func clusterSecret(c *configs.Config) (string, error) {
	if c.Cluster.Secret != "" {
		return c.Cluster.Secret, nil
	}
	b, err := os.ReadFile(filepath.Join(c.DataDir, clusterSecretFile))
	return strings.TrimSpace(string(b)), err
}

// reachable is where a program on this machine finds what listens at address.
func reachable(address string) (string, bool) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", false
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return net.JoinHostPort(host, port), true
}

// onlyOurs accepts the certificate that is configured and no other, whatever
// name is in it.
func onlyOurs(c *configs.Config) (*tls.Config, error) {
	if c.HTTP.TLS.Auto {
		return trustRoot(c)
	}
	cert, err := tls.LoadX509KeyPair(c.HTTP.TLS.Cert, c.HTTP.TLS.Key)
	if err != nil {
		return nil, fmt.Errorf("http.tls: %w", err)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // the check below is stricter
		VerifyConnection: func(s tls.ConnectionState) error {
			if !bytes.Equal(s.PeerCertificates[0].Raw, cert.Certificate[0]) {
				return errNotRunning
			}
			return nil
		},
	}, nil
}

// findings is the server, the model of its pools, and each pool.
func (r *running) findings() []finding {
	out := []finding{
		{what: "server", state: "ok", seen: fmt.Sprintf("%s runs since %s; ports are its own and not tried", r.Version, r.StartedAt.Local().Format(time.DateTime))},
		{what: "pools", state: "ok", seen: r.model()},
	}
	for i := range r.Pools.Items {
		out = append(out, r.Pools.Items[i].finding())
	}
	return out
}

func (r *running) model() string {
	if r.Pools.ComputedAt.IsZero() {
		return "sizes are the smallest: no device yet"
	}
	period := "no collection yet"
	if r.Pools.Period > 0 {
		period = fmt.Sprintf("a collection each %.3g s", r.Pools.Period)
	}
	return fmt.Sprintf("%d devices, %s; least = devices × session ÷ that, computed at %s, put off %d times",
		r.Pools.Devices, period, r.Pools.ComputedAt.Local().Format(time.TimeOnly), r.Pools.Postponed)
}

// Below this hit rate, after so many takes, a pool that its share keeps small is
// worth a word.
const (
	poorRate  = 0.9
	poorAfter = 10_000
)

func (p *poolRow) finding() finding {
	f := finding{what: "pool " + p.Name, state: "ok"}
	f.seen = fmt.Sprintf("keeps %d (least %d, %d free) of %d KiB, %.1f %% of %d takes hit, session %.3g s",
		p.Size, p.Least, p.Free, (p.Bytes+1023)>>10, 100*p.HitRate, p.Taken, p.Session)
	switch {
	case p.Twice > 0:
		f.state, f.remedy = "warn", fmt.Sprintf("%d items were returned twice and refused: a fault of this version, please report it", p.Twice)
	case p.Size < p.Least && p.Taken >= poorAfter && p.HitRate < poorRate:
		f.state, f.remedy = "warn", fmt.Sprintf("its share of memory.limit, %d KiB, keeps it small: raise memory.limit where there is memory", p.Share>>10)
	}
	return f
}

// trustRoot accepts what the authority of http.tls.auto has signed for this machine.
func trustRoot(c *configs.Config) (*tls.Config, error) {
	root, err := os.ReadFile(filepath.Join(c.DataDir, authority.RootFile))
	if err != nil {
		return nil, fmt.Errorf("http.tls.auto: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(root) {
		return nil, fmt.Errorf("http.tls.auto: %s holds no certificate", authority.RootFile)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: "localhost"}, nil
}

// Root is the root certificate of http.tls.auto in PEM, for `fengsui tls root`.
func Root(c *configs.Config) ([]byte, error) {
	root, err := os.ReadFile(filepath.Join(c.DataDir, authority.RootFile))
	if err != nil {
		return nil, fmt.Errorf("no root certificate: %w; start the server once with http.tls.auto=true", err)
	}
	return root, nil
}
