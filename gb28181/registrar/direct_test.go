package registrar_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/gb28181/device"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/registrar"
	"fengsui/sip/digest"
	"fengsui/sip/intake"
	"fengsui/sip/trace"
)

const fleetSize = 10_000

// wire is a socket whose next datagram is what its owner put in; it keeps the
// last answer.
type wire struct {
	net.PacketConn
	in     []byte
	from   *net.UDPAddr
	answer []byte
	more   func() []byte // what comes after in; may be nil
}

func (w *wire) LocalAddr() net.Addr { return &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5060} }

func (w *wire) ReadFrom(b []byte) (int, net.Addr, error) {
	if w.in == nil {
		return 0, nil, net.ErrClosed
	}
	n := copy(b, w.in)
	if w.in = nil; w.more != nil {
		w.in = w.more()
	}
	return n, w.from, nil
}

func (w *wire) WriteTo(b []byte, _ net.Addr) (int, error) {
	w.answer = append(w.answer[:0], b...)
	return len(b), nil
}

// direct is the whole way of a REGISTER or keepalive without the system's calls:
// intake with its ring and answers, registrar, table.
type direct struct {
	tb      testing.TB
	wire    wire
	conn    net.PacketConn
	buf     []byte
	message []byte
	froms   []*net.UDPAddr
	serial  int
	auth    []byte
}

func newDirect(tb testing.TB) *direct {
	reg := prometheus.NewRegistry()
	table := device.New(device.Config{}, nil, nil, zerolog.Nop(), reg)
	r := registrar.New(registrar.Config{
		ID: server, Password: func() string { return password }, IsKeepalive: manscdp.ScanKeepalive, Zone: time.FixedZone("UTC+8", 8*60*60),
	}, table, accounts{}, digest.NewNonces([]byte("0123456789abcdef"), 0), registrar.NewAttempts(0), zerolog.Nop(), reg)
	d := &direct{tb: tb, buf: make([]byte, 65535)}
	d.conn = intake.New(intake.Config{}, r, trace.NewRing(64<<20, 0), reg, zerolog.Nop()).PacketConn(&d.wire, 0)
	for i := range fleetSize {
		d.froms = append(d.froms, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 5060)))
	}
	return d
}

func (d *direct) exchange(i int, status string) {
	d.serial++
	d.wire.in, d.wire.from = d.message, d.froms[i]
	if _, _, err := d.conn.ReadFrom(d.buf); err == nil {
		d.tb.Fatalf("handed on:\n%s", d.message)
	}
	if !bytes.HasPrefix(d.wire.answer, []byte(status)) {
		d.tb.Fatalf("%s\nis answered\n%s", d.message, d.wire.answer)
	}
}

func (d *direct) register(i int) {
	write := func(auth []byte) {
		d.message = fmt.Appendf(d.message[:0], "REGISTER sip:%[1]s@3402000000 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.%[2]d.%[3]d:5060;rport;branch=z9hG4bK%[5]d\r\n"+
			"From: <sip:34020000001320%06[4]d@3402000000>;tag=t%06[4]d\r\nTo: <sip:34020000001320%06[4]d@3402000000>\r\nCall-ID: r%06[4]d@10.0.0.1\r\nCSeq: %[5]d REGISTER\r\n"+
			"Contact: <sip:34020000001320%06[4]d@10.0.%[2]d.%[3]d:5060>\r\nMax-Forwards: 70\r\nUser-Agent: Fengsui bench\r\nExpires: 3600\r\n%[6]sContent-Length: 0\r\n\r\n",
			server, i>>8, i&255, i, d.serial, auth)
	}
	write(nil)
	d.exchange(i, "SIP/2.0 401 ")
	_, rest, _ := bytes.Cut(d.wire.answer, []byte("WWW-Authenticate: "))
	value, _, _ := bytes.Cut(rest, []byte("\r\n"))
	c, _, err := digest.ParseChallenge(value)
	if err != nil {
		d.tb.Fatal(err)
	}
	c.Username, c.URI = fmt.Sprintf("34020000001320%06d", i), "sip:"+string(server)+"@3402000000"
	c.Sign("REGISTER", password)
	d.auth = fmt.Appendf(d.auth[:0], "Authorization: %s\r\n", c.String())
	write(d.auth)
	d.exchange(i, "SIP/2.0 200 ")
}

func (d *direct) keepalive(i int) {
	d.writeKeepalive(i)
	d.exchange(i, "SIP/2.0 200 ")
}

func (d *direct) writeKeepalive(i int) {
	d.message = append(d.message[:0], "MESSAGE sip:34020000002000000001@3402000000 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.0:5060;rport;branch=z9hG4bKb0000000000\r\n"+
		"From: <sip:34020000001320000000@3402000000>;tag=t000000\r\nTo: <sip:34020000002000000001@3402000000>\r\nCall-ID: k0000000000@10.0.0.1\r\nCSeq: 20 MESSAGE\r\n"+
		"Content-Type: Application/MANSCDP+xml\r\nMax-Forwards: 70\r\nUser-Agent: Fengsui bench\r\nContent-Length: 177\r\n\r\n"+
		"<?xml version=\"1.0\" encoding=\"GB2312\"?>\r\n<Notify>\r\n<CmdType>Keepalive</CmdType>\r\n<SN>0000000000</SN>\r\n"+
		"<DeviceID>34020000001320000000</DeviceID>\r\n<Status>OK</Status>\r\n</Notify>\r\n"...)
	set := func(before string, n int) {
		at := bytes.Index(d.message, []byte(before)) + len(before)
		end := at
		for d.message[end] >= '0' && d.message[end] <= '9' {
			end++
		}
		for end--; end >= at && n > 0; end, n = end-1, n/10 {
			d.message[end] = byte('0' + n%10)
		}
	}
	set("z9hG4bKb", d.serial)
	set("From: <sip:34020000001320", i)
	set("Call-ID: k", d.serial)
	set("<SN>", d.serial)
	set("<DeviceID>34020000001320", i)
}

func TestAKeepaliveAllocatesNothing(t *testing.T) {
	d := newDirect(t)
	d.register(1)
	for range 20_000 { // fills the tables of ring and answers
		d.keepalive(1)
	}
	const many = 1000
	got := testing.AllocsPerRun(3, func() { // in one ReadFrom, whose own do not count
		left := many
		d.wire.more = func() []byte {
			if left--; left == 0 {
				return nil
			}
			d.serial++
			d.writeKeepalive(1)
			return d.message
		}
		d.keepalive(1)
	})
	if got >= many/10 {
		t.Errorf("%v allocations for %d keepalives", got, many)
	}
}

func BenchmarkKeepalive(b *testing.B) {
	d := newDirect(b)
	for i := range fleetSize {
		d.register(i)
	}
	for i := range 8 * fleetSize {
		d.keepalive(i % fleetSize)
	}
	runtime.GC()
	b.ReportAllocs()
	for b.Loop() {
		d.keepalive(d.serial % fleetSize)
	}
}

func BenchmarkRegister(b *testing.B) {
	d := newDirect(b)
	for i := range fleetSize {
		d.register(i)
	}
	b.ReportAllocs()
	for b.Loop() {
		d.register(d.serial / 2 % fleetSize)
	}
}
