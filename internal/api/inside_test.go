package api

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fengsui/gb28181"
	"fengsui/gb28181/device"
	"fengsui/gb28181/play"
	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/internal/store"
	"fengsui/media"
	"fengsui/media/out/flv"
	"fengsui/media/out/whep"
	"fengsui/sip"
)

func TestThrottleSlowsByAddressAndUserAndForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(16, prometheus.NewCounter(prometheus.CounterOpts{Name: "x"}))
		a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		for i := range freeFailures {
			if w := th.begin(a, "admin", time.Now()); w != 0 {
				t.Fatalf("try %d waits %v", i, w)
			}
		}
		var last time.Duration
		for i := range 12 {
			if w := th.begin(a, "admin", time.Now()); w != 0 {
				t.Fatalf("try %d after its wait waits %v", i, w)
			}
			w := th.begin(a, "other", time.Now())
			if w < last || w > addrDelayMax {
				t.Fatalf("wait %d is %v after %v", i, w, last)
			}
			last = w
			time.Sleep(w)
		}
		if last < time.Minute {
			t.Errorf("an address that keeps failing waits %v", last)
		}
		// A stranger's failures cost the user little from elsewhere.
		if w := th.begin(b, "admin", time.Now()); w > userDelayMax {
			t.Errorf("the user waits %v", w)
		}
		time.Sleep(userDelayMax)
		if w := th.begin(b, "admin", time.Now()); w != 0 {
			t.Errorf("the user still waits %v", w)
		}
		th.succeeded(b, "ADMIN")
		if w := th.begin(b, "admin", time.Now()); w != 0 {
			t.Errorf("after a success: %v", w)
		}
		time.Sleep(forgetAfter + time.Second)
		if w := th.begin(a, "admin", time.Now()); w != 0 {
			t.Errorf("after the time to forget: %v", w)
		}
	})
}

func TestThrottleStaysWithinItsBound(t *testing.T) {
	evicted := prometheus.NewCounter(prometheus.CounterOpts{Name: "x"})
	th := newThrottle(100, evicted)
	for i := range 1000 {
		th.begin(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), strings.Repeat("x", i), time.Now())
	}
	if len(th.seen) > 101 {
		t.Errorf("%d entries", len(th.seen))
	}
	v6, v6too := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff:2")
	if addrKey(v6) != addrKey(v6too) {
		t.Error("two addresses of one /64 count apart")
	}
}

// A slowed address that sends names nobody has must not be forgotten for them.
func TestAFloodOfNamesDoesNotFreeTheAddressItComesFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(100, prometheus.NewCounter(prometheus.CounterOpts{Name: "x"}))
		a := netip.MustParseAddr("192.0.2.1")
		tries := 0
		for i := range 20_000 {
			if th.begin(a, fmt.Sprint("name", i), time.Now()) == 0 {
				tries++
			}
		}
		if tries != freeFailures+1 {
			t.Errorf("%d tries without a pause, want %d", tries, freeFailures+1)
		}
		for i := range 20_000 { // and other addresses' names leave it alone
			th.begin(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), fmt.Sprint("name", i), time.Now())
		}
		if th.begin(a, "admin", time.Now()) == 0 {
			t.Error("the address was forgotten while it had to wait")
		}
	})
}

func TestLongAddressesOfRepeatablePostsAreNotKept(t *testing.T) {
	s := &Server{answers: newAnswers(prometheus.NewCounter(prometheus.CounterOpts{Name: "x"}))}
	h := s.idempotent(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }))
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range 500 {
		r := httptest.NewRequest(http.MethodPost, "/api/v1/streams?pad="+strings.Repeat("x", 60<<10), nil)
		r.Header.Set("Idempotency-Key", fmt.Sprint(i))
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if after := heap(); after > before+(4<<20) {
		t.Errorf("500 answers without a body keep %d KiB", (after-before)>>10)
	}
	if n := s.answers.order.Len(); n != 500 {
		t.Errorf("%d answers are kept", n)
	}
}

// HTTP/2 resets a stream at its deadline even when nothing is being written.
func TestEventStreamThatWaitsHasNoDeadline(t *testing.T) {
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	e := &watcher{w: w, rc: http.NewResponseController(w)}
	if err := e.put(": \n\n"); err != nil {
		t.Fatal(err)
	}
	if len(w.set) != 2 || w.set[0].IsZero() || !w.set[1].IsZero() {
		t.Errorf("deadlines %v, want one while it writes and none after", w.set)
	}
}

type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

func TestPasswordHashesVerifyAndBadOnesAreErrors(t *testing.T) {
	h := HashPassword("a good password")
	if ok, err := verifyPassword(h, "a good password"); !ok || err != nil {
		t.Errorf("verify = %v, %v", ok, err)
	}
	if ok, err := verifyPassword(h, "a good passwore"); ok || err != nil {
		t.Errorf("verify of another = %v, %v", ok, err)
	}
	for _, bad := range []string{"", "plain", "$argon2id$v=19$m=999999999,t=1,p=1$AAAA$AAAA", "$argon2i$v=19$m=8,t=1,p=1$AAAA$AAAA", "$argon2id$v=19$m=8,t=1,p=1$!$!"} {
		if ok, err := verifyPassword(bad, "x"); ok || !errors.Is(err, errBadHash) {
			t.Errorf("verify(%q) = %v, %v", bad, ok, err)
		}
	}
}

func TestPasswordRules(t *testing.T) {
	for password, ok := range map[string]bool{
		"correct horse": true, "密码要八个字符以上": true, "short": false, "12345678": false, "aaaaaaaaaaaa": false,
		"operator": false, "OperatorOperator": false, "": false, strings.Repeat("ab", 65): false, "bad\xffutf8!": false,
	} {
		if err := CheckPassword("operator", password); (err == nil) != ok {
			t.Errorf("CheckPassword(%q) = %v, want ok %v", password, err, ok)
		}
	}
}

func TestHasherBoundsWhoWaits(t *testing.T) {
	reg := prometheus.NewRegistry()
	h := newHasher(newMetrics(reg).busy.WithLabelValues("sign_ins"))
	release := make(chan struct{})
	started := make(chan struct{}, 64)
	results := make(chan error, 64)
	for range cap(h.waiting) {
		go func() {
			results <- h.do(t.Context(), func() { started <- struct{}{}; <-release })
		}()
	}
	<-started
	for len(h.waiting) < cap(h.waiting) {
		time.Sleep(time.Millisecond)
	}
	if err := h.do(t.Context(), func() {}); err == nil {
		t.Error("one more was taken")
	}
	if n := counter(t, reg, "fengsui_http_busy_total"); n != 1 {
		t.Errorf("counted %v, want 1", n)
	}
	close(release)
	for range cap(h.waiting) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

func TestRememberedAnswersAreBounded(t *testing.T) {
	reg := prometheus.NewRegistry()
	a, now := newAnswers(newMetrics(reg).evicted.WithLabelValues("idempotency")), time.Now()
	remember := func(n, size int) {
		key := sha256.Sum256(fmt.Append(nil, n))
		e, mine := a.claim(key, key, now)
		if !mine {
			t.Fatalf("answer %d is there", n)
		}
		rec := &capture{ResponseWriter: httptest.NewRecorder()}
		_, _ = rec.Write(make([]byte, size))
		a.finish(e, rec, now)
	}
	for n := range answersKept + 10 {
		remember(n, 1)
	}
	if n := counter(t, reg, "fengsui_http_evicted_total"); n != 10 || len(a.byKey) != answersKept {
		t.Errorf("%v counted, %d kept", n, len(a.byKey))
	}
	for n := range 2 * answersBytes / answerBytes {
		remember(-1-n, answerBytes)
	}
	if a.bytes > answersBytes || len(a.byKey) != answersBytes/answerBytes {
		t.Errorf("%d answers of %d bytes kept", len(a.byKey), a.bytes)
	}
	first := sha256.Sum256(fmt.Append(nil, 0))
	if _, mine := a.claim(first, first, now); !mine {
		t.Error("the oldest is still there")
	}
}

func TestOriginIsAsTheCallerSeesIt(t *testing.T) {
	for _, c := range []struct {
		host    string
		tls     bool
		headers []string
		want    string
	}{
		{"cams:8080", false, nil, "http://cams:8080/x"},
		{"cams", true, nil, "https://cams/x"},
		{"in:8080", false, []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "out.example"}, "https://out.example/x"},
		{"in:8080", false, []string{"X-Forwarded-Host", "[2001:db8::1]:8443", "X-Forwarded-Port", "9000"}, "http://[2001:db8::1]:9000/x"},
		{"in:8080", true, []string{"X-Forwarded-Port", "443"}, "https://in/x"},
		{"in", false, []string{"X-Forwarded-Prefix", "/cams/"}, "http://in/cams/x"},
		{"in", false, []string{"X-Forwarded-Prefix", "//evil", "X-Forwarded-Host", "a b"}, "http://in/x"},
		{"", false, nil, "http://localhost/x"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = c.host
		if c.tls {
			r.TLS = &tls.ConnectionState{}
		}
		for i := 0; i < len(c.headers); i += 2 {
			r.Header.Set(c.headers[i], c.headers[i+1])
		}
		if got := originOf(r).url("/x"); got != c.want {
			t.Errorf("%q %v: %s, want %s", c.host, c.headers, got, c.want)
		}
	}
}

func TestCallerIsJudgedByTheAddressATrustedProxyNames(t *testing.T) {
	s := &Server{cfg: Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	for _, c := range [][3]string{
		{"203.0.113.1:9", "1.2.3.4", "203.0.113.1"}, // no proxy of ours: what it says does not count
		{"10.0.0.1:9", "1.2.3.4", "1.2.3.4"},
		{"10.0.0.1:9", "9.9.9.9, 1.2.3.4, 10.0.0.2", "1.2.3.4"},
		{"10.0.0.1:9", "junk", "10.0.0.1"},
		{"[::ffff:10.0.0.1]:9", "1.2.3.4", "1.2.3.4"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c[0]
		r.Header.Set("X-Forwarded-For", c[1])
		if got := s.clientAddr(r).String(); got != c[2] {
			t.Errorf("%s by %q = %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

func FuzzTokens(f *testing.F) {
	sg, err := newSigner(make([]byte, 16))
	if err != nil {
		f.Fatal(err)
	}
	now := time.Unix(1_790_000_000, 0)
	key := media.LiveKey("34020000001320000001", "34020000001320000002", media.Main)
	good, err := sg.signSession(newSession(1, 2, now.Add(time.Hour)))
	if err != nil {
		f.Fatal(err)
	}
	play := sg.signPlay(key, now.Add(time.Hour))
	f.Add(good)
	f.Add(play)
	f.Add("")
	f.Add("fss_.")
	f.Fuzz(func(t *testing.T, token string) {
		if s, err := sg.readSession(token, now); err == nil {
			again, err := sg.signSession(s)
			if err != nil || again != token {
				t.Fatalf("a token that is not ours was taken: %q", token)
			}
		}
		if err := sg.checkPlay(token, key, now); err == nil && token != play {
			t.Fatalf("a play token that is not ours was taken: %q", token)
		}
		if err := sg.checkPlay(token, key+"_sub", now); err == nil {
			t.Fatalf("%q opens another stream", token)
		}
	})
}

func FuzzLanguage(f *testing.F) {
	f.Add("zh-CN,zh;q=0.9,en;q=0.8")
	f.Add("*;q=")
	f.Add("en;q=0.12345678,,;")
	f.Fuzz(func(t *testing.T, header string) {
		if l := language(header); l != "en" && l != "zh" {
			t.Fatalf("language(%q) = %q", header, l)
		}
	})
}

func TestErrorsOfServicesHaveTheirCodes(t *testing.T) {
	s := &Server{}
	for err, want := range map[error]fault.Code{
		&whep.CodecError{Codec: media.H265, Reason: "the browser offers none"}: fault.NoCodec,
		whep.ErrOffer:                       fault.BadOffer,
		whep.ErrNoSession:                   fault.UnknownViewer,
		whep.ErrFull:                        fault.TooManyViewers,
		flv.ErrFull:                         fault.TooManyViewers,
		sip.ErrUnreachable:                  fault.Unreachable,
		gb28181.ErrTimeout:                  fault.DeviceSilent,
		gb28181.ErrRefused:                  fault.DeviceRefused,
		device.ErrFull:                      fault.TablesFull,
		context.DeadlineExceeded:            fault.TookTooLong,
		&http.MaxBytesError{Limit: 5}:       fault.TooLarge,
		errors.New("whatever"):              fault.Internal,
		fault.New(fault.UnknownKey, "k"):    fault.UnknownKey,
		storeFault(errors.New("disk full")): fault.StoreDown,
		storeFault(store.ErrNotFound):       fault.Internal, // the handler was to decide
		&play.StartError{Cause: play.ErrNoPacket, Remedy: play.Words{EN: "do this"}}: fault.NoPacket,
	} {
		f := s.faultOf(fmt.Errorf("attempted: %w", err))
		if f.Code != want {
			t.Errorf("%v: code %d, want %d", err, f.Code, want)
		}
		if want == fault.NoPacket && f.Remedy.EN != "do this" {
			t.Errorf("remedy = %v", f.Remedy)
		}
	}
}

// counter is the sum of a counter's labels.
func counter(t *testing.T, reg *prometheus.Registry, name string) (n float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// recorded is a coordinator with one playback.
type recorded struct{ Streams }

func (recorded) Session(id string) (play.Session, bool) {
	p := play.Session{ID: "rec1", Key: "playback/rec1", Request: play.Request{Kind: play.Playback, Device: "d", Channel: "c"}}
	return p, id == p.ID
}

func TestAPlayAddressNamesItsStreamAndTheRightToWatchIt(t *testing.T) {
	s := &Server{svc: Services{Streams: recorded{}}}
	for path, want := range map[string]struct {
		key media.Key
		act rights.Act
	}{
		"/live/34020000001320000001_34020000001320000002.flv":          {"live/34020000001320000001_34020000001320000002", rights.Look},
		"/live/34020000001320000001_34020000001320000002_sub.flv":      {"live/34020000001320000001_34020000001320000002_sub", rights.Look},
		"/whep/live/34020000001320000001_34020000001320000002":         {"live/34020000001320000001_34020000001320000002", rights.Look},
		"/whep/live/34020000001320000001_34020000001320000002/viewer1": {"live/34020000001320000001_34020000001320000002", rights.Look},
		"/playback/rec1.flv":          {"playback/rec1", rights.Playback},
		"/whep/playback/rec1":         {"playback/rec1", rights.Playback},
		"/whep/playback/rec1/viewer1": {"playback/rec1", rights.Playback},
	} {
		key, device, channel, err := s.playKey(path)
		if err != nil || key != want.key || watching(key) != want.act || device == "" || channel == "" {
			t.Errorf("%s: %s of %s/%s, %v; watching needs %s", path, key, device, channel, err, watching(key))
		}
	}
	for path, code := range map[string]fault.Code{
		"/playback/rec2.flv": fault.UnknownStream, "/playback/.flv": fault.UnknownStream, "/playback/rec1": fault.UnknownStream,
		"/live/nothing.flv": fault.BadLiveName, "/live/": fault.BadLiveName, "/whep/live/x": fault.BadLiveName,
	} {
		var f *fault.Error
		if _, _, _, err := s.playKey(path); !errors.As(err, &f) || f.Code != code {
			t.Errorf("%s: %v, want %d", path, err, code)
		}
	}
}
