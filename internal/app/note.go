package app

import (
	"bytes"
	"cmp"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/internal/store"
	"fengsui/sip"
	"fengsui/sip/intake"
	"fengsui/sip/note"
)

// Modes of the digest over requests.
const (
	noteLog     = "log"
	noteEnforce = "enforce"
)

// notes signs what goes to devices and checks what comes from them.
type notes struct {
	cfg     *configs.SIPNote
	zone    *time.Location
	store   *store.Store
	edition func(id gb28181.ID) gb28181.Edition
	log     zerolog.Logger
	check   *note.Checker
	judged  *prometheus.CounterVec
	// some is false while no device is signed for: nothing is looked up then.
	some atomic.Bool
}

func newNotes(cfg *configs.SIPNote, zone *time.Location, s *store.Store, edition func(gb28181.ID) gb28181.Edition, log zerolog.Logger, reg prometheus.Registerer) *notes {
	n := &notes{
		cfg: cfg, zone: zone, store: s, edition: edition, check: note.NewChecker(cfg.Window, zone),
		log: log.Sample(&zerolog.BurstSampler{Burst: 10, Period: time.Second}),
		judged: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_note_requests_total", Help: "Requests of devices whose Note was judged, by what it was.",
		}, []string{"verdict"}),
	}
	for _, v := range [...]string{"good", "missing", "form", "date", "digest", "replay"} {
		n.judged.WithLabelValues(v)
	}
	reg.MustRegister(n.judged)
	n.some.Store(cfg.Mode == noteLog || cfg.Mode == noteEnforce)
	return n
}

// learn takes a device that a person may have set a mode for.
func (n *notes) learn(d *store.Device) {
	if d.Note == noteLog || d.Note == noteEnforce {
		n.some.Store(true)
	}
}

// terms are those of a device; mode is "" where its requests are not judged.
func (n *notes) terms(id gb28181.ID) (mode string, a note.Algorithm, t note.Terms) {
	d, _ := n.store.Provisioned(id)
	mode = cmp.Or(d.Note, n.cfg.Mode)
	t.Seed = cmp.Or(d.NoteSeed, n.cfg.Seed)
	if mode != noteLog && mode != noteEnforce || t.Seed == "" {
		return "", "", t
	}
	a, set := note.ParseAlgorithm(cmp.Or(d.NoteAlgorithm, n.cfg.Algorithm))
	switch {
	case set:
		t.Algorithms = []note.Algorithm{a}
	case n.edition(id) >= gb28181.Edition2022:
		a = note.SM3
	default:
		a = note.MD5
	}
	return mode, a, t
}

// Sign are the header fields that vouch for a request to a device.
func (n *notes) Sign(device, from, to, callID string, body []byte) []intake.Header {
	if !n.some.Load() {
		return nil
	}
	mode, a, t := n.terms(gb28181.ID(device))
	if mode == "" {
		return nil
	}
	p := note.Parts{From: from, To: to, CallID: callID, Date: time.Now().In(n.zone).Format(note.DateLayout), Body: body}
	return []intake.Header{{Name: "Date", Value: p.Date}, {Name: "Note", Value: note.Sign(a, p, t.Seed)}}
}

// errNote refuses what a device with mode enforce did not sign well.
var errNote = errors.New("the Note of the request is missing or wrong")

// Keepalive judges one that is answered below the library.
func (n *notes) Keepalive(id gb28181.ID, r *intake.Request) error {
	if !n.some.Load() {
		return nil
	}
	p := note.Parts{Body: r.Body}
	var value, via string
	for name, text := range r.Fields() {
		switch strings.ToLower(name) {
		case "from", "f":
			p.From = text
		case "to", "t":
			p.To = text
		case "call-id", "i":
			p.CallID = text
		case "date":
			p.Date = text
		case "note":
			value = text
		case "via", "v":
			via = cmp.Or(via, text)
		}
	}
	return n.judge(gb28181.ID(bytes.Clone([]byte(id))), value, p, via, r.At)
}

// Admit judges any other request.
func (n *notes) Admit(r *sip.Request) sip.Response {
	if !n.some.Load() {
		return sip.Response{}
	}
	p := note.Parts{From: r.Header("From"), To: r.Header("To"), CallID: r.CallID, Date: r.Header("Date"), Body: r.Body}
	if n.judge(gb28181.ID(r.FromUser), r.Header("Note"), p, r.Header("Via"), r.At) != nil {
		return sip.Response{Status: 403, Reason: "Note does not fit"}
	}
	return sip.Response{}
}

// judge reports errNote where the request is to be refused.
func (n *notes) judge(id gb28181.ID, value string, p note.Parts, via string, now time.Time) error {
	mode, _, t := n.terms(id)
	if mode == "" {
		return nil
	}
	_, branch, _ := strings.Cut(via, "branch=")
	branch, _, _ = strings.Cut(branch, ";")
	err := n.check.Check(value, p, t, branch, now)
	n.judged.WithLabelValues(verdict(err)).Inc()
	if err == nil {
		return nil
	}
	n.log.Warn().Str("device", string(id)).Str("call_id", p.CallID).Str("mode", mode).Err(err).Msg("request is not signed as agreed")
	if mode == noteEnforce {
		return errNote
	}
	return nil
}

func verdict(err error) string {
	switch {
	case err == nil:
		return "good"
	case errors.Is(err, note.ErrMissing):
		return "missing"
	case errors.Is(err, note.ErrDate):
		return "date"
	case errors.Is(err, note.ErrDigest):
		return "digest"
	case errors.Is(err, note.ErrReplay):
		return "replay"
	}
	return "form"
}

// editionNow is what a device speaks.
func (a *App) editionNow(id gb28181.ID) gb28181.Edition {
	d, _ := a.table.Device(id)
	return d.Edition.Effective()
}
