package intake

import (
	"hash/fnv"
	"strconv"
)

// Repair appends the message to dst in a form that sipgo's parser accepts, and
// says what it set right. Each header field is on one line that ends in CRLF,
// the last is a true Content-Length, From, To, Call-ID and CSeq stand once, each Via
// hop on its own line, the top one of a request with an empty rport parameter
// so that the answer goes where the request came from. What was in good form keeps
// its bytes; repairing twice changes nothing more. Stamps are removed.
//
// The error is [ErrMalformed]; nothing is appended then.
func Repair(dst, raw []byte) ([]byte, Quirk, error) {
	var h head
	if err := h.parse(raw); err != nil {
		return dst, h.quirks, err
	}
	out := h.appendTo(dst, nil)
	return out, h.quirks, nil
}

// appendTo appends the repaired message, with whole header lines as stamps.
func (h *head) appendTo(dst, stamps []byte) []byte {
	if h.response {
		dst = append(append(dst, "SIP/2.0 "...), h.status...)
		dst = append(append(dst, ' '), h.reason...)
	} else {
		dst = append(append(dst, h.method...), ' ')
		if soleURIOK(h.uri) {
			dst = append(dst, h.uri...)
		} else {
			dst, _ = appendURI(dst, h.uri, false) // check saw that there is one
		}
		dst = append(dst, " SIP/2.0"...)
	}
	dst = append(dst, "\r\n"...)
	top := true
	for i := range h.fields {
		f := &h.fields[i]
		switch f.kind {
		case kDrop, kStamp, kLength:
		case kVia:
			for hop, rest := cutItem(f.value); ; hop, rest = cutItem(rest) {
				if v, ok := parseVia(hop); ok {
					dst = appendName(dst, f.name)
					var added bool
					dst, added = v.appendTo(dst, h, top && !h.response)
					h.unasked = h.unasked || added
					dst = append(dst, "\r\n"...)
					top = false
				}
				if len(rest) == 0 {
					break
				}
			}
		case kContact, kRoute, kRecordRoute, kReference:
			dst = h.appendList(dst, f)
		default:
			dst = h.appendField(dst, f)
		}
	}
	if dst = append(dst, stamps...); len(stamps) > 0 && h.unasked {
		dst = append(dst, HeaderUnasked+": 1\r\n"...)
	}
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(h.body)), 10)
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, h.body...)
}

// appendField appends a field of which there is one value on its line.
func (h *head) appendField(dst []byte, f *field) []byte {
	begin := len(dst)
	dst = appendName(dst, f.name)
	switch f.kind {
	case kFrom, kTo:
		if addressOK(f.value) {
			dst = append(dst, f.value...)
		} else {
			dst, _ = appendAddress(dst, f.value, true)
		}
	case kCallID:
		if len(f.value) > 0 {
			dst = append(dst, f.value...)
		} else {
			dst = appendHex(append(dst, "none-"...), hashOf(address(h.fields[h.from].value).User))
		}
	case kCSeq:
		n, method, _ := splitCSeq(f.value)
		dst = strconv.AppendInt(dst, n, 10)
		dst = append(dst, ' ')
		if len(method) > 0 {
			dst = append(dst, methodName(method)...)
		} else {
			dst = append(dst, h.method...)
		}
	case kMaxForwards:
		if isDigits(f.value) && len(f.value) <= 9 {
			dst = append(dst, f.value...)
		} else {
			h.quirks |= QuirkOther
			dst = append(dst, "70"...)
		}
	case kType:
		if len(f.value) == 0 {
			h.quirks |= QuirkOther
			return dst[:begin]
		}
		dst = append(dst, f.value...)
	default:
		dst = append(dst, f.value...)
	}
	return append(dst, "\r\n"...)
}

// appendList appends each address of a list on a line of its own. What is no
// address is left out.
func (h *head) appendList(dst []byte, f *field) []byte {
	for item, rest := cutItem(f.value); ; item, rest = cutItem(rest) {
		begin, ok := len(dst), true
		dst = appendName(dst, f.name)
		if f.kind == kContact && string(item) == "*" || listItemOK(item) {
			dst = append(dst, item...)
		} else {
			if f.kind != kContact { // check saw to those
				h.quirks |= QuirkOther
			}
			dst, ok = appendAddress(dst, item, false)
		}
		dst = append(dst, "\r\n"...)
		if !ok {
			dst = dst[:begin]
		}
		if len(rest) == 0 {
			return dst
		}
	}
}

// listItemOK is addressOK where sipgo's parser also looks for commas.
func listItemOK(item []byte) bool {
	a := parseNameAddr(item)
	if !a.exact || !uriOK(a.uri) {
		return false
	}
	for _, c := range a.display {
		if c == '\\' || c == '<' {
			return false
		}
	}
	for _, c := range a.params {
		if c == '"' || c == ',' || c == '<' || c == '>' {
			return false
		}
	}
	return true
}

func appendName(dst, name []byte) []byte { return append(append(dst, name...), ": "...) }

// fallback stands for a Via branch that is absent: equal for retransmissions,
// unlike for other requests.
func (h *head) fallback() uint64 {
	f := fnv.New64a()
	for _, i := range [...]int{h.from, h.callID, h.cseq} {
		_, _ = f.Write(h.fields[i].value) // never fails
	}
	return f.Sum64()
}

func hashOf(b []byte) uint64 {
	f := fnv.New64a()
	_, _ = f.Write(b) // never fails
	return f.Sum64()
}
