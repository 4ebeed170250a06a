package mansrtsp

import (
	"fmt"
	"strconv"
	"strings"
)

// Quirk is a set of what was wrong with a body and understood all the same.
type Quirk uint16

const (
	QuirkVersion Quirk = 1 << iota // MANSRTSP/1.0 of the 2011 edition, or another version or none
	QuirkLineEnd                   // LF alone, blanks around lines, no empty line at the end, lines before the first
	QuirkCase                      // letters of other case than the standard's
	QuirkCSeq                      // CSeq missing or unreadable: 0
	QuirkSMPTE                     // Range in hours, minutes and seconds
	QuirkNoDash                    // Range without the dash
	QuirkNoRange                   // PLAY that asks for nothing: it goes on
	QuirkUnread                    // Scale, Range or RTP-Info of an answer, left out
)

var quirkNames = [...]string{"version", "line_end", "case", "cseq", "smpte", "no_dash", "no_range", "unread"}

// String names the quirks, separated by commas.
func (q Quirk) String() string {
	var names []string
	for i, name := range quirkNames {
		if q&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// text is a body taken apart.
type text struct {
	first  string
	lines  []string
	quirks Quirk
}

// read splits a body into lines.
func read(body []byte) (*text, error) {
	t := &text{}
	if len(body) > MaxSize {
		return t, fmt.Errorf("%w: %d bytes, more than %d", ErrMalformed, len(body), MaxSize)
	}
	all := string(body)
	if !strings.HasSuffix(all, "\r\n\r\n") || strings.Count(all, "\n") != strings.Count(all, "\r\n") {
		t.quirks |= QuirkLineEnd
	}
	for line := range strings.SplitSeq(all, "\n") {
		whole := strings.TrimSuffix(line, "\r")
		line = strings.Trim(whole, " \t\r\x00")
		if line != whole {
			t.quirks |= QuirkLineEnd
		}
		switch {
		case t.first == "" && line == "":
			t.quirks |= QuirkLineEnd
		case t.first == "":
			t.first = line
		case line == "":
			return t, nil // what follows is no part of it
		default:
			t.lines = append(t.lines, line)
		}
	}
	if t.first == "" {
		return t, ErrEmpty
	}
	return t, nil
}

// header is the first value of a header, whose name is of any case.
func (t *text) header(name string) (value string, ok bool) {
	for _, line := range t.lines {
		n, v, colon := strings.Cut(line, ":")
		if n = strings.TrimSpace(n); !colon || !strings.EqualFold(n, name) {
			continue
		}
		if n != name {
			t.quirks |= QuirkCase
		}
		return strings.TrimSpace(v), true
	}
	return "", false
}

// cseq is 0 where there is none: an answer is matched by SIP's transaction.
func (t *text) cseq() uint32 {
	value, _ := t.header("CSeq")
	n, err := strconv.ParseUint(value, 10, 32)
	if err != nil {
		t.quirks |= QuirkCSeq
		return 0
	}
	return uint32(n)
}

// word splits off the first word of a line.
func word(line string) (first, rest string) {
	i := strings.IndexAny(line, " \t")
	if i < 0 {
		return line, ""
	}
	return line[:i], strings.TrimLeft(line[i:], " \t")
}

// version notes any but "RTSP/1.0".
func (t *text) version(v string) {
	if v != "RTSP/1.0" {
		t.quirks |= QuirkVersion
	}
}

func lastWord(line string) string { return line[strings.LastIndexAny(line, " \t")+1:] }

func upper(s string) string {
	if len(s) > len(Teardown) {
		return s // none of ours
	}
	return strings.ToUpper(s)
}

// clip shortens what a peer wrote, for an error.
func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}
