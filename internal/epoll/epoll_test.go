//go:build linux

package epoll_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"fengsui/internal/epoll"
)

// pair is a socket in a set, and its peer.
func pair(t *testing.T) (*epoll.Set, *epoll.Socket, *net.TCPConn) {
	t.Helper()
	set, err := epoll.New(8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = set.Close() })
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var d net.Dialer
	peer, err := d.DialContext(t.Context(), "tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Close() })
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	k, err := epoll.Take(c.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	if err := set.Add(k); err != nil {
		t.Fatal(err)
	}
	return set, k, peer.(*net.TCPConn)
}

// told waits until the set tells of a socket.
func told(t *testing.T, s *epoll.Set, k *epoll.Socket) epoll.Event {
	t.Helper()
	events, err := s.Wait(true)
	if err != nil || len(events) != 1 || events[0].ID != k.ID() {
		t.Fatalf("told %v, %v", events, err)
	}
	return events[0]
}

func TestASocketIsToldOfOnceForEachChange(t *testing.T) {
	s, k, peer := pair(t)
	told(t, s, k) // it can be written
	if events, err := s.Wait(false); len(events) != 0 || err != nil {
		t.Errorf("told %v, %v, though nothing changed", events, err)
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		_, _ = peer.Write([]byte("hello"))
	}()
	if told(t, s, k).Ended {
		t.Error("ended")
	}
	b := make([]byte, 16)
	if n, again, err := k.Read(b); string(b[:n]) != "hello" || again || err != nil {
		t.Errorf("read %q, %v, %v", b[:n], again, err)
	}
	if _, again, err := k.Read(b); !again || err != nil {
		t.Errorf("read of nothing: %v, %v", again, err)
	}
	if err := s.Again(k); err != nil {
		t.Fatal(err)
	}
	told(t, s, k)
	_ = peer.CloseWrite()
	if !told(t, s, k).Ended {
		t.Error("the end is not told")
	}
	if n, again, err := k.Read(b); n != 0 || again || err != nil {
		t.Errorf("read %d, %v, %v at the end", n, again, err)
	}
	if n, err := k.Write([]byte("bye")); n != 3 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	if got, err := io.ReadAll(io.LimitReader(peer, 3)); string(got) != "bye" {
		t.Errorf("the peer read %q, %v", got, err)
	}
}

func TestAFullSocketTakesPartAndTellsWhenItHasRoom(t *testing.T) {
	s, k, peer := pair(t)
	told(t, s, k)
	big := make([]byte, 64<<20)
	n, err := k.Write(big)
	if n == 0 || n == len(big) || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	go func() { _, _ = io.CopyN(io.Discard, peer, int64(n)) }()
	told(t, s, k)
	if n, err := k.Write(big[:1]); n != 1 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
}

func TestWaitEnds(t *testing.T) {
	s, k, _ := pair(t)
	told(t, s, k)
	if err := s.SetDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Wait(true); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Wait = %v", err)
	}
	_ = s.SetDeadline(time.Time{})
	time.AfterFunc(20*time.Millisecond, func() { _ = s.Close() })
	if _, err := s.Wait(true); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Wait = %v after Close", err)
	}
}

func TestAClosedSocketTouchesNoOther(t *testing.T) {
	s, k, _ := pair(t)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, read := k.Read(make([]byte, 1))
	_, write := k.Write([]byte("x"))
	for name, err := range map[string]error{"Read": read, "Write": write, "Again": s.Again(k), "Close": k.Close()} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s = %v", name, err)
		}
	}
}
