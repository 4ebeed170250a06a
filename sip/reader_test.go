package sip_test

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fengsui/sip"
	"fengsui/sip/flow"
	"fengsui/sip/siptest"
)

// A catalog of 10,000 items over a connection, and the longest datagram there
// can be, which is longer still once it is stamped.
func TestLongMessagesReachTheHandlerWhole(t *testing.T) {
	for _, c := range []struct {
		transport string
		size      int
	}{{flow.TCP, 7 << 20}, {flow.TCP, 100_000}, {flow.TCP, 3000}, {flow.TCP, 1100}, {flow.UDP, 65_507}} {
		t.Run(fmt.Sprint(c.transport, c.size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bodies := make(chan string, 2)
				r := inMemory(t, nil, func(e *sip.Endpoint) {
					e.Handle("MESSAGE", func(r *sip.Request) (sip.Response, func()) {
						bodies <- string(r.Body)
						return sip.Response{Status: 200}, nil
					})
				})
				d := r.device(c.transport, "")
				bare := len(d.Request("MESSAGE", strings.Repeat("x", c.size)).Bytes()) - c.size
				cuts := 40 // of some lengths the library would take the rest for a keep-alive
				if c.size > 1<<20 {
					cuts = 1
				}
				for cut := range cuts {
					body := "<Response>" + strings.Repeat("\r\n", (c.size-bare-cut-23)/2) + "</Response>\r\n"
					req := d.Request("MESSAGE", body+strings.Repeat("\n", cut))
					d.Send(req.Bytes())
					if got := d.ExpectAnswer(req); got.Status != 200 {
						t.Fatalf("%d bytes are answered %d", len(req.Bytes()), got.Status)
					}
					if got := <-bodies; !strings.HasPrefix(got, body) {
						t.Errorf("body of %d bytes, want %d", len(got), len(body))
					}
				}
			})
		})
	}
}

// racing is set in builds with the race detector.
var racing bool

// What 2,000 registered connections hold while nothing is said, in this process
// with the peers' ends. One request of each has gone through the library too.
func TestIdleConnectionsAreSmall(t *testing.T) {
	const (
		conns = 2000
		most  = 10 << 10 // bytes of each
	)
	r := start(t, nil, sip.Config{Listeners: []sip.Listen{{Network: "tcp", Address: "127.0.0.1:0"}}}, nil, nil)
	request := func(method string, i int) string {
		return fmt.Sprintf("%s sip:%s@%s SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5060;rport;branch=z9hG4bK%d%s\r\n"+
			"From: <sip:3402000000132%07d@%[3]s>;tag=1\r\nTo: <sip:3402000000132%07[6]d@%[3]s>\r\nCall-ID: %[1]s%[6]d\r\nCSeq: 1 %[1]s\r\n"+
			"Contact: <sip:3402000000132%07[6]d@127.0.0.1:5060>\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n",
			method, serverID, domain, i, method, i)
	}
	b := make([]byte, 4096)
	talk := func(c net.Conn, message string) {
		t.Helper()
		if _, err := c.Write([]byte(message)); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := c.Read(b); err != nil || !strings.HasPrefix(string(b[:n]), "SIP/2.0 200 ") {
			t.Fatalf("answer %q, %v", b[:n], err)
		}
	}
	d := net.Dialer{Timeout: 10 * time.Second}
	open := func(i int) net.Conn {
		c, err := d.DialContext(context.Background(), "tcp", r.Addrs()[0].Local.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		talk(c, request("REGISTER", i))
		return c
	}
	for i := range 50 { // what all share
		talk(open(-1-i), request("OPTIONS", -1-i))
	}
	before := memory()
	all := make([]net.Conn, conns)
	for i := range all {
		all[i] = open(i)
		talk(all[i], request("OPTIONS", i))
	}
	r.settle(10 * time.Second)
	each := (memory() - before) / conns
	t.Logf("%d bytes for each of %d connections", each, conns)
	if each > most && !racing { // the detector has larger frames
		t.Errorf("want at most %d", most)
	}
	runtime.KeepAlive(all)
}

// memory is what is in use of heap and stacks, once what is not is collected.
func memory() int64 {
	for range 3 { // a stack shrinks by half at a time, a pool lasts two
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// A device that says something each half minute for an hour is heard all along.
func TestConnectionInUseStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := inMemory(t, nil, nil)
		d := r.device(flow.TCP, "")
		for range 120 {
			req := d.Request("OPTIONS", "", siptest.Header{Name: "Call-ID", Value: time.Now().String()})
			d.Send(req.Bytes())
			if got := d.ExpectAnswer(req); got.Status != 200 {
				t.Fatalf("answered %d", got.Status)
			}
			time.Sleep(30 * time.Second)
		}
		if n := r.Counts().Connections; n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}
