package ps

import (
	"time"

	"fengsui/media"
)

const (
	maxAudio = 128 << 10 // bytes of a PES packet and what was left of the one before

	// A codec that no map tells is guessed after this long or this many packets.
	guessAfter   = 2 * time.Second
	guessPackets = 50

	// An audio clock that is off by 30 % for this many packets is not one.
	badPackets = 25
	maxDrift   = 300 * media.ClockRate / 1000
)

// audio collects the one audio stream that is carried.
type audio struct {
	d *Demuxer

	id       byte // stream id; 0 not chosen yet
	declared bool // by a program stream map
	codec    media.Codec
	track    *media.Track
	made     int // tracks made

	buf  []byte // the PES payload; before it what AAC left of the last one
	left int    // of this many bytes
	pts  int64  // of the payload, 33 bits or noTime
	due  int64  // the PTS of what was left, or noTime

	waiting int // packets dropped while the codec is not known
	since   time.Time

	clock   clock
	begun   bool
	lastRaw int64 // 33 bits
	stamped int64 // time of the last frame that had a time stamp
	last    int64 // time of the last frame
	took    int64 // its duration
	bad     int   // time stamps in a row that contradict the samples
	counted bool  // times come from counting samples
}

func (a *audio) init(d *Demuxer) { a.d = d }

// takes chooses the stream id if none is chosen and reports whether id is it.
func (a *audio) takes(id byte) bool {
	if a.id == 0 {
		a.id = id
	}
	return a.id == id
}

// declare takes what a program stream map says.
func (a *audio) declare(e mapEntry) {
	c := codecOf(e.streamType)
	if c.Video() {
		c = ""
	}
	if a.declared && e.id == a.id && c == a.codec {
		return
	}
	a.abandon()
	a.id, a.declared, a.codec = e.id, true, c
}

func (a *audio) start(h pesHeader) {
	if len(a.buf) > a.left {
		a.abandon() // cannot be: the payload before did not end
	}
	a.pts = h.pts
}

func (a *audio) append(p []byte) { a.buf = append(a.buf, p...) }

// abandon forgets the payload in progress.
func (a *audio) abandon() { a.buf, a.left = a.buf[:0], 0 }

// finish ends the payload and gives out what is in it.
func (a *audio) finish() {
	if len(a.buf) == a.left {
		return
	}
	switch {
	case a.settled():
	case a.declared:
		a.d.stats.Ignored++
		a.abandon()
		return
	default:
		a.d.stats.Undecoded++
		a.abandon()
		return
	}
	if a.codec == media.AAC {
		a.finishAAC()
	} else {
		a.publish(8000, 1, nil)
		dur := int64(len(a.buf)) * media.ClockRate / 8000
		a.emit(a.buf, a.time(a.pts, dur))
		a.abandon()
	}
	if len(a.buf) > maxAudio {
		a.abandon()
	}
}

// settled reports whether the codec is known. Without a map it is told from the
// data once a map would have come; a key frame without one tells the same.
func (a *audio) settled() bool {
	if a.codec != "" || a.declared {
		return a.codec != ""
	}
	if a.waiting == 0 {
		a.since = a.d.now.arrived
	}
	a.waiting++
	late := a.waiting > guessPackets || a.d.now.arrived.Sub(a.since) >= guessAfter
	if !late && !a.d.mapped && a.d.video.track == nil {
		return false
	}
	a.codec = media.PCMA
	if len(a.buf) >= 2 && a.buf[0] == 0xFF && a.buf[1]&0xF6 == 0xF0 {
		a.codec = media.AAC
	}
	return true
}

// finishAAC splits the payload by its ADTS headers and keeps what may be the
// beginning of another frame.
func (a *audio) finishAAC() {
	b := a.buf
	stamp := a.pts // belongs to the first frame that begins in this payload
	for len(b) >= 7 {
		h, ok := parseADTS(b)
		if !ok {
			a.d.stats.BadAudio++
			b = b[1:]
			continue
		}
		if len(b) < h.size {
			break
		}
		a.publish(h.rate, h.channels, h.config())
		at := &stamp
		if len(a.buf)-len(b) < a.left {
			at = &a.due
		}
		a.emit(b[h.header:h.size], a.time(*at, int64(1024)*media.ClockRate/int64(h.rate)))
		*at = noTime
		b = b[h.size:]
	}
	if len(a.buf)-len(b) >= a.left {
		a.due = stamp
	}
	a.left = copy(a.buf, b)
	a.buf = a.buf[:a.left]
}

// publish makes a new track if the stream is not as the last one says.
func (a *audio) publish(rate, channels int, config []byte) {
	if t := a.track; t != nil && t.Codec == a.codec && t.SampleRate == rate && t.Channels == channels &&
		(len(config) == 0 || string(t.Params[0]) == string(config)) {
		return
	}
	a.made++
	a.track = &media.Track{Codec: a.codec, Generation: a.made, SampleRate: rate, Channels: channels}
	if len(config) > 0 {
		a.track.Params = [][]byte{config}
	}
}

func (a *audio) emit(b []byte, at int64) {
	m := &struct { // the frame and its unit, in one allocation
		frame media.Frame
		unit  [1][]byte
	}{}
	m.unit[0] = append([]byte(nil), b...)
	m.frame.Track = a.track
	m.frame.PTS, m.frame.DTS = at, at
	m.frame.Units = m.unit[:]
	m.frame.Arrived = a.d.now.arrived
	a.d.sink(&m.frame)
}

// time is the time of a frame that lasts dur: its PTS, as long as that goes with
// the samples; else it is counted, and kept near the video.
func (a *audio) time(pts, dur int64) int64 {
	video := &a.d.video.clock
	at := a.last + a.took
	if pts != noTime {
		if samples := at - a.stamped; a.begun {
			delta := (pts - a.lastRaw) << 31 >> 31
			if abs(delta-samples)*10 > samples*3 {
				a.bad++
			} else {
				a.bad = 0
			}
			a.counted = a.counted || a.bad >= badPackets
		}
		a.lastRaw = pts
		if !a.counted {
			var jumped bool
			if at, jumped = a.clock.next(pts, 33, video); jumped {
				a.d.stats.Jumps++
			}
		}
		a.stamped = at
	}
	if (a.counted || !a.clock.started) && video.started && (!a.begun || abs(at-video.out) > maxDrift) {
		at = video.out
	}
	if a.begun && at <= a.last {
		at = a.last + 1
	}
	a.begun = true
	a.last, a.took = at, dur
	return at
}

// adts is a header of ISO/IEC 13818-7 section 6.2.
type adts struct {
	header, size   int // bytes: of the header, of the frame with it
	object, index  byte
	rate, channels int
}

// parseADTS reads the header that b, of seven bytes or more, begins with.
func parseADTS(b []byte) (h adts, ok bool) {
	if b[0] != 0xFF || b[1]&0xF6 != 0xF0 {
		return h, false
	}
	h.header = 7
	if b[1]&1 == 0 {
		h.header = 9 // with CRC
	}
	h.object = b[2]>>6 + 1
	h.index = b[2] >> 2 & 15
	h.channels = int(b[2]&1)<<2 | int(b[3]>>6)
	h.size = int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5]>>5)
	switch h.index { // ISO/IEC 14496-3 table 1.18
	case 0:
		h.rate = 96000
	case 1:
		h.rate = 88200
	case 2:
		h.rate = 64000
	case 3:
		h.rate = 48000
	case 4:
		h.rate = 44100
	case 5:
		h.rate = 32000
	case 6:
		h.rate = 24000
	case 7:
		h.rate = 22050
	case 8:
		h.rate = 16000
	case 9:
		h.rate = 12000
	case 10:
		h.rate = 11025
	case 11:
		h.rate = 8000
	case 12:
		h.rate = 7350
	default:
		return h, false
	}
	oneBlock := b[6]&3 == 0
	return h, h.size > h.header && h.channels > 0 && oneBlock
}

// config is the AudioSpecificConfig of ISO/IEC 14496-3 section 1.6.2.1.
func (h adts) config() []byte {
	return []byte{h.object<<3 | h.index>>1, h.index<<7 | byte(h.channels)<<3}
}
