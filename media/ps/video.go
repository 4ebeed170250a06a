package ps

import (
	"bytes"
	"time"

	"fengsui/media"
)

const (
	markerProof = 50       // access units that must end at an RTP marker before it is believed
	stuckPacks  = 16       // packs with one PTS before it is asked whether the PTS stands still
	heldMax     = 64 << 10 // bytes of parameter sets that wait for their picture

	// A time stamp that runs slower than a twentieth of real time over this
	// much of it stands still or is in milliseconds.
	paceWindow = 3 * time.Second
	paceSlow   = 20
)

// early is what told the end of an access unit before the next one began.
type early int

const (
	earlyNot early = iota
	earlyMarker
	earlyAudio
	earlySilence
)

// video assembles the access units of the one video stream that is carried.
type video struct {
	d *Demuxer

	id       byte // stream id; 0 not chosen yet
	declared media.Codec
	params   params
	track    *media.Track // nil or of another codec: the parameter sets are still to come
	made     int          // tracks made

	// The access unit in progress.
	buf     []byte // Annex B; may begin with parameter sets held for it
	isOpen  bool
	hasPTS  bool
	pts     int64 // 33 bits
	dts     int64
	rtp     uint32
	arrived time.Time
	damaged bool
	intact  int  // of a damaged one: bytes that came before the damage
	keyHint bool // the next one begins with a map or a system header
	isKey   bool // it began so: a key frame, before its units are looked at
	packs   int  // pack headers since it began
	marks   int  // markers since it began
	dirty   bool // bytes came after the last marker
	short   bool // its last payload is too short to be a piece of a split frame

	damageNext bool  // the next access unit's beginning may be missing
	packed     bool  // a pack header came after the last video byte
	early      early // what closed the last access unit, if no time stamp did

	// What is known of the source's habits.
	usesPTS     bool
	stuckPTS    int64 // a PTS found standing still, or noTime
	rtpMoves    bool  // the RTP time stamp changes
	proof       int   // access units in a row that ended at a marker
	noAudioHint bool  // audio comes in the middle of its frames

	clock   clock
	reorder reorder
	lastDTS int64
	begun   bool
	pace    pace

	spans []span
}

func (v *video) init(d *Demuxer) {
	v.d = d
	v.stuckPTS = noTime
}

// takes chooses the stream id if none is chosen and reports whether id is it.
func (v *video) takes(id byte) bool {
	if v.id == 0 {
		v.id = id
	}
	return v.id == id
}

// declare takes what a program stream map says. If that changes the access unit
// in progress is of the old stream and complete.
func (v *video) declare(e mapEntry) {
	c := codecOf(e.streamType)
	if c != "" && !c.Video() {
		c = ""
	}
	if e.id == v.id && c == v.declared {
		return
	}
	v.close()
	v.drop()
	v.id = e.id
	v.declared = c
	if c != "" && c != v.params.codec {
		v.params.reset(c)
	}
}

// pack notes a pack header. Alone it ends nothing: some devices write one for
// every PES packet.
func (v *video) pack() {
	v.packed = true
	v.damageNext = false
	v.packs++
	if v.isOpen && v.usesPTS && v.packs >= stuckPacks && v.packs&(v.packs-1) == 0 {
		v.checkStuck()
	}
}

// checkStuck looks whether several pictures came with one time stamp; then the
// source's PTS is worth nothing.
func (v *video) checkStuck() {
	v.spans = splitUnits(v.spans[:0], v.buf)
	if v.params.pictures(v.buf, v.spans) < 3 {
		return
	}
	v.stuckPTS, v.usesPTS = v.pts, false
	v.damage()
	v.close()
}

// start begins a payload.
func (v *video) start(h pesHeader) {
	pts, dts := h.pts, h.dts
	if pts == v.stuckPTS {
		pts = noTime
	}
	if pts != noTime {
		v.usesPTS, v.stuckPTS = true, noTime
	}
	if v.isOpen && v.endsBefore(pts) {
		v.proveMarker()
		v.close()
	}
	v.short = h.payload >= 0 && h.payload < 60000
	v.packed = false
	if v.isOpen {
		v.damageNext = false
		return
	}
	rest := pts == noTime && v.usesPTS // of a frame whose beginning is gone
	if v.early != earlyNot && (rest || pts != noTime && v.hasPTS && pts == v.pts) {
		v.tooEarly()
		rest = true
	}
	v.open(pts, dts)
	if rest {
		v.damaged, v.intact = true, 0
	}
}

// endsBefore reports whether the access unit in progress ends where a payload
// with this time stamp begins.
func (v *video) endsBefore(pts int64) bool {
	switch {
	case pts != noTime:
		return !v.hasPTS || pts != v.pts
	case v.usesPTS:
		// A continuation; of another frame if packets in between were lost.
		return v.damaged && v.damageNext && v.rtp != v.d.now.rtp
	case v.rtpMoves:
		return v.rtp != v.d.now.rtp
	}
	return v.packed
}

// open begins an access unit.
func (v *video) open(pts, dts int64) {
	v.isOpen = true
	v.hasPTS = pts != noTime
	v.pts, v.dts = pts, dts
	v.rtp = v.d.now.rtp
	v.damaged = v.damaged || v.damageNext
	if v.damageNext {
		v.intact = 0
	}
	v.isKey, v.keyHint = v.keyHint, false
	v.damageNext = false
	v.packs, v.marks = 0, 0
	v.dirty, v.early = false, earlyNot
}

// append adds to the access unit; it reports false if that gets too long.
func (v *video) append(p []byte) bool {
	n := min(len(p), maxUnit+1-len(v.buf))
	v.buf = append(v.buf, p[:n]...)
	v.touch()
	return len(v.buf) <= maxUnit
}

// touch notes that bytes were added.
func (v *video) touch() {
	if !v.isOpen { // it was closed in the middle of a payload
		v.tooEarly()
		v.open(noTime, noTime)
		v.damaged, v.intact = true, 0
	}
	v.arrived = v.d.now.arrived
	v.dirty = true
}

// tooEarly unlearns the rule that closed an access unit before its end.
func (v *video) tooEarly() {
	switch v.early {
	case earlyMarker:
		v.proof = 0
	case earlyAudio:
		v.noAudioHint = true
	case earlyNot, earlySilence:
	}
	v.early = earlyNot
}

// systemStart finds a start code of the system layer that ends in the bytes
// from index from on, or returns -1.
func (v *video) systemStart(from int) int {
	for i := max(0, from-3); ; i++ {
		if i = nextStart(v.buf, i); i < 0 || i+3 >= len(v.buf) {
			return -1
		}
		if v.buf[i+3] >= codeEnd {
			return i
		}
	}
}

// damage marks what is in progress; what it has until now is whole.
func (v *video) damage() {
	if v.isOpen && !v.damaged {
		v.damaged, v.intact = true, len(v.buf)
	}
}

// rtpChanged ends the access unit of a source without PTS.
func (v *video) rtpChanged(midway bool) {
	if v.clock.started || v.isOpen {
		v.rtpMoves = true
	}
	if v.isOpen && !v.usesPTS && !v.hasPTS && !midway && v.dirty {
		v.close()
	}
}

// marker notes an RTP marker at the end of a payload.
func (v *video) marker() {
	if !v.isOpen || !v.dirty {
		return
	}
	v.marks++
	v.dirty = false
	if v.proof >= markerProof {
		v.close()
		v.early = earlyMarker
	}
}

// proveMarker is asked where a time stamp has ended an access unit: was there
// one marker, and at its end?
func (v *video) proveMarker() {
	if v.marks == 1 && !v.dirty {
		v.proof++
	} else {
		v.proof = 0
	}
}

// audioStarts ends a key frame, which would else wait for the next frame.
func (v *video) audioStarts() {
	if v.isOpen && v.isKey && v.short && v.usesPTS && !v.noAudioHint && v.d.state != stateOpen {
		v.close()
		v.early = earlyAudio
	}
}

// drop forgets the access unit in progress.
func (v *video) drop() {
	v.isOpen, v.damaged = false, false
	v.buf = v.buf[:0]
}

// close ends the access unit in progress and gives it out.
func (v *video) close() {
	if !v.isOpen {
		return
	}
	v.isOpen = false
	v.spans = splitUnits(v.spans[:0], v.buf)
	v.params.weigh(v.buf, v.spans, v.declared)
	if v.params.codec == "" {
		v.d.stats.Undecoded++
		v.drop()
		return
	}
	intact := len(v.buf) + 1
	if v.damaged {
		intact = v.intact
	}
	s := v.params.sift(v.buf, v.spans, intact)
	v.d.stats.Guessed = v.params.codec != v.declared
	if !s.picture {
		if s.sets && len(v.buf) <= heldMax {
			return // for the next access unit
		}
		v.drop()
		return
	}
	if t := v.params.track(v.made + 1); t != nil {
		v.track = t
		v.made++
	}
	if v.track == nil || v.track.Codec != v.params.codec {
		v.d.stats.Undecoded++
		v.drop()
		return
	}
	v.emit(s)
	v.drop()
}

// emit makes a frame of the units that were kept.
func (v *video) emit(s sifted) {
	type inline struct { // the frame and its usual number of units, in one allocation
		frame media.Frame
		units [6][]byte
	}
	m := &inline{}
	f := &m.frame
	f.Units = m.units[:0]
	if s.count > len(m.units) {
		f.Units = make([][]byte, 0, s.count)
	}
	buf := make([]byte, 0, s.size)
	for _, u := range v.spans[:s.count] {
		at := len(buf)
		buf = append(buf, v.buf[u.from:u.to]...)
		f.Units = append(f.Units, buf[at:len(buf):len(buf)])
	}
	f.Track = v.track
	f.Key = s.key && !v.params.changed
	f.Damaged = v.damaged
	f.Arrived = v.arrived
	f.PTS, f.DTS = v.times()
	v.d.sink(f)
}

// times finds the frame's times: from the PES, else from RTP, else from its arrival.
func (v *video) times() (pts, dts int64) {
	var cts int64
	var jumped, explicit bool
	switch {
	case v.pace.slow:
		dts, jumped = v.clock.next(v.pace.ticks(v.arrived), 63, &v.d.audio.clock)
	case v.hasPTS:
		cts = (v.pts - v.dts) << 31 >> 31
		if cts < 0 || cts > 5*media.ClockRate {
			cts, v.dts = 0, v.pts
		}
		explicit = cts > 0
		dts, jumped = v.clock.next(v.dts, 33, &v.d.audio.clock)
	case v.usesPTS: // its time stamp was lost
		dts = v.clock.out + v.clock.nominal
	case v.rtpMoves:
		dts, jumped = v.clock.next(int64(v.rtp), 32, &v.d.audio.clock)
	default:
		dts, jumped = v.clock.next(v.pace.ticks(v.arrived), 63, &v.d.audio.clock)
	}
	if jumped {
		v.d.stats.Jumps++
	}
	pts = dts + cts
	if explicit {
		v.reorder = reorder{}
	} else if v.hasPTS && cts == 0 {
		dts = v.reorder.next(dts)
	}
	if v.begun && dts <= v.lastDTS {
		dts = v.lastDTS + 1
	}
	v.begun, v.lastDTS = true, dts
	v.pace.watch(dts, v.arrived)
	return max(pts, dts), dts
}

// pace watches whether time stamps keep up with real time.
type pace struct {
	slow  bool // they do not
	first time.Time
	last  time.Time
	real  time.Duration // gone by since dts, pauses cut to a second
	dts   int64
}

func (p *pace) watch(dts int64, arrived time.Time) {
	if p.last.IsZero() {
		p.last, p.dts = arrived, dts
		return
	}
	p.real += max(0, min(arrived.Sub(p.last), time.Second))
	p.last = arrived
	if p.real < paceWindow {
		return
	}
	if (dts-p.dts)*paceSlow < int64(p.real/time.Microsecond)*9/100 {
		p.slow = true
	}
	p.real, p.dts = 0, dts
}

// ticks is the arrival in 90 kHz since the first one asked for.
func (p *pace) ticks(arrived time.Time) int64 {
	if p.first.IsZero() {
		p.first = arrived
	}
	return int64(arrived.Sub(p.first)/time.Microsecond) * 9 / 100
}

// span is one NAL unit in a buffer.
type span struct{ from, to int }

// splitUnits appends the NAL units of an Annex B buffer. What comes before the
// first start code is not one.
func splitUnits(dst []span, b []byte) []span {
	at := nextStart(b, 0)
	for at >= 0 {
		from := at + 3
		at = nextStart(b, from)
		to := at
		if at < 0 {
			to = len(b)
		}
		to = from + len(bytes.TrimRight(b[from:to], "\x00"))
		if to > from {
			dst = append(dst, span{from, to})
		}
	}
	return dst
}
