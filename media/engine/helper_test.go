package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fengsui/media"
	"fengsui/media/engine"
	"fengsui/media/mediatest"
	"fengsui/media/ps"
	"fengsui/media/rtp"
)

func TestMain(m *testing.M) {
	if to := os.Getenv(senderEnv); to != "" { // the other end of BenchmarkReceive200
		if err := sendLoad(to, os.Stdin); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

const (
	domain = "34020000002000000001"
	key    = media.Key("live/34020000001320000001_34020000001310000001")
)

var camera = netip.MustParseAddrPort("192.0.2.10:20000")

// start runs an engine until the test ends.
func start(t testing.TB, cfg engine.Config) *engine.Engine {
	t.Helper()
	cfg.Domain = domain
	e, err := engine.New(cfg, zerolog.Nop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, e)
	return e
}

func run(t testing.TB, e *engine.Engine) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = e.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func receive(t testing.TB, e *engine.Engine, w engine.Want) *engine.Receiver {
	t.Helper()
	if w.Key == "" {
		w.Key = key
	}
	r, err := e.Receive(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func attach(t testing.TB, e *engine.Engine) media.Reader {
	t.Helper()
	rd, err := e.Attach(key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rd.Close)
	return rd
}

// source makes the RTP packets of a stream.
type source struct {
	mux  *ps.Muxer
	pt   uint8
	ssrc uint32
	seq  uint16
	size int // bytes of a payload
	buf  []byte
}

func newSource(t testing.TB, y string, video, audio media.Codec) *source {
	t.Helper()
	ssrc, err := strconv.ParseUint(y, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &source{mux: ps.NewMuxer(video, audio), pt: 96, ssrc: uint32(ssrc), seq: 65500, size: 1400}
}

// packets are those of one frame.
func (s *source) packets(f *media.Frame) (out [][]byte) {
	s.buf = s.mux.Append(s.buf[:0], f)
	for b := s.buf; len(b) > 0; {
		n := min(s.size, len(b))
		out = append(out, s.packet(b[:n], uint32(f.DTS), n == len(b)))
		b = b[n:]
	}
	return out
}

func (s *source) packet(payload []byte, ts uint32, marker bool) []byte {
	p := rtp.Append(nil, rtp.Header{PayloadType: s.pt, Marker: marker, Sequence: s.seq, Timestamp: ts, SSRC: s.ssrc}, payload)
	s.seq++
	return p
}

// endless repeats a clip with times that go on.
func endless(clip func() []*media.Frame) func() *media.Frame {
	frames := clip()
	i, shift := 0, int64(0)
	return func() *media.Frame {
		if i == len(frames) {
			i, shift = 0, shift+int64(len(frames))*3600
		}
		f := &media.Frame{Track: frames[i].Track, Key: frames[i].Key, Units: frames[i].Units,
			PTS: frames[i].PTS + shift, DTS: frames[i].DTS + shift}
		i++
		return f
	}
}

// stream delivers frames at 25 a second, in virtual time.
type stream struct {
	e    *engine.Engine
	src  *source
	next func() *media.Frame
}

func newStream(t testing.TB, e *engine.Engine, r *engine.Receiver) *stream {
	return &stream{e, newSource(t, r.SSRC(), media.H264, ""), endless(mediatest.H264)}
}

func (s *stream) play(frames int) {
	for range frames {
		for _, p := range s.src.packets(s.next()) {
			s.e.Deliver(p, camera, time.Now())
		}
		time.Sleep(40 * time.Millisecond)
	}
}

// ready takes what a reader has now.
func ready(rd media.Reader) (frames []*media.Frame, err error) {
	now, cancel := context.WithCancelCause(context.Background())
	cancel(errEmpty)
	for {
		f, err := rd.Next(now)
		if errors.Is(err, errEmpty) {
			return frames, nil
		}
		if err != nil {
			return frames, err
		}
		frames = append(frames, f)
	}
}

var errEmpty = errors.New("nothing there")

// rising fails unless decoding times rise by a frame each and begin with a key frame.
func rising(t *testing.T, frames []*media.Frame) {
	t.Helper()
	for i, f := range frames {
		if i == 0 && !f.Key {
			t.Fatal("does not begin with a key frame")
		}
		if i > 0 && f.DTS-frames[i-1].DTS != 3600 {
			t.Fatalf("frame %d: dts %d after %d", i, f.DTS, frames[i-1].DTS)
		}
	}
}

func eof(err error) bool { return errors.Is(err, io.EOF) }
