//go:build linux

package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"errors"

	"golang.org/x/net/ipv4"
)

const (
	batchLen    = 64
	datagramLen = 2048 // bytes; the server's answers and questions stay below
)

// socket speaks over UDP from any address of 127.0.0.0/8, in batches. One
// goroutine uses it.
type socket struct {
	conn    *net.UDPConn
	batch   *ipv4.PacketConn
	server  *net.UDPAddr
	out, in []ipv4.Message
	queued  int
	port    uint16
	dst     ipv4.ControlMessage
}

func openSocket(server netip.AddrPort) (*socket, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{})
	if err != nil {
		return nil, fmt.Errorf("open load socket: %w", err)
	}
	_ = conn.SetReadBuffer(8 << 20) // as much as the system gives
	s := &socket{
		conn: conn, batch: ipv4.NewPacketConn(conn), server: net.UDPAddrFromAddrPort(server),
		out: make([]ipv4.Message, batchLen), in: make([]ipv4.Message, batchLen),
		port: uint16(conn.LocalAddr().(*net.UDPAddr).Port),
	}
	if err := s.batch.SetControlMessage(ipv4.FlagDst, true); err != nil {
		return nil, errors.Join(fmt.Errorf("ask for the addresses written to: %w", err), conn.Close())
	}
	for i := range batchLen {
		s.out[i].Buffers = [][]byte{nil}
		s.in[i].Buffers = [][]byte{make([]byte, datagramLen)}
		s.in[i].OOB = ipv4.NewControlMessage(ipv4.FlagDst)
	}
	return s, nil
}

func (s *socket) close() { _ = s.conn.Close() }

// slot lends the memory of the next datagram, to be given to send.
func (s *socket) slot() []byte { return s.out[s.queued].Buffers[0][:0] }

// send queues a datagram from an address.
func (s *socket) send(from [4]byte, b []byte) error {
	m := &s.out[s.queued]
	m.Buffers[0], m.Addr = b, s.server
	m.OOB = (&ipv4.ControlMessage{Src: from[:]}).Marshal()
	if s.queued++; s.queued < batchLen {
		return nil
	}
	return s.flush()
}

func (s *socket) flush() error {
	for done := 0; done < s.queued; {
		n, err := s.batch.WriteBatch(s.out[done:s.queued], 0)
		if err != nil { // of the first one: its place is taken by a repeat
			return fmt.Errorf("send: %w", err)
		}
		done += n
	}
	s.queued = 0
	return nil
}

// receive hands on what has come, waiting up to d for the first. The bytes are
// valid only during the call.
func (s *socket) receive(d time.Duration, take func(to [4]byte, b []byte) error) error {
	if err := s.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	n, err := s.batch.ReadBatch(s.in, 0)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	for i := range n {
		m := &s.in[i]
		if err := s.dst.Parse(m.OOB[:m.NN]); err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		if err := take([4]byte(s.dst.Dst.To4()), m.Buffers[0][:m.N]); err != nil {
			return err
		}
	}
	return nil
}
