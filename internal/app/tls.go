package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"fengsui/internal/authority"
)

// openAuthority makes the certificates of http.tls.auto.
func (a *App) openAuthority() (err error) {
	cfg := &a.cfg
	host := cfg.SIP.Advertise
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	a.authority, err = authority.Open(cfg.DataDir, func() []string {
		return authority.Names(append([]string{host, a.mediaAdvertise()}, cfg.HTTP.TLS.Names...)...)
	})
	if err != nil {
		return fmt.Errorf("http.tls.auto: %w", err)
	}
	if a.authority.Made() {
		a.log.Info().Str("root", "/tls/root.crt").Msg("made a root certificate: install it where browsers should trust this server")
	}
	return nil
}

// door tells HTTPS from HTTP on one port by the first byte of a connection: a TLS
// record of a handshake begins with 22. Each kind has a listener of its own.
type door struct {
	net.Listener
	secure, plain entrance
	ended         chan struct{}
	once          sync.Once
	looking       sync.WaitGroup
}

// entrance is the listener of one kind.
type entrance struct {
	*door
	conns chan net.Conn
}

const tlsHandshake = 22

func newDoor(l net.Listener) *door {
	d := &door{Listener: l, ended: make(chan struct{})}
	d.secure, d.plain = entrance{d, make(chan net.Conn)}, entrance{d, make(chan net.Conn)}
	return d
}

// run takes connections until the listener ends.
func (d *door) run() error {
	defer d.looking.Wait()
	defer d.shut()
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return err
		}
		d.looking.Go(func() { d.look(c) })
	}
}

// look waits for the first byte, as long as a request's head may take.
func (d *door) look(c net.Conn) {
	_ = c.SetReadDeadline(time.Now().Add(headerTimeout))
	var first [1]byte
	_, err := io.ReadFull(c, first[:])
	_ = c.SetReadDeadline(time.Time{})
	if err != nil {
		_ = c.Close()
		return
	}
	to := d.plain
	if first[0] == tlsHandshake {
		to = d.secure
	}
	select {
	case to.conns <- &peeked{Conn: c, first: first[0]}:
	case <-d.ended:
		_ = c.Close()
	}
}

func (d *door) shut() { d.once.Do(func() { close(d.ended) }) }

// Accept is the next connection of the kind.
func (e entrance) Accept() (net.Conn, error) {
	select {
	case c := <-e.conns:
		return c, nil
	case <-e.ended:
		return nil, net.ErrClosed
	}
}

// Close ends both kinds.
func (e entrance) Close() error {
	e.shut()
	err := e.Listener.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// peeked gives the byte that was looked at first.
type peeked struct {
	net.Conn
	first byte
	given bool
}

func (p *peeked) Read(b []byte) (int, error) {
	if p.given || len(b) == 0 {
		return p.Conn.Read(b)
	}
	p.given = true
	b[0] = p.first
	return 1, nil
}

// upgradeToHTTPS answers plain HTTP on the port of HTTPS: what has to be had
// before the root is trusted, and for all else the way to HTTPS.
func upgradeToHTTPS(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/tls/root.crt", "/healthz", "/readyz":
			handler.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, "https://"+r.Host+r.URL.RequestURI(), http.StatusPermanentRedirect)
	})
}

// serveBoth serves HTTPS with certificates of our own, and what plain HTTP gets.
func (a *App) serveBoth(l net.Listener) error {
	d := newDoor(l)
	plain := &http.Server{Handler: upgradeToHTTPS(a.http.Handler), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleHTTP,
		WriteTimeout: headerTimeout, MaxHeaderBytes: maxHeaderBytes, ErrorLog: a.http.ErrorLog}
	var serving sync.WaitGroup
	serving.Go(func() { _ = d.run() })
	serving.Go(func() { _ = plain.Serve(d.plain) })
	err := a.http.ServeTLS(d.secure, "", "")
	_ = d.secure.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = plain.Shutdown(ctx)
	serving.Wait()
	return err
}
