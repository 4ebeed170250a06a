package ptz

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// What [Decode] and [Parse] find wrong.
var (
	// ErrChecksum comes with the command all the same: a lenient reader may obey it.
	ErrChecksum = errors.New("the last byte is not the sum of the others")
	ErrForm     = errors.New("not a front-end command of version 1.0")
	ErrUnknown  = errors.New("unknown instruction")
)

// ErrRange is a value that no command can carry.
type ErrRange struct {
	What     string // "zoom speed"
	Value    int
	Min, Max int
}

func (e ErrRange) Error() string {
	return fmt.Sprintf("%s is %d: want %d to %d", e.What, e.Value, e.Min, e.Max)
}

// Size is the length of a command in bytes; its text is twice as long.
const Size = 8

const (
	first   = 0xA5
	check   = 0x0F  // high nibble: version 1.0; low nibble: (A + 5 + 0) mod 16
	maxAddr = 0xFFF // 12 bits
)

// DefaultAddress is what most platforms send.
const DefaultAddress = 1

// Command is an action with the address of the front end it is for. Commands can
// be compared with ==.
type Command struct {
	// Address is 0 (all) to FFFH. GB/T 28181 does not use it: DeviceID says whom
	// the command is for. Readers pass it over.
	Address int
	Action  Action
}

// Action is one of [Move], [Lens], [Preset], [Cruise], [Scan] and [Auxiliary].
type Action interface {
	// frame is the command byte with its three data, of which the third is a
	// nibble. The error is ErrRange.
	frame() (code, data1, data2, data3 byte, err error)
}

// Encode returns the eight bytes. The error is [ErrRange], or says that there is
// no action.
func (c Command) Encode() ([Size]byte, error) {
	if c.Action == nil {
		return [Size]byte{}, errors.New("command without an action")
	}
	if err := inRange("address", c.Address, 0, maxAddr); err != nil {
		return [Size]byte{}, err
	}
	code, data1, data2, data3, err := c.Action.frame()
	if err != nil {
		return [Size]byte{}, err
	}
	b := [Size]byte{first, check, byte(c.Address), code, data1, data2, data3<<4 | byte(c.Address>>8)}
	b[Size-1] = sum(b[:Size-1])
	return b, nil
}

// Text returns the sixteen upper-case hexadecimal digits of PTZCmd. The error is
// Encode's.
func (c Command) Text() (string, error) {
	b, err := c.Encode()
	if err != nil {
		return "", err
	}
	return strings.ToUpper(hex.EncodeToString(b[:])), nil
}

// Decode reads eight bytes. It reports [ErrForm], [ErrUnknown], [ErrRange], or
// [ErrChecksum] with the command. Data that an instruction does not use are
// passed over.
func Decode(b []byte) (Command, error) {
	if len(b) != Size {
		return Command{}, fmt.Errorf("%w: %d bytes instead of %d", ErrForm, len(b), Size)
	}
	if b[0] != first || b[1] != check {
		return Command{}, fmt.Errorf("%w: it begins with % X instead of A5 0F", ErrForm, b[:2])
	}
	c := Command{Address: int(b[6]&0x0F)<<8 | int(b[2])}
	var err error
	if c.Action, err = action(b[3], b[4], b[5], b[6]>>4); err != nil {
		return Command{}, err
	}
	if want := sum(b[:Size-1]); b[Size-1] != want {
		return c, fmt.Errorf("%w: %02X instead of %02X", ErrChecksum, b[Size-1], want)
	}
	return c, nil
}

// Parse reads the text of PTZCmd: hexadecimal digits in either case, with blanks
// around or between bytes. Its errors are Decode's.
func Parse(text string) (Command, error) {
	digits := strings.Join(strings.Fields(text), "")
	if len(digits) > 2*Size {
		return Command{}, fmt.Errorf("%w: %d digits instead of %d", ErrForm, len(digits), 2*Size)
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return Command{}, fmt.Errorf("%w: %w", ErrForm, err)
	}
	return Decode(b)
}

// action reads the command byte with its data.
func action(code, data1, data2, data3 byte) (Action, error) {
	switch {
	case code&0xC0 == 0:
		return decodeMove(code, data1, data2, data3)
	case code&0xF0 == codeLens:
		return decodeLens(code, data1, data2)
	case code >= codeSetPreset && code <= codeDeletePreset:
		return decodePreset(code, data2)
	case code >= codeAddPoint && code <= codeStartCruise:
		return decodeCruise(code, data1, data2, data3)
	case code == codeScan || code == codeScanSpeed:
		return decodeScan(code, data1, data2, data3)
	case code == codeOn || code == codeOff:
		return Auxiliary{Number: int(data1), On: code == codeOn}, nil
	}
	return nil, fmt.Errorf("%w: %02X", ErrUnknown, code)
}

func sum(b []byte) (s byte) {
	for _, c := range b {
		s += c
	}
	return s
}

func inRange(what string, value, low, high int) error {
	if value < low || value > high {
		return ErrRange{what, value, low, high}
	}
	return nil
}
