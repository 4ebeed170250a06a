package trace

import (
	"bytes"
	"strings"
)

// cutLine splits at the first LF; the line is without its CR and LF.
func cutLine(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'}), rest
}

// cutBlank splits at the first run of blanks.
func cutBlank(b []byte) (first, rest []byte) {
	i := bytes.IndexAny(b, " \t")
	if i < 0 {
		return b, nil
	}
	return b[:i], bytes.TrimLeft(b[i:], " \t")
}

func cutHeader(line []byte) (name, value []byte, ok bool) {
	name, value, ok = bytes.Cut(line, []byte{':'})
	return bytes.TrimSpace(name), bytes.TrimSpace(value), ok
}

func equalFold(b []byte, s string) bool { return len(b) == len(s) && strings.EqualFold(string(b), s) }

// user is the user part of a From or To value; what stands before the host.
func user(value []byte) []byte {
	if i := bytes.IndexByte(value, '<'); i >= 0 {
		value = value[i+1:]
	}
	for _, scheme := range []string{"sip:", "sips:"} {
		if len(value) >= len(scheme) && equalFold(value[:len(scheme)], scheme) {
			value = value[len(scheme):]
			break
		}
	}
	if i := bytes.IndexAny(value, "@>;"); i >= 0 {
		value = value[:i]
	}
	value, _, _ = bytes.Cut(value, []byte{':'})
	return bytes.TrimSpace(value)
}
