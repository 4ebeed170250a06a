//go:build linux

package registrar_test

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"fengsui/sip/guard"
)

// processTime is the CPU time of this process.
func processTime(tb testing.TB) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// stretch is how many keepalives are timed together: few enough that most
// stretches are over before another process is given the core.
const stretch = 256

// BenchmarkCPU tells the CPU time of a keepalive and of a REGISTER pair without the
// system's calls, behind the guard, of devices that are all in the processor's
// cache and of those that are not. Of many short stretches it shows the fifth
// percentile and the median, which can be compared on a busy machine, too: run two
// builds by turns, with -test.cpu 1.
func BenchmarkCPU(b *testing.B) {
	for _, devices := range []int{300, fleetSize} {
		b.Run(fmt.Sprintf("keepalive/devices=%d", devices), func(b *testing.B) {
			d := newCrowd(b, devices)
			for range 6*devices/stretch + 1 { // fills the tables
				d.keepalives(devices)
			}
			report(b, stretch, func() time.Duration { return d.keepalives(devices) })
		})
		b.Run(fmt.Sprintf("register/devices=%d", devices), func(b *testing.B) {
			d, next := newCrowd(b, devices), 0
			report(b, 1, func() time.Duration {
				next = (next + 1) % devices
				d.writeRegister(next, nil)
				took := d.timed(next, "SIP/2.0 401 ")
				d.writeRegister(next, nonceOf(d.wire.answer))
				return took + d.timed(next, "SIP/2.0 200 ")
			})
		})
	}
}

// newCrowd has so many registered devices behind a guard.
func newCrowd(tb testing.TB, devices int) *direct {
	d := newGuarded(tb, 0, guard.New(guard.Config{}, prometheus.NewRegistry(), zerolog.Nop()))
	for i := range devices {
		d.register(i)
	}
	return d
}

// timed is exchange and its CPU time.
func (d *direct) timed(i int, status string) time.Duration {
	begun := processTime(d.tb)
	d.exchange(i, status)
	return processTime(d.tb) - begun
}

// keepalives has the next devices send a stretch of keepalives, which are written
// before, and tells their CPU time.
func (d *direct) keepalives(devices int) time.Duration {
	messages := make([][]byte, stretch)
	for n := range messages {
		d.serial++
		d.writeKeepalive(d.serial % devices)
		messages[n] = bytes.Clone(d.message)
	}
	first, n := d.serial-stretch+1, 0
	d.wire.more = func() []byte {
		if n++; n == stretch {
			return nil
		}
		d.wire.from = d.froms[(first+n)%devices]
		return messages[n]
	}
	defer func() { d.wire.more = nil }()
	d.message = messages[0]
	took := d.timed(first%devices, "SIP/2.0 200 ")
	d.message = nil
	return took
}

// report shows what one stretch of so many takes, each.
func report(b *testing.B, many int, one func() time.Duration) {
	runtime.GC()
	var all []time.Duration
	for b.Loop() {
		all = append(all, one())
	}
	slices.Sort(all)
	each := func(part float64) float64 { return float64(all[int(part*float64(len(all)))]) / float64(many) }
	b.ReportMetric(each(0.05), "ns-p5")
	b.ReportMetric(each(0.5), "ns-p50")
}
