package checkup

import (
	"testing"
	"time"

	"fengsui/gb28181"
)

func TestKeepalivesAreJudgedWhenOneIsDue(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for name, c := range map[string]struct {
		device gb28181.Device
		want   Verdict
	}{
		"just registered":      {gb28181.Device{RegisteredAt: ago(4 * time.Second)}, Skipped},
		"none for two minutes": {gb28181.Device{RegisteredAt: ago(2 * time.Minute)}, Fail},
		"in time":              {gb28181.Device{RegisteredAt: ago(time.Hour), KeepaliveAt: ago(50 * time.Second)}, Pass},
		"late":                 {gb28181.Device{RegisteredAt: ago(time.Hour), KeepaliveAt: ago(2 * time.Minute)}, Fail},
	} {
		if f := keepalive(t.Context(), &run{dev: c.device, beat: time.Minute}); f.verdict != c.want {
			t.Errorf("%s: %s, want %s", name, f.verdict, c.want)
		}
	}
}
