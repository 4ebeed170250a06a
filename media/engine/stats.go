package engine

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fengsui/media"
	"fengsui/media/rtp"
)

const (
	samplesKept = 11 // seconds
	rateOver    = 2 * time.Second
	lossOver    = 10 * time.Second
)

// Stats are what is known of a stream now.
type Stats struct {
	Key       media.Key
	Transport string
	Created   time.Time
	Source    netip.AddrPort // invalid before the first packet
	SSRC      uint32         // received; 0 before the first packet
	Last      time.Time      // of the last packet
	Connected bool           // TCP
	Payload   string         // "PS", "H264" …; with several types the first
	Problem   string         // why no frames come of the packets, if so
	Tracks    []*media.Track // video first

	Bytes, Packets                   uint64
	Lost, Reordered, Late, Duplicate uint64 // packets
	Foreign, Junk                    uint64 // packets that were not ours
	Restarts, Moved, Resyncs         uint64 // of the source, of its address or SSRC, of TCP framing
	Frames, Keys                     uint64 // published
	Damaged, Dropped                 uint64 // frames lost in part; frames not published for damage
	Jumps                            uint64 // leaps of the source's clock

	Bitrate     float64       // bit/s over 2 s
	FPS         float64       // video frames a second over 2 s
	LossRate    float64       // share of packets lost, 0 to 1, over 10 s
	KeyInterval time.Duration // between the last two key frames
	Readers     int
}

// meter counts what the receiver publishes. It is guarded by the receiver's mu.
type meter struct {
	frames, keys uint64
	video        uint64 // frames of video
	lastKey      int64  // DTS
	keyInterval  time.Duration
	resumed      time.Time

	samples [samplesKept]sample
	n       int // taken
	counted rtp.Stats
}

type sample struct {
	at                           time.Time
	bytes, packets, lost, frames uint64
}

func (m *meter) frame(f *media.Frame, video bool) {
	m.frames++
	if !video {
		return
	}
	m.video++
	if f.Key {
		if m.keys > 0 {
			m.keyInterval = time.Duration(f.DTS-m.lastKey) * time.Second / media.ClockRate
		}
		m.keys++
		m.lastKey = f.DTS
	}
}

func (m *meter) sample(now time.Time, st rtp.Stats) {
	m.samples[m.n%samplesKept] = sample{now, st.Bytes, st.Packets, st.Lost, m.video}
	m.n++
}

// over is the newest sample and the one the span before it, or the oldest kept.
func (m *meter) over(span time.Duration) (from, to sample) {
	if m.n == 0 {
		return
	}
	to = m.samples[(m.n-1)%samplesKept]
	for i := 1; i < min(m.n, samplesKept); i++ {
		from = m.samples[(m.n-1-i)%samplesKept]
		if to.at.Sub(from.at) >= span-span/10 {
			break
		}
	}
	return from, to
}

// Stats are what is known of the stream now.
func (r *Receiver) Stats() Stats {
	out := Stats{Key: r.want.Key, Transport: r.want.Transport, Created: r.created}
	if out.Transport == "" {
		out.Transport = "udp"
	}
	r.mu.Lock()
	s := r.session
	r.mu.Unlock()
	if s == nil {
		return out
	}
	st := s.Stats()
	s.Do(func() {
		out.Problem, out.Damaged, out.Dropped, out.Jumps = r.in.problem, r.in.damaged, r.in.dropped, r.in.line.Jumps
		if len(r.in.flows) > 0 {
			out.Payload = r.in.flows[0].kind.String()
		}
	})
	out.Source, out.SSRC, out.Last, out.Connected = st.Source, st.SSRC, st.Last, st.Connected
	out.Bytes, out.Packets = st.Bytes, st.Packets
	out.Lost, out.Reordered, out.Late, out.Duplicate = st.Lost, st.Reordered, st.Late, st.Duplicate
	out.Foreign, out.Junk = st.Foreign, st.Junk
	out.Restarts, out.Moved, out.Resyncs = st.Restarts, st.Moved, st.Resyncs

	r.mu.Lock()
	defer r.mu.Unlock()
	m := &r.meter
	out.Tracks, out.Frames, out.Keys, out.KeyInterval = r.tracks(), m.frames, m.keys, m.keyInterval
	out.Readers = len(r.readers)
	if from, to := m.over(rateOver); to.at.After(from.at) && !from.at.IsZero() {
		s := to.at.Sub(from.at).Seconds()
		out.Bitrate = float64(to.bytes-from.bytes) * 8 / s
		out.FPS = float64(to.frames-from.frames) / s
	}
	from, to := m.over(lossOver)
	if lost, got := to.lost-from.lost, to.packets-from.packets; lost > 0 {
		out.LossRate = float64(lost) / float64(lost+got)
	}
	return out
}

// totals are sums over all streams since the start.
type totals struct {
	bytes, packets, lost, late, reordered, resyncs, dropped atomic.Uint64
}

// account adds what came since the last time to the engine's totals.
func (r *Receiver) account(st rtp.Stats) {
	r.mu.Lock()
	was := r.meter.counted
	if st.Packets < was.Packets { // two at once; the other was newer
		r.mu.Unlock()
		return
	}
	r.meter.counted = st
	r.mu.Unlock()
	t := &r.e.totals
	t.bytes.Add(st.Bytes - was.Bytes)
	t.packets.Add(st.Packets - was.Packets)
	t.lost.Add(st.Lost - was.Lost)
	t.late.Add(st.Late - was.Late)
	t.reordered.Add(st.Reordered - was.Reordered)
	t.resyncs.Add(st.Resyncs - was.Resyncs)
}

// register registers gauges and counters that read what the engine has anyway.
func (e *Engine) register(reg prometheus.Registerer) error {
	gauges := []struct {
		name, help string
		value      func() int
	}{
		{"receivers", "Streams being received.", func() int { return e.Counts().Receivers }},
		{"ports", "Leased port pairs.", func() int { return e.Counts().Ports }},
		{"ssrcs", "Leased SSRCs.", func() int { return e.Counts().SSRCs }},
		{"connections", "TCP media connections.", func() int { return e.Counts().Conns }},
		{"readers", "Viewers' ends of streams.", e.readers},
		{"orphans", "Senders of RTP that no receiver expects.", func() int { return len(e.Orphans()) }},
	}
	for _, g := range gauges {
		if err := reg.Register(prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Namespace: "fengsui", Subsystem: "media", Name: g.name, Help: g.help},
			func() float64 { return float64(g.value()) })); err != nil {
			return err
		}
	}
	t := &e.totals
	counters := []struct {
		name, help string
		value      func() uint64
	}{
		{"received_bytes_total", "Bytes of RTP received, by streams.", t.bytes.Load},
		{"received_packets_total", "RTP packets received, by streams.", t.packets.Load},
		{"lost_packets_total", "RTP packets that never came.", t.lost.Load},
		{"late_packets_total", "RTP packets that came too late to be used.", t.late.Load},
		{"reordered_packets_total", "RTP packets that waited for one before them.", t.reordered.Load},
		{"framing_resyncs_total", "Times the framing of a TCP connection was found again.", t.resyncs.Load},
		{"reader_dropped_frames_total", "Frames that slow readers lost.", t.dropped.Load},
		{"junk_datagrams_total", "Datagrams on media ports that are no RTP.", func() uint64 { return e.server.Totals().Junk }},
		{"orphan_packets_total", "RTP packets that no receiver expects.", func() uint64 { return e.server.Totals().Orphan }},
		{"orphan_unlisted_packets_total", "RTP packets that no receiver expects, of senders beyond those that are listed.", func() uint64 { return e.server.Totals().OrphanUnlisted }},
		{"kernel_dropped_datagrams_total", "Datagrams lost on full receive buffers.", func() uint64 { return e.server.Totals().KernelDropped }},
		{"rejected_connections_total", "TCP media connections closed as unknown, not RTP or too many.", func() uint64 { return e.server.Totals().ConnsRejected }},
		{"refused_ssrc_leases_total", "SSRC leases refused because none was free.", func() uint64 { return e.server.Totals().SSRCRefused }},
		{"refused_port_leases_total", "Port leases refused because no pair was free.", func() uint64 { return e.server.Totals().PortRefused }},
	}
	for _, c := range counters {
		if err := reg.Register(prometheus.NewCounterFunc(
			prometheus.CounterOpts{Namespace: "fengsui", Subsystem: "media", Name: c.name, Help: c.help},
			func() float64 { return float64(c.value()) })); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) readers() int {
	n := 0
	for _, r := range e.receivers() {
		r.mu.Lock()
		n += len(r.readers)
		r.mu.Unlock()
	}
	return n
}
