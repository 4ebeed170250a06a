package whep

import (
	"errors"
	"fmt"
	"net/http"

	"fengsui/media"
)

// Reasons why a viewer is refused.
var (
	ErrFull      = errors.New("too many WebRTC viewers")
	ErrClosed    = errors.New("the WebRTC server is not running")
	ErrOffer     = errors.New("bad SDP offer")
	ErrNoSession = errors.New("no such WebRTC session")
	ErrNoMedia   = errors.New("the stream gives no key frame")
)

// CodecError is a stream that this viewer cannot be given by WebRTC.
type CodecError struct {
	Codec  media.Codec
	Reason string // why, and what helps
}

func (e *CodecError) Error() string { return fmt.Sprintf("%s by WebRTC: %s", e.Codec, e.Reason) }

const (
	noH265  = "the browser's offer has no H.265 decoder; play by FLV with H.265 support, or set the camera to H.264"
	noH264  = "the browser's offer has no H.264 decoder with packetization-mode 1"
	bFrames = "the stream has B pictures, which WebRTC cannot carry; switch B frames off in the camera, or play by FLV"
	noTrack = "the stream has nothing that WebRTC can carry"
)

// Status is the HTTP status for an error of this package; 502 for others, which
// are of opening the stream.
func Status(err error) int {
	var codec *CodecError
	switch {
	case errors.As(err, &codec):
		return http.StatusNotAcceptable
	case errors.Is(err, ErrOffer):
		return http.StatusBadRequest
	case errors.Is(err, ErrNoSession):
		return http.StatusNotFound
	case errors.Is(err, ErrFull), errors.Is(err, ErrClosed):
		return http.StatusServiceUnavailable
	}
	return http.StatusBadGateway
}
