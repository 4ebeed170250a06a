package intake

import (
	"hash/maphash"
	"math/bits"
	"strconv"
)

// Scan reads a request, tolerating what [Repair] can set right: then Raw is not
// the given bytes but the repaired message. Flow, At and Seq are left to the
// caller. The error is [ErrMalformed]; a response is one too.
func Scan(raw []byte) (Request, error) {
	var h head
	if err := h.parse(raw); err != nil {
		return Request{}, err
	}
	if h.response {
		return Request{}, ErrMalformed{"not a request"}
	}
	unasked := h.stamped(HeaderUnasked)
	if h.quirks != 0 {
		raw = h.appendTo(nil, nil)
		unasked = unasked || h.unasked
		if err := h.parse(raw); err != nil {
			return Request{}, err
		}
	}
	h.unasked = unasked
	var r Request
	h.request(&r, raw)
	return r, nil
}

// stamped reports whether the message has a stamp of that name.
func (h *head) stamped(name string) bool {
	for i := range h.fields {
		if h.fields[i].kind == kStamp && equalFold(h.fields[i].name, name) {
			return true
		}
	}
	return false
}

// request fills r, whose Vias and Room are used again.
func (h *head) request(r *Request, raw []byte) {
	*r = Request{
		Raw: raw, Method: h.method, URI: h.uri, Vias: r.Vias[:0], Room: r.Room[:0],
		From: h.sender, To: h.target, top: h.top,
		from: h.fields[h.from].value, to: h.fields[h.to].value, cseq: h.fields[h.cseq].value,
		CallID: h.fields[h.callID].value, CSeq: h.number, Expires: -1, Body: h.body,
		unasked: h.unasked,
	}
	for i := range h.fields {
		f := &h.fields[i]
		switch f.kind {
		case kVia:
			for hop, rest := cutItem(f.value); ; hop, rest = cutItem(rest) {
				if len(hop) > 0 {
					r.Vias = append(r.Vias, hop)
				}
				if len(rest) == 0 {
					break
				}
			}
		case kContact:
			if r.Contact != nil {
				continue
			}
			if r.Contact = usualContact(f.value); r.Contact != nil {
				continue
			}
			if item, _ := cutItem(f.value); len(item) > 0 {
				a := parseNameAddr(item)
				r.Contact, r.ContactParams = a.uri, a.params
			}
		case kExpires:
			if r.Expires < 0 {
				r.Expires = contentLength(f.value)
			}
		case kAuthorization:
			if r.Authorization == nil {
				r.Authorization = f.value
			}
		case kUserAgent:
			r.UserAgent = f.value
		case kType:
			r.ContentType = f.value
		case kVersion:
			if r.Version == nil {
				r.Version = f.value
			}
		case kTraceparent:
			if r.Traceparent == nil {
				r.Traceparent = f.value
			}
		}
	}
	if value, ok := param(r.ContactParams, "expires"); ok { // RFC 3261, 10.2.1.1: before the header
		if n := contentLength(value); n >= 0 {
			r.Expires = n
		}
	}
}

// Header returns the first value of a header, by its full name in any case;
// fields in compact form are found too. It is nil if there is none.
func (r *Request) Header(name string) []byte {
	want := kindOf([]byte(name))
	var h head
	_, lines := h.cutLine(r.Raw)
	for len(lines) > 0 {
		var line []byte
		if line, lines = h.cutLine(lines); len(line) == 0 {
			return nil
		}
		if n, value, ok := cutHeader(line); ok && (equalFold(n, name) || compact(n, name, want)) {
			return value
		}
	}
	return nil
}

// compact reports whether n is the one-letter form of a header's name.
func compact(n []byte, name string, want kind) bool {
	if len(n) != 1 || len(name) == 1 {
		return false
	}
	switch n[0] | 0x20 {
	case 's':
		return equalFold([]byte(name), "Subject")
	case 'o':
		return equalFold([]byte(name), "Event")
	case 'k':
		return equalFold([]byte(name), "Supported")
	case 'e':
		return equalFold([]byte(name), "Content-Encoding")
	case 'u':
		return equalFold([]byte(name), "Allow-Events")
	case 'r':
		return equalFold([]byte(name), "Refer-To")
	case 'b':
		return equalFold([]byte(name), "Referred-By")
	}
	return want != kOther && kindOf(n) == want
}

// tagSeed makes our tags unlike those of another run. It never changes.
var tagSeed = maphash.MakeSeed()

// AppendAnswer appends the whole answer. Its To tag is a keyed hash of Call-ID
// and From tag, so repeats of a request get the same. The top Via gets the
// source address as RFC 3581 has it: rport if asked for, received if asked for
// or other than the host.
func AppendAnswer(dst []byte, r *Request, a Answer) []byte {
	dst = append(dst, "SIP/2.0 "...)
	dst = strconv.AppendInt(dst, int64(a.Status), 10)
	dst = append(dst, ' ')
	if a.Reason != "" {
		dst = append(dst, a.Reason...)
	} else {
		dst = append(dst, Reason(a.Status)...)
	}
	dst = append(dst, "\r\n"...)
	for i, hop := range r.Vias {
		dst = append(dst, "Via: "...)
		if i == 0 && r.Flow.Remote.IsValid() {
			dst = appendReceived(dst, hop, r)
		} else {
			dst = append(dst, hop...)
		}
		dst = append(dst, "\r\n"...)
	}
	from, to, cseq := r.from, r.to, r.cseq
	if from == nil {
		from, to, cseq = r.Header("From"), r.Header("To"), r.Header("CSeq")
	}
	dst = appendLine(dst, "From: ", from)
	dst = append(append(dst, "To: "...), to...)
	if len(r.To.Tag) == 0 {
		tag := maphash.Bytes(tagSeed, r.CallID) ^ bits.RotateLeft64(maphash.Bytes(tagSeed, r.From.Tag), 31)
		dst = appendHex(append(dst, ";tag="...), tag)
	}
	dst = append(dst, "\r\n"...)
	dst = appendLine(dst, "Call-ID: ", r.CallID)
	dst = appendLine(dst, "CSeq: ", cseq)
	dst = append(dst, a.Fields...)
	return append(dst, "Content-Length: 0\r\n\r\n"...)
}

func appendLine(dst []byte, name string, value []byte) []byte {
	return append(append(append(dst, name...), value...), "\r\n"...)
}

func appendReceived(dst, hop []byte, r *Request) []byte {
	v := &r.top
	if v.host == nil {
		parsed, ok := parseVia(hop)
		if !ok {
			return append(dst, hop...)
		}
		v = &parsed
	}
	var rport bool
	if v.plain && !r.unasked {
		rport = v.rport > 0
		dst = append(dst, hop[:v.rport]...)
		if rport {
			dst = strconv.AppendUint(append(dst, '='), uint64(r.Flow.Remote.Port()), 10)
		}
		dst = append(dst, hop[v.rport:]...)
	} else {
		dst, rport = v.appendAnswered(dst, r)
	}
	begin := len(dst)
	dst = append(dst, ";received="...)
	address := len(dst)
	dst = r.Flow.Remote.Addr().WithZone("").AppendTo(dst)
	if !rport && string(dst[address:]) == string(bareHost(v.host)) {
		dst = dst[:begin]
	}
	return dst
}

// appendAnswered appends a hop of any form with the port that it asks for.
func (v *via) appendAnswered(dst []byte, r *Request) (_ []byte, rport bool) {
	dst = append(append(append(append(append(append(dst, v.protocol...), '/'), v.version...), '/'), v.transport...), ' ')
	dst = append(dst, v.host...)
	if len(v.port) > 0 {
		dst = append(append(dst, ':'), v.port...)
	}
	for p, rest := cutParam(v.params); len(p) > 0 || rest != nil; p, rest = cutParam(rest) {
		switch k, _, _ := cutByte(p, '='); {
		case equalFold(k, "received"), len(p) == 0:
		case equalFold(k, "rport"):
			if r.unasked {
				continue
			}
			rport = true
			dst = append(dst, ";rport="...)
			dst = strconv.AppendUint(dst, uint64(r.Flow.Remote.Port()), 10)
		default:
			dst = append(append(dst, ';'), p...)
		}
	}
	return dst, rport
}

func bareHost(host []byte) []byte {
	if n := len(host); n > 2 && host[0] == '[' {
		return host[1 : n-1]
	}
	return host
}
