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
		issued := func(after time.Duration) time.Time {
			nonce := n.Append(nil, "34020000001320000001", here, now.Add(after))
			at, err := n.Check(string(nonce), "34020000001320000001", here, now.Add(2*time.Second))
			if err != nil {
				t.Errorf("clock %v off at the start: %v", wrong, err)
			}
			return at
		}
		a := issued(0)
		if b := issued(time.Second); b.Sub(a) != time.Second {
			t.Errorf("clock %v off at the start: nonces %v apart", wrong, b.Sub(a))
		}
	}
}
