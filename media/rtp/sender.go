package rtp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"fengsui/internal/lease"
)

// Errors of a sender.
var (
	ErrNotConnected = errors.New("rtp: the peer is not connected")
	ErrDisconnected = errors.New("rtp: the peer closed the media connection")
)

// sendTimeout ends a TCP connection whose peer does not read.
const sendTimeout = time.Second

// SendWant is what a sender is opened for.
type SendWant struct {
	Transport Transport  // TCPPassive and TCPActive are our role
	SSRC      uint32     // of the peer's choice; 0: one is leased
	From      netip.Addr // the peer as signalling knows it
	Owner     string     // whose it is, as lease.Facts has it
	// Living and End are those of [Want].
	Living func() bool
	End    func()
	// Heard, if not nil, is given what the peer sends back, one packet at a time;
	// it must not block. The payload is valid during the call.
	Heard func(h Header, payload []byte)
}

// SendStats are a sender's counters since it was opened.
type SendStats struct {
	Packets, Bytes, Failed uint64 // sent, and what the system did not take
	Heard                  uint64 // RTP packets that came back
	Remote                 netip.AddrPort
}

// Sender sends one stream of packets, from a pair of ports of its own: devices
// take sound only from the port that they were told. Only the peer's addresses,
// the one of signalling and the announced one, may connect to it or draw it to
// another port. mu guards all that changes.
type Sender struct {
	srv    *Server
	want   SendWant
	pair   *Pair
	ssrc   uint32
	leased bool
	lease  lease.Lease

	done    chan struct{} // closed when nothing can be sent any more
	reached chan struct{} // closed when the peer is connected, TCP
	running sync.WaitGroup

	mu     sync.Mutex
	closed bool
	err    error // why done was closed
	remote netip.AddrPort
	conn   net.Conn
	stats  SendStats
	frame  []byte
}

// OpenSender leases a pair of ports, and an SSRC unless the peer has chosen one.
// It reports [ErrNoPort], [ErrNoSSRC] or [ErrClosed].
func (s *Server) OpenSender(w SendWant) (*Sender, error) {
	w.From = w.From.Unmap()
	n := &Sender{srv: s, want: w, ssrc: w.SSRC, done: make(chan struct{}), reached: make(chan struct{})}
	var err error
	if n.ssrc == 0 {
		if n.ssrc, err = s.ssrcs.Lease(Live); err != nil {
			return nil, err
		}
		n.leased = true
	}
	if n.pair, err = s.ports.Lease(w.Transport); err != nil {
		n.giveBack()
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		n.giveBack()
		return nil, ErrClosed
	}
	s.cfg.Leases.Open(&n.lease, lease.MediaSender, (*heldSender)(n))
	s.senders[n] = struct{}{}
	switch {
	case n.pair.listener != nil:
		n.running.Go(n.accept)
	case w.Transport == UDP:
		n.running.Go(n.readUDP)
	}
	return n, nil
}

func (n *Sender) giveBack() {
	if n.pair != nil {
		n.pair.Release()
	}
	if n.leased {
		n.srv.ssrcs.Release(n.ssrc)
	}
}

// Port is the one for SDP.
func (n *Sender) Port() int { return n.pair.Port }

// SSRC is that of the packets.
func (n *Sender) SSRC() uint32 { return n.ssrc }

// Done is closed when nothing can be sent any more: the connection ended, or Close.
func (n *Sender) Done() <-chan struct{} { return n.done }

// Err is why Done was closed.
func (n *Sender) Err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

// Aim says where to send, or to connect to.
func (n *Sender) Aim(remote netip.AddrPort) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.remote = remote
}

// Connect makes the connection, up to four times a second apart, or waits for the
// peer's; over UDP there is none to make.
func (n *Sender) Connect(ctx context.Context) error {
	switch n.want.Transport {
	case UDP:
		return nil
	case TCPActive:
		n.mu.Lock()
		remote := n.remote
		n.mu.Unlock()
		c, err := connect(ctx, n.srv.host, n.Port(), remote)
		if err != nil {
			return err
		}
		if !n.adopt(c) {
			return errors.Join(ErrClosed, c.Close())
		}
		return nil
	}
	select {
	case <-n.reached:
		return nil
	case <-n.done:
		return n.Err()
	case <-ctx.Done():
		return fmt.Errorf("wait for the media connection on port %d: %w", n.Port(), context.Cause(ctx))
	}
}

// Send sends a packet under the sender's SSRC. Over UDP a packet that the system
// does not take is only counted. It reports [ErrClosed], and of TCP
// [ErrNotConnected] or the connection's end.
func (n *Sender) Send(h Header, payload []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return ErrClosed
	}
	h.SSRC = n.ssrc
	b := Append(append(n.frame[:0], 0, 0), h, payload)
	n.frame = b
	var err error
	if n.want.Transport == UDP {
		_, err = n.pair.rtp.WriteToUDPAddrPort(b[2:], n.remote)
	} else {
		err = n.write(b)
	}
	switch {
	case err == nil:
		n.stats.Packets++
		n.stats.Bytes += uint64(len(b) - 2)
	case n.want.Transport == UDP:
		n.stats.Failed++
		err = nil
	}
	return err
}

// write sends a packet behind its length (RFC 4571). mu is held.
func (n *Sender) write(b []byte) error {
	if n.conn == nil {
		return ErrNotConnected
	}
	binary.BigEndian.PutUint16(b, uint16(len(b)-2))
	_ = n.conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	if _, err := n.conn.Write(b); err != nil { // perhaps half of it went out
		n.stats.Failed++
		return fmt.Errorf("%w: %w", ErrDisconnected, err)
	}
	return nil
}

// Stats are the counters now.
func (n *Sender) Stats() SendStats {
	n.mu.Lock()
	defer n.mu.Unlock()
	st := n.stats
	st.Remote = n.remote
	return st
}

// Close releases port, SSRC and connection and waits for the sender's goroutines.
// It must not be called by Heard. It may be called again.
func (n *Sender) Close() {
	n.end(ErrClosed)
	n.running.Wait()
}

func (n *Sender) end(why error) {
	n.mu.Lock()
	again := n.closed
	if !again {
		n.closed, n.err = true, why
		close(n.done)
	}
	c := n.conn
	n.mu.Unlock()
	if again {
		return
	}
	n.srv.mu.Lock()
	delete(n.srv.senders, n)
	n.srv.mu.Unlock()
	if c != nil {
		_ = c.Close()
	}
	n.giveBack()
	n.lease.Release()
}

// known reports whether an address is the peer's.
func (n *Sender) known(a netip.Addr) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	a = a.Unmap()
	return a == n.want.From || a == n.remote.Addr().Unmap()
}

// adopt makes c the connection, unless there is one.
func (n *Sender) adopt(c net.Conn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || n.conn != nil {
		return false
	}
	n.conn = c
	if at, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		n.remote = at.AddrPort()
	}
	close(n.reached)
	n.running.Go(func() { n.readTCP(c) })
	return true
}

// accept takes the peer's connection; strangers are turned away.
func (n *Sender) accept() {
	lease.Label(lease.MediaSender, n.want.Owner)
	for {
		c, err := n.pair.listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of files, or aborted by the peer
			n.srv.readErrors.Add(1)
			time.Sleep(acceptPause)
			continue
		}
		if !n.known(c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()) || !n.adopt(c) {
			n.srv.gate.rejected.Add(1)
			_ = c.Close()
		}
	}
}

// readTCP reads the connection to its end, which is the sender's.
func (n *Sender) readTCP(c net.Conn) {
	lease.Label(lease.MediaSender, n.want.Owner)
	split := Splitter{chunks: n.srv.chunks}
	defer split.release()
	for {
		got, err := c.Read(split.Space())
		split.Filled(got, time.Now())
		for err == nil {
			var pkt []byte
			if pkt, err = split.Next(); pkt == nil {
				break
			}
			n.hear(pkt)
		}
		if err != nil {
			n.end(fmt.Errorf("%w: %w", ErrDisconnected, err))
			return
		}
	}
}

// readUDP hears what comes to the port, and follows the peer where a NAT has moved it.
func (n *Sender) readUDP() {
	lease.Label(lease.MediaSender, n.want.Owner)
	var b [2048]byte
	for {
		got, from, err := n.pair.rtp.ReadFromUDPAddrPort(b[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			n.srv.readErrors.Add(1)
			time.Sleep(readPause)
			continue
		}
		if pkt := b[:got]; n.known(from.Addr()) && looksRTP(pkt) && !IsRTCP(pkt) {
			n.Aim(netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
			n.hear(pkt)
		}
	}
}

func (n *Sender) hear(pkt []byte) {
	h, payload, err := Parse(pkt)
	if err != nil || IsRTCP(pkt) {
		return
	}
	n.mu.Lock()
	n.stats.Heard++
	n.mu.Unlock()
	if n.want.Heard != nil {
		n.want.Heard(h, payload)
	}
}
