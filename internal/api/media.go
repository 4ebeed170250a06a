package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/media"
)

// OfferHandler answers WebRTC offers: POST makes a viewer and answers 201 with
// its address in Location; PATCH and DELETE on that address change and end it.
type OfferHandler interface {
	ServeOffer(w http.ResponseWriter, r *http.Request, key media.Key)
}

var playAccess = access{act: rights.Look, play: true}

func (s *Server) addMedia() {
	s.route("GET /live/{file}", playAccess, cors(s.live))
	s.route("GET /playback/{file}", playAccess, cors(s.live))
	s.describe(huma.Operation{OperationID: "watch-flv", Method: http.MethodGet, Path: "/live/{file}", Tags: []string{"media"},
		Summary: "Live picture as HTTP-FLV", Description: "file is {device}_{channel}.flv, or {device}_{channel}_sub.flv. Invites the channel if nobody watches it yet. Takes ?token= of a play address, or Bearer. "},
		"video/x-flv", "token", "hevc")
	for _, pattern := range []string{"POST /whep/%s/{name}", "DELETE /whep/%s/{name}", "PATCH /whep/%s/{name}/{viewer}", "DELETE /whep/%s/{name}/{viewer}"} {
		for _, kind := range []string{"live", "playback"} {
			s.route(fmt.Sprintf(pattern, kind), playAccess, cors(s.whep))
		}
	}
	s.describe(huma.Operation{OperationID: "watch-whep", Method: http.MethodPost, Path: "/whep/live/{name}", Tags: []string{"media"},
		Summary: "Live picture by WebRTC (WHEP)", Description: "The body is an SDP offer, the answer 201 with an SDP answer; DELETE the address in Location to end. Takes ?token= of a play address, or Bearer. "},
		"application/sdp", "token")
	for _, pattern := range []string{"OPTIONS /live/{file}", "OPTIONS /playback/{file}", "OPTIONS /whep/{kind}/{name}", "OPTIONS /whep/{kind}/{name}/{viewer}"} {
		s.route(pattern, access{open: true}, cors(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	}
}

// cors lets pages of other sites play: tokens, not cookies, open play addresses
// there, since browsers send none with "*".
func cors(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Methods", "GET, POST, PATCH, DELETE, OPTIONS")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match, Range")
		h.Set("Access-Control-Expose-Headers", "Location, Link, ETag, X-Trace-Id")
		h.Set("Access-Control-Max-Age", "7200")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		h.Del("Cross-Origin-Opener-Policy")
		next(w, r)
	}
}

func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	file := r.PathValue("file")
	key, _, _, err := s.playKey(r.URL.Path)
	switch form := file[strings.LastIndexByte(file, '.')+1:]; {
	case err != nil:
	case form != "flv":
		err = fault.New(fault.NotBuiltIn, "form %q of %s", form, key)
	case s.svc.FLV == nil:
		err = fault.New(fault.NotBuiltIn, "HTTP-FLV is off")
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.svc.FLV.ServeStream(w, r, key)
}

func (s *Server) whep(w http.ResponseWriter, r *http.Request) {
	key, _, _, err := s.playKey(r.URL.Path)
	if err == nil && s.svc.WHEP == nil {
		err = fault.New(fault.NotBuiltIn, "WebRTC is off (media.webrtc_listen)")
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if token := queryToken(r.URL); token != "" {
		w = &locator{ResponseWriter: w, token: token}
	}
	s.svc.WHEP.ServeOffer(w, r, key)
}

// locator adds the caller's token to Location, so that the caller can end what
// it began.
type locator struct {
	http.ResponseWriter
	token string
}

func (l *locator) WriteHeader(status int) {
	if at := l.Header().Get("Location"); at != "" && !strings.Contains(at, "?") {
		l.Header().Set("Location", at+"?token="+url.QueryEscape(l.token))
	}
	l.ResponseWriter.WriteHeader(status)
}

func (l *locator) Unwrap() http.ResponseWriter { return l.ResponseWriter }

// playURLs are the addresses of a stream as this caller reaches them, signed.
func (s *Server) playURLs(o origin, key media.Key) map[string]string {
	token := "?token=" + s.signer.signPlay(key, time.Now().Add(s.cfg.PlayLifetime))
	urls := map[string]string{}
	if s.svc.FLV != nil {
		urls["flv"] = o.url("/" + string(key) + ".flv" + token)
	}
	if s.svc.WHEP != nil {
		urls["whep"] = o.url("/whep/" + string(key) + token)
	}
	return urls
}
