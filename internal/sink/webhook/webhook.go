// Package webhook brings events to an HTTP endpoint, signed as Standard Webhooks has it.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"fengsui/internal/sink"
)

// Parallel is how many messages, each of another device, are on their way at a time.
const Parallel = 16

// Times and sizes of a request.
const (
	answerTimeout = 15 * time.Second
	mostAnswer    = 64 << 10 // read so that the connection can be used again
)

// ErrSecret is reported for a secret that is none.
var ErrSecret = errors.New(`secret: want whsec_ and 24 to 64 bytes in base64, as "whsec_$(openssl rand -base64 32)" makes one`)

// Sender posts to one endpoint.
type Sender struct {
	url    string
	secret []byte
	client *http.Client
}

// ParseSecret returns the bytes of "whsec_<base64>".
func ParseSecret(text string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	if err != nil || !strings.HasPrefix(text, "whsec_") || len(b) < 24 || len(b) > 64 {
		return nil, ErrSecret
	}
	return b, nil
}

// New makes a sender for an http or https address. conf may be nil.
func New(url, secret string, conf *tls.Config) (*Sender, error) {
	key, err := ParseSecret(secret)
	if err != nil {
		return nil, err
	}
	return &Sender{url, key, &http.Client{
		Timeout:       answerTimeout,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, MaxIdleConnsPerHost: Parallel, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Send implements [sink.Sender]; the messages are of different devices.
func (s *Sender) Send(ctx context.Context, messages []sink.Message) []error {
	results := make([]error, len(messages))
	slots := make(chan struct{}, Parallel)
	var all sync.WaitGroup
	for i := range messages {
		slots <- struct{}{}
		all.Go(func() {
			results[i] = s.post(ctx, &messages[i])
			<-slots
		})
	}
	all.Wait()
	return results
}

// Close implements [sink.Sender].
func (s *Sender) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// post sends one message. An overloaded receiver, or a proxy without one behind
// it, counts as not reached.
func (s *Sender) post(ctx context.Context, m *sink.Message) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(m.Body))
	if err != nil {
		return err
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Fengsui")
	r.Header.Set("Webhook-Id", m.Key)
	r.Header.Set("Webhook-Timestamp", now)
	r.Header.Set("Webhook-Signature", Sign(s.secret, m.Key, now, m.Body))
	res, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, mostAnswer) // only for the connection
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return fmt.Errorf("receiver is not ready: %s", res.Status)
	}
	if res.StatusCode/100 != 2 {
		return &sink.Refusal{Reason: res.Status}
	}
	return nil
}

// Sign is the value of webhook-signature: v1, HMAC-SHA256 of id.timestamp.body.
func Sign(secret []byte, id, timestamp string, body []byte) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(id + "." + timestamp + "."))
	h.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}
