package spine_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"testing"

	"fengsui/configs"
)

// A browser gives a microphone to HTTPS only: the root is had by plain HTTP, and
// whoever trusts it alone is served.
func TestWhoTrustsTheRootIsServedByHTTPS(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *configs.Config) { c.HTTP.TLS.Auto, c.HTTP.TLS.Names = true, []string{"fengsui.example"} })
	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer stay.CloseIdleConnections()
	root := func() string {
		t.Helper()
		res, err := stay.Get(h.base + "/tls/root.crt")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/x-x509-ca-cert" {
			t.Fatalf("%s %q, %v", res.Status, b, err)
		}
		return string(b)
	}
	first := root()
	res, err := stay.Get(h.base + "/api/v1/system?x=1")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusPermanentRedirect || res.Header.Get("Location") != "https://"+h.cfg.HTTP.Listen+"/api/v1/system?x=1" {
		t.Errorf("plain HTTP: %s to %q", res.Status, res.Header.Get("Location"))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(first)) {
		t.Fatal("the root cannot be read")
	}
	for _, name := range []string{"127.0.0.1", "localhost", "fengsui.example"} {
		secure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: name}}}
		res, err := secure.Get("https://" + h.cfg.HTTP.Listen + "/healthz")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		res.Body.Close()
		if res.StatusCode != 200 || res.ProtoMajor != 1 && res.ProtoMajor != 2 {
			t.Errorf("%s: %s", name, res.Status)
		}
		secure.CloseIdleConnections()
	}
	stay.CloseIdleConnections()
	h.close()
	h.start()
	if root() != first {
		t.Error("another root after a restart")
	}
	stay.CloseIdleConnections()
}

func TestWithoutAnAuthorityThereIsNoRoot(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.refused(105005, "GET", "/tls/root.crt", nil)
}
