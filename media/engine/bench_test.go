package engine_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fengsui/media"
	"fengsui/media/engine"
	"fengsui/media/mediatest"
	"fengsui/media/ps"
	"fengsui/media/rtp"
)

const (
	senderEnv   = "FENGSUI_BENCH_SENDER" // "<address> <mode>"
	loadStreams = 200
	loadGroup   = 50        // frames, 2 s
	loadKey     = 40 << 10  // bytes of a key frame
	loadRate    = 1_000_000 // bit/s of a stream
)

// BenchmarkReceive200 receives 200 streams of 1 Mbit/s over UDP for b.N seconds,
// demultiplexed and with their groups of pictures kept. Another process sends,
// so that the CPU time is the receiver's. "udp" sends each packet by itself,
// "gso" each frame in runs, as an interface with generic receive offload gives
// them to the kernel. The goal is a core-percent under 25.
func BenchmarkReceive200(b *testing.B) {
	for _, mode := range []string{"single udp", "single gso", "range udp", "single tcp-passive"} {
		b.Run(strings.ReplaceAll(mode, " ", "-"), func(b *testing.B) { benchmarkReceive(b, mode) })
	}
}

func benchmarkReceive(b *testing.B, mode string) {
	e := onLoopback(b, 600)
	ports, how, _ := strings.Cut(mode, " ")
	w := engine.Want{Mode: ports, Transport: how}
	if how == "gso" {
		w.Transport = "udp"
	}
	var streams strings.Builder
	for i := range loadStreams {
		w.Key = media.Key(fmt.Sprint(i))
		r, err := e.Receive(context.Background(), w)
		if err != nil {
			b.Fatal(err)
		}
		defer r.Close()
		ssrc, _ := rtp.ParseSSRC(r.SSRC())
		fmt.Fprintln(&streams, r.Port(), ssrc)
	}
	sender := exec.Command(os.Args[0])
	sender.Env = append(os.Environ(), senderEnv+"="+how)
	sender.Stderr = os.Stderr
	in, err := sender.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := sender.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = in.Close(); _ = sender.Wait() }() // the end of its input ends it
	if _, err := io.WriteString(in, streams.String()+"\n"); err != nil {
		b.Fatal(err)
	}
	time.Sleep(2500 * time.Millisecond) // each has had a key frame

	before, used, mem := sum(e), cpu(b), allocs()
	b.ResetTimer()
	time.Sleep(time.Duration(b.N) * time.Second)
	b.StopTimer()
	after, spent, made := sum(e), cpu(b)-used, allocs()-mem
	packets, frames := float64(after.Packets-before.Packets), float64(after.Frames-before.Frames)
	seconds := b.Elapsed().Seconds()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(spent.Seconds()/seconds*100, "core-%")
	b.ReportMetric(spent.Seconds()*1e6/seconds/loadStreams, "µs/stream-s")
	b.ReportMetric(spent.Seconds()*1e6/packets, "µs/packet")
	b.ReportMetric(packets/seconds, "packets/s")
	b.ReportMetric(frames/seconds, "frames/s")
	b.ReportMetric(float64(after.Lost-before.Lost)/seconds, "lost/s")
	b.ReportMetric(float64(made)/frames, "allocs/frame")
}

func sum(e *engine.Engine) (s engine.Stats) {
	for _, st := range e.All() {
		s.Packets += st.Packets
		s.Frames += st.Frames
		s.Lost += st.Lost
	}
	return s
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func allocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// load is one stream of the sender.
type load struct {
	to    string
	c     net.Conn // once it has something to send
	ssrc  uint32
	seq   uint16
	frame int // within the group
	ts    uint32
}

// sendLoad sends streams of which each line of in is port and SSRC, until in ends.
func sendLoad(how string, in io.Reader) error {
	var streams []*load
	lines := bufio.NewScanner(in)
	for lines.Scan() && lines.Text() != "" {
		var port int
		s := &load{frame: len(streams) % loadGroup}
		if _, err := fmt.Sscan(lines.Text(), &port, &s.ssrc); err != nil {
			return err
		}
		s.to = fmt.Sprintf("127.0.0.1:%d", port)
		streams = append(streams, s)
	}
	done := make(chan struct{})
	go func() { defer close(done); lines.Scan() }()
	frames := loadFrames()
	buf := make([]byte, 0, 64<<10)
	slot := 40 * time.Millisecond / time.Duration(len(streams))
	for next, i := time.Now(), 0; ; i++ {
		select {
		case <-done:
			return nil
		default:
		}
		s := streams[i%len(streams)]
		if err := s.send(how, frames[s.frame], buf); err != nil {
			return err
		}
		s.frame = (s.frame + 1) % loadGroup
		s.ts += 3600
		next = next.Add(slot)
		time.Sleep(time.Until(next))
	}
}

// loadFrames are the PS packs of one group.
func loadFrames() (out [][]byte) {
	clip := mediatest.H264()
	sets := clip[0].Track.Params
	noise := make([]byte, loadKey)
	for i := range noise {
		noise[i] = byte(i*7)%250 + 3 // no start code
	}
	m := ps.NewMuxer(media.H264, "")
	delta := (loadRate/8*2 - loadKey) / (loadGroup - 1)
	for i := range loadGroup {
		f := &media.Frame{Track: clip[0].Track, Key: i == 0, DTS: 0}
		if i == 0 {
			f.Units = append(append([][]byte{}, sets...), append([]byte{0x65, 0x88}, noise...))
		} else {
			f.Units = [][]byte{append([]byte{0x41, 0x9A}, noise[:delta]...)}
		}
		out = append(out, m.Append(nil, f))
	}
	return out
}

// send sends one frame with the stream's own times.
func (s *load) send(how string, pack []byte, buf []byte) error {
	const size = 1400
	if s.c == nil {
		network := "udp4"
		if strings.HasPrefix(how, "tcp") {
			network = "tcp4"
		}
		var err error
		if s.c, err = net.Dial(network, s.to); err != nil {
			return err
		}
	}
	pts := int64(s.ts)
	at := strings.Index(string(pack), "\x00\x00\x01\xe0") + 9
	stamp := pack[at : at+5]
	stamp[0] = stamp[0]&0xF1 | byte(pts>>29)&0x0E
	stamp[1], stamp[2] = byte(pts>>22), byte(pts>>14)|1
	stamp[3], stamp[4] = byte(pts>>7), byte(pts<<1)|1
	var control [unix.SizeofCmsghdr + 8]byte
	h := control[:]
	binary.NativeEndian.PutUint64(h, unix.SizeofCmsghdr+2)
	binary.NativeEndian.PutUint32(h[8:], unix.SOL_UDP)
	binary.NativeEndian.PutUint32(h[12:], unix.UDP_SEGMENT)
	binary.NativeEndian.PutUint16(h[16:], 12+size)
	flush := func() error {
		defer func() { buf = buf[:0] }()
		if len(buf) == 0 {
			return nil
		}
		if how == "gso" {
			_, _, err := s.c.(*net.UDPConn).WriteMsgUDP(buf, h, nil)
			return err
		}
		_, err := s.c.Write(buf)
		return err
	}
	for b := pack; len(b) > 0; {
		n := min(size, len(b))
		marker := byte(96)
		if n == len(b) {
			marker |= 0x80
		}
		if how == "tcp-passive" {
			buf = binary.BigEndian.AppendUint16(buf, uint16(12+n))
		}
		buf = append(buf, 0x80, marker)
		buf = binary.BigEndian.AppendUint16(buf, s.seq)
		buf = binary.BigEndian.AppendUint32(buf, s.ts)
		buf = binary.BigEndian.AppendUint32(buf, s.ssrc)
		buf = append(buf, b[:n]...)
		s.seq++
		b = b[n:]
		if how == "udp" || len(buf)+2*size > 60<<10 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}
