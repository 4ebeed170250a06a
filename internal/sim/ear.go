package sim

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"net/netip"
	"sync"
	"time"

	"fengsui/gb28181"
	"fengsui/media"
	"fengsui/media/ps"
	"fengsui/media/rtp"
	"fengsui/media/voice"
)

const (
	maxHeard  = 2 << 20 // bytes of sound kept of a call, four minutes
	answerHz  = 440     // of what a device says in a talk
	answerAmp = 8000
)

// Heard is the sound of one call.
type Heard struct {
	Channel   gb28181.ID // or loudspeaker
	Talk      bool       // two-way
	Transport string
	Answer    string // the server's SDP
	Law       media.Codec
	Packing   string // what the packets hold: PCMA, PCMU or PS
	Audio     []byte // G.711, the first four minutes
	Packets   int
	Lost      int           // by the sequence numbers
	Steps     int           // time stamps that did not follow the one before
	Markers   int           // packets with the marker
	SSRC      uint32        // of the last packet
	Source    string        // where it came from
	Longest   time.Duration // between two packets
	Late      int           // packets more than 60 ms after they were due
	Over      bool          // the call has ended
	By        string        // who ended it: server, device or ""
}

// ear receives and keeps the sound of one call.
type ear struct {
	sim       *Sim
	transport string
	udp       *net.UDPConn
	listener  *net.TCPListener
	sends     bool   // it also speaks, of a talk
	lost      func() // the media connection ended; nil of UDP

	mu     sync.Mutex // guards all below
	heard  Heard
	conn   net.Conn
	closed bool
	first  func() // called at the first packet
	next   rtp.Header
	began  time.Time
	last   time.Time
	demux  *ps.Demuxer
	stop   context.CancelFunc // of what it says
}

func openEar(s *Sim, ip netip.Addr, transport string) (*ear, error) {
	e := &ear{sim: s, transport: transport}
	var err error
	switch transport {
	case HearUDP:
		e.udp, err = net.ListenUDP("udp", &net.UDPAddr{IP: ip.AsSlice()})
	case HearTCPPassive:
		e.listener, err = net.ListenTCP("tcp", &net.TCPAddr{IP: ip.AsSlice()})
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// port is that of the SDP; 9 where the device connects.
func (e *ear) port() int {
	switch {
	case e.udp != nil:
		return e.udp.LocalAddr().(*net.UDPAddr).Port
	case e.listener != nil:
		return e.listener.Addr().(*net.TCPAddr).Port
	}
	return 9
}

func (e *ear) answered(sdp []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard.Answer = string(sdp)
}

// onFirst sets what to do at the first packet.
func (e *ear) onFirst(f func()) {
	e.mu.Lock()
	e.first = f
	e.mu.Unlock()
}

// hear begins to listen to the server.
func (e *ear) hear(server netip.AddrPort) {
	e.sim.work(func() {
		switch {
		case e.udp != nil:
			if e.sends {
				e.say(func(pkt []byte) error { _, err := e.udp.WriteToUDPAddrPort(pkt, server); return err })
			}
			e.hearUDP()
		case e.listener != nil:
			_ = e.listener.SetDeadline(time.Now().Add(acceptTimeout))
			c, err := e.listener.Accept()
			_ = e.listener.Close()
			e.hearTCP(c, err)
		default:
			dialer := net.Dialer{Timeout: dialTimeout}
			c, err := dialer.DialContext(e.sim.ctx, "tcp", server.String())
			e.hearTCP(c, err)
		}
	})
}

func (e *ear) hearUDP() {
	var b [2048]byte
	for {
		n, from, err := e.udp.ReadFromUDPAddrPort(b[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			e.take(b[:n], from.String())
		}
	}
}

func (e *ear) hearTCP(c net.Conn, err error) {
	if err == nil {
		e.mu.Lock()
		gone := e.closed
		e.conn = c
		e.mu.Unlock()
		if gone {
			_ = c.Close()
			return
		}
		if e.sends {
			e.say(func(pkt []byte) error {
				_, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(pkt))), pkt...))
				return err
			})
		}
		for err == nil {
			var head [2]byte
			if _, err = io.ReadFull(c, head[:]); err == nil {
				pkt := make([]byte, binary.BigEndian.Uint16(head[:]))
				if _, err = io.ReadFull(c, pkt); err == nil {
					e.take(pkt, c.RemoteAddr().String())
				}
			}
		}
		_ = c.Close()
	}
	e.lost()
}

// take hears one packet.
func (e *ear) take(pkt []byte, from string) {
	h, payload, err := rtp.Parse(pkt)
	if err != nil || rtp.IsRTCP(pkt) {
		return
	}
	e.mu.Lock()
	now, first := time.Now(), e.first
	e.first = nil
	r := &e.heard
	if r.Packets == 0 {
		e.began = now
	} else {
		r.Lost += int(int16(h.Sequence - e.next.Sequence))
		if h.Timestamp != e.next.Timestamp {
			r.Steps++
		}
		r.Longest = max(r.Longest, now.Sub(e.last))
	}
	if due := e.began.Add(time.Duration(r.Packets) * voice.FrameMS * time.Millisecond); now.Sub(due) > 3*voice.FrameMS*time.Millisecond {
		r.Late++
	}
	r.Packets++
	r.SSRC, r.Source, e.last = h.SSRC, from, now
	if h.Marker {
		r.Markers++
	}
	e.next.Sequence, e.next.Timestamp = h.Sequence+1, h.Timestamp+voice.FrameLength
	switch h.PayloadType {
	case 8:
		r.Law, r.Packing = media.PCMA, "PCMA"
		e.keep(payload)
	case 0:
		r.Law, r.Packing = media.PCMU, "PCMU"
		e.keep(payload)
	case 96:
		r.Packing = "PS"
		e.next.Timestamp = h.Timestamp + 90*voice.FrameMS
		if e.demux == nil {
			e.demux = ps.NewDemuxer(func(f *media.Frame) {
				r.Law = f.Track.Codec
				for _, u := range f.Units {
					e.keep(u)
				}
			})
		}
		e.demux.Write(payload, h.Timestamp, h.Marker, now)
	}
	e.mu.Unlock()
	if first != nil {
		first()
	}
}

// keep keeps sound; mu is held.
func (e *ear) keep(sound []byte) {
	e.heard.Audio = append(e.heard.Audio, sound[:min(len(sound), maxHeard-len(e.heard.Audio))]...)
}

func (e *ear) report() Heard {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := e.heard
	out.Audio = bytes.Clone(e.heard.Audio)
	return out
}

// say speaks to the server, a tone, until the ear is closed.
func (e *ear) say(write func(pkt []byte) error) {
	ctx, stop := context.WithCancel(e.sim.ctx)
	e.mu.Lock()
	e.stop = stop
	if e.closed {
		stop()
	}
	e.mu.Unlock()
	h := rtp.Header{PayloadType: 8, SSRC: 1}
	e.sim.work(func() {
		_ = voice.Pace(ctx, &tone{}, func(sound []byte) error {
			h.Sequence++
			h.Timestamp += voice.FrameLength
			return write(rtp.Append(nil, h, sound))
		}, func(time.Duration) {})
	})
}

// close ends the hearing; what was heard is kept.
func (e *ear) close(by string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed, e.heard.Over, e.heard.By = true, true, by
	if e.stop != nil {
		e.stop()
	}
	if e.udp != nil {
		_ = e.udp.Close()
	}
	if e.listener != nil {
		_ = e.listener.Close()
	}
	if e.conn != nil {
		_ = e.conn.Close()
	}
}

// tone is a sound without end.
type tone struct{ n int }

// Frame makes the next 20 ms.
func (t *tone) Frame(dst []byte) bool {
	for i := range dst {
		dst[i] = voice.Encode(media.PCMA, int16(answerAmp*math.Sin(2*math.Pi*answerHz*float64(t.n)/voice.Rate)))
		t.n++
	}
	return true
}
