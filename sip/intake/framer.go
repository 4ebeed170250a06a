package intake

import "bytes"

const (
	maxHead = 64 << 10 // bytes of a message's header over a connection
	maxJunk = 64 << 10 // bytes searched for the next start line before giving up
	maxLine = 16 << 10 // bytes of a line where a start line should be
)

// part says what a framer found.
type part uint8

const (
	partMore     part = iota // nothing yet
	partMessage              // bytes [0, n) are a message
	partSkip                 // bytes [0, n) belong to no message
	partPing                 // as partSkip, and they were a double CRLF
	partJunk                 // as partSkip, and they were no blanks
	partTooLarge             // bytes [0, n) are the header of a message whose body is over the limit
	partLost                 // no way to find the next message
)

// framer cuts a stream into messages (signalling reference, section 2.3). It
// believes Content-Length unless the body shows that it is wrong: the root
// element of an XML body ends elsewhere, or the next start line comes before.
//
// Where it cuts depends on the bytes alone and not on how they were split up,
// with one exception that the caller makes: flush.
type framer struct {
	maxMessage int // bytes of header and body
	maxBody    int

	// Of the message that begins the buffer; zero before it.
	started  bool
	head     int // bytes of its header with the empty line, 0 not known
	declared int // Content-Length, -1 none
	typed    bool
	searched int // bytes of the header, or of the body, searched for lines
	line     int // where the line begins that searched is in
	root     root
	flushAt  int // bytes that make a message if nothing more comes; 0 none

	gap
}

// gap is what a framer knows between messages.
type gap struct {
	ping int // characters of CR LF CR LF seen
	junk int // bytes skipped since the last message
	skip int // bytes of a body that is over the limit, still to come
}

// next looks at all bytes not consumed yet. After anything but partMore the
// caller consumes n bytes and calls again.
func (f *framer) next(b []byte) (p part, n int) {
	if f.skip > 0 {
		n = min(f.skip, len(b))
		f.skip -= n
		if n == 0 {
			return partMore, 0
		}
		return partSkip, n
	}
	if !f.started {
		if p, n = f.between(b); p != partMessage {
			return p, n
		}
		f.started = true
	}
	if f.head == 0 {
		if p, n = f.header(b); p != partMore || f.head == 0 {
			return f.done(p, n)
		}
	}
	if f.declared > f.maxBody || f.head+f.declared > f.maxMessage {
		n, f.skip = f.head, f.declared
		f.reset()
		return partTooLarge, n
	}
	n = f.body(b[f.head:])
	switch {
	case n < 0 && len(b) > f.maxMessage:
		return partLost, 0
	case n < 0:
		return partMore, 0
	}
	return f.done(partMessage, f.head+n)
}

// waiting reports whether bytes now in the buffer make a message if no more
// come, which a device that counts wrong would wait for in vain.
func (f *framer) waiting() bool { return f.flushAt > 0 }

// flush ends the message at what is there.
func (f *framer) flush() (p part, n int) { return f.done(partMessage, f.flushAt) }

func (f *framer) done(p part, n int) (part, int) {
	if p == partMessage {
		f.junk = 0
		f.reset()
	}
	return p, n
}

func (f *framer) reset() {
	*f = framer{maxMessage: f.maxMessage, maxBody: f.maxBody, gap: gap{junk: f.junk, skip: f.skip}}
}

// between skips what stands between messages, and reports partMessage where
// one begins.
func (f *framer) between(b []byte) (part, int) {
	n := 0
	for ; n < len(b); n++ {
		switch c := b[n]; {
		case c == "\r\n\r\n"[f.ping]:
			if f.ping++; f.ping == 4 {
				f.ping = 0
				return partPing, n + 1
			}
			continue
		case c == '\r':
			f.ping = 1
			continue
		case c == '\n' || c == ' ' || c == '\t' || c == 0:
			f.ping = 0
			continue
		}
		break
	}
	if n > 0 {
		return partSkip, n
	}
	if len(b) == 0 {
		return partMore, 0
	}
	f.ping = 0
	end := bytes.IndexByte(b[:min(len(b), maxLine)], '\n')
	if end < 0 {
		if len(b) < maxLine {
			return partMore, 0
		}
		end = maxLine - 1
	}
	line := b[:end+1]
	if looksSIP(line) {
		// residue of the message before may stand on the same line
		if i := afterTag(line); i == 0 {
			return partMessage, 0
		}
	}
	n = len(line)
	if i := afterTag(line); i > 0 {
		n = i
	}
	if f.junk += n; f.junk > maxJunk {
		return partLost, 0
	}
	return partJunk, n
}

// afterTag is where a message begins after the closing tag of the body before
// it; 0 if nowhere.
func afterTag(line []byte) int {
	for from := 0; ; {
		i := bytes.IndexByte(line[from:], '>')
		if i < 0 {
			return 0
		}
		from += i + 1
		rest := bytes.TrimLeft(line[from:], " \t")
		if v, _ := startsMessage(rest); v == yes {
			return len(line) - len(rest)
		}
	}
}

// header looks for the end of the header: an empty line, the first line of a
// body, or another start line.
func (f *framer) header(b []byte) (part, int) {
	for {
		i := bytes.IndexByte(b[f.searched:], '\n')
		if i < 0 {
			f.searched = len(b)
			if len(b) > maxHead {
				return partLost, 0
			}
			return partMore, 0
		}
		begin, end := f.line, f.searched+i+1
		f.searched, f.line = end, end
		line := bytes.TrimRight(b[begin:end], "\r\n")
		switch {
		case end > maxHead:
			return partLost, 0
		case begin == 0: // the start line
			f.declared = -1
		case len(line) == 0:
			f.head = end
		case line[0] == '<' || bytes.HasPrefix(line, []byte("v=0")):
			f.head = begin
		case isStartLine(line):
			return partMessage, begin
		case line[0] != ' ' && line[0] != '\t':
			name, value, _ := bytes.Cut(line, []byte{':'})
			switch kindOf(trim(name)) {
			case kLength:
				if f.declared < 0 {
					f.declared = contentLength(trim(value))
				}
			case kType:
				f.typed = len(trim(value)) > 0
			}
		}
		if f.head > 0 {
			f.searched, f.line = 0, 0
			return partMore, 0
		}
	}
}

// body returns the length of the body, -1 if more is needed to tell. It sets
// flushAt where waiting for more may be in vain.
func (f *framer) body(b []byte) int {
	f.flushAt = 0
	if f.declared == 0 || f.declared < 0 && !f.typed {
		return 0
	}
	first := b
	if f.declared > 0 {
		first = b[:min(len(b), f.declared)]
	}
	xml, known := isXML(first)
	switch {
	case xml:
		return f.document(b)
	case !known && f.declared < 0:
		f.flushAt = f.head + len(b)
		return -1
	case !known && len(b) >= f.declared:
		return f.declared
	case !known:
		return -1
	case f.declared < 0:
		first = b[:min(len(b), f.maxMessage-f.head)]
	}
	if start, _ := f.startLine(first); start >= 0 {
		return start
	}
	switch {
	case f.declared < 0:
		f.flushAt = f.head + len(b)
	case len(b) >= f.declared:
		return f.declared
	}
	return -1
}

// startLine is where the first start line of good form begins and ends in b,
// -1 if there is none.
func (f *framer) startLine(b []byte) (begin, end int) {
	for {
		i := bytes.IndexByte(b[f.searched:], '\n')
		if i < 0 {
			f.searched = len(b)
			return -1, -1
		}
		begin, end = f.line, f.searched+i+1
		if isStartLine(b[begin:end]) {
			return begin, end // and searched stays, to find it again
		}
		f.searched, f.line = end, end
	}
}

// document is body for XML. What shows first where the message ends is
// believed, so that it makes no difference how much is there.
func (f *framer) document(all []byte) int {
	bound := f.maxMessage - f.head // nothing behind it is looked at
	if f.declared > 0 {
		bound = min(bound, f.declared+maxJunk)
	}
	b := all[:min(len(all), bound)]
	end := f.root.end(b)
	start, startEnd := f.startLine(b)
	if start >= 0 && end >= 0 && end < startEnd {
		start = -1
	}
	if f.declared < 0 {
		if start >= 0 {
			return start
		}
		return end
	}
	if end < 0 || end > f.declared || start >= 0 {
		return f.beyond(all, b, start, startEnd, end)
	}
	within := b[:min(len(b), f.declared)]
	after := bytes.TrimLeft(within[end:], blanks+"\x00")
	if at := len(within) - len(after); len(after) > 0 {
		switch v, _ := startsMessage(b[at:]); v { // beyond the declared length, if need be
		case yes:
			return at
		case maybe:
			f.flushAt = f.head + len(within)
			return -1
		case no:
		}
	}
	if len(b) >= f.declared {
		return f.declared
	}
	f.flushAt = f.head + end
	return -1
}

// beyond is document where the root element does not end within the declared
// length, or another message begins before.
func (f *framer) beyond(all, b []byte, start, startEnd, end int) int {
	if len(b) >= f.declared {
		if next, n := startsMessage(b[f.declared:]); next == yes && (start < 0 || f.declared+n <= startEnd) {
			return f.declared
		}
	}
	switch {
	case start >= 0: // the document is not whole, but the next message is there
		return start
	case end >= 0:
		return end
	case len(b) < f.declared:
		return -1
	case len(all) > len(b):
		return f.declared
	}
	f.flushAt = f.head + f.declared
	return -1
}
