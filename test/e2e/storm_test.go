package e2e_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
)

// It runs alone, before the tests that run beside each other: whoever floods the
// server needs a core.
func TestInAStormOfStrangersRegisteredDevicesAreAnswered(t *testing.T) {
	s := start(t, "sip.guard.allow=[]", "log.level=warn")
	camera := dial(t, s, "udp", "34020000001320000001")
	camera.enrol(t, "before", 3600)

	ctx, stop := context.WithCancel(t.Context())
	var sent atomic.Int64
	var senders sync.WaitGroup
	for range max(1, runtime.NumCPU()-1) {
		senders.Go(func() { flood(t, ctx, s, &sent) })
	}
	eventually(t, 20*time.Second, func() string {
		if n := s.metric(t, "fengsui_sip_storm_dropped_total"); n == 0 {
			return fmt.Sprintf("%d REGISTERs of strangers, and none was dropped unread", sent.Load())
		}
		return ""
	})
	var slowest time.Duration
	for i := range 20 {
		began := time.Now()
		name := fmt.Sprintf("within-%d", i)
		if got := statusOf(camera.ask(t, camera.keepalive(name))); got != 200 {
			t.Errorf("keepalive %d was answered %d in the storm", i, got)
		}
		camera.enrol(t, name+"-again", 3600)
		slowest = max(slowest, time.Since(began))
		time.Sleep(100 * time.Millisecond)
	}
	dropped := s.metric(t, "fengsui_sip_storm_dropped_total")
	stop()
	senders.Wait()
	t.Logf("%d REGISTERs of strangers, %.0f of them dropped unread; a keepalive and a registration took at most %v", sent.Load(), dropped, slowest)
	if slowest > 8*time.Second { // each of three requests may be sent a second and a third time
		t.Errorf("a keepalive and a registration took %v", slowest)
	}
	newcomer := dial(t, s, "udp", "34020000001320000002")
	eventually(t, 60*time.Second, func() string { // a 503 tells it when to come again
		if got := statusOf(newcomer.ask(t, newcomer.register("after", 3600))); got != 401 {
			return fmt.Sprintf("a newcomer was answered %d after the storm", got)
		}
		return ""
	})
	newcomer.enrol(t, "after-all", 3600)
}

// flood sends first REGISTERs of unknown devices, each from another address of
// 127.64.0.0/10, as fast as it can until its context ends.
func flood(t *testing.T, ctx context.Context, s *server, sent *atomic.Int64) {
	to, err := net.ResolveUDPAddr("udp4", s.sip)
	if err != nil {
		t.Error(err)
		return
	}
	c, err := net.ListenUDP("udp4", nil)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	stranger := &peer{Conn: c, network: "udp", id: "34020000001329999999"}
	text := []byte(stranger.register("stranger", 3600))
	socket := ipv4.NewPacketConn(c)
	batch := make([]ipv4.Message, 64)
	for i := uint32(0); ctx.Err() == nil; {
		for n := range batch {
			i++
			from := make(net.IP, 4)
			binary.BigEndian.PutUint32(from, 127<<24|64<<16|i*0x9e3779b1>>10)
			batch[n] = ipv4.Message{Buffers: [][]byte{text}, Addr: to, OOB: (&ipv4.ControlMessage{Src: from}).Marshal()}
		}
		n, err := socket.WriteBatch(batch, 0)
		if err != nil {
			t.Errorf("send: %v", err)
			return
		}
		sent.Add(int64(n))
	}
}

// metric is the value of a metric without labels, 0 if there is none.
func (s *server) metric(t *testing.T, name string) float64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindSubmatch(s.call(t, "GET", "/metrics", nil).body)
	if m == nil {
		return 0
	}
	v, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		t.Fatalf("metric %s: %v", name, err)
	}
	return v
}
