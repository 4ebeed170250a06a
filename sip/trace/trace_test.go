package trace_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fengsui/sip/flow"
	"fengsui/sip/trace"
)

const (
	device  = "34020000001320000001"
	channel = "34020000001320000002"
	server  = "34020000002000000001"
)

func udp(remote string) flow.Flow {
	return flow.Flow{
		Transport: flow.UDP, Local: netip.MustParseAddrPort("192.0.2.1:5060"), Remote: netip.MustParseAddrPort(remote),
	}
}

// request is a MESSAGE of section 2.4 of the signalling reference.
func request(from, to, callID, body string) []byte {
	return fmt.Appendf(nil, "MESSAGE sip:%s@3402000000 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bK%s\r\n"+
		"From: <sip:%s@3402000000>;tag=1\r\nt: <sip:%s@3402000000>\r\ni: %s\r\nCSeq: 20 MESSAGE\r\nContent-Length: %d\r\n\r\n%s",
		to, callID, from, to, callID, len(body), body)
}

func answer(from, to, callID, status string) []byte {
	return fmt.Appendf(nil, "SIP/2.0 %s\r\nVia: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bK%s\r\n"+
		"From: <sip:%s@3402000000>;tag=1\r\nTo: <sip:%s@3402000000>;tag=2\r\nCall-ID: %s\r\nCSeq: 20 MESSAGE\r\n\r\n",
		status, callID, from, to, callID)
}

func callIDs(msgs []trace.Message) (ids []string) {
	for _, m := range msgs {
		ids = append(ids, m.CallID)
	}
	return ids
}

func TestFindTellsMessagesApart(t *testing.T) {
	r := trace.NewRing(1<<20, 0)
	at := time.Now()
	f := udp("192.0.2.20:5060")
	r.Add(at, trace.In, f, request(device, server, "a", "<Notify/>"))
	r.Add(at.Add(time.Second), trace.Out, f, answer(device, server, "a", "200 OK"))
	r.Add(at.Add(2*time.Second), trace.Out, f, request(server, channel, "b", ""))
	r.Add(at.Add(3*time.Second), trace.In, udp("192.0.2.21:5060"), request(channel, server, "c", ""))

	all := r.Find(trace.Query{})
	if diff := cmp.Diff([]string{"a", "a", "b", "c"}, callIDs(all)); diff != "" {
		t.Fatalf("all messages (-want +got):\n%s", diff)
	}
	if m := all[1]; m.Status != 200 || m.Method != "MESSAGE" || m.CSeq != "20 MESSAGE" || m.Device != device || m.Dir != trace.Out ||
		m.Flow != f || !m.At.Equal(at.Add(time.Second)) || m.Size != len(m.Raw) {
		t.Errorf("answer = %+v", m)
	}
	if m := all[2]; m.Status != 0 || m.Device != channel {
		t.Errorf("our request = %+v, want the device %s", m, channel)
	}
	for _, c := range []struct {
		name string
		q    trace.Query
		want []string
	}{
		{"device", trace.Query{Device: device}, []string{"a", "a"}},
		{"device and its address", trace.Query{Device: device, Remote: f.Remote}, []string{"a", "a", "b"}},
		{"address", trace.Query{Remote: f.Remote}, []string{"a", "a", "b"}},
		{"the server, which is the other end of all", trace.Query{Device: server}, []string{"a", "a", "b", "c"}},
		{"call", trace.Query{CallID: "b"}, []string{"b"}},
		{"call of another device", trace.Query{CallID: "b", Device: device}, nil},
		{"since", trace.Query{Since: at.Add(2 * time.Second)}, []string{"b", "c"}},
		{"newest two", trace.Query{Limit: 2}, []string{"b", "c"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, callIDs(r.Find(c.q))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRingForgetsTheOldest(t *testing.T) {
	r := trace.NewRing(64<<10, 0)
	at := time.Now()
	for i := range 1000 {
		r.Add(at, trace.In, udp("192.0.2.20:5060"), request(device, server, fmt.Sprint(i), strings.Repeat("x", i%700)))
	}
	got := r.Find(trace.Query{Limit: 1000})
	if len(got) < 40 || len(got) > 200 {
		t.Fatalf("%d messages kept in 48 KiB", len(got))
	}
	for i, m := range got {
		if n := 1000 - len(got) + i; m.CallID != fmt.Sprint(n) || len(m.Raw) != m.Size || !bytes.HasSuffix(m.Raw, []byte(strings.Repeat("x", n%700))) {
			t.Fatalf("message %d is %s of %d bytes", n, m.CallID, m.Size)
		}
	}
}

func TestRingKeepsTheBeginningOfAHugeMessage(t *testing.T) {
	r := trace.NewRing(64<<10, 0)
	huge := request(device, server, "huge", strings.Repeat("x", 1<<20))
	r.Add(time.Now(), trace.In, udp("192.0.2.20:5060"), huge)
	got := r.Find(trace.Query{CallID: "huge"})
	if len(got) != 1 || got[0].Size != len(huge) || len(got[0].Raw) != 12<<10 {
		t.Fatalf("got %d messages", len(got))
	}
}

func TestRingShowsNothingOlderThanItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := trace.NewRing(1<<20, time.Minute)
		r.Add(time.Now(), trace.In, udp("192.0.2.20:5060"), request(device, server, "a", ""))
		time.Sleep(59 * time.Second)
		if n := len(r.Find(trace.Query{})); n != 1 {
			t.Errorf("%d messages after 59 s, want 1", n)
		}
		time.Sleep(2 * time.Second)
		if n := len(r.Find(trace.Query{})); n != 0 {
			t.Errorf("%d messages after 61 s, want 0", n)
		}
	})
}

func TestRoutineExchangesAreCountedAndTheLastThreeKept(t *testing.T) {
	r := trace.NewRing(1<<20, 0)
	at := time.Now()
	f := udp("192.0.2.20:5060")
	for i := range 10 {
		id := fmt.Sprint("k", i)
		r.Exchange(at.Add(time.Duration(i)*time.Second), trace.Keepalive, []byte(device), f,
			request(device, server, id, ""), answer(device, server, id, "200 OK"), 200, false)
	}
	r.Exchange(at.Add(time.Minute), trace.Register, []byte(device), f, request(device, server, "r", ""), nil, 0, false)
	r.Exchange(at.Add(time.Hour), trace.Keepalive, []byte(device), f, request(device, server, "k10", ""), answer(device, server, "k10", "403 Forbidden"), 403, false)
	want := trace.Routine{Registers: 1, Refused: 1, Keepalives: 11, Failed: 1, Last: time.Unix(0, at.Add(time.Hour).UnixNano())}
	if got, ok := r.Routine(device); !ok || got != want {
		t.Errorf("Routine = %+v, want %+v", got, want)
	}
	if _, ok := r.Routine(channel); ok {
		t.Error("a device never heard has counters")
	}
	if diff := cmp.Diff([]string{"k8", "k8", "k9", "k9", "r", "k10", "k10"}, callIDs(r.Find(trace.Query{Device: device}))); diff != "" {
		t.Errorf("kept exchanges (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"k9", "k9"}, callIDs(r.Find(trace.Query{CallID: "k9"}))); diff != "" {
		t.Errorf("exchange found by its call (-want +got):\n%s", diff)
	}
	if n := len(r.Find(trace.Query{})); n != 0 {
		t.Errorf("%d messages in the ring, want none", n)
	}
}

func TestRoutineMemoryIsBoundedAndForgetsWhoWasSilentLongest(t *testing.T) {
	const size = 1 << 20
	r := trace.NewRing(size, 0)
	f := udp("192.0.2.20:5060")
	const devices = 5000
	for i := range 3 * devices {
		id := fmt.Sprintf("%020d", i%devices)
		r.Exchange(time.Now(), trace.Keepalive, []byte(id), f, request(id, server, "k", strings.Repeat("x", 300)), answer(id, server, "k", "200 OK"), 200, false)
	}
	known := 0
	for i := range devices {
		if _, ok := r.Routine(fmt.Sprintf("%020d", i)); ok {
			known++
		}
	}
	if known < 50 || known > size/4/512 {
		t.Errorf("%d devices known in %d bytes", known, size/4)
	}
	if _, ok := r.Routine(fmt.Sprintf("%020d", devices-1)); !ok {
		t.Error("the device heard last is forgotten")
	}
}

func TestNilRingHoldsNothing(t *testing.T) {
	var r *trace.Ring
	r.Add(time.Now(), trace.In, flow.Flow{}, nil)
	r.Exchange(time.Now(), trace.Register, nil, flow.Flow{}, nil, nil, 0, false)
	if _, ok := r.Routine(device); ok || r.Find(trace.Query{}) != nil {
		t.Error("a nil ring holds something")
	}
}

func TestFindWhileOthersAdd(t *testing.T) {
	r := trace.NewRing(256<<10, 0)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 2000 {
				id := fmt.Sprint(i, "-", j)
				r.Add(time.Now(), trace.In, udp("192.0.2.20:5060"), request(device, server, id, ""))
				r.Exchange(time.Now(), trace.Keepalive, []byte(device), udp("192.0.2.20:5060"), request(device, server, id, ""), nil, 200, false)
			}
		})
	}
	for range 20 {
		for _, m := range r.Find(trace.Query{Device: device, Limit: 5000}) {
			if m.Device != device || m.Method != "MESSAGE" || m.CallID == "" {
				t.Errorf("torn message %q", m.Raw)
			}
		}
	}
	wg.Wait()
}

func TestLadderNamesArrows(t *testing.T) {
	r := trace.NewRing(1<<20, 0)
	f := udp("192.0.2.20:5060")
	at := time.Now()
	catalog := request(device, server, "a", "<?xml version=\"1.0\"?>\r\n<Notify>\r\n<CmdType> Catalog </CmdType></Notify>")
	r.Add(at, trace.In, f, catalog)
	r.Add(at, trace.In, f, catalog)
	r.Add(at, trace.Out, f, answer(device, server, "a", "200 OK"))
	r.Add(at, trace.Out, f, answer(device, server, "a", "404"))
	r.Add(at, trace.In, f, request(device, server, "b", "<notify><CMDTYPE>Keepalive</CMDTYPE></notify>"))
	peer := "192.0.2.20:5060"
	at = time.Unix(0, at.UnixNano())
	want := []trace.Arrow{
		{At: at, From: peer, To: trace.Server, Label: "MESSAGE Catalog", CallID: "a"},
		{At: at, From: peer, To: trace.Server, Label: "MESSAGE Catalog", CallID: "a", Repeat: true, Index: 1},
		{At: at, From: trace.Server, To: peer, Label: "200 OK (MESSAGE)", CallID: "a", Index: 2},
		{At: at, From: trace.Server, To: peer, Label: "404 (MESSAGE)", CallID: "a", Index: 3},
		{At: at, From: peer, To: trace.Server, Label: "MESSAGE Keepalive", CallID: "b", Index: 4},
	}
	if diff := cmp.Diff(want, trace.Ladder(r.Find(trace.Query{}))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzFind adds anything: it must come back whole, with no more than secrets
// changed.
func FuzzFind(f *testing.F) {
	f.Add(request(device, server, "a", "<Password>x</Password>"))
	f.Add(answer(device, server, "a", "200 OK"))
	f.Add([]byte("Authorization: Digest response=\"x\r\n\r\n<Password>"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := trace.NewRing(64<<10, 0)
		r.Add(time.Now(), trace.In, udp("192.0.2.20:5060"), raw)
		got := r.Find(trace.Query{})
		if len(got) != 1 || got[0].Size != len(raw) {
			t.Fatalf("found %d messages", len(got))
		}
		for i, c := range got[0].Raw {
			if c != raw[i] && c != '*' {
				t.Fatalf("byte %d changed from %q to %q", i, raw[i], c)
			}
		}
		trace.Ladder(got)
		if err := trace.WritePcap(&bytes.Buffer{}, got); err != nil {
			t.Fatal(err)
		}
	})
}

// When there are more devices than rows, one that is heard takes over the row,
// with its buffers, of the one not heard for longest.
func TestManyDevicesShareTheMemoryWithoutAllocation(t *testing.T) {
	r := trace.NewRing(1<<20, 0)
	message, device, n := make([]byte, 600), []byte("34020000001320000000"), 0
	next := func() {
		n++
		for i, left := len(device)-1, n%2000; i > 13; i, left = i-1, left/10 {
			device[i] = byte('0' + left%10)
		}
		r.Exchange(time.Now(), trace.Keepalive, device, flow.Flow{}, message, message, 200, false)
	}
	for range 20_000 {
		next()
	}
	if got := testing.AllocsPerRun(1000, next); got >= 0.1 {
		t.Errorf("%v allocations for an exchange", got)
	}
	if last, ok := r.Routine(string(device)); !ok || last.Keepalives == 0 {
		t.Errorf("the last device is not there: %+v", last)
	}
}
