package intake

import (
	"bytes"
	"iter"
	"time"

	"fengsui/sip/flow"
)

// The headers stamped on each message handed to sipgo. What a peer sends under
// these names is removed.
const (
	// HeaderSeq holds Request.Seq in decimal.
	HeaderSeq = "X-Recv-Seq"
	// HeaderFlow holds the flow as flow.Parse reads it.
	HeaderFlow = "X-Recv-Flow"
	// HeaderUnasked says that the top Via's rport is of the repair: the peer did
	// not ask for it, so an answer of ours has none.
	HeaderUnasked = "X-Recv-Rport"
)

// Request is one scanned SIP request. Its byte slices point into Raw and are
// valid only during the call that was given it.
type Request struct {
	Raw           []byte
	Method        string   // upper case
	URI           []byte   // Request-URI: "sip:34020000002000000001@3402000000"
	Vias          [][]byte // values, top first, one hop each
	From, To      Address
	CallID        []byte
	CSeq          uint32
	Contact       []byte // URI of the first Contact, or "*"; nil if absent
	ContactParams []byte // what follows the URI: ";expires=3600"
	Expires       int    // seconds, of the Contact or else of the header; -1 absent or unreadable
	Authorization []byte
	UserAgent     []byte
	ContentType   []byte
	Version       []byte // X-GB-Ver
	Traceparent   []byte
	Body          []byte
	Flow          flow.Flow
	At            time.Time
	Seq           uint64 // order of receipt over all sockets, from 1
	// Crowded is set when more comes in than is handled and no device is
	// registered where this comes from: whoever is goes first.
	Crowded bool

	// Room is memory that the fields of the answer may be appended to, empty. Left
	// here as large as it has grown, it serves the next request.
	Room []byte

	// What an answer repeats, and Vias[0] taken apart; unset in a request that is
	// not of a scan.
	from, to, cseq []byte
	top            via
	unasked        bool // the top Via's rport is of the repair
}

// Fields yields the header fields as they were sent, folded lines as several.
func (r *Request) Fields() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		rest := r.Raw
		for line := 0; len(rest) > 0; line++ {
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest) - 1
			}
			text := bytes.TrimRight(rest[:end+1], "\r\n")
			rest = rest[end+1:]
			if len(text) == 0 {
				return // the body
			}
			name, value, ok := bytes.Cut(text, []byte{':'})
			if line == 0 || !ok {
				continue
			}
			if !yield(string(bytes.TrimSpace(name)), string(bytes.TrimSpace(value))) {
				return
			}
		}
	}
}

// Address is what identifies a peer in From or To.
type Address struct{ User, Host, Tag []byte }

// Header is one header field.
type Header struct{ Name, Value string }

// Answer is the answer to a request. AppendAnswer adds Via, From, To with tag,
// Call-ID, CSeq and Content-Length. Status 0 means to stay silent.
type Answer struct {
	Status int
	Reason string // empty: the usual words for Status
	Fields []byte // further header fields as they are sent, each line with its CRLF; used before the next request
}

// plain is the status of an answer that says nothing else, 0 of any other.
func (a *Answer) plain() int {
	if a.Reason != "" || len(a.Fields) > 0 {
		return 0
	}
	return a.Status
}

// Direct answers REGISTER and MESSAGE where they come in, without a transaction
// of sipgo. Calls must not block and may come from several goroutines at once.
type Direct interface {
	Register(r *Request) Answer
	// Message answers a keepalive. Any other MESSAGE is not answered and goes
	// on to sipgo.
	Message(r *Request) (a Answer, answered bool)
}

// ErrMalformed reports a message that cannot be understood.
type ErrMalformed struct{ What string }

func (e ErrMalformed) Error() string { return "malformed message: " + e.What }
