package flv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/internal/lease"
	"fengsui/media"
)

// Config of a [Handler]. The zero value works.
type Config struct {
	// WriteTimeout ends a viewer that takes nothing for so long. Default 5 s. A
	// longer one keeps more of dead viewers; nobody else is slowed by them.
	WriteTimeout time.Duration

	// MaxViewers is how many viewers there may be; default 10,000. More are
	// answered by Fail with [ErrFull]. Each costs a goroutine, a socket and at
	// most 4 MiB of frames that wait.
	MaxViewers int

	// Fail answers a request whose stream could not be opened. By default that
	// is 502 with the error's words.
	Fail func(w http.ResponseWriter, r *http.Request, err error)

	// Leases knows the viewers; nil: nobody watches for leaks. Wanted reports
	// whether a stream still is; nil: until it ends by itself.
	Leases *lease.Book
	Wanted func(media.Key) bool
}

// ErrFull is why a viewer is refused when there are too many.
var ErrFull = errors.New("too many viewers by HTTP-FLV")

// errOrphaned ends a viewer that outlived its stream.
var errOrphaned = errors.New("the stream is no more")

// Handler serves streams as HTTP-FLV. It has no goroutines of its own; each
// viewer lives in its request's.
type Handler struct {
	open    media.Opener
	cfg     Config
	log     zerolog.Logger
	metrics metrics
	viewers atomic.Int64
}

type metrics struct {
	viewers prometheus.Gauge
	refused prometheus.Counter
	bytes   prometheus.Counter
	dropped prometheus.Counter
	ended   *prometheus.CounterVec
}

// New makes a handler that opens streams by open.
func New(open media.Opener, cfg Config, reg prometheus.Registerer, log zerolog.Logger) *Handler {
	if cfg.WriteTimeout <= 0 {
		cfg.WriteTimeout = 5 * time.Second
	}
	if cfg.MaxViewers <= 0 {
		cfg.MaxViewers = 10_000
	}
	if cfg.Fail == nil {
		cfg.Fail = func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	}
	h := &Handler{open: open, cfg: cfg, log: log, metrics: metrics{
		viewers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fengsui_flv_viewers", Help: "Viewers of HTTP-FLV now."}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_flv_refused_total", Help: "Viewers of HTTP-FLV refused because there were too many."}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_flv_sent_bytes_total", Help: "Bytes written to viewers of HTTP-FLV."}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_flv_dropped_frames_total", Help: "Frames that viewers of HTTP-FLV lost by being slow."}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_flv_ended_total", Help: "Viewers of HTTP-FLV that ended, by reason: stream, left, slow, orphaned, failed."},
			[]string{"reason"}),
	}}
	reg.MustRegister(h.metrics.viewers, h.metrics.refused, h.metrics.bytes, h.metrics.dropped, h.metrics.ended)
	return h
}

// ServeStream sends a stream until it ends, the viewer leaves or takes nothing
// for the write timeout. Options of the query: hevc=legacy (H.265 as codec 12;
// default hevc=enhanced), audio=off.
func (h *Handler) ServeStream(w http.ResponseWriter, r *http.Request, key media.Key) {
	header := w.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodOptions:
		header.Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
		header.Set("Access-Control-Allow-Headers", "*")
		w.WriteHeader(http.StatusNoContent)
		return
	case http.MethodGet, http.MethodHead:
	default:
		header.Set("Allow", "GET, HEAD, OPTIONS")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	header.Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		header.Set("Content-Type", "video/x-flv")
		return
	}
	defer h.viewers.Add(-1)
	if h.viewers.Add(1) > int64(h.cfg.MaxViewers) {
		h.metrics.refused.Inc()
		h.cfg.Fail(w, r, fmt.Errorf("open %s: %w: %d", key, ErrFull, h.cfg.MaxViewers))
		return
	}
	reader, err := h.open.Open(r.Context(), key)
	if err != nil {
		h.cfg.Fail(w, r, fmt.Errorf("open %s: %w", key, err))
		return
	}
	defer reader.Close()
	header.Set("Content-Type", "video/x-flv")
	header.Set("X-Accel-Buffering", "no") // nginx in front must not collect
	if r.ProtoMajor == 1 {
		header.Set("Connection", "close") // the write deadline is of the connection
	}
	h.metrics.viewers.Inc()
	defer h.metrics.viewers.Dec()

	v := &viewer{
		out:     w,
		control: http.NewResponseController(w),
		timeout: h.cfg.WriteTimeout,
		reader:  reader,
		wanted:  h.cfg.Wanted,
		key:     key,
		owner:   "stream:" + string(key),
		remote:  r.RemoteAddr,
		bytes:   h.metrics.bytes,
		legacy:  r.URL.Query().Get("hevc") == "legacy",
		mute:    r.URL.Query().Get("audio") == "off",
	}
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		v.local = a.String()
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	v.cancel = cancel
	h.cfg.Leases.Open(&v.lease, lease.FLVViewer, v)
	defer v.lease.Release()
	began := time.Now()
	lease.Do(ctx, lease.FLVViewer, v.owner, func() { err = v.run(ctx) })
	reason := endOf(ctx, err)
	h.metrics.ended.WithLabelValues(reason).Inc()
	h.metrics.dropped.Add(float64(reader.Dropped()))
	h.log.Debug().Str("key", string(key)).Str("remote", r.RemoteAddr).Str("reason", reason).
		Uint64("bytes", v.sent).Uint64("dropped", reader.Dropped()).Dur("took", time.Since(began)).
		AnErr("err", err).Msg("flv viewer ended")
}

// endOf tells in one word why a viewer ended.
func endOf(ctx context.Context, err error) string {
	switch {
	case errors.Is(err, io.EOF):
		return "stream"
	case errors.Is(context.Cause(ctx), errOrphaned):
		return "orphaned"
	case errors.Is(err, os.ErrDeadlineExceeded): // which ends the context too
		return "slow"
	case ctx.Err() != nil:
		return "left"
	}
	return "failed"
}

// viewer is one viewer's stream. The goroutine of its request owns it.
type viewer struct {
	// Set at the start, never changed after.
	out     io.Writer
	control *http.ResponseController
	timeout time.Duration
	reader  media.Reader
	wanted  func(media.Key) bool
	cancel  context.CancelCauseFunc
	key     media.Key
	owner   string
	local   string
	remote  string
	bytes   prometheus.Counter
	legacy  bool
	mute    bool

	lease lease.Lease
	wrote atomic.Int64 // UnixNano of the last frame

	video, audio *media.Track // whose sequence header was sent last
	begun        bool         // base is set
	hasVideo     bool         // the stream has video: audio waits for it
	base         int64        // 90 kHz, sent as 0
	last         [2]int64     // last time of video and audio, ms
	sent         uint64
	counted      uint64 // of sent, in the metric
	head         [headSize]byte
}

// run ends with an error always: io.EOF is the end of the stream.
func (v *viewer) run(ctx context.Context) error {
	f, err := v.reader.Next(ctx)
	if err != nil {
		return err
	}
	if err := v.start(); err != nil {
		return err
	}
	for {
		if err := v.control.SetWriteDeadline(time.Now().Add(v.timeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return fmt.Errorf("set write deadline: %w", err)
		}
		if err := v.push(f); err != nil {
			return err
		}
		// Left set, HTTP/2 would end a viewer of a camera that pauses. On a
		// connection that is gone the next write fails.
		_ = v.control.SetWriteDeadline(time.Time{})
		v.bytes.Add(float64(v.sent - v.counted))
		v.counted = v.sent
		if f, err = v.reader.Next(ctx); err != nil {
			return err
		}
	}
}

// push sends a frame now.
func (v *viewer) push(f *media.Frame) error {
	defer lease.Region(lease.FLVViewer, v.owner).End()
	if err := v.frame(f); err != nil {
		return err
	}
	if err := v.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("flush: %w", err)
	}
	v.wrote.Store(time.Now().UnixNano())
	return nil
}

// start sends what comes before all frames: the header tells the tracks known now.
func (v *viewer) start() error {
	var video, audio *media.Track
	for _, t := range v.reader.Tracks() {
		switch {
		case t.Codec.Video() && video == nil:
			video = t
		case !t.Codec.Video() && audio == nil && !v.mute:
			audio = t
		}
	}
	v.hasVideo = video != nil
	if err := v.write(fileHeader(video != nil, audio != nil)); err != nil {
		return err
	}
	return v.write(metadata(video, audio, v.legacy))
}

func (v *viewer) frame(f *media.Frame) error {
	if f.Track.Codec.Video() {
		return v.videoFrame(f)
	}
	if v.mute || v.hasVideo && !v.begun {
		return nil
	}
	if f.Track.Codec == media.AAC && f.Track != v.audio {
		start, err := audioStart(f.Track)
		if err != nil {
			return fmt.Errorf("describe audio: %w", err)
		}
		if err := v.tag(start, v.time(1, f.DTS)); err != nil {
			return err
		}
	}
	v.audio = f.Track
	return v.send(f, 1)
}

func (v *viewer) videoFrame(f *media.Frame) error {
	v.hasVideo = true
	if f.Track != v.video {
		if !f.Key {
			return nil // nothing that the viewer has describes it
		}
		start, err := videoStart(f.Track, v.legacy)
		if err != nil {
			return fmt.Errorf("describe video: %w", err)
		}
		if err := v.tag(start, v.time(0, f.DTS)); err != nil {
			return err
		}
		v.video = f.Track
	}
	return v.send(f, 0)
}

func (v *viewer) send(f *media.Frame, track int) error {
	tag := frameTag(f, v.legacy)
	if len(tag) == 0 {
		return nil
	}
	return v.tag(tag, v.time(track, f.DTS))
}

// time is a decoding time as this viewer gets it: from 0 on, and within a track
// never back.
func (v *viewer) time(track int, dts int64) uint32 {
	if !v.begun {
		v.begun, v.base = true, dts
	}
	ms := max((dts-v.base)/90, v.last[track])
	v.last[track] = ms
	return uint32(ms)
}

// tag sends a tag that is shared with other viewers, with this viewer's time.
func (v *viewer) tag(shared []byte, ms uint32) error {
	copy(v.head[:], shared)
	setTime(v.head[:], ms)
	if err := v.write(v.head[:]); err != nil {
		return err
	}
	return v.write(shared[headSize:])
}

func (v *viewer) write(b []byte) error {
	n, err := v.out.Write(b)
	v.sent += uint64(n)
	if err != nil {
		return fmt.Errorf("write to viewer: %w", err)
	}
	return nil
}

// Living reports whether the stream still is (lease.Holder).
func (v *viewer) Living(time.Time) bool { return v.wanted == nil || v.wanted(v.key) }

// Reclaim ends the viewer, also while it waits for its peer.
func (v *viewer) Reclaim() {
	v.cancel(errOrphaned)
	_ = v.control.SetWriteDeadline(time.Now()) // where there is none, the write fails by its own
}

// Held says whose stream it is.
func (v *viewer) Held() lease.Facts {
	f := lease.Facts{Owner: v.owner, Local: v.local, Remote: v.remote}
	if at := v.wrote.Load(); at != 0 {
		f.Used = time.Unix(0, at)
	}
	return f
}
