package app

import (
	"io"
	"testing"

	"fengsui/configs"
)

// Without these a stranger keeps a connection, or an answer that he does not
// read, for as long as he likes, and writes the log as fast as he can connect.
func TestHTTPConnectionsAreBoundedInTimeAndWords(t *testing.T) {
	cfg := configs.Default()
	cfg.DataDir = t.TempDir()
	a, err := New(t.Context(), cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	if a.http.ErrorLog == nil {
		t.Error("net/http writes to standard error, a line for each failed handshake")
	}
	if s := a.http; s.ReadHeaderTimeout <= 0 || s.IdleTimeout <= 0 || s.WriteTimeout <= 0 || s.MaxHeaderBytes <= 0 {
		t.Errorf("a bound is missing: %+v", s)
	}
}
