// Package flvread reads FLV streams in tests: their tags, and out of these
// access units as Annex B, which FFmpeg decodes as they are. It shares no code
// with the writer that it checks.
package flvread

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Kind is the type of a tag.
type Kind byte

// The tag types.
const (
	Audio  Kind = 8
	Video  Kind = 9
	Script Kind = 18
)

// Tag is one tag.
type Tag struct {
	Kind Kind
	Time uint32 // ms
	Data []byte
}

// Header is the beginning of a stream.
type Header struct{ Video, Audio bool }

// ErrFormat is what is wrong with a stream.
var ErrFormat = errors.New("bad flv")

// Reader reads one stream.
type Reader struct {
	r      *bufio.Reader
	header Header
	state  units
}

// New reads the header of a stream.
func New(r io.Reader) (*Reader, error) {
	br := bufio.NewReader(r)
	var h [13]byte
	if _, err := io.ReadFull(br, h[:]); err != nil {
		return nil, fmt.Errorf("read flv header: %w", err)
	}
	if string(h[:4]) != "FLV\x01" || binary.BigEndian.Uint32(h[5:]) != 9 || binary.BigEndian.Uint32(h[9:]) != 0 {
		return nil, fmt.Errorf("%w: header % x", ErrFormat, h)
	}
	return &Reader{r: br, header: Header{Video: h[4]&1 != 0, Audio: h[4]&4 != 0}}, nil
}

// Header is what the stream says it has.
func (r *Reader) Header() Header { return r.header }

// Next returns the next tag, or io.EOF where the stream ends between two.
func (r *Reader) Next() (Tag, error) {
	var h [11]byte
	if _, err := io.ReadFull(r.r, h[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return Tag{}, io.EOF
		}
		return Tag{}, fmt.Errorf("read tag header: %w", err)
	}
	size := int(h[1])<<16 | int(h[2])<<8 | int(h[3])
	t := Tag{Kind: Kind(h[0]), Time: uint32(h[7])<<24 | uint32(h[4])<<16 | uint32(h[5])<<8 | uint32(h[6])}
	if t.Kind != Audio && t.Kind != Video && t.Kind != Script || h[8]|h[9]|h[10] != 0 {
		return Tag{}, fmt.Errorf("%w: tag header % x", ErrFormat, h)
	}
	b := make([]byte, size+4)
	if _, err := io.ReadFull(r.r, b); err != nil {
		return Tag{}, fmt.Errorf("read tag of %d bytes: %w", size, err)
	}
	if got := binary.BigEndian.Uint32(b[size:]); got != uint32(size+11) {
		return Tag{}, fmt.Errorf("%w: size after the tag is %d, want %d", ErrFormat, got, size+11)
	}
	t.Data = b[:size:size]
	return t, nil
}

// Metadata reads the numbers of an onMetaData tag.
func Metadata(t Tag) (map[string]float64, error) {
	b := t.Data
	const head = "\x02\x00\x0aonMetaData\x08"
	if len(b) < len(head)+4 || string(b[:len(head)]) != head {
		return nil, fmt.Errorf("%w: no onMetaData", ErrFormat)
	}
	b = b[len(head)+4:]
	m := map[string]float64{}
	for len(b) >= 3 {
		n := int(b[0])<<8 | int(b[1])
		if n == 0 && b[2] == 9 {
			return m, nil
		}
		if len(b) < 2+n+9 || b[2+n] != 0 {
			return nil, fmt.Errorf("%w: value of metadata that is not a number", ErrFormat)
		}
		m[string(b[2:2+n])] = math.Float64frombits(binary.BigEndian.Uint64(b[2+n+1:]))
		b = b[2+n+9:]
	}
	return nil, fmt.Errorf("%w: metadata without end", ErrFormat)
}
