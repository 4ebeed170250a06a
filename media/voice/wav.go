package voice

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"fengsui/media"
)

// ErrWAV is of a file that cannot be played; the error's words say what can.
var ErrWAV = errors.New("not a WAV file that can be played")

// Codes of a WAV file's fmt chunk.
const (
	wavPCM        = 1
	wavALaw       = 6
	wavMuLaw      = 7
	wavExtensible = 0xFFFE
)

// accepted is what [ReadWAV] takes, for whoever gave something else.
const accepted = "want 16-bit PCM of 8 to 48 kHz, mono or stereo, or G.711 A-law or µ-law of 8 kHz, mono"

// Clip is the sound of a file.
type Clip struct {
	law    media.Codec // of sound; "" linear
	sound  []byte      // G.711
	linear []int16
}

// ReadWAV reads a WAV file. PCM of another rate is brought to 8 kHz, stereo to
// mono. The error wraps [ErrWAV].
func ReadWAV(b []byte) (*Clip, error) {
	if len(b) < 12 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return nil, fmt.Errorf("%w: it does not begin with RIFF and WAVE: %s", ErrWAV, accepted)
	}
	var format []byte
	for rest := b[12:]; len(rest) >= 8; {
		name, size := string(rest[:4]), int(binary.LittleEndian.Uint32(rest[4:]))
		rest = rest[8:]
		chunk := rest[:min(size, len(rest))] // a recorder that was cut off announces more
		switch name {
		case "fmt ":
			format = chunk
		case "data":
			if format == nil {
				return nil, fmt.Errorf("%w: its data come before their format", ErrWAV)
			}
			return newClip(format, chunk)
		}
		rest = rest[min(len(chunk)+size&1, len(rest)):]
	}
	return nil, fmt.Errorf("%w: it has no data", ErrWAV)
}

func newClip(format, data []byte) (*Clip, error) {
	if len(format) < 16 {
		return nil, fmt.Errorf("%w: its format has %d bytes, not 16", ErrWAV, len(format))
	}
	word := func(at int) int { return int(binary.LittleEndian.Uint16(format[at:])) }
	code, channels, rate, bits := word(0), word(2), int(binary.LittleEndian.Uint32(format[4:])), word(14)
	if code == wavExtensible && len(format) >= 26 {
		code = word(24)
	}
	c := &Clip{}
	switch {
	case code == wavPCM && bits == 16 && (channels == 1 || channels == 2) && rate >= Rate && rate <= 48000:
		c.linear = resample(mono(data, channels), rate)
	case code == wavALaw && bits == 8 && channels == 1 && rate == Rate:
		c.law, c.sound = media.PCMA, data
	case code == wavMuLaw && bits == 8 && channels == 1 && rate == Rate:
		c.law, c.sound = media.PCMU, data
	default:
		return nil, fmt.Errorf("%w: it has format %d, %d bits, %d channels and %d Hz: %s", ErrWAV, code, bits, channels, rate, accepted)
	}
	if len(c.linear)+len(c.sound) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrWAV)
	}
	return c, nil
}

// mono reads samples, the mean of the channels.
func mono(data []byte, channels int) []int16 {
	out := make([]int16, len(data)/2/channels)
	for i := range out {
		sum := 0
		for ch := range channels {
			sum += int(int16(binary.LittleEndian.Uint16(data[2*(i*channels+ch):])))
		}
		out[i] = int16(sum / channels)
	}
	return out
}

// resample brings samples of a rate to 8 kHz: each is the mean of those in its
// time, which is filter enough for speech.
func resample(in []int16, rate int) []int16 {
	if rate == Rate {
		return in
	}
	out := make([]int16, len(in)*Rate/rate)
	for i := range out {
		from, to := i*rate/Rate, (i+1)*rate/Rate
		sum := 0
		for _, s := range in[from:to] {
			sum += int(s)
		}
		out[i] = int16(sum / (to - from))
	}
	return out
}

// Duration is how long the clip is.
func (c *Clip) Duration() time.Duration {
	return time.Duration(len(c.linear)+len(c.sound)) * time.Second / Rate
}

// In is the clip's sound in a law.
func (c *Clip) In(law media.Codec) []byte {
	if c.law == "" {
		out := make([]byte, len(c.linear))
		for i, s := range c.linear {
			out[i] = Encode(law, s)
		}
		return out
	}
	out := append([]byte(nil), c.sound...)
	Convert(c.law, law, out)
	return out
}

// Play is the clip as a source, from its begin.
func (c *Clip) Play(law media.Codec) *Playing { return &Playing{rest: c.In(law), law: law} }

// Playing is a clip that is being played. It belongs to who calls Frame.
type Playing struct {
	rest []byte
	law  media.Codec
	tail int // frames of silence after the end
}

// tailFrames follow a clip, so that what a device has in its buffer, up to half a
// second, is heard before the call ends.
const tailFrames = 25

// Frame fills dst, the last frame up with silence; false after the end.
func (p *Playing) Frame(dst []byte) bool {
	if len(p.rest) == 0 {
		if p.tail++; p.tail > tailFrames {
			return false
		}
	}
	n := copy(dst, p.rest)
	p.rest = p.rest[n:]
	fill(dst[n:], Silence(p.law))
	return true
}

func fill(dst []byte, b byte) {
	for i := range dst {
		dst[i] = b
	}
}
