package intake

import (
	"errors"
	"hash/maphash"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/internal/lease"
	"fengsui/internal/reuse"
	"fengsui/sip/flow"
	"fengsui/sip/trace"
)

// Intake is shared by all sockets of a server. Its methods may be called from
// several goroutines.
type Intake struct {
	// Set once.
	cfg     Config
	direct  Direct
	ring    *trace.Ring
	metrics *metrics
	log     zerolog.Logger
	faults  zerolog.Logger // log, sampled: anybody can cause these lines
	quirks  zerolog.Logger // likewise, with room for a site that starts
	answers *answers
	others  *answers // to strangers, so that they cannot push out those to registered devices
	noted   noted
	guard   Guard // nil: everybody is heard
	shown   shown
	storm   storm
	memory

	onClose atomic.Pointer[func(flow.Flow)]
	seq     atomic.Uint64
	partial atomic.Int64 // bytes of unfinished messages over 4 KiB
	conns   connections
	crew    crew
	loops   loops
	nobody  lease.Labels // of connections that no device is bound to
}

// New returns an intake that answers through d. A nil d leaves everything to
// sipgo, a nil ring keeps no trace.
func New(cfg Config, d Direct, ring *trace.Ring, reg prometheus.Registerer, log zerolog.Logger) *Intake {
	cfg = cfg.withDefaults()
	in := &Intake{
		cfg: cfg, direct: d, ring: ring, log: log,
		faults:  log.Sample(&zerolog.BurstSampler{Burst: 10, Period: time.Second}),
		quirks:  log.Sample(&zerolog.BurstSampler{Burst: 100, Period: time.Second}),
		answers: newAnswers(cfg.Answers), others: newAnswers(cfg.Answers / 8), nobody: lease.NewLabels(lease.SIPConnection, ""),
		noted:  noted{seed: maphash.MakeSeed()},
		memory: newMemory(cfg.Reuse),
	}
	cfg.Reuse.Keep(repliesSpec, replies{in.answers, in.others})
	in.metrics = newMetrics(reg, &in.storm)
	ring.Remake(remake)
	return in
}

// OnClose sets what is called, once, when the connection of a flow has ended.
// It must not block. It is set before serving.
func (in *Intake) OnClose(fn func(flow.Flow)) { in.onClose.Store(&fn) }

// work is the memory one message needs on its way. It belongs to one goroutine
// at a time.
type work struct {
	reuse.Mark

	head     head
	known    bool // the sender is registered, or is taken as if
	request  Request
	datagram []byte `reuse:"own"` // read from a socket that is not read in batches
	fixed    []byte `reuse:"own"` // the message repaired for a direct answer
	answer   []byte `reuse:"own"`
	stamps   []byte `reuse:"own"`
	out      []byte `reuse:"own"` // the message repaired for sipgo
}

// sender sends an answer back where its request came from. It counts what goes
// wrong; there is nobody to tell.
type sender interface{ send(answer []byte) }

// take handles one message. It returns what is to be handed to sipgo, repaired
// and stamped, or nil; the bytes are w's.
func (in *Intake) take(w *work, raw []byte, f flow.Flow, back sender) []byte {
	return in.takeAt(w, raw, f, time.Now(), back)
}

// takeAt is take of a message that came at a time.
func (in *Intake) takeAt(w *work, raw []byte, f flow.Flow, now time.Time, back sender) []byte {
	in.metrics.received.of(f.Transport).Inc()
	in.metrics.receivedBytes.of(f.Transport).Add(float64(len(raw)))
	if !in.admit(w, f, now) {
		return nil
	}
	var key answerKey
	if !f.Stream() {
		key = in.answers.key(raw, &f)
		var status int
		w.answer, status = in.answers.append(w.answer[:0], key, now)
		if len(w.answer) == 0 && status == 0 && (!w.known || len(raw) > 0 && raw[0] == 'R') { // challenged before it was known
			w.answer, status = in.others.append(w.answer, key, now)
		}
		if len(w.answer) > 0 || status != 0 && in.again(w, raw, f, status) {
			in.metrics.repeats.Inc()
			back.send(w.answer)
			in.ring.Repeated(now, f, raw, w.answer)
			return nil
		}
	}
	h := &w.head
	if err := h.parse(raw); err != nil {
		in.malformed(w, raw, f, now, back, err)
		return nil
	}
	if len(h.body) > in.cfg.MaxBody {
		in.tooLarge(w, raw, f, now, back)
		return nil
	}
	seq := in.seq.Add(1)
	if in.screen(w, raw, f, now, seq, key, back) {
		return nil
	}
	if in.mayAnswer(h) {
		if done := in.answer(w, raw, f, now, seq, key, back); done {
			return nil
		}
	}
	in.ring.Add(now, trace.In, f, raw)
	w.stamps = append(append(w.stamps[:0], HeaderSeq...), ": "...)
	w.stamps = strconv.AppendUint(w.stamps, seq, 10)
	w.stamps = append(append(append(w.stamps, "\r\n"...), HeaderFlow...), ": "...)
	w.stamps, _ = f.AppendText(w.stamps) // never fails
	w.stamps = append(w.stamps, "\r\n"...)
	w.out = h.appendTo(w.out[:0], w.stamps)
	in.repaired(h, h.quirks, f)
	return w.out
}

// mayAnswer reports whether a request is one that Direct may answer. What came
// over a proxy or asks for an extension goes to sipgo. A Route is ours, put
// there by devices that configure us as their proxy.
func (in *Intake) mayAnswer(h *head) bool {
	if in.direct == nil || h.response || h.method != "REGISTER" && h.method != "MESSAGE" {
		return false
	}
	hops := 0
	for i := range h.fields {
		switch h.fields[i].kind {
		case kVia:
			hops++
			if _, more := cutItem(h.fields[i].value); len(more) > 0 {
				hops++
			}
		case kRecordRoute, kRequire:
			return false
		}
	}
	return hops == 1
}

// understand makes w's request of w's head, that of the repaired message if raw
// was in bad form.
func (w *work) understand(raw []byte, f flow.Flow) bool {
	h, message, quirks := &w.head, raw, w.head.quirks
	if quirks != 0 {
		w.fixed = h.appendTo(w.fixed[:0], nil)
		message = w.fixed
		unasked := h.unasked
		if err := h.parse(message); err != nil { // cannot be: the fuzz test says so
			return false
		}
		h.quirks, h.unasked = quirks, unasked
	}
	h.request(&w.request, message)
	w.request.Flow = f
	return true
}

// again writes the answer of which only the status was kept: all else in it is
// of the request and its source, which are the same.
func (in *Intake) again(w *work, raw []byte, f flow.Flow, status int) bool {
	if w.head.parse(raw) != nil || !w.understand(raw, f) {
		return false // cannot be: it was answered
	}
	w.answer = AppendAnswer(w.answer[:0], &w.request, Answer{Status: status})
	return true
}

// remake is again for the trace.
func remake(request []byte, f flow.Flow, status int) []byte {
	r, err := Scan(request)
	if err != nil {
		return nil // cannot be: it was answered
	}
	r.Flow = f
	return AppendAnswer(nil, &r, Answer{Status: status})
}

// answer asks Direct, which gets the message repaired if it was in bad form.
func (in *Intake) answer(w *work, raw []byte, f flow.Flow, now time.Time, seq uint64, key answerKey, back sender) bool {
	if !w.understand(raw, f) {
		return false
	}
	h, r := &w.head, &w.request
	r.At, r.Seq, r.Crowded = now, seq, in.crowded(w, now)
	var a Answer
	kind, ok, refused := trace.Register, in.metrics.registerOK, in.metrics.registerNo
	if r.Method == "REGISTER" {
		a = in.direct.Register(r)
	} else {
		kind, ok, refused = trace.Keepalive, in.metrics.keepaliveOK, in.metrics.keepalive
		var answered bool
		if a, answered = in.direct.Message(r); !answered {
			return false
		}
	}
	w.answer = w.answer[:0]
	if a.Status != 0 {
		w.answer = AppendAnswer(w.answer, r, a)
		back.send(w.answer)
		switch {
		case f.Stream():
		case w.known || a.Status <= 299: // who was let in is a stranger no more
			in.answers.put(key, w.answer, a.plain(), now)
		default:
			in.others.put(key, w.answer, a.plain(), now)
		}
	}
	if a.Status >= 200 && a.Status <= 299 {
		ok.Inc()
	} else {
		refused.Inc()
	}
	in.repaired(h, h.quirks, f)
	in.ring.Exchange(now, kind, r.From.User, f, raw, w.answer, a.Status, a.plain() != 0)
	return true
}

// malformed answers 400, or what says better why, where the fields of an answer
// can be read.
func (in *Intake) malformed(w *work, raw []byte, f flow.Flow, now time.Time, back sender, err error) {
	h := &w.head
	in.wasted(f, now)
	if h.method == "" && !h.response { // not even a start line: a scanner, a stray datagram
		in.metrics.dropped.WithLabelValues(dropJunk).Inc()
		return
	}
	in.metrics.dropped.WithLabelValues(dropMalformed).Inc()
	in.ring.Add(now, trace.In, f, raw)
	in.faults.Warn().Err(err).Stringer("flow", f).Msg("malformed message")
	var bad ErrMalformed
	switch {
	case h.refusal != 0:
		in.refuse(w, f, now, back, Answer{Status: h.refusal})
	case errors.As(err, &bad):
		in.refuse(w, f, now, back, Answer{Status: 400, Reason: "Bad Request (" + bad.What + ")"})
	}
}

// tooLarge answers 413.
func (in *Intake) tooLarge(w *work, raw []byte, f flow.Flow, now time.Time, back sender) {
	in.metrics.dropped.WithLabelValues(dropTooLarge).Inc()
	in.ring.Add(now, trace.In, f, raw)
	in.faults.Warn().Int("bytes", len(raw)).Stringer("flow", f).Msg("message too large")
	in.refuse(w, f, now, back, Answer{Status: 413})
}

// refuse answers a request of which only the head is understood, and that
// perhaps in part.
func (in *Intake) refuse(w *work, f flow.Flow, now time.Time, back sender, a Answer) {
	if !in.compose(w, f, a) {
		return
	}
	in.ring.Add(now, trace.Out, f, w.answer)
	back.send(w.answer)
}

// compose makes w.answer of what of the head is understood. It reports whether
// that is enough.
func (in *Intake) compose(w *work, f flow.Flow, a Answer) bool {
	h := &w.head
	if !h.answerable() {
		return false
	}
	r := Request{Flow: f, From: address(h.fields[h.from].value), To: address(h.fields[h.to].value)}
	readable := true // all hops so far
	// AppendAnswer reads From, To and CSeq of Raw, which must be clean
	for i := range h.fields {
		fd := &h.fields[i]
		switch i {
		case h.from, h.to, h.cseq:
			if hasControl(fd.value) || len(fd.value) == 0 {
				return false
			}
		case h.callID:
			r.CallID = fd.value
		default:
			if fd.kind != kVia {
				continue
			}
			for hop, rest := cutItem(fd.value); ; hop, rest = cutItem(rest) {
				_, ok := parseVia(hop)
				if readable = readable && ok; !readable { // those before are enough to answer
					break
				}
				r.Vias = append(r.Vias, hop)
				if len(rest) == 0 {
					break
				}
			}
		}
	}
	if len(r.Vias) == 0 {
		return false
	}
	r.Raw = append(append(r.Raw, h.method...), "\r\n"...)
	for _, i := range [...]int{h.from, h.to, h.cseq} {
		r.Raw = append(appendName(r.Raw, h.fields[i].name), h.fields[i].value...)
		r.Raw = append(r.Raw, "\r\n"...)
	}
	w.answer = AppendAnswer(w.answer[:0], &r, a)
	return true
}

// repaired counts what was set right, and logs it once an hour for a peer.
func (in *Intake) repaired(h *head, q Quirk, f flow.Flow) {
	if q == 0 {
		return
	}
	in.metrics.quirks(q)
	user := address(h.fields[h.from].value).User
	if in.noted.first(user, q, time.Now()) {
		in.quirks.Info().Bytes("device", user).Stringer("quirk", q).Stringer("flow", f).Msg("message repaired")
	}
}

// noted remembers what was logged in this hour, in a table where a newer entry
// takes the place of an older: a line too many is no harm.
type noted struct {
	seed  maphash.Seed
	table [4096]atomic.Uint64
}

func (n *noted) first(user []byte, q Quirk, now time.Time) bool {
	var h maphash.Hash
	h.SetSeed(n.seed)
	_, _ = h.Write(user) // never fails
	_ = h.WriteByte(byte(q))
	_ = h.WriteByte(byte(q >> 8))
	key := h.Sum64()
	stamp := key ^ uint64(now.Unix()/3600)*0x9e3779b97f4a7c15
	return n.table[key%uint64(len(n.table))].Swap(stamp) != stamp
}
