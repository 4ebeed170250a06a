package mansrtsp

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Start says where a [Range] begins.
type Start uint8

const (
	NoRange Start = iota // there is none
	Now                  // at the present place
	At                   // at Range.From
)

// Range is the part to be played, counted from the start of the period that the
// INVITE asked for, in milliseconds. Backwards, it begins after its end.
type Range struct {
	Start Start
	From  time.Duration // with At
	To    time.Duration // with Ends
	Ends  bool          // else it goes to the end of the period, or its beginning
}

// Limits of what is read and written.
const (
	maxPlace = 1_000_000_000 * time.Second // some thirty years
	maxScale = 1000
)

func appendControl(dst []byte, scale float64, r Range) ([]byte, error) {
	if scale != 0 {
		if !(math.Abs(scale) <= maxScale) || math.Abs(scale) < 1.0/maxScale {
			return nil, fmt.Errorf("%w: Scale %v: want 0.001 to %d, or less than 0 to run backwards", ErrMalformed, scale, maxScale)
		}
		text := strconv.FormatFloat(scale, 'f', -1, 64)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		dst = append(append(append(dst, "Scale: "...), text...), "\r\n"...)
	}
	if r == (Range{}) {
		return dst, nil
	}
	dst = append(dst, "Range: npt="...)
	switch r.Start {
	case Now:
		if r.From != 0 {
			return nil, fmt.Errorf("%w: a Range from now that begins at %v", ErrMalformed, r.From)
		}
		dst = append(dst, "now"...)
	case At:
		var err error
		if dst, err = appendPlace(dst, r.From); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%w: a Range without a start", ErrMalformed)
	}
	dst = append(dst, '-')
	switch {
	case r.Ends:
		var err error
		if dst, err = appendPlace(dst, r.To); err != nil {
			return nil, err
		}
	case r.To != 0:
		return nil, fmt.Errorf("%w: a Range to %v that does not end", ErrMalformed, r.To)
	}
	return append(dst, "\r\n"...), nil
}

// appendPlace writes seconds, with decimals only where there are milliseconds.
func appendPlace(dst []byte, d time.Duration) ([]byte, error) {
	if d < 0 || d > maxPlace || d%time.Millisecond != 0 {
		return nil, fmt.Errorf("%w: place %v: want milliseconds from 0 to %v", ErrMalformed, d, maxPlace)
	}
	dst = strconv.AppendInt(dst, int64(d/time.Second), 10)
	if ms := d % time.Second / time.Millisecond; ms != 0 {
		dst = append(dst, strings.TrimRight(fmt.Sprintf(".%03d", ms), "0")...)
	}
	return dst, nil
}

// control reads Scale and Range.
func (t *text) control() (scale float64, r Range, err error) {
	if value, ok := t.header("Scale"); ok {
		scale, err = strconv.ParseFloat(value, 64)
		if err != nil || !(math.Abs(scale) <= maxScale) || math.Abs(scale) < 1.0/maxScale {
			return 0, Range{}, fmt.Errorf("%w: Scale %q: want 0.001 to %d, or less than 0 to run backwards", ErrMalformed, clip(value), maxScale)
		}
	}
	if value, ok := t.header("Range"); ok {
		if r, err = t.readRange(value); err != nil {
			return 0, Range{}, err
		}
	}
	return scale, r, nil
}

// readRange reads "npt=now-", "npt=100-", "npt=600.5-120" and the smpte form that
// the standard's prose names.
func (t *text) readRange(value string) (r Range, err error) {
	bad := func() (Range, error) {
		return Range{}, fmt.Errorf("%w: Range %q: want npt=now-, npt=100- or npt=600-120", ErrMalformed, clip(value))
	}
	unit, span, ok := strings.Cut(value, "=")
	if span, _, _ = strings.Cut(span, ";"); !ok { // a time when to begin: never used
		return bad()
	}
	place := seconds
	switch unit = strings.TrimSpace(unit); {
	case strings.EqualFold(unit, "npt"):
	case strings.EqualFold(unit, "smpte"):
		t.quirks |= QuirkSMPTE
		place = timecode
	default:
		return bad()
	}
	from, to, dash := strings.Cut(span, "-")
	if !dash {
		t.quirks |= QuirkNoDash
	}
	if from, to = strings.TrimSpace(from), strings.TrimSpace(to); strings.EqualFold(from, "now") {
		r.Start = Now
	} else if r.From, ok = place(from); ok {
		r.Start = At
	} else {
		return bad()
	}
	if to != "" {
		if r.To, r.Ends = place(to); !r.Ends {
			return bad()
		}
	}
	return r, nil
}

// seconds reads "100", "100.25" and RTSP's "0:01:40.25", to the millisecond.
func seconds(s string) (time.Duration, bool) {
	if strings.Contains(s, ":") {
		return clock(s)
	}
	whole, fraction, dotted := strings.Cut(s, ".")
	if dotted && fraction == "" {
		fraction = "0"
	}
	n, ok := digits(whole, 10)
	if !ok || n > int64(maxPlace/time.Second) {
		return 0, false
	}
	d := time.Duration(n) * time.Second
	if dotted {
		if strings.Trim(fraction, "0123456789") != "" {
			return 0, false
		}
		ms, _ := digits((fraction + "000")[:3], 3)
		d += time.Duration(ms) * time.Millisecond
	}
	return d, d <= maxPlace
}

// timecode reads "0:01:40", which frames may follow: they are less than a second.
func timecode(s string) (time.Duration, bool) {
	if parts := strings.SplitN(s, ":", 4); len(parts) == 4 {
		s = strings.Join(parts[:3], ":")
	}
	return clock(s)
}

func clock(s string) (time.Duration, bool) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return 0, false
	}
	hours, ok1 := digits(parts[0], 6)
	minutes, ok2 := digits(parts[1], 2)
	rest, ok3 := seconds(parts[2])
	d := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute + rest
	return d, ok1 && ok2 && ok3 && minutes < 60 && rest < time.Minute && d <= maxPlace
}

// digits reads 1 to most decimal digits.
func digits(s string, most int) (n int64, ok bool) {
	if len(s) == 0 || len(s) > most {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}
