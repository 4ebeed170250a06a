package digest

import (
	"net/netip"
	"testing"
	"time"
)

// The system's clock is wrong at the start and set right later: nonces must not
// wait for the wrong time to come again.
func TestNoncesOutliveAClockThatIsSet(t *testing.T) {
	here := netip.MustParseAddr("192.0.2.20")
	for _, wrong := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		n := NewNonces([]byte("0123456789abcdef"), 0)
		n.epoch += int64(wrong) // as read when the process started; time.Now has been set since
		now := time.Now()
		first := n.Make("34020000001320000001", here, now)
		second := n.Make("34020000001320000001", here, now.Add(time.Second))
		if err := n.Check(second, "34020000001320000001", here, now.Add(2*time.Second)); err != nil {
			t.Errorf("clock %v off at the start: %v", wrong, err)
		}
		a, _ := n.Issued(first)
		if b, _ := n.Issued(second); b.Sub(a) != time.Second {
			t.Errorf("clock %v off at the start: nonces %v apart", wrong, b.Sub(a))
		}
	}
}
