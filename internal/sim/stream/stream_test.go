package stream

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"fengsui/internal/sim/clips"
	"fengsui/media"
	"fengsui/media/ps"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func program(t *testing.T, video, audio media.Codec, bitrate int) *Program {
	t.Helper()
	v, err := clips.Video(video, media.Main)
	if err != nil {
		t.Fatal(err)
	}
	var a *clips.Clip
	if audio != "" {
		if a, err = clips.Audio(audio); err != nil {
			t.Fatal(err)
		}
	}
	p, err := NewProgram(v, a, bitrate)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func run(t *testing.T) *Pacer {
	t.Helper()
	p := New()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = p.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return p
}

func udpPair(t *testing.T) (receiver, sender *net.UDPConn, remote netip.AddrPort) {
	t.Helper()
	loop := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	receiver, err := net.ListenUDP("udp", loop)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { receiver.Close() })
	_ = receiver.SetReadBuffer(1 << 20)
	if sender, err = net.ListenUDP("udp", loop); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sender.Close() })
	return receiver, sender, receiver.LocalAddr().(*net.UDPAddr).AddrPort()
}

type packet struct {
	seq     uint16
	stamp   uint32
	marker  bool
	payload []byte
}

func readRTP(t *testing.T, b []byte, ssrc uint32) packet {
	t.Helper()
	if len(b) < 13 || b[0] != 0x80 || b[1]&0x7f != 96 || binary.BigEndian.Uint32(b[8:]) != ssrc {
		t.Fatalf("bad RTP header % x", b[:min(len(b), 12)])
	}
	if len(b) > rtpHeader+PayloadSize {
		t.Fatalf("packet of %d bytes", len(b))
	}
	return packet{binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[4:]), b[1]&0x80 != 0, bytes.Clone(b[12:])}
}

func receive(t *testing.T, c *net.UDPConn, ssrc uint32) packet {
	t.Helper()
	buf := make([]byte, 2048)
	if err := c.SetReadDeadline(time.Now().Add(3 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return readRTP(t, buf[:n], ssrc)
}

// Twelve seconds of virtual time: three rounds of the clip, across the wrap of
// the 33-bit clock.
func TestTheClipRepeatsWithContinuousTime(t *testing.T) {
	for _, c := range []struct {
		video, audio media.Codec
		sounds       int // in 4 s
	}{{media.H264, media.PCMA, 100}, {media.H265, media.AAC, 125}, {media.H264, "", 0}} {
		rx, tx, remote := udpPair(t)
		p := New() // not running: the test is the clock
		const base = 1<<33 - 5*media.ClockRate
		s, err := p.Start(Options{Program: program(t, c.video, c.audio, 0), SSRC: 42, PayloadType: 96, UDP: tx, Remote: remote, Base: base})
		if err != nil {
			t.Fatal(err)
		}
		want, err := clips.Video(c.video, media.Main)
		if err != nil {
			t.Fatal(err)
		}
		var pictures, sounds int
		var lastSound int64
		demux := ps.NewDemuxer(func(f *media.Frame) {
			if !f.Track.Codec.Video() {
				if sounds > 0 && f.PTS-lastSound != 4*media.ClockRate/int64(c.sounds) {
					t.Fatalf("sound %d comes %d after the one before", sounds, f.PTS-lastSound)
				}
				lastSound = f.PTS
				sounds++
				return
			}
			orig := want.Frames[pictures%100]
			if f.Key != orig.Key || f.Damaged || !bytes.Equal(f.Units[len(f.Units)-1], orig.Units[len(orig.Units)-1]) {
				t.Fatalf("%s picture %d differs", c.video, pictures)
			}
			pictures++
		})
		var seq uint16
		for now, first, end := s.start, true, s.start.Add(12*time.Second); now.Before(end); {
			left := len(s.opt.Program.segments[s.at].data)
			stamp := uint32(base + s.loops*clips.Duration + s.opt.Program.segments[s.at].at)
			due := s.send(p, now)
			for ; left > 0; left -= PayloadSize {
				k := receive(t, rx, 42)
				if !first && k.seq != seq+1 || k.stamp != stamp || k.marker != (left <= PayloadSize) {
					t.Fatalf("packet %+v, want sequence %d, time %d, %d bytes left", k, seq+1, stamp, left)
				}
				first, seq = false, k.seq
				demux.Write(k.payload, k.stamp, k.marker, now)
			}
			now = due
		}
		s.Stop()
		demux.Flush(time.Now().Add(time.Hour))
		if pictures < 299 || pictures > 300 || sounds < 3*c.sounds-1 {
			t.Errorf("%s/%s: %d pictures, %d sounds", c.video, c.audio, pictures, sounds)
		}
		if st := demux.Stats(); st.Resyncs != 0 || st.Jumps != 0 {
			t.Errorf("%s/%s: demuxer met %+v", c.video, c.audio, st)
		}
	}
}

// A key picture that is asked for comes as the next picture, and time runs on.
func TestAKeyPictureIsForced(t *testing.T) {
	rx, tx, remote := udpPair(t)
	p := New() // not running: the test is the clock
	s, err := p.Start(Options{Program: program(t, media.H264, "", 0), SSRC: 42, PayloadType: 96, UDP: tx, Remote: remote, Base: 900_000})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	var keys []int
	var stamps []int64
	demux := ps.NewDemuxer(func(f *media.Frame) {
		if f.Key {
			keys = append(keys, len(stamps))
		}
		stamps = append(stamps, f.PTS)
	})
	now := s.start
	for range 30 {
		left := len(s.opt.Program.segments[s.at].data)
		due := s.send(p, now)
		for ; left > 0; left -= PayloadSize {
			k := receive(t, rx, 42)
			demux.Write(k.payload, k.stamp, k.marker, now)
		}
		if step := due.Sub(now); step != 40*time.Millisecond {
			t.Fatalf("the next picture is due after %v", step)
		}
		if now = due; len(stamps) == 5 || len(stamps) == 6 {
			s.Key()
		}
	}
	demux.Flush(now.Add(time.Hour))
	if len(keys) < 3 || keys[0] != 0 || keys[1] > 7 || keys[1] < 5 || len(stamps) != 30 {
		t.Fatalf("key pictures at %v of %d", keys, len(stamps))
	}
	for i := 1; i < len(stamps); i++ {
		if stamps[i]-stamps[i-1] != 3600 {
			t.Errorf("picture %d comes %d after the one before", i, stamps[i]-stamps[i-1])
		}
	}
}

func TestFramesArePacedInRealTime(t *testing.T) {
	t.Parallel()
	p := run(t)
	rx, tx, remote := udpPair(t)
	start := time.Now()
	s, err := p.Start(Options{Program: program(t, media.H264, "", 0), SSRC: 7, PayloadType: 96, UDP: tx, Remote: remote})
	if err != nil {
		t.Fatal(err)
	}
	if k := receive(t, rx, 7); time.Since(start) > 300*time.Millisecond || !bytes.HasPrefix(k.payload, []byte{0, 0, 1, 0xba}) {
		t.Fatalf("first packet after %v begins % x", time.Since(start), k.payload[:4])
	}
	frames := 0
	for frames < 26 { // one second and the frame after it
		if receive(t, rx, 7).marker {
			frames++
		}
	}
	if took := time.Since(start); took < 950*time.Millisecond || took > 2*time.Second {
		t.Errorf("26 frames took %v, want 1 s", took)
	}
	// The last frame is counted after it was written.
	if c := p.Counts(); c.Streaming != 1 || c.Frames < 25 || c.Packets < 60 || c.Errors != 0 {
		t.Errorf("Counts = %+v", c)
	}
	s.Stop()
	s.Stop()
	if c := p.Counts(); c.Streaming != 0 {
		t.Errorf("%d streams after Stop", c.Streaming)
	}
}

func TestTCPCarriesLengthPrefixedPackets(t *testing.T) {
	t.Parallel()
	p := run(t)
	server, client := tcpPair(t)
	ended := make(chan error, 1)
	_, err := p.Start(Options{Program: program(t, media.H265, media.PCMU, 0), SSRC: 9, PayloadType: 96, TCP: client, Ended: func(err error) { ended <- err }})
	if err != nil {
		t.Fatal(err)
	}
	keys := 0
	demux := ps.NewDemuxer(func(f *media.Frame) {
		if f.Key {
			keys++
		}
	})
	for keys < 2 {
		var head [2]byte
		if _, err := io.ReadFull(server, head[:]); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, binary.BigEndian.Uint16(head[:]))
		if _, err := io.ReadFull(server, b); err != nil {
			t.Fatal(err)
		}
		k := readRTP(t, b, 9)
		demux.Write(k.payload, k.stamp, k.marker, time.Now())
	}
	server.Close()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("ended without an error")
		}
	case <-time.After(3 * time.Second):
		t.Fatal("the stream did not notice that its peer closed")
	}
}

func tcpPair(t *testing.T) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close(); client.Close() })
	return server, client
}

func TestASlowTCPPeerLosesWholeFramesAndStopsNobody(t *testing.T) {
	t.Parallel()
	p := run(t)
	_, client := tcpPair(t) // nobody reads
	_ = client.(*net.TCPConn).SetWriteBuffer(4 << 10)
	if _, err := p.Start(Options{Program: program(t, media.H264, "", 50_000_000), SSRC: 9, PayloadType: 96, TCP: client}); err != nil {
		t.Fatal(err)
	}
	rx, tx, remote := udpPair(t)
	if _, err := p.Start(Options{Program: program(t, media.H264, "", 0), SSRC: 1, PayloadType: 96, UDP: tx, Remote: remote}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(6 * time.Second); p.Counts().Dropped == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nothing was dropped")
		}
		receive(t, rx, 1)
	}
}

func TestLossLeavesGapsInTheSequence(t *testing.T) {
	t.Parallel()
	p := run(t)
	rx, tx, remote := udpPair(t)
	if _, err := p.Start(Options{Program: program(t, media.H264, "", 0), SSRC: 3, PayloadType: 96, UDP: tx, Remote: remote, Loss: 0.3}); err != nil {
		t.Fatal(err)
	}
	first := receive(t, rx, 3).seq
	got, last := 1, first
	for last-first < 100 {
		last = receive(t, rx, 3).seq
		got++
	}
	if sent := int(last - first + 1); got < sent/2 || got > sent*9/10 {
		t.Errorf("%d of %d packets arrived, want about 70 %%", got, sent)
	}
	if p.Counts().Lost == 0 {
		t.Error("loss was not counted")
	}
}

func TestTheFirstKeyPictureCanComeLate(t *testing.T) {
	rx, tx, remote := udpPair(t)
	p := New()
	s, err := p.Start(Options{Program: program(t, media.H264, "", 0), SSRC: 5, PayloadType: 96, UDP: tx, Remote: remote, SkipKeys: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	s.send(p, s.start)
	due := s.send(p, s.start.Add(40*time.Millisecond))
	if k := receive(t, rx, 5); k.stamp != 3600 || due.Sub(s.start) != 80*time.Millisecond {
		t.Errorf("first packet is of time %d, want 3600", k.stamp)
	}
}

func TestPaddingRaisesTheBitrate(t *testing.T) {
	p := program(t, media.H264, media.PCMA, 4_000_000)
	if b := p.Bitrate(); b < 3_950_000 || b > 4_050_000 {
		t.Errorf("bitrate is %d, want 4000000", b)
	}
	frames := 0
	demux := ps.NewDemuxer(func(*media.Frame) { frames++ })
	for i := range p.segments {
		demux.Write(p.segments[i].data, uint32(p.segments[i].at), true, time.Now())
	}
	demux.Flush(time.Now().Add(time.Hour))
	if st := demux.Stats(); frames < 199 || st.Resyncs != 0 {
		t.Errorf("%d frames, %+v", frames, st)
	}
}

func TestBareStreamsCarryEveryUnit(t *testing.T) {
	for _, codec := range []media.Codec{media.H264, media.H265} {
		v, err := clips.Video(codec, media.Main)
		if err != nil {
			t.Fatal(err)
		}
		p := NewBare(v)
		for i := range p.segments {
			seg := &p.segments[i]
			var units [][]byte
			from := 0
			for _, end := range seg.cuts {
				b := seg.data[from:end]
				from = end
				if len(b) > PayloadSize {
					t.Fatalf("payload of %d bytes", len(b))
				}
				units = unpack(units, b, codec)
			}
			if len(units) != len(v.Frames[i].Units) {
				t.Fatalf("%s frame %d: %d units, want %d", codec, i, len(units), len(v.Frames[i].Units))
			}
			for j, u := range units {
				if !bytes.Equal(u, v.Frames[i].Units[j]) {
					t.Fatalf("%s frame %d: unit %d differs", codec, i, j)
				}
			}
		}
	}
}

func unpack(units [][]byte, b []byte, codec media.Codec) [][]byte {
	var head []byte
	var fu byte
	switch {
	case codec == media.H264 && b[0]&0x1f == 28:
		head, fu, b = []byte{b[0]&0xe0 | b[1]&0x1f}, b[1], b[2:]
	case codec == media.H265 && b[0]>>1&0x3f == 49:
		head, fu, b = []byte{b[0]&0x81 | b[2]&0x3f<<1, b[1]}, b[2], b[3:]
	default:
		return append(units, b)
	}
	if fu&0x80 != 0 {
		return append(units, append(head, b...))
	}
	last := &units[len(units)-1]
	*last = append(*last, b...)
	return units
}

func TestStartAfterTheEndIsRefused(t *testing.T) {
	p := New()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	_, tx, remote := udpPair(t)
	if _, err := p.Start(Options{Program: program(t, media.H264, "", 0), UDP: tx, Remote: remote}); !errors.Is(err, ErrClosed) {
		t.Errorf("Start = %v, want ErrClosed", err)
	}
}

func BenchmarkOneSecondOfOneStream(b *testing.B) {
	v, err := clips.Video(media.H264, media.Main)
	if err != nil {
		b.Fatal(err)
	}
	prog, err := NewProgram(v, nil, 0)
	if err != nil {
		b.Fatal(err)
	}
	loop := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	rx, err := net.ListenUDP("udp", loop)
	if err != nil {
		b.Fatal(err)
	}
	defer rx.Close()
	tx, err := net.ListenUDP("udp", loop)
	if err != nil {
		b.Fatal(err)
	}
	p := New()
	s, err := p.Start(Options{Program: prog, UDP: tx, Remote: rx.LocalAddr().(*net.UDPAddr).AddrPort()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Stop()
	now := s.start
	for b.Loop() {
		for range clips.FrameRate {
			now = s.send(p, now)
		}
	}
}
