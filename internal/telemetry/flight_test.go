package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"fengsui/internal/telemetry"
)

// fly runs a recorder until the test ends.
func fly(t testing.TB, window time.Duration) *telemetry.Flight {
	t.Helper()
	f := telemetry.NewFlight(window)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return f
}

func TestSnapshotIsATraceOfTheRuntimeWhileItRecords(t *testing.T) {
	f := fly(t, time.Second)
	var b bytes.Buffer
	err := telemetry.ErrFlightOff
	for end := time.Now().Add(10 * time.Second); errors.Is(err, telemetry.ErrFlightOff) && time.Now().Before(end); time.Sleep(time.Millisecond) {
		err = f.Snapshot(&b)
	}
	if err != nil || !bytes.HasPrefix(b.Bytes(), []byte("go 1.")) || !bytes.Contains(b.Bytes()[:16], []byte("trace")) {
		t.Errorf("%v: %.16q", err, b.Bytes())
	}
	second := telemetry.NewFlight(time.Second).Run(t.Context())
	if second == nil || !strings.Contains(second.Error(), "telemetry.flight_recorder") {
		t.Errorf("a second recorder: %v, want the remedy", second)
	}
}

func TestSnapshotWithoutARecorderFails(t *testing.T) {
	f := fly(t, 0)
	if err := f.Snapshot(&bytes.Buffer{}); !errors.Is(err, telemetry.ErrFlightOff) {
		t.Errorf("Snapshot = %v", err)
	}
}

// An exchange over a connection, each way with a switch of goroutines, is what
// the recorder costs most at.
func BenchmarkExchange(b *testing.B) {
	for name, window := range map[string]time.Duration{"off": 0, "recorded": 10 * time.Second} {
		b.Run(name, func(b *testing.B) {
			fly(b, window)
			here, there := connect(b)
			go func() {
				buf := make([]byte, 512)
				for {
					n, err := there.Read(buf)
					if err != nil {
						return
					}
					if _, err := there.Write(buf[:n]); err != nil {
						return
					}
				}
			}()
			buf := make([]byte, 512)
			for b.Loop() {
				if _, err := here.Write(buf); err != nil {
					b.Fatal(err)
				}
				if _, err := here.Read(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func connect(b *testing.B) (here, there net.Conn) {
	b.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	if here, err = net.Dial("tcp4", l.Addr().String()); err != nil {
		b.Fatal(err)
	}
	if there, err = l.Accept(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = here.Close(), there.Close() })
	return here, there
}
