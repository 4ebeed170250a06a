package sip

import (
	"encoding/binary"
	"errors"
	"sync"

	gosip "github.com/emiago/sipgo/sip"
)

// tokenSize is what the library reads at a time: the bytes of a token.
const tokenSize = 16

// A token begins with it: neither a keep-alive nor blanks to the library.
const tokenMark = "message:"

var errNoToken = errors.New("bytes that were not handed over")

// tokens stand for bytes that the library is to parse. It makes a buffer for
// each connection that is as large as the largest datagram it reads, and keeps
// it as long as the connection lasts; so it reads tokens instead, and is given
// what they stand for before it parses. Then a connection costs it little, and a
// datagram may be longer with its stamps than any on the wire.
//
// Each loop of the library redeems a token as soon as it has read it: there are
// never more than loops.
type tokens struct {
	mu   sync.Mutex // guards all below
	last uint64
	out  map[uint64][]byte
}

// put fills b, which must have room for it, with a token for the bytes, which
// the library has until it reads again.
func (t *tokens) put(b, bytes []byte) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.out == nil {
		t.out = make(map[uint64][]byte)
	}
	t.last++
	t.out[t.last] = bytes
	return len(binary.BigEndian.AppendUint64(append(b[:0], tokenMark...), t.last))
}

// redeem gives what a token stands for, once.
func (t *tokens) redeem(_ gosip.TransportReadProps, token []byte) ([]byte, error) {
	if len(token) != tokenSize {
		return nil, errNoToken
	}
	number := binary.BigEndian.Uint64(token[len(tokenMark):])
	t.mu.Lock()
	defer t.mu.Unlock()
	bytes, ok := t.out[number]
	if !ok {
		return nil, errNoToken
	}
	delete(t.out, number)
	return bytes, nil
}
