package rtp

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"fengsui/internal/lease"
)

const (
	sharedBatch = 32 // datagrams, or runs of them, per read of the shared port
	ownBatch    = 8  // of a leased port
	datagramMax = 64 << 10
	readPause   = 10 * time.Millisecond // after an error of a socket that is not closed
)

// readShared reads the shared port until it is closed.
func (s *Server) readShared() {
	b := newBatch(sharedBatch)
	s.readLoop(s.udp, func() *batch { return b }, func(*batch) {}, func(b *batch, n int) {
		now := time.Now()
		var cur *Session
		for i := range n {
			data, seg, from := b.message(i)
			for len(data) > 0 {
				pkt := data[:min(seg, len(data))]
				data = data[len(pkt):]
				cur = s.deliver(cur, pkt, from, now)
			}
		}
		if cur != nil {
			cur.mu.Unlock()
		}
	})
}

// readOwn reads the leased port of n until it is closed. The buffer is taken
// when there is something to read.
func (s *Server) readOwn(n *Session) {
	lease.Label(lease.MediaReceiver, n.want.Owner)
	s.readLoop(n.pair.rtp, s.batches.Get, s.batches.Put, func(b *batch, count int) {
		now := time.Now()
		defer lease.Region(lease.MediaReceiver, n.want.Owner).End()
		n.mu.Lock()
		defer n.mu.Unlock()
		for i := range count {
			data, seg, from := b.message(i)
			for len(data) > 0 {
				pkt := data[:min(seg, len(data))]
				data = data[len(pkt):]
				s.datagrams.Add(1)
				switch {
				case !looksRTP(pkt):
					s.junk.Add(1)
				case IsRTCP(pkt):
					n.rtcp(pkt, from, now)
				default:
					n.accept(pkt, from, now)
				}
			}
		}
	})
}

// readLoop hands batches to take until the socket is closed.
func (s *Server) readLoop(c *net.UDPConn, get func() *batch, put func(*batch), take func(*batch, int)) {
	r, err := newReader(c)
	if err != nil {
		s.readErrors.Add(1)
		return
	}
	var drops uint32
	counted := func(b *batch, n int) {
		b.dropped = drops // a batch may have served another socket
		take(b, n)
		if d := b.dropped; d != drops {
			s.kernelDropped.Add(uint64(d - drops))
			drops = d
		}
	}
	for {
		err := r.read(get, put, counted)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.readErrors.Add(1)
			time.Sleep(readPause)
		}
	}
}

// deliver passes a datagram of the shared port to its session. cur, if not nil,
// is the session of the one before, its mutex held; so is the result's.
func (s *Server) deliver(cur *Session, pkt []byte, from netip.AddrPort, now time.Time) *Session {
	s.datagrams.Add(1)
	if !looksRTP(pkt) {
		s.junk.Add(1)
		return cur
	}
	if IsRTCP(pkt) {
		if cur != nil {
			cur.mu.Unlock()
		}
		s.deliverRTCP(pkt, from, now)
		return nil
	}
	if cur == nil || !cur.locked || cur.ssrc != ssrcOf(pkt) || cur.stats.Source != from {
		if cur != nil {
			cur.mu.Unlock()
		}
		if cur = s.find(pkt, from, false, now); cur == nil {
			s.orphaned.Add(1)
			s.orphans.add(orphanKey{ssrcOf(pkt), from}, now)
			return nil
		}
		cur.mu.Lock()
	}
	cur.accept(pkt, from, now)
	return cur
}

func (s *Server) deliverRTCP(pkt []byte, from netip.AddrPort, now time.Time) {
	sender := uint32(pkt[4])<<24 | uint32(pkt[5])<<16 | uint32(pkt[6])<<8 | uint32(pkt[7])
	for _, n := range (*s.table.Load())[sender] {
		n.mu.Lock()
		n.rtcp(pkt, from, now)
		n.mu.Unlock()
	}
}

// write sends from the shared port, best effort.
func (s *Server) write(b []byte, to netip.AddrPort) {
	if s.udp != nil && to.Port() != 0 {
		_, _ = s.udp.WriteToUDPAddrPort(b, to)
	}
}

// looksRTP tells RTP and RTCP from keep-alives and NAT punching.
func looksRTP(b []byte) bool { return len(b) >= headerSize && b[0]>>6 == 2 }
