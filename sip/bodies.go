package sip

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"fengsui/sip/intake"
)

const (
	smallBody     = 16 << 10 // bytes; smaller ones are bounded by the length of the queue
	retryAfter    = "5"      // s, where there is no room now
	addressShares = 4        // one address may have this part of all bytes
)

// bodies bounds the bytes of large bodies that are being handled or wait for
// what is done after their answer: decoded they take many times as much. One
// address may have a quarter, so that it does not keep others out.
type bodies struct {
	limit atomic.Int64

	mu    sync.Mutex // guards all below
	total int64
	by    map[netip.Addr]int64
}

// take accounts for a body, or says whose share is used up. A body alone is
// taken whatever its size.
func (b *bodies) take(from netip.Addr, size int) (share string) {
	if size <= smallBody {
		return ""
	}
	n := int64(size)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch mine := b.by[from]; {
	case b.total > 0 && b.total+n > b.limit.Load():
		return "all"
	case mine > 0 && mine+n > b.limit.Load()/addressShares:
		return "address"
	}
	if b.by == nil {
		b.by = make(map[netip.Addr]int64)
	}
	b.total += n
	b.by[from] += n
	return ""
}

func (b *bodies) release(from netip.Addr, size int) {
	if size <= smallBody {
		return
	}
	n := int64(size)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total -= n
	if b.by[from] -= n; b.by[from] <= 0 {
		delete(b.by, from)
	}
}

// holding is after with the body released at its end; without one it is released
// now.
func (b *bodies) holding(from netip.Addr, size int, after func()) func() {
	switch {
	case after == nil:
		b.release(from, size)
		return nil
	case size <= smallBody:
		return after
	}
	return func() {
		defer b.release(from, size)
		after()
	}
}

// held is the bytes accounted for.
func (b *bodies) held() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total
}

// crowded is the answer to a request that there is no room for now.
func crowded() Response {
	return Response{Status: 503, Headers: []intake.Header{{Name: "Retry-After", Value: retryAfter}}}
}
