package registrar_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"fengsui/gb28181/device"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/registrar"
	"fengsui/sip/digest"
	"fengsui/sip/guard"
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
	more   func() []byte // what comes after in, and may change from; may be nil
}

func (w *wire) LocalAddr() net.Addr { return &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5060} }

func (w *wire) ReadFrom(b []byte) (int, net.Addr, error) {
	if w.in == nil {
		return 0, nil, net.ErrClosed
	}
	n, from := copy(b, w.in), w.from
	if w.in = nil; w.more != nil {
		w.in = w.more()
	}
	return n, from, nil
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

	id, aor, text [256]byte // of the message being written
}

// newDirect keeps so many answers, 0 as many as a server does.
func newDirect(tb testing.TB, answers int) *direct { return newGuarded(tb, answers, nil) }

// newGuarded is newDirect behind a guard, if there is one.
func newGuarded(tb testing.TB, answers int, g *guard.Guard) *direct {
	reg := prometheus.NewRegistry()
	var moved func(from, to netip.Addr)
	if g != nil {
		moved = g.Moved
	}
	table := device.New(device.Config{Moved: moved}, nil, nil, zerolog.Nop(), reg)
	r := registrar.New(registrar.Config{
		ID: server, Password: func() string { return password }, IsKeepalive: manscdp.ScanKeepalive, Zone: time.FixedZone("UTC+8", 8*60*60),
	}, table, accounts{}, digest.NewNonces([]byte("0123456789abcdef"), 0), registrar.NewAttempts(0), zerolog.Nop(), reg)
	d := &direct{tb: tb, buf: make([]byte, 65535)}
	in := intake.New(intake.Config{Answers: answers}, r, trace.NewRing(64<<20, 0), reg, zerolog.Nop())
	if g != nil {
		in.Use(g)
	}
	d.conn = in.PacketConn(&d.wire, 0)
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
	d.writeRegister(i, nil)
	d.exchange(i, "SIP/2.0 401 ")
	d.writeRegister(i, nonceOf(d.wire.answer))
	d.exchange(i, "SIP/2.0 200 ")
}

func nonceOf(challenge []byte) []byte {
	_, rest, _ := bytes.Cut(challenge, []byte(",nonce=\""))
	nonce, _, _ := bytes.Cut(rest, []byte("\""))
	return nonce
}

func hexMD5(b []byte) (out [32]byte) {
	sum := md5.Sum(b)
	hex.Encode(out[:], sum[:])
	return out
}

const registerURI = "sip:34020000002000000001@3402000000"

// writeRegister writes a REGISTER that answers the nonce, if there is one,
// without allocating anything.
func (d *direct) writeRegister(i int, nonce []byte) {
	b := append(d.message[:0], "REGISTER "+registerURI+" SIP/2.0\r\nVia: SIP/2.0/UDP "...)
	from := d.froms[i].AddrPort()
	b = from.AppendTo(b)
	b = strconv.AppendInt(append(b, ";rport;branch=z9hG4bK"...), int64(d.serial), 10)
	id := strconv.AppendInt(append(d.id[:0], "3402000000132"...), int64(1000000+i), 10)
	id[13] = '0'
	aor := append(append(append(d.aor[:0], "<sip:"...), id...), "@3402000000>"...)
	b = append(append(append(append(append(b, "\r\nFrom: "...), aor...), ";tag=t1\r\nTo: "...), aor...), "\r\nCall-ID: r"...)
	b = strconv.AppendInt(append(append(b, id...), "@10.0.0.1\r\nCSeq: "...), int64(d.serial), 10)
	b = append(append(append(b, " REGISTER\r\nContact: <sip:"...), id...), '@')
	b = append(from.AppendTo(b), ">\r\nMax-Forwards: 70\r\nUser-Agent: Fengsui bench\r\nExpires: 3600\r\n"...)
	if nonce != nil {
		b = append(append(b, "Authorization: Digest username=\""...), id...)
		b = append(append(b, "\",realm=\"3402000000\",nonce=\""...), nonce...)
		b = append(b, "\",uri=\""+registerURI+"\",response=\""...)
		ha1 := hexMD5(append(append(append(d.text[:0], id...), ":3402000000:"...), password...))
		ha2 := hexMD5(append(d.text[:0], "REGISTER:"+registerURI...))
		response := hexMD5(append(append(append(append(append(d.text[:0], ha1[:]...), ':'), nonce...), ':'), ha2[:]...))
		b = append(append(b, response[:]...), "\",algorithm=MD5\r\n"...)
	}
	d.message = append(b, "Content-Length: 0\r\n\r\n"...)
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

// allocations is how many each of many messages costs after one that is in the
// wire. They are read by one ReadFrom, whose own do not count.
func (d *direct) allocations(first func(), next func()) float64 {
	const many = 1000
	return testing.AllocsPerRun(3, func() {
		left := many
		d.wire.more = func() []byte {
			if left--; left == 0 {
				return nil
			}
			d.serial++
			next()
			return d.message
		}
		first()
	}) / many
}

func TestAKeepaliveAllocatesNothing(t *testing.T) {
	d := newDirect(t, 1<<10)
	d.register(1)
	for range 5000 { // fills the tables of ring and answers
		d.keepalive(1)
	}
	if got := d.allocations(func() { d.keepalive(1) }, func() { d.writeKeepalive(1) }); got >= 0.1 {
		t.Errorf("%v allocations for a keepalive", got)
	}
}

// Nor does a device that registers again as it was: only the first 401 and 200
// in a place of the table of answers find no memory there.
func TestAnotherRegistrationAllocatesNothing(t *testing.T) {
	d := newDirect(t, 1<<10)
	for range 5000 {
		d.register(1)
	}
	got := d.allocations(func() {
		d.writeRegister(1, nil)
		d.exchange(1, "SIP/2.0 ")
	}, func() {
		if bytes.HasPrefix(d.wire.answer, []byte("SIP/2.0 401 ")) {
			d.writeRegister(1, nonceOf(d.wire.answer))
		} else {
			d.writeRegister(1, nil)
		}
	})
	if got >= 0.1 && !raced {
		t.Errorf("%v allocations for a REGISTER", got)
	}
	if !bytes.HasPrefix(d.wire.answer, []byte("SIP/2.0 200 ")) {
		t.Errorf("the last answer is\n%s", d.wire.answer)
	}
}

func BenchmarkKeepalive(b *testing.B) {
	d := newDirect(b, 0)
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
	d := newDirect(b, 0)
	for i := range fleetSize {
		d.register(i)
	}
	b.ReportAllocs()
	for b.Loop() {
		d.register(d.serial / 2 % fleetSize)
	}
}
