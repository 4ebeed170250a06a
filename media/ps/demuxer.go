package ps

import (
	"bytes"
	"time"

	"fengsui/media"
)

// Stats counts what a demuxer met since it was made.
type Stats struct {
	Bytes   uint64 // written
	Skipped uint64 // bytes passed over in search of a start code
	Resyncs uint64 // times the structure was lost, RTP gaps not counted
	Gaps    uint64 // RTP gaps reported
	Packs   uint64 // pack headers
	Maps    uint64 // program stream maps ("PSM") that could be read
	BadMaps uint64 // program stream maps that could not, ignored

	Frames    uint64 // given to the sink
	Damaged   uint64 // of these damaged
	Undecoded uint64 // access units dropped because codec or parameter sets are not known yet
	Oversize  uint64 // access units dropped for being longer than 4 MiB
	Jumps     uint64 // leaps of the source's clock that were joined
	Scrambled uint64 // encrypted PES packets: "stream encryption" is on at the device
	Ignored   uint64 // PES packets of streams that are not carried
	BadAudio  uint64 // bytes of AAC without valid ADTS

	Guessed    bool // the codec was told from the data, the map is absent or wrong
	StreamType byte // the last stream type of a map that is not carried; 0 none
}

// state is where in the stream a demuxer is.
type state int

const (
	stateSync    state = iota // lost: looks for a start code that can be believed
	stateHeader               // a start code is due
	statePayload              // in a PES payload or a block to be skipped
	stateOpen                 // in a video payload without length
)

// dest is where a payload goes.
type dest int

const (
	toNowhere dest = iota
	toVideo
	toAudio
)

// Bounds.
const (
	maxUnit   = 4 << 20 // bytes of an access unit, 8K intra
	maxHeader = maxPSM  // bytes of the longest header kept

	// silence ends an access unit whose end nothing else told.
	silence = 200 * time.Millisecond
)

// packet is the RTP packet that is being read.
type packet struct {
	rtp     uint32
	arrived time.Time
}

// Demuxer reads a program stream from RTP payloads and gives its frames to a
// sink. Memory is bounded by the longest access unit, 4 MiB. One goroutine may
// use it at a time.
type Demuxer struct {
	sink  func(*media.Frame)
	stats Stats

	state   state
	acc     []byte // an unfinished header, at most maxHeader bytes
	dest    dest
	remain  int  // bytes of the payload or block still to come
	mpeg1   bool // the last pack header was of ISO/IEC 11172-1
	gap     bool // RTP was lost before the next byte
	mapped  bool // a program stream map was read
	streams streamMap

	now   packet
	video video
	audio audio
}

// NewDemuxer makes a demuxer. The sink is called from Write, Gap and Flush; the
// frames it gets own their memory.
func NewDemuxer(sink func(*media.Frame)) *Demuxer {
	d := &Demuxer{}
	d.sink = func(f *media.Frame) {
		d.stats.Frames++
		if f.Damaged {
			d.stats.Damaged++
		}
		sink(f)
	}
	d.video.init(d)
	d.audio.init(d)
	return d
}

// Write reads the payload of one RTP packet; packets come in order. It keeps
// nothing of payload.
func (d *Demuxer) Write(payload []byte, rtpTime uint32, marker bool, arrived time.Time) {
	if len(payload) == 0 {
		return
	}
	d.stats.Bytes += uint64(len(payload))
	midway := d.state == statePayload
	d.now.arrived = arrived
	if rtpTime != d.now.rtp {
		d.now.rtp = rtpTime
		d.video.rtpChanged(midway)
	}
	if d.gap {
		d.afterGap(payload)
	}
	d.feed(payload)
	if marker && d.state != statePayload {
		d.video.marker()
	}
}

// Gap tells that RTP was lost before the next Write. The access unit in
// progress, if it gets out, is damaged; half a run of audio is dropped.
func (d *Demuxer) Gap() {
	d.stats.Gaps++
	d.gap = true
	d.acc = d.acc[:0]
	d.state = stateSync
	d.video.damage()
	d.audio.abandon()
}

// Flush gives out the access unit in progress if its last byte came 200 ms or
// more before now. The zero time means the end of the stream: it flushes at any age.
func (d *Demuxer) Flush(now time.Time) {
	if !now.IsZero() && now.Sub(d.now.arrived) < silence {
		return
	}
	if d.state == statePayload && d.dest == toVideo {
		d.video.damage() // its end is missing
	}
	if d.video.isOpen {
		d.video.close()
		d.video.early = earlySilence
	}
}

// Tracks returns the tracks known now, video first.
func (d *Demuxer) Tracks() []*media.Track {
	var t []*media.Track
	if d.video.track != nil {
		t = append(t, d.video.track)
	}
	if d.audio.track != nil {
		t = append(t, d.audio.track)
	}
	return t
}

// Stats returns the counts until now.
func (d *Demuxer) Stats() Stats { return d.stats }

// afterGap decides what the lost packets took with them: nothing of what
// follows, if that begins with a pack header.
func (d *Demuxer) afterGap(p []byte) {
	d.gap = false
	if len(p) >= 4 && p[0] == 0 && p[1] == 0 && p[2] == 1 && p[3] == codePack {
		d.state = stateHeader
		return
	}
	d.video.damageNext = true
}

// feed runs the state machine over p.
func (d *Demuxer) feed(p []byte) {
	for len(p) > 0 {
		switch d.state {
		case statePayload:
			n := min(d.remain, len(p))
			d.remain -= n
			d.deliver(p[:n])
			p = p[n:]
			if d.remain == 0 && d.state == statePayload {
				d.finish()
			}
		case stateOpen:
			p = p[d.open(p):]
		default:
			p = p[d.header(p):]
		}
	}
}

// header reads one header from what is kept of the packets before and p, and
// returns how much of p it used.
func (d *Demuxer) header(p []byte) int {
	if len(d.acc) == 0 {
		used, need := d.parse(p)
		if need > len(p) {
			d.acc = append(d.acc, p...)
			return len(p)
		}
		return used
	}
	taken := 0
	for {
		used, need := d.parse(d.acc)
		if need <= len(d.acc) {
			d.again(used)
			return taken
		}
		n := min(need-len(d.acc), len(p)-taken)
		d.acc = append(d.acc, p[taken:taken+n]...)
		taken += n
		if len(d.acc) < need {
			return taken
		}
	}
}

// again reads what follows the first used bytes of the accumulator once more:
// they were no header. There are never more than a few, because what is not a
// header shows within its first bytes.
func (d *Demuxer) again(used int) {
	var few [32]byte
	n := copy(few[:], d.acc[used:])
	d.acc = d.acc[:0]
	d.feed(few[:n])
}

// parse handles the header that b begins with and returns its size, or the
// bytes to pass over if there is none, or in need how many bytes it has to see.
func (d *Demuxer) parse(b []byte) (used, need int) {
	if i := startIndex(b); i > 0 {
		if d.state == stateHeader && !allZero(b[:i]) {
			d.lose()
		}
		if d.state == stateSync {
			d.stats.Skipped += uint64(i)
		}
		return i, 0
	}
	if len(b) < 5 {
		return 0, 5
	}
	switch code := b[3]; {
	case code == codePack:
		return d.parsePack(b)
	case code == codePSM:
		return d.parseMap(b)
	case isVideo(code), isAudio(code):
		return d.parsePES(b)
	case code == codeEnd:
		return 4, 0
	case code == codeSystem || code > codeSystem && d.state == stateHeader:
		if len(b) < 6 {
			return 0, 6
		}
		length := int(b[4])<<8 | int(b[5])
		if code == codeSystem {
			if length < 6 || length > 6+3*64 {
				return d.reject()
			}
			d.video.keyHint = true
		}
		d.begin(toNowhere, length)
		return 6, 0
	}
	return d.reject()
}

func (d *Demuxer) parsePack(b []byte) (used, need int) {
	switch {
	case b[4]&0xC0 == 0x40:
		if len(b) < 14 {
			return 0, 14
		}
		if used = 14 + int(b[13]&7); len(b) < used {
			return 0, used
		}
		d.mpeg1 = false
	case b[4]>>4 == 2:
		if used = 12; len(b) < used {
			return 0, used
		}
		d.mpeg1 = true
	default:
		return d.reject()
	}
	d.stats.Packs++
	d.state = stateHeader
	d.video.pack()
	return used, 0
}

func (d *Demuxer) parseMap(b []byte) (used, need int) {
	if len(b) < 6 {
		return 0, 6
	}
	length := int(b[4])<<8 | int(b[5])
	if length > maxPSM-6 {
		d.stats.BadMaps++
		if d.state == stateSync {
			return d.reject()
		}
		d.begin(toNowhere, length)
		return 6, 0
	}
	if used = 6 + length; len(b) < used {
		return 0, used
	}
	d.state = stateHeader
	m, ok := parsePSM(b[:used])
	if !ok {
		d.stats.BadMaps++
		return used, 0
	}
	d.stats.Maps++
	d.remap(m)
	return used, 0
}

// remap takes over a program stream map. A stream that stays as it was is not touched.
func (d *Demuxer) remap(m streamMap) {
	d.video.keyHint = true
	if d.mapped && m == d.streams {
		return
	}
	d.mapped, d.streams = true, m
	if e, ok := m.first(isVideo); ok {
		d.video.declare(e)
	}
	e, ok := m.first(isAudio)
	if ok {
		d.audio.declare(e)
	}
	for _, e := range m.entries[:m.n] {
		if codecOf(e.streamType) == "" {
			d.stats.StreamType = e.streamType
		}
	}
}

func (d *Demuxer) parsePES(b []byte) (used, need int) {
	h, need, ok := parsePES(b, d.mpeg1)
	if !ok {
		return d.reject()
	}
	if need > len(b) {
		return 0, need
	}
	id := b[3]
	if h.payload < 0 && !isVideo(id) {
		return d.reject()
	}
	switch {
	case h.scrambled:
		d.stats.Scrambled++
		d.begin(toNowhere, h.payload)
	case isVideo(id) && d.video.takes(id):
		d.video.start(h)
		d.begin(toVideo, h.payload)
	case isAudio(id) && d.audio.takes(id):
		d.video.audioStarts()
		d.audio.start(h)
		d.begin(toAudio, h.payload)
	default:
		d.stats.Ignored++
		d.begin(toNowhere, h.payload)
	}
	return h.size, 0
}

// begin enters a payload of n bytes, or of unknown length if n is negative.
func (d *Demuxer) begin(to dest, n int) {
	d.dest = to
	if n < 0 {
		d.state = stateOpen
		return
	}
	d.state, d.remain = statePayload, n
	if n == 0 {
		d.finish()
	}
}

func (d *Demuxer) deliver(p []byte) {
	switch d.dest {
	case toVideo:
		if !d.video.append(p) {
			d.oversize()
		}
	case toAudio:
		d.audio.append(p)
	case toNowhere:
	}
}

// finish ends a payload of known length.
func (d *Demuxer) finish() {
	d.state = stateHeader
	if d.dest == toAudio {
		d.audio.finish()
	}
}

// open reads a payload without length: it ends at the next start code of the
// system layer, which cannot occur in H.264 or H.265. It returns the bytes used.
func (d *Demuxer) open(p []byte) int {
	if d.dest != toVideo {
		i := startIndex(p) // scrambled: nobody wants it
		if i < len(p) {
			d.state = stateHeader
		}
		return i
	}
	room := maxUnit + 1 - len(d.video.buf)
	n := min(room, len(p))
	before := len(d.video.buf)
	d.video.buf = append(d.video.buf, p[:n]...)
	if i := d.video.systemStart(before); i >= 0 {
		kept := max(0, before-i) // bytes of the start code that came in packets before
		d.acc = append(d.acc[:0], d.video.buf[i:i+kept]...)
		d.video.buf = d.video.buf[:i]
		if i > before {
			d.video.touch()
		}
		d.state = stateHeader
		return max(0, i-before)
	}
	d.video.touch()
	if len(d.video.buf) > maxUnit {
		d.oversize()
	}
	return n
}

func (d *Demuxer) oversize() {
	d.stats.Oversize++
	d.video.drop()
	d.state = stateSync
}

// reject passes over a byte that looked like a header and is none.
func (d *Demuxer) reject() (used, need int) {
	if d.state == stateHeader {
		d.lose()
	}
	d.stats.Skipped++
	return 1, 0
}

// lose goes into search because the structure is not what was expected.
func (d *Demuxer) lose() {
	d.stats.Resyncs++
	d.state = stateSync
	d.video.damage()
	d.audio.abandon()
}

// startIndex returns where in b the first 00 00 01 is, else where the beginning
// of one is at its end, else its length.
func startIndex(b []byte) int {
	if i := nextStart(b, 0); i >= 0 {
		return i
	}
	n := len(b)
	switch {
	case n >= 2 && b[n-2] == 0 && b[n-1] == 0:
		return n - 2
	case n >= 1 && b[n-1] == 0:
		return n - 1
	}
	return n
}

// nextStart returns the index of the first 00 00 01 in b at or after from, or -1.
// It looks for the 01, because zeros may come in long runs.
func nextStart(b []byte, from int) int {
	for i := from + 2; i < len(b); i++ {
		j := bytes.IndexByte(b[i:], 1)
		if j < 0 {
			return -1
		}
		i += j
		if b[i-1] == 0 && b[i-2] == 0 {
			return i - 2
		}
	}
	return -1
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
