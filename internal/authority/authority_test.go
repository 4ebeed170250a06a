package authority_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fengsui/internal/authority"
)

func open(t *testing.T, dir string, names ...string) *authority.Authority {
	t.Helper()
	a, err := authority.Open(dir, func() []string { return names })
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func leafOf(t *testing.T, a *authority.Authority) *x509.Certificate {
	t.Helper()
	c, err := a.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf
}

func TestTheRootIsMadeOnceAndItsKeyIsOurs(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, "localhost")
	if !a.Made() {
		t.Error("not made")
	}
	for name, mode := range map[string]os.FileMode{authority.KeyFile: 0o600, authority.RootFile: 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if b := open(t, dir, "localhost"); b.Made() || string(a.Root()) != string(b.Root()) {
		t.Error("the second start has another root")
	}
	if err := os.WriteFile(filepath.Join(dir, authority.KeyFile), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := authority.Open(dir, nil); err == nil || !strings.Contains(err.Error(), "remove both to have new ones made") {
		t.Errorf("with a broken key: %v", err)
	}
}

// A client that trusts the root alone is served at each name and address.
func TestAClientThatTrustsOnlyTheRootIsServed(t *testing.T) {
	a := open(t, t.TempDir(), authority.Names("fengsui.example")...)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: a.GetCertificate})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).Handshake()
			_ = c.Close()
		}
	}()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(a.Root()) {
		t.Fatal("the root cannot be read")
	}
	for _, name := range []string{"127.0.0.1", "localhost", "fengsui.example"} {
		c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: roots, ServerName: name})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = c.Close()
	}
	if _, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "elsewhere.example"}); err == nil {
		t.Error("served as somebody else")
	}
	if _, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{ServerName: "localhost", RootCAs: x509.NewCertPool()}); err == nil {
		t.Error("a client without the root trusts us")
	}
}

func TestTheCertificateIsMadeAnewBeforeItEnds(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a := open(t, dir, "localhost", "192.0.2.1")
		first := leafOf(t, a)
		if ip := first.IPAddresses; len(ip) != 1 || !ip[0].Equal(net.ParseIP("192.0.2.1")) {
			t.Errorf("addresses %v", ip)
		}
		time.Sleep(59 * 24 * time.Hour)
		if leafOf(t, a).SerialNumber.Cmp(first.SerialNumber) != 0 {
			t.Error("made anew a month too soon")
		}
		time.Sleep(2 * 24 * time.Hour)
		if next := leafOf(t, a); next.SerialNumber.Cmp(first.SerialNumber) == 0 || time.Until(next.NotAfter) < 80*24*time.Hour {
			t.Errorf("still the one that ends at %v", next.NotAfter)
		}
		time.Sleep(10 * 365 * 24 * time.Hour)
		if b := open(t, dir, "localhost"); !b.Made() {
			t.Error("a root that has ended is used")
		}
	})
}
