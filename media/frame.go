package media

import (
	"context"
	"sync"
	"time"
)

// Codec is how a track is coded.
type Codec string

// The codecs that GB/T 28181 devices send and this server carries.
const (
	H264 Codec = "H264"
	H265 Codec = "H265"
	PCMA Codec = "PCMA" // G.711 A-law, 8 kHz mono
	PCMU Codec = "PCMU" // G.711 u-law, 8 kHz mono
	AAC  Codec = "AAC"
)

// Video reports whether the codec is of pictures.
func (c Codec) Video() bool { return c == H264 || c == H265 }

// ClockRate is the unit of every time stamp in this package: 90 kHz.
const ClockRate = 90000

// Track describes one track of a stream. It is immutable; a change of codec or
// parameter sets makes a new Track with a higher Generation.
type Track struct {
	Codec      Codec
	Generation int
	// Params are the parameter sets without start codes: H.264 SPS, PPS; H.265
	// VPS, SPS, PPS; AAC its AudioSpecificConfig; G.711 none.
	Params        [][]byte
	Width, Height int // video, from the SPS; 0 unknown
	SampleRate    int // audio, Hz
	Channels      int // audio
}

// Frame is one access unit of video or a run of audio samples. A published
// frame is shared by all readers and must not be changed.
type Frame struct {
	Track *Track
	PTS   int64 // presentation time, 90 kHz, unwrapped
	DTS   int64 // decoding time, 90 kHz; equal to PTS without B pictures
	Key   bool  // video: IDR or IRAP with its parameter sets known
	// Units are NAL units without start codes (video; no AUD or filler), or
	// exactly one unit: G.711 samples, or a raw AAC frame without ADTS.
	Units   [][]byte
	Damaged bool      // some of it was lost on the way
	Arrived time.Time // when its last byte came

	forms [formCount]form
}

// Form is a packaging that every viewer of one output shares.
type Form int

// The forms a frame is packaged in.
const (
	FormFLV       Form = iota // FLV tag, H.265 by FourCC
	FormFLVLegacy             // FLV tag, H.265 as codec 12
	FormFMP4                  // moof and mdat
	formCount
)

type form struct {
	once  sync.Once
	bytes []byte
}

// Packaged returns the frame in a form, built once by the first viewer that
// asks and shared by all. The result must not be changed.
func (f *Frame) Packaged(n Form, build func(*Frame) []byte) []byte {
	p := &f.forms[n]
	p.once.Do(func() { p.bytes = build(f) })
	return p.bytes
}

// Size is the bytes of all units.
func (f *Frame) Size() int {
	n := 0
	for _, u := range f.Units {
		n += len(u)
	}
	return n
}

// Reader is one viewer's end of a stream: a bounded queue of its own that loses
// frames up to the next key frame, counted, rather than slow anyone else.
type Reader interface {
	// Tracks are the tracks known now, video first. A frame may carry a newer one.
	Tracks() []*Track
	// Next blocks for the next frame: first the cached group of pictures, then
	// live. It returns io.EOF when the stream ended, or the context's cause.
	Next(ctx context.Context) (*Frame, error)
	// Dropped counts the frames this reader lost because it was slow.
	Dropped() uint64
	Close()
}

// Opener opens a stream for a viewer, inviting the channel first if nobody
// watches it yet.
type Opener interface {
	Open(ctx context.Context, key Key) (Reader, error)
}
