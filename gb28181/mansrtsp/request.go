package mansrtsp

import (
	"errors"
	"fmt"
	"strconv"
)

// MaxSize is the longest body that is read, in bytes.
const MaxSize = 4096

// ErrMalformed is what all errors of this package wrap: a body that cannot be
// read, or values that cannot be written.
var ErrMalformed = errors.New("malformed MANSRTSP")

// ErrEmpty reports a body of nothing but blanks: some devices answer so, and mean
// yes. It wraps [ErrMalformed].
var ErrEmpty = fmt.Errorf("%w: empty body", ErrMalformed)

// Method is what a request asks for.
type Method string

// The methods.
const (
	Play     Method = "PLAY" // go on, at another speed or from another place
	Pause    Method = "PAUSE"
	Teardown Method = "TEARDOWN" // end; a BYE says the same
)

// Request is one control of a playback. Requests can be compared with ==.
type Request struct {
	Method Method
	CSeq   uint32 // counts for itself, apart from SIP's
	// Scale, of Play, is the speed: 2 is twice as fast, -1 runs backwards, 0 leaves
	// it as it is. Every device has 0.25, 0.5, 1, 2 and 4.
	Scale float64
	Range Range // of Play; the zero Range leaves the place as it is
}

// Resume goes on after a pause, at the speed there was.
func Resume(cseq uint32) Request {
	return Request{Method: Play, CSeq: cseq, Range: Range{Start: Now}}
}

// Encode is the body. The error says which value no request can have.
func (r Request) Encode() ([]byte, error) {
	b := append([]byte(r.Method), " RTSP/1.0\r\nCSeq: "...)
	b = append(strconv.AppendUint(b, uint64(r.CSeq), 10), "\r\n"...)
	switch r.Method {
	case Pause:
		b = append(b, "PauseTime: now\r\n"...)
	case Teardown:
	case Play:
		if r.Scale == 0 && r.Range == (Range{}) {
			return nil, fmt.Errorf("%w: PLAY with neither Scale nor Range", ErrMalformed)
		}
		var err error
		if b, err = appendControl(b, r.Scale, r.Range); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%w: method %q: want PLAY, PAUSE or TEARDOWN", ErrMalformed, r.Method)
	}
	if r.Method != Play && (r.Scale != 0 || r.Range != (Range{})) {
		return nil, fmt.Errorf("%w: %s with Scale or Range", ErrMalformed, r.Method)
	}
	return append(b, "\r\n"...), nil
}

// ParseRequest reads a request and says what was wrong with it and understood all
// the same. It reports [ErrMalformed].
func ParseRequest(body []byte) (Request, Quirk, error) {
	t, err := read(body)
	if err != nil {
		return Request{}, t.quirks, err
	}
	first, rest := word(t.first)
	r := Request{Method: Method(upper(first)), CSeq: t.cseq()}
	if string(r.Method) != first {
		t.quirks |= QuirkCase
	}
	switch r.Method {
	case Play, Pause, Teardown:
	default:
		return Request{}, t.quirks, fmt.Errorf("%w: method %q: want PLAY, PAUSE or TEARDOWN", ErrMalformed, clip(first))
	}
	t.version(lastWord(rest)) // a URL may stand before it
	if r.Method != Play {
		return r, t.quirks, nil
	}
	if r.Scale, r.Range, err = t.control(); err != nil {
		return Request{}, t.quirks, err
	}
	if r.Scale == 0 && r.Range == (Range{}) { // RTSP's way to go on
		t.quirks |= QuirkNoRange
		r.Range = Range{Start: Now}
	}
	return r, t.quirks, nil
}
