package ptz

import (
	"errors"
	"fmt"
)

// Pan is the horizontal direction, by the movement of the picture.
type Pan int8

// Tilt is the vertical direction.
type Tilt int8

// Zoom is which way the focal length changes.
type Zoom int8

// Focus is which way the focus moves.
type Focus int8

// Iris is which way the aperture moves.
type Iris int8

// The directions; zero is at rest.
const (
	Right Pan = 1
	Left  Pan = -1

	Up   Tilt = 1
	Down Tilt = -1

	ZoomIn  Zoom = 1
	ZoomOut Zoom = -1

	FocusNear Focus = 1
	FocusFar  Focus = -1

	IrisOpen  Iris = 1
	IrisClose Iris = -1
)

// Highest speeds.
const (
	MaxSpeed     = 0xFF
	MaxZoomSpeed = 0x0F
)

// Command byte, bits of Move.
const (
	bitRight = 1 << iota
	bitLeft
	bitDown
	bitUp
	bitZoomIn
	bitZoomOut
)

// Command byte and bits of Lens.
const (
	codeLens = 0x40

	bitFar   = 1 << 0
	bitNear  = 1 << 1
	bitOpen  = 1 << 2
	bitClose = 1 << 3
)

// Move turns the camera and changes its focal length until the next Move. The
// zero Move stops all, cruises and scans included.
type Move struct {
	Pan       Pan
	Tilt      Tilt
	Zoom      Zoom
	PanSpeed  int // 0 to MaxSpeed
	TiltSpeed int // 0 to MaxSpeed
	ZoomSpeed int // 0 to MaxZoomSpeed
}

func (m Move) frame() (code, data1, data2, data3 byte, err error) {
	err = errors.Join(
		inRange("pan", int(m.Pan), int(Left), int(Right)),
		inRange("tilt", int(m.Tilt), int(Down), int(Up)),
		inRange("zoom", int(m.Zoom), int(ZoomOut), int(ZoomIn)),
		inRange("pan speed", m.PanSpeed, 0, MaxSpeed),
		inRange("tilt speed", m.TiltSpeed, 0, MaxSpeed),
		inRange("zoom speed", m.ZoomSpeed, 0, MaxZoomSpeed),
	)
	code = either(int8(m.Pan), bitRight, bitLeft) | either(int8(m.Tilt), bitUp, bitDown) | either(int8(m.Zoom), bitZoomIn, bitZoomOut)
	return code, byte(m.PanSpeed), byte(m.TiltSpeed), byte(m.ZoomSpeed), err
}

func decodeMove(code, data1, data2, data3 byte) (Action, error) {
	pan, ok1 := sign(code, bitRight, bitLeft)
	tilt, ok2 := sign(code, bitUp, bitDown)
	zoom, ok3 := sign(code, bitZoomIn, bitZoomOut)
	if !ok1 || !ok2 || !ok3 {
		return nil, fmt.Errorf("%w: %02X moves both ways at once", ErrForm, code)
	}
	return Move{
		Pan: Pan(pan), Tilt: Tilt(tilt), Zoom: Zoom(zoom),
		PanSpeed: int(data1), TiltSpeed: int(data2), ZoomSpeed: int(data3),
	}, nil
}

// Lens moves focus and iris until the next Lens. The zero Lens stops both.
type Lens struct {
	Focus      Focus
	Iris       Iris
	FocusSpeed int // 0 to MaxSpeed
	IrisSpeed  int // 0 to MaxSpeed
}

func (l Lens) frame() (code, data1, data2, data3 byte, err error) {
	err = errors.Join(
		inRange("focus", int(l.Focus), int(FocusFar), int(FocusNear)),
		inRange("iris", int(l.Iris), int(IrisClose), int(IrisOpen)),
		inRange("focus speed", l.FocusSpeed, 0, MaxSpeed),
		inRange("iris speed", l.IrisSpeed, 0, MaxSpeed),
	)
	code = codeLens | either(int8(l.Focus), bitNear, bitFar) | either(int8(l.Iris), bitOpen, bitClose)
	return code, byte(l.FocusSpeed), byte(l.IrisSpeed), 0, err
}

func decodeLens(code, data1, data2 byte) (Action, error) {
	focus, ok1 := sign(code, bitNear, bitFar)
	iris, ok2 := sign(code, bitOpen, bitClose)
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("%w: %02X moves both ways at once", ErrForm, code)
	}
	return Lens{Focus: Focus(focus), Iris: Iris(iris), FocusSpeed: int(data1), IrisSpeed: int(data2)}, nil
}

func either(way int8, plus, minus byte) byte {
	switch {
	case way > 0:
		return plus
	case way < 0:
		return minus
	}
	return 0
}

func sign(code, plus, minus byte) (way int8, ok bool) {
	switch code & (plus | minus) {
	case plus:
		return 1, true
	case minus:
		return -1, true
	}
	return 0, code&(plus|minus) == 0
}
