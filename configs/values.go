package configs

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes, written "64MiB", "8KiB", "1GiB" or plain.
type Size int64

// UnmarshalText reads a size; the error names the value and the wanted form.
func (s *Size) UnmarshalText(b []byte) error {
	text := strings.TrimSpace(string(b))
	number, shift := text, 0
	for _, u := range sizeUnits {
		if n, ok := strings.CutSuffix(text, u.name); ok {
			number, shift = strings.TrimSpace(n), u.shift
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > 1<<62>>shift {
		return fmt.Errorf("%q is not a size: want bytes or 8KiB, 64MiB, 1GiB", text)
	}
	*s = Size(n << shift)
	return nil
}

// MarshalText writes the largest unit that divides the size.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Size) String() string {
	for _, u := range sizeUnits {
		if u.shift > 0 && s != 0 && s%(1<<u.shift) == 0 {
			return strconv.FormatInt(int64(s)>>u.shift, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

var sizeUnits = []struct {
	name  string
	shift int
}{{"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}}

// PortRange is "first-last", both included.
type PortRange struct{ First, Last int }

// UnmarshalText reads a range; the error names the value and the wanted form.
func (p *PortRange) UnmarshalText(b []byte) error {
	first, last, ok := strings.Cut(string(b), "-")
	f, err1 := strconv.Atoi(strings.TrimSpace(first))
	l, err2 := strconv.Atoi(strings.TrimSpace(last))
	if !ok || err1 != nil || err2 != nil {
		return fmt.Errorf("%q is not a port range: want first-last, as in 30000-30499", b)
	}
	p.First, p.Last = f, l
	return nil
}

// MarshalText is "first-last".
func (p PortRange) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

func (p PortRange) String() string { return fmt.Sprintf("%d-%d", p.First, p.Last) }
