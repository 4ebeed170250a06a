package voice

import (
	"sync"

	"fengsui/media"
)

// Bounds of what waits of a microphone, bytes of G.711.
const (
	waitFirst = 3 * FrameLength  // 60 ms: what the network's jitter needs
	waitMost  = 20 * FrameLength // 400 ms: more would be heard as delay
	gapMost   = 5                // packets lost in a row that silence stands for
)

// Microphone holds the sound that comes from a network until it is due: it
// begins with 60 ms, and keeps 400 ms at most, of which the oldest go first. It
// may be used from several goroutines.
type Microphone struct {
	mu      sync.Mutex // guards all below
	law     media.Codec
	sound   []byte // waits
	flows   bool   // the first 60 ms are there
	begun   bool   // seq is known
	seq     uint16 // of the last packet
	dropped uint64 // bytes
	dry     uint64 // frames of silence for want of sound
	ended   bool
}

// NewMicrophone makes one whose frames are in the law.
func NewMicrophone(law media.Codec) *Microphone { return &Microphone{law: law} }

// Push takes the payload of a packet in a law. Repeats and what comes too late are
// left out, a few lost packets become silence.
func (m *Microphone) Push(seq uint16, law media.Codec, payload []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ahead := int(int16(seq - m.seq))
	if m.begun && ahead <= 0 && ahead > -100 {
		return
	}
	if m.begun && ahead > 1 && ahead <= gapMost+1 {
		for range (ahead - 1) * len(payload) {
			m.sound = append(m.sound, Silence(m.law))
		}
	}
	m.begun, m.seq = true, seq
	at := len(m.sound)
	m.sound = append(m.sound, payload...)
	Convert(law, m.law, m.sound[at:])
	if over := len(m.sound) - waitMost; over > 0 {
		m.sound = append(m.sound[:0], m.sound[over:]...)
		m.dropped += uint64(over)
	}
}

// End lets Frame report the end.
func (m *Microphone) End() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = true
}

// Frame fills dst with what is due, silence if that is nothing; false after End.
func (m *Microphone) Frame(dst []byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return false
	}
	if !m.flows && len(m.sound) < waitFirst {
		fill(dst, Silence(m.law))
		return true
	}
	m.flows = true
	n := copy(dst, m.sound)
	m.sound = append(m.sound[:0], m.sound[n:]...)
	if n < len(dst) {
		fill(dst[n:], Silence(m.law))
		m.flows = false
		m.dry++
	}
	return true
}

// Counts are the bytes that were dropped because too many waited, and the frames
// that had none.
func (m *Microphone) Counts() (dropped, dry uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dropped, m.dry
}
