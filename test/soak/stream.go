//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

// halfTime is how long the server lets a request begin without an end: 30 s by
// default, and some for a busy machine.
const halfTime = 45 * time.Second

// dial connects from an address of ours.
func dial(ctx context.Context, server netip.AddrPort, from [4]byte) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from[:]}, Timeout: 10 * time.Second}
	c, err := d.DialContext(ctx, "tcp4", server.String())
	if err != nil {
		return nil, fmt.Errorf("connect from %v: %w", net.IP(from[:]), err)
	}
	return c, nil
}

// halfOpen are connections whose request never ends.
type halfOpen struct {
	conns []net.Conn
	began time.Time
}

func openHalf(ctx context.Context, server netip.AddrPort, n int) (*halfOpen, error) {
	h := &halfOpen{began: time.Now()}
	for i := range n {
		c, err := dial(ctx, server, spread(halfNet, i))
		if err != nil {
			h.close()
			return nil, err
		}
		h.conns = append(h.conns, c)
		s := sender{id: stranger(), addr: spread(halfNet, i)}
		whole := s.register(nil, 1, "", "")
		if _, err := c.Write(whole[:1+i%(len(whole)-1)]); err != nil {
			h.close()
			return nil, fmt.Errorf("begin a request: %w", err)
		}
	}
	return h, nil
}

// ended waits until the server has closed all of them.
func (h *halfOpen) ended() error {
	defer h.close()
	deadline := h.began.Add(halfTime)
	for i, c := range h.conns {
		_ = c.SetReadDeadline(deadline)
		var err error
		for b := make([]byte, 512); err == nil; {
			_, err = c.Read(b)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("half request %d is still open after %v", i, halfTime)
		}
	}
	return nil
}

func (h *halfOpen) close() {
	for _, c := range h.conns {
		_ = c.Close()
	}
}

// giants declares bodies of 2 GiB over n connections and n datagrams and sends
// the beginning of each. Each connection must be answered 4xx or closed.
func giants(ctx context.Context, server netip.AddrPort, n int) error {
	begin := func(s *sender) []byte {
		return append(s.request(nil, "MESSAGE", serverID, 1), "Content-Type: Application/MANSCDP+xml\r\nContent-Length: 2147483648\r\n\r\n<Response>"...)
	}
	if err := (flood{n: n, from: func(i int) [4]byte { return spread(bodyNet, i) },
		text: func(b []byte, s *sender, _ int) []byte { return append(b, begin(s)...) }}).run(ctx, server); err != nil {
		return err
	}
	part := []byte(strings.Repeat("<Item>x</Item>\r\n", 4096))
	var all sync.WaitGroup
	failed := make(chan error, n)
	for i := range n {
		all.Go(func() {
			c, err := dial(ctx, server, spread(bodyNet, i))
			if err != nil {
				failed <- err
				return
			}
			defer c.Close()
			s := sender{id: stranger(), addr: spread(bodyNet, i)}
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			_, err = c.Write(begin(&s))
			for range 16 {
				if err == nil { // the server may close in between
					_, err = c.Write(part)
				}
			}
			b := make([]byte, 512)
			k, err := c.Read(b)
			if k > 0 && !bytes.HasPrefix(b[:k], []byte("SIP/2.0 4")) || errors.Is(err, os.ErrDeadlineExceeded) {
				failed <- fmt.Errorf("a body of 2 GiB is answered %q, %w", b[:k], err)
			}
		})
	}
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}
