package api

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"fengsui/internal/api/fault"
)

// bodyTimeout is how long a body may take to arrive.
const bodyTimeout = 15 * time.Second

// buffer reads the body before anything is done, bounded in size and time, so
// that no handler waits for a slow caller.
func (s *Server) buffer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody || uploading(r) {
			next.ServeHTTP(w, r)
			return
		}
		if r.ContentLength > maxBody {
			s.fail(w, r, fault.New(fault.TooLarge, "the body has %d bytes, more than %d", r.ContentLength, maxBody))
			return
		}
		rc := http.NewResponseController(w)
		_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout)) // not every writer has one
		body, err := io.ReadAll(r.Body)
		_ = rc.SetReadDeadline(time.Time{}) // left set, it would end long calls
		var slow net.Error
		switch {
		case errors.As(err, &slow) && slow.Timeout():
			err = fault.New(fault.SlowBody, "%d bytes after %v", len(body), bodyTimeout)
		case err != nil && !tooLarge(err):
			err = fault.New(fault.BadJSON, "the body broke off after %d bytes: %v", len(body), err)
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func tooLarge(err error) bool {
	var large *http.MaxBytesError
	return errors.As(err, &large)
}
