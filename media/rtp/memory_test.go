package rtp_test

import (
	"fmt"
	"testing"

	"fengsui/internal/reuse"
	"fengsui/media/rtp"
)

func counts(k *reuse.Keeper, name string) reuse.Counts {
	for _, row := range k.State().Kept {
		if row.Name == name {
			return row.Counts
		}
	}
	return reuse.Counts{}
}

// One stream after another needs memory for one, however it comes.
func TestStreamUsesTheMemoryOfTheOneBefore(t *testing.T) {
	k := reuse.NewKeeper(1 << 30)
	s := online(t, rtp.Config{Reuse: k})
	const streams = 6
	for range streams {
		n, r := open(t, s, rtp.Want{Mode: rtp.Range})
		send(t, udpTo(t, n.Port()), pack(n.SSRC(), 1), inside(n.SSRC(), 3), inside(n.SSRC(), 2))
		r.wait(t, "1", "2", "3")
		n.Close()
		n.Close()

		n, r = open(t, s, rtp.Want{Transport: rtp.TCPPassive})
		c := tcpTo(t, n.Port())
		send(t, c, frame(inside(n.SSRC(), 1)), frame(inside(n.SSRC(), 2)))
		r.wait(t, "1", "2")
		n.Close()
	}
	eventually(t, func() string {
		for name, most := range map[string]uint64{"rtp_batch": 2, "rtp_window": 1, "rtp_framing": 2} {
			if c := counts(k, name); c.Taken < streams || c.Missed > most || c.Out() != 0 || c.Twice != 0 {
				return fmt.Sprintf("%s: %+v", name, c)
			}
		}
		return ""
	})
}

func TestConnectionThatNobodyExpectsReturnsItsMemory(t *testing.T) {
	k := reuse.NewKeeper(1 << 30)
	s := online(t, rtp.Config{Reuse: k})
	c := tcpTo(t, s.Port())
	send(t, c, frame(inside(4711, 1)))
	eventually(t, func() string {
		if got := counts(k, "rtp_framing"); got.Taken != 1 {
			return fmt.Sprintf("not read: %+v", got)
		}
		return ""
	})
	_ = c.Close()
	eventually(t, func() string {
		if got := counts(k, "rtp_framing"); got.Out() != 0 || got.Dropped != 0 {
			return fmt.Sprintf("not returned: %+v", got)
		}
		return ""
	})
}
