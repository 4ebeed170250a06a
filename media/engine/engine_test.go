package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pion "github.com/pion/rtp/codecs"

	"fengsui/media"
	"fengsui/media/engine"
	"fengsui/media/mediatest"
	"fengsui/media/rtp"
)

func TestViewerGetsTheKeptGroupThenLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, engine.Config{})
		r := receive(t, e, engine.Want{})
		s := newStream(t, e, r)
		early := attach(t, e)
		s.play(36) // a group of 25 and 10 of the next, and one still open
		first, err := r.WaitPacket(t.Context())
		if err != nil || first.Source != camera || first.PayloadType != 96 || rtp.FormatSSRC(first.SSRC) != r.SSRC() {
			t.Fatalf("first packet %+v, %v", first, err)
		}
		tracks, err := r.WaitKey(t.Context())
		if err != nil || len(tracks) != 1 || tracks[0].Codec != media.H264 || tracks[0].Width != 320 {
			t.Fatalf("tracks %v, %v", tracks, err)
		}
		rd := attach(t, e)
		kept, _ := ready(rd)
		if len(kept) != 10 {
			t.Fatalf("newcomer has %d frames, want 10", len(kept))
		}
		all, _ := ready(early)
		s.play(20)
		live, _ := ready(rd)
		if len(live) < 20 { // one more once markers are believed
			t.Fatalf("%d live frames, want 20", len(live))
		}
		rising(t, append(kept, live...))
		rest, _ := ready(early)
		all = append(all, rest...)
		if len(all) != len(kept)+len(live)+25 {
			t.Fatalf("the first viewer has %d frames, want %d", len(all), len(kept)+len(live)+25)
		}
		rising(t, all)
		if all[0].DTS != media.ClockRate {
			t.Errorf("begins at %d, want one second", all[0].DTS)
		}
	})
}

func TestSecondReceiverOfAKeyIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, engine.Config{})
		r := receive(t, e, engine.Want{})
		if _, err := e.Receive(t.Context(), engine.Want{Key: key}); !errors.Is(err, engine.ErrBusy) {
			t.Fatalf("Receive = %v, want ErrBusy", err)
		}
		_ = r.Close()
		if !errors.Is(r.Err(), engine.ErrClosed) {
			t.Fatalf("Err = %v", r.Err())
		}
		receive(t, e, engine.Want{})
	})
}

func TestAttachNeedsAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, engine.Config{})
		if _, err := e.Attach(key); !errors.Is(err, engine.ErrNoStream) {
			t.Fatalf("Attach = %v", err)
		}
	})
}

func TestSilentStreamEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, engine.Config{Domain: domain})
		r := receive(t, e, engine.Want{})
		rd := attach(t, e)
		newStream(t, e, r).play(30)
		silent := time.Now()
		<-r.Done()
		synctest.Wait() // what is released shortly after
		if took := time.Since(silent); took < 14*time.Second || took > 17*time.Second {
			t.Errorf("ended after %v", took)
		}
		frames, err := ready(rd)
		if len(frames) == 0 || !eof(err) {
			t.Errorf("reader: %d frames, %v", len(frames), err)
		}
		if !errors.Is(r.Err(), engine.ErrSilent) {
			t.Errorf("Err = %v, want ErrSilent", r.Err())
		}
		if c := e.Counts(); c != (engine.Counts{}) {
			t.Errorf("left over: %+v", c)
		}
	})
}

func TestStreamThatNobodyWatchesEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, engine.Config{Domain: domain})
		r := receive(t, e, engine.Want{})
		s := newStream(t, e, r)
		rd := attach(t, e)
		for range 40 {
			s.play(25)
			_, _ = ready(rd)
		}
		rd.Close()
		if r.Err() != nil {
			t.Fatal("ended while it was watched")
		}
		left := time.Now()
		for r.Err() == nil && time.Since(left) < time.Minute {
			s.play(5)
		}
		if took := time.Since(left); took < 30*time.Second || took > 32*time.Second {
			t.Errorf("ended after %v", took)
		}
		if !errors.Is(r.Err(), engine.ErrIdle) {
			t.Errorf("Err = %v, want ErrIdle", r.Err())
		}
	})
}

func TestReceiverThatNeverGotAPacketEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, engine.Config{})
		r := receive(t, e, engine.Want{})
		began := time.Now()
		if _, err := r.WaitPacket(t.Context()); !errors.Is(err, engine.ErrSilent) {
			t.Fatalf("WaitPacket = %v", err)
		}
		if took := time.Since(began); took < time.Minute || took > 62*time.Second {
			t.Fatalf("ended after %v", took)
		}
	})
}

func TestPauseSuspendsTheCheckForSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, engine.Config{IdleClose: -1})
		r := receive(t, e, engine.Want{History: true})
		newStream(t, e, r).play(5)
		r.Pause()
		time.Sleep(time.Hour)
		if r.Err() != nil {
			t.Fatalf("ended while paused: %v", r.Err())
		}
		r.Resume()
		time.Sleep(10 * time.Second)
		if r.Err() != nil {
			t.Fatalf("ended 10 s after the pause: %v", r.Err())
		}
		time.Sleep(6 * time.Second)
		if !errors.Is(r.Err(), engine.ErrSilent) {
			t.Fatalf("Err = %v when it was silent for 16 s after the pause", r.Err())
		}
	})
}

func TestWaitingEndsWithTheContextOrTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, engine.Config{})
		r := receive(t, e, engine.Want{})
		why := errors.New("the device answered 486")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		if _, err := r.WaitKey(ctx); !errors.Is(err, why) {
			t.Errorf("WaitKey = %v", err)
		}
		if _, err := r.WaitPacket(ctx); !errors.Is(err, why) {
			t.Errorf("WaitPacket = %v", err)
		}
		rd := attach(t, e)
		go func() { time.Sleep(time.Second); _ = r.Close() }()
		if _, err := r.WaitKey(t.Context()); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("WaitKey = %v", err)
		}
		if _, err := rd.Next(t.Context()); !eof(err) {
			t.Errorf("Next = %v", err)
		}
	})
}

func TestSlowReaderLosesFramesUpToAKeyFrameAndHindersNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, engine.Config{})
		r := receive(t, e, engine.Want{})
		s := newStream(t, e, r)
		s.play(1)
		slow, fast := attach(t, e), attach(t, e)
		watched := 0
		for range 25 * 3 {
			s.play(1)
			got, err := ready(fast)
			if err != nil {
				t.Fatal(err)
			}
			watched += len(got)
		}
		if watched < 74 || fast.Dropped() != 0 {
			t.Fatalf("the fast reader has %d frames, %d dropped", watched, fast.Dropped())
		}
		got, err := ready(slow)
		if err != nil || len(got) == 0 || slow.Dropped() == 0 {
			t.Fatalf("slow reader: %d frames, %d dropped, %v", len(got), slow.Dropped(), err)
		}
		rising(t, got)
		if watched != len(got)+int(slow.Dropped()) {
			t.Errorf("%d frames = %d read + %d dropped", watched, len(got), slow.Dropped())
		}
		for range 25 * 10 {
			s.play(1)
			_, _ = ready(fast)
		}
		if _, err := ready(slow); !errors.Is(err, engine.ErrSlow) {
			t.Fatalf("after three overflows Next = %v", err)
		}
		if st := r.Stats(); st.Readers != 1 {
			t.Fatalf("%d readers", st.Readers)
		}
	})
}

// Whoever keeps a stream gets it from its first key frame, and waits for a disk
// longer than a viewer may.
func TestARecorderWaitsLongerThanAViewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, engine.Config{})
		r := receive(t, e, engine.Want{})
		tape, err := r.Record()
		if err != nil {
			t.Fatal(err)
		}
		s := newStream(t, e, r)
		s.play(25 * 20)
		got, err := ready(tape)
		if err != nil || len(got) < 25*20-1 || tape.Dropped() != 0 || !got[0].Key {
			t.Fatalf("after 20 s: %d frames, %d dropped, %v", len(got), tape.Dropped(), err)
		}
		rising(t, got)
		s.play(25 * 40)
		if got, err = ready(tape); err != nil || tape.Dropped() == 0 {
			t.Errorf("after 40 s: %d frames, %d dropped, %v", len(got), tape.Dropped(), err)
		}
		tape.Close()
	})
}

func TestOverflowsFarApartAreForgiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, engine.Config{})
		r := receive(t, e, engine.Want{})
		s := newStream(t, e, r)
		rd := attach(t, e)
		for range 5 {
			s.play(75) // one overflow
			for range 25 * 61 {
				if _, err := ready(rd); err != nil {
					t.Fatal(err)
				}
				s.play(1)
			}
		}
		if rd.Dropped() == 0 {
			t.Fatal("nothing dropped")
		}
	})
}

// payloads are the RTP payloads of one frame and codec, bare.
func bare(c media.Codec, f *media.Frame) (out [][]byte) {
	var annexB []byte
	for _, u := range f.Units {
		annexB = append(append(annexB, 0, 0, 0, 1), u...)
	}
	if c == media.H264 {
		p := &pion.H264Payloader{}
		return p.Payload(1000, annexB)
	}
	p := &pion.H265Payloader{}
	return p.Payload(1000, annexB)
}

func TestPayloadIsChosenByAnswerTableAndLook(t *testing.T) {
	for _, c := range []struct {
		name     string
		pt       uint8
		answered string
		codec    media.Codec // bare if set
		payload  string      // as Stats says
	}{
		{"PS by the table", 96, "", "", "PS"},
		{"PS by the answer", 112, "PS/90000", "", "PS"},
		{"PS under a private name", 96, "HIKVISION/90000", "", "PS"},
		{"PS though the answer says H.264", 98, "H264/90000", "", "PS"},
		{"PS though nothing says so", 120, "", "", "PS"},
		{"H.264 by the table", 98, "", media.H264, "H264"},
		{"H.264 by the answer", 97, "h264/90000", media.H264, "H264"},
		{"H.265 by the usual offer", 99, "", media.H265, "H265"},
		{"H.265 by the 2022 table", 100, "", media.H265, "H265"},
		{"H.264 though the answer says PS", 96, "PS/90000", media.H264, "H264"},
		{"H.265 though the answer says H.264", 98, "H264/90000", media.H265, "H265"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := start(t, engine.Config{})
				r := receive(t, e, engine.Want{})
				a := engine.Answered{Payloads: map[uint8]string{}}
				if c.answered != "" {
					a.Payloads[c.pt] = c.answered
				}
				if err := r.Expect(a); err != nil {
					t.Fatal(err)
				}
				src := newSource(t, r.SSRC(), media.H264, "")
				src.pt = c.pt
				want := mediatest.H264()
				if c.codec == media.H265 {
					want = mediatest.H265()
				}
				rd := attach(t, e)
				for _, f := range want {
					packets := src.packets
					if c.codec != "" {
						packets = func(f *media.Frame) (out [][]byte) {
							payloads := bare(c.codec, f)
							for i, p := range payloads {
								out = append(out, src.packet(p, uint32(f.DTS), i == len(payloads)-1))
							}
							return out
						}
					}
					for _, p := range packets(f) {
						e.Deliver(p, camera, time.Now())
					}
					time.Sleep(10 * time.Millisecond)
				}
				time.Sleep(time.Second)
				got, _ := ready(rd)
				st := r.Stats()
				if len(got) != len(want) || st.Payload != c.payload || st.Problem != "" {
					t.Fatalf("%d frames of %d, payload %s, %s", len(got), len(want), st.Payload, st.Problem)
				}
				rising(t, got)
				for i := range got {
					if size, wanted := got[i].Size(), slices.Concat(want[i].Units...); size != len(wanted) {
						t.Fatalf("frame %d has %d bytes, want %d", i, size, len(wanted))
					}
				}
			})
		})
	}
}

func TestUnsupportedPayloadIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, engine.Config{})
		r := receive(t, e, engine.Want{})
		_ = r.Expect(engine.Answered{Payloads: map[uint8]string{96: "DAHUA/90000"}})
		src := newSource(t, r.SSRC(), "", "")
		e.Deliver(src.packet([]byte("secret sauce"), 0, true), camera, time.Now())
		if st := r.Stats(); !strings.Contains(st.Problem, "DAHUA") {
			t.Fatalf("problem %q", st.Problem)
		}
		src.pt = 33
		e.Deliver(src.packet(append([]byte{0x47}, make([]byte, 187)...), 0, true), camera, time.Now())
		if st := r.Stats(); !strings.Contains(st.Problem, "33") {
			t.Fatalf("problem %q", st.Problem)
		}
	})
}

func TestSoundOfItsOwnPayloadTypeJoinsThePictures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, engine.Config{})
		r := receive(t, e, engine.Want{})
		src := newSource(t, r.SSRC(), media.H264, "")
		rd := attach(t, e)
		for i, f := range mediatest.H264() {
			src.pt = 96
			for _, p := range src.packets(f) {
				e.Deliver(p, camera, time.Now())
			}
			src.pt = 8
			e.Deliver(src.packet(make([]byte, 320), uint32(777_000+320*i), false), camera, time.Now())
			time.Sleep(40 * time.Millisecond)
			if i == 25 {
				_, _ = r.WaitKey(t.Context())
				if tr := r.Tracks(); len(tr) != 2 || tr[1].Codec != media.PCMA {
					t.Fatalf("tracks %v", tr)
				}
			}
			if i%25 == 24 {
				got, _ := ready(rd)
				var last [2]int64
				for _, f := range got {
					k := 0
					if f.Track.Codec == media.PCMA {
						k = 1
					}
					if last[k] != 0 && f.DTS-last[k] != 3600 {
						t.Fatalf("track %d: %d after %d", k, f.DTS, last[k])
					}
					last[k] = f.DTS
				}
				if d := last[0] - last[1]; last[1] == 0 || math.Abs(float64(d)) > 9000 {
					t.Fatalf("sound is %d from the pictures", d)
				}
			}
		}
	})
}

func TestSoundAloneIsAStreamToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, engine.Config{})
		r := receive(t, e, engine.Want{})
		src := newSource(t, r.SSRC(), "", "")
		src.pt = 0
		rd := attach(t, e)
		go func() {
			for i := range 300 {
				e.Deliver(src.packet(make([]byte, 160), uint32(160*i), false), camera, time.Now())
				time.Sleep(20 * time.Millisecond)
			}
		}()
		tracks, err := r.WaitKey(t.Context())
		if err != nil || len(tracks) != 1 || tracks[0].Codec != media.PCMU {
			t.Fatalf("tracks %v, %v", tracks, err)
		}
		if f, err := rd.Next(t.Context()); err != nil || f.Size() != 160 {
			t.Fatalf("Next = %v, %v", f, err)
		}
		time.Sleep(10 * time.Second)
	})
}

func TestLossDamagesOneFrame(t *testing.T) {
	for codec, dropped := range map[media.Codec]uint64{media.H264: 1, media.H265: 15} {
		t.Run(string(codec), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := start(t, engine.Config{})
				r := receive(t, e, engine.Want{})
				src := newSource(t, r.SSRC(), codec, "")
				src.size = 200
				clip := mediatest.H264()
				if codec == media.H265 {
					clip = mediatest.H265()
				}
				rd := attach(t, e)
				published := 0
				for i, f := range clip[:60] {
					got, _ := ready(rd)
					published += len(got)
					for k, p := range src.packets(f) {
						if i != 35 || k != 1 { // the second packet of a picture within a group
							e.Deliver(p, camera, time.Now())
						}
					}
					time.Sleep(40 * time.Millisecond)
				}
				time.Sleep(time.Second)
				got, _ := ready(rd)
				published += len(got)
				st := r.Stats()
				if st.Lost != 1 || st.Damaged != 1 || st.Dropped != dropped || published != 60-int(dropped) {
					t.Fatalf("lost %d, damaged %d, dropped %d, %d frames", st.Lost, st.Damaged, st.Dropped, published)
				}
				if st.LossRate <= 0 || st.LossRate > 0.02 {
					t.Errorf("loss rate %v", st.LossRate)
				}
			})
		})
	}
}

func TestRestartOfTheSourceKeepsTheTimeLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, engine.Config{})
		r := receive(t, e, engine.Want{})
		s := newStream(t, e, r)
		s.src.seq = 40000
		rd := attach(t, e)
		s.play(48)
		got, _ := ready(rd)
		again := newStream(t, e, r) // times and sequence begin anew
		again.src.seq = 7
		again.play(48)
		time.Sleep(time.Second)
		rest, _ := ready(rd)
		got = append(got, rest...)
		if st := r.Stats(); st.Restarts != 1 {
			t.Fatalf("stats %+v", st)
		}
		if len(got) < 95 {
			t.Fatalf("%d frames", len(got))
		}
		for i := 1; i < len(got); i++ {
			if d := got[i].DTS - got[i-1].DTS; d <= 0 || d > 2*3600 {
				t.Fatalf("frame %d: step of %d", i, d)
			}
		}
	})
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, engine.Config{})
		r := receive(t, e, engine.Want{})
		s := newStream(t, e, r)
		attach(t, e)
		s.play(25 * 8)
		st, ok := e.Stats(key)
		if !ok || math.Abs(st.FPS-25) > 1 || st.KeyInterval != time.Second || st.Readers != 1 || st.Source != camera {
			t.Fatalf("stats %+v", st)
		}
		if want := float64(st.Bytes) * 8 / 8; math.Abs(st.Bitrate-want)/want > 0.2 {
			t.Errorf("bitrate %.0f, want about %.0f", st.Bitrate, want)
		}
		if len(e.All()) != 1 {
			t.Errorf("%d streams", len(e.All()))
		}
	})
}

// realAddress is an engine on loopback with a range of its own.
func onLoopback(t testing.TB, pairs int) *engine.Engine {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	first := l.Addr().(*net.TCPAddr).Port &^ 1
	_ = l.Close()
	if first+2*pairs > 65000 {
		first -= 2*pairs + 2
	}
	return start(t, engine.Config{Listen: "127.0.0.1:0", PortMin: first, PortMax: first + 2*pairs - 1})
}

func TestEndToEndOverEveryTransport(t *testing.T) {
	for _, transport := range []string{"udp", "tcp-passive", "tcp-active"} {
		for _, mode := range []string{"single", "range"} {
			t.Run(transport+" "+mode, func(t *testing.T) {
				e := onLoopback(t, 8)
				r := receive(t, e, engine.Want{Transport: transport, Mode: mode})
				rd := attach(t, e)
				src := newSource(t, r.SSRC(), media.H265, media.PCMA)
				out, framed := device(t, r, transport)
				want := mediatest.Woven(mediatest.H265(), mediatest.G711(media.PCMA, 75))
				for _, f := range want {
					for _, p := range src.packets(f) {
						if framed {
							p = append([]byte{byte(len(p) >> 8), byte(len(p))}, p...)
						}
						if _, err := out.Write(p); err != nil {
							t.Fatal(err)
						}
					}
				}
				if _, err := r.WaitKey(t.Context()); err != nil {
					t.Fatal(err)
				}
				for i := range 149 {
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					f, err := rd.Next(ctx)
					cancel()
					if err != nil {
						t.Fatalf("frame %d: %v", i, err)
					}
					if i == 0 && !f.Key || f.Damaged {
						t.Fatalf("frame %d: key %v damaged %v", i, f.Key, f.Damaged)
					}
				}
				if st := r.Stats(); st.Lost != 0 || len(st.Tracks) != 2 {
					t.Fatalf("stats %+v", st)
				}
				_ = r.Close()
				if _, err := rd.Next(t.Context()); err != nil {
					_, err = ready(rd)
					if !eof(err) {
						t.Fatalf("Next = %v", err)
					}
				}
				if c := e.Counts(); c.Ports+c.SSRCs+c.Receivers != 0 {
					t.Fatalf("left over: %+v", c)
				}
			})
		}
	}
}

// device connects as a device would for the transport.
func device(t *testing.T, r *engine.Receiver, transport string) (out io.Writer, framed bool) {
	t.Helper()
	to := fmt.Sprintf("127.0.0.1:%d", r.Port())
	switch transport {
	case "udp":
		c, err := net.Dial("udp4", to)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c, false
	case "tcp-passive":
		if err := r.Expect(engine.Answered{Setup: "passive"}); !errors.Is(err, engine.ErrSetup) {
			t.Fatalf("Expect = %v, want ErrSetup", err)
		}
		c, err := net.Dial("tcp4", to)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c, true
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := r.Expect(engine.Answered{SSRC: r.SSRC(), Setup: "passive", Remote: netip.MustParseAddrPort(l.Addr().String())}); err != nil {
		t.Fatal(err)
	}
	if err := r.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, true
}

func TestLostConnectionEndsTheStream(t *testing.T) {
	e := onLoopback(t, 2)
	r := receive(t, e, engine.Want{Transport: "tcp-active", Mode: "single"})
	c, _ := device(t, r, "tcp-active")
	_ = c.(net.Conn).Close()
	select {
	case <-r.Done():
	case <-time.After(5 * time.Second):
	}
	if !errors.Is(r.Err(), engine.ErrDisconnected) {
		t.Fatalf("Err = %v", r.Err())
	}
}
