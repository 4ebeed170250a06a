package webhook_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fengsui/internal/sink"
	"fengsui/internal/sink/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// The example of the Standard Webhooks specification and its libraries.
func TestSignatureIsThatOfStandardWebhooks(t *testing.T) {
	key, err := webhook.ParseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	got := webhook.Sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Error(got)
	}
	for _, bad := range []string{"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_!"} {
		if _, err := webhook.ParseSecret(bad); !errors.Is(err, webhook.ErrSecret) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func sender(t *testing.T, url string) *webhook.Sender {
	t.Helper()
	s, err := webhook.New(url, secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestAMessageIsPostedAndSigned(t *testing.T) {
	key, _ := webhook.ParseSecret(secret)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		stamp := r.Header.Get("webhook-timestamp")
		at, _ := strconv.ParseInt(stamp, 10, 64)
		if r.Method != "POST" || r.Header.Get("webhook-id") != "evt_1" || string(body) != `{"a":1}` || r.Header.Get("Content-Type") != "application/json" ||
			r.Header.Get("webhook-signature") != webhook.Sign(key, "evt_1", stamp, body) || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
			t.Errorf("%s %v %s", r.Method, r.Header, body)
		}
		w.WriteHeader(204)
	}))
	defer server.Close()
	if err := sender(t, server.URL).Send(t.Context(), []sink.Message{{Key: "evt_1", Body: []byte(`{"a":1}`)}})[0]; err != nil {
		t.Error(err)
	}
}

func TestAnswersAreAcknowledgementsRefusalsOrNone(t *testing.T) {
	var status atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(int(status.Load()))
	}))
	defer server.Close()
	s := sender(t, server.URL+"/hook?token=secret")
	for code, want := range map[int]string{200: "taken", 202: "taken", 301: "refused", 400: "refused", 410: "refused", 500: "refused", 429: "not reached", 503: "not reached", 502: "not reached"} {
		status.Store(int64(code))
		err := s.Send(t.Context(), []sink.Message{{Key: "k"}})[0]
		var refusal *sink.Refusal
		got := "not reached"
		if err == nil {
			got = "taken"
		} else if errors.As(err, &refusal) {
			got = "refused"
		}
		if got != want {
			t.Errorf("%d is %s (%v), want %s", code, got, err, want)
		}
	}
	server.Close()
	var refusal *sink.Refusal
	if err := s.Send(t.Context(), []sink.Message{{Key: "k"}})[0]; err == nil || errors.As(err, &refusal) {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestMessagesAreSentBesideEachOther(t *testing.T) {
	var now, most atomic.Int64
	gate := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if n := now.Add(1); n == webhook.Parallel {
			most.Store(n)
			close(gate)
		}
		<-gate
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for i, err := range sender(t, server.URL).Send(ctx, make([]sink.Message, 40)) {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if most.Load() != webhook.Parallel {
		t.Errorf("%d at a time", most.Load())
	}
}
