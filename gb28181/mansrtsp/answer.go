package mansrtsp

import (
	"fmt"
	"strconv"
	"strings"
)

// Answer is a device's answer to a [Request]. Answers can be compared with ==.
type Answer struct {
	Status int    // 100 to 599; SIP's status may be 200 beside any
	Reason string // "OK"; without control characters
	CSeq   uint32 // of the request
	Scale  float64
	Range  Range
	// RTPInfo is the first packet after the change.
	RTPInfo RTPInfo
}

// RTPInfo names an RTP packet; the zero value names none.
type RTPInfo struct {
	Known bool
	Seq   uint16
	Time  uint32 // RTP timestamp
}

// OK reports a status of success.
func (a Answer) OK() bool { return a.Status >= 200 && a.Status <= 299 }

// Encode is the body. The error says which value no answer can have.
func (a Answer) Encode() ([]byte, error) {
	if a.Status < 100 || a.Status > 599 {
		return nil, fmt.Errorf("%w: status %d: want 100 to 599", ErrMalformed, a.Status)
	}
	if a.Reason != cleanReason(a.Reason) {
		return nil, fmt.Errorf("%w: reason %q is not plain text of one line", ErrMalformed, clip(a.Reason))
	}
	b := strconv.AppendInt([]byte("RTSP/1.0 "), int64(a.Status), 10)
	if a.Reason != "" {
		b = append(append(b, ' '), a.Reason...)
	}
	b = append(b, "\r\nCSeq: "...)
	b = append(strconv.AppendUint(b, uint64(a.CSeq), 10), "\r\n"...)
	b, err := appendControl(b, a.Scale, a.Range)
	if err != nil {
		return nil, err
	}
	if a.RTPInfo.Known {
		b = append(strconv.AppendUint(append(b, "RTP-Info: seq="...), uint64(a.RTPInfo.Seq), 10), ";rtptime="...)
		b = append(strconv.AppendUint(b, uint64(a.RTPInfo.Time), 10), "\r\n"...)
	}
	return append(b, "\r\n"...), nil
}

// ParseAnswer reads an answer and says what was wrong with it and understood all
// the same. What of Scale, Range and RTP-Info cannot be read is left out: the status
// counts. It reports [ErrEmpty] or another [ErrMalformed].
func ParseAnswer(body []byte) (Answer, Quirk, error) {
	t, err := read(body)
	if err != nil {
		return Answer{}, t.quirks, err
	}
	version, rest := word(t.first)
	status, reason := word(rest)
	a := Answer{CSeq: t.cseq(), Reason: cleanReason(reason)}
	if a.Status, err = strconv.Atoi(status); err != nil || a.Status < 100 || a.Status > 599 {
		return Answer{}, t.quirks, fmt.Errorf("%w: status %q: want 100 to 599", ErrMalformed, clip(status))
	}
	t.version(version)
	if a.Scale, a.Range, err = t.control(); err != nil {
		t.quirks |= QuirkUnread
	}
	a.RTPInfo = t.rtpInfo()
	return a, t.quirks, nil
}

// rtpInfo reads "seq=1;rtptime=2", which RTSP has a URL before, and several of by
// commas: the first counts.
func (t *text) rtpInfo() (info RTPInfo) {
	value, ok := t.header("RTP-Info")
	if !ok {
		return RTPInfo{}
	}
	value, _, _ = strings.Cut(value, ",")
	for param := range strings.SplitSeq(value, ";") {
		name, v, _ := strings.Cut(param, "=")
		name, v = strings.TrimSpace(name), strings.TrimSpace(v)
		switch {
		case strings.EqualFold(name, "seq"):
			n, err := strconv.ParseUint(v, 10, 16)
			if err != nil {
				t.quirks |= QuirkUnread
				return RTPInfo{}
			}
			info.Known, info.Seq = true, uint16(n)
		case strings.EqualFold(name, "rtptime"):
			n, err := strconv.ParseUint(v, 10, 32)
			if err != nil {
				t.quirks |= QuirkUnread
				return RTPInfo{}
			}
			info.Time = uint32(n)
		}
	}
	if !info.Known {
		return RTPInfo{}
	}
	return info
}

// cleanReason is a reason as one line of plain text.
func cleanReason(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?")))
}
