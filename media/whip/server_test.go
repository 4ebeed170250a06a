package whip_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/media/whip"
)

// offer is the least that a microphone can say.
const offer = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 8 111\r\na=rtpmap:111 opus/48000/2\r\n"

// serve posts an offer.
func serve(ctx context.Context, s *whip.Server, body string, open whip.Open) {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/whip/talk/a/b", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/sdp")

	s.ServeOffer(httptest.NewRecorder(), r, open)
}

func TestMicrophonesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		causes := make(chan error, 300)
		s := whip.New(whip.Config{Fail: func(_ http.ResponseWriter, _ *http.Request, err error) { causes <- err }}, nil, prometheus.NewRegistry(), zerolog.Nop())
		ctx, leave := context.WithCancel(t.Context())
		waiting := func(ctx context.Context) (whip.Line, error) { <-ctx.Done(); return whip.Line{}, ctx.Err() }
		const most = 256
		for range most {
			go serve(ctx, s, offer, waiting)
		}
		synctest.Wait()
		serve(ctx, s, offer, waiting)
		if err := <-causes; !errors.Is(err, whip.ErrFull) || s.Count() != most {
			t.Errorf("%d microphones, one more: %v", s.Count(), err)
		}
		leave()
		synctest.Wait()
		if s.Count() != 0 {
			t.Errorf("%d are left", s.Count())
		}
	})
}

func TestOffersThatCannotBeUsedOpenNoLine(t *testing.T) {
	var cause error
	s := whip.New(whip.Config{Fail: func(_ http.ResponseWriter, _ *http.Request, err error) { cause = err }}, nil, prometheus.NewRegistry(), zerolog.Nop())
	never := func(context.Context) (whip.Line, error) {
		t.Error("a line was opened")
		return whip.Line{}, nil
	}
	for body, want := range map[string]error{
		"nonsense": whip.ErrOffer,
		strings.Replace(offer, "8 111", "111", 1):   whip.ErrCodec,
		strings.Replace(offer, "audio", "video", 1): whip.ErrOffer,
		strings.Repeat("a", 65<<10):                 whip.ErrOffer,
	} {
		if serve(t.Context(), s, body, never); !errors.Is(cause, want) {
			t.Errorf("%.60q: %v, want %v", body, cause, want)
		}
	}
}
