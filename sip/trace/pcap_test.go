package trace_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fengsui/sip/flow"
	"fengsui/sip/trace"
)

// packet is one record of a pcap file, taken apart.
type packet struct {
	at       time.Time
	src, dst netip.AddrPort
	proto    byte
	seq, ack uint32
	flags    byte
	payload  []byte
}

// readPcap reads a pcap file of raw IP packets and checks every length and
// checksum.
func readPcap(t *testing.T, file []byte) (packets []packet) {
	t.Helper()
	le, be := binary.LittleEndian, binary.BigEndian
	if le.Uint32(file) != 0xa1b2c3d4 || le.Uint32(file[20:]) != 101 {
		t.Fatalf("file head %x", file[:24])
	}
	for b := file[24:]; len(b) > 0; {
		n := le.Uint32(b[8:])
		if n != le.Uint32(b[12:]) {
			t.Fatal("captured length is not the original")
		}
		p := packet{at: time.Unix(int64(le.Uint32(b)), int64(le.Uint32(b[4:]))*1000)}
		ip := b[16 : 16+n]
		b = b[16+n:]
		var pseudo, body []byte
		switch ip[0] >> 4 {
		case 4:
			if int(be.Uint16(ip[2:])) != len(ip) || checksum(ip[:20]) != 0 {
				t.Fatalf("IPv4 head %x of %d bytes", ip[:20], len(ip))
			}
			p.proto, body, pseudo = ip[9], ip[20:], ip[12:20]
			p.src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[12:16])), be.Uint16(body))
			p.dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[16:20])), be.Uint16(body[2:]))
		case 6:
			if int(be.Uint16(ip[4:])) != len(ip)-40 {
				t.Fatalf("IPv6 head %x of %d bytes", ip[:40], len(ip))
			}
			p.proto, body, pseudo = ip[6], ip[40:], ip[8:40]
			p.src = netip.AddrPortFrom(netip.AddrFrom16([16]byte(ip[8:24])), be.Uint16(body))
			p.dst = netip.AddrPortFrom(netip.AddrFrom16([16]byte(ip[24:40])), be.Uint16(body[2:]))
		}
		whole := append(append(bytes.Clone(pseudo), 0, p.proto, byte(len(body)>>8), byte(len(body))), body...)
		if checksum(whole) != 0 {
			t.Fatalf("transport checksum of a packet of %d bytes", len(ip))
		}
		switch p.proto {
		case 17:
			if int(be.Uint16(body[4:])) != len(body) {
				t.Fatal("UDP length")
			}
			p.payload = body[8:]
		case 6:
			p.seq, p.ack, p.flags, p.payload = be.Uint32(body[4:]), be.Uint32(body[8:]), body[13], body[20:]
		}
		packets = append(packets, p)
	}
	return packets
}

func checksum(b []byte) uint16 {
	var sum uint32
	for i, c := range b {
		if i%2 == 0 {
			sum += uint32(c) << 8
		} else {
			sum += uint32(c)
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func TestPcapOfDatagrams(t *testing.T) {
	at := time.UnixMicro(1_700_000_000_123_456)
	large := request(device, server, "large", strings.Repeat("x", 65507-4-len(request(device, server, "large", ""))))
	for _, c := range []struct {
		name          string
		local, remote string
		src, dst      string
		raw           []byte
		payload       int
	}{
		{"IPv4", "192.0.2.1:5060", "192.0.2.20:40000", "192.0.2.20:40000", "192.0.2.1:5060", request(device, server, "a", "odd"), 0},
		{"IPv6", "[2001:db8::1]:5060", "[2001:db8::20]:5060", "[2001:db8::20]:5060", "[2001:db8::1]:5060", request(device, server, "a", ""), 0},
		{"socket on all addresses", "[::]:5060", "192.0.2.20:5060", "192.0.2.20:5060", "0.0.0.0:5060", request(device, server, "a", ""), 0},
		{"largest", "192.0.2.1:5060", "192.0.2.20:5060", "192.0.2.20:5060", "192.0.2.1:5060", large, 65507},
		{"larger than any", "192.0.2.1:5060", "192.0.2.20:5060", "192.0.2.20:5060", "192.0.2.1:5060", append(large, 'x'), 65507},
	} {
		t.Run(c.name, func(t *testing.T) {
			var file bytes.Buffer
			f := flow.Flow{Transport: flow.UDP, Local: netip.MustParseAddrPort(c.local), Remote: netip.MustParseAddrPort(c.remote)}
			if err := trace.WritePcap(&file, []trace.Message{{At: at, Flow: f, Raw: c.raw}, {At: at, Dir: trace.Out, Flow: f, Raw: c.raw}}); err != nil {
				t.Fatal(err)
			}
			packets := readPcap(t, file.Bytes())
			if len(packets) != 2 {
				t.Fatalf("%d packets, want 2", len(packets))
			}
			want := c.raw
			if c.payload > 0 {
				want = want[:c.payload]
			}
			if p := packets[0]; p.src.String() != c.src || p.dst.String() != c.dst || !bytes.Equal(p.payload, want) || !p.at.Equal(at) || p.proto != 17 {
				t.Errorf("packet from %v to %v of %d bytes at %v", p.src, p.dst, len(p.payload), p.at)
			}
			if p := packets[1]; p.src.String() != c.dst || p.dst.String() != c.src {
				t.Errorf("answer from %v to %v", p.src, p.dst)
			}
		})
	}
}

func TestPcapOfConnectionsHasOneStreamOfBytesEachWay(t *testing.T) {
	var msgs []trace.Message
	var sent [2]bytes.Buffer
	f := flow.Flow{Transport: flow.TLS, Local: netip.MustParseAddrPort("192.0.2.1:5061"), Remote: netip.MustParseAddrPort("192.0.2.20:40000")}
	for i := range 6 {
		raw := request(device, server, fmt.Sprint(i), strings.Repeat("x", i*40_000))
		dir := trace.Direction(i%2 == 1)
		msgs = append(msgs, trace.Message{At: time.Now(), Dir: dir, Flow: f, Raw: raw})
		if dir == trace.Out {
			sent[1].Write(raw)
		} else {
			sent[0].Write(raw)
		}
	}
	var file bytes.Buffer
	if err := trace.WritePcap(&file, msgs); err != nil {
		t.Fatal(err)
	}
	var got [2]bytes.Buffer
	packets := readPcap(t, file.Bytes())
	for i, p := range packets {
		if p.proto != 6 || p.src.Port() == 5061 || p.dst.Port() == 5061 {
			t.Fatalf("packet %d is %d from %v to %v", i, p.proto, p.src, p.dst)
		}
		if i < 3 { // the handshake
			if want := []byte{2, 18, 16}[i]; p.flags != want || len(p.payload) != 0 {
				t.Errorf("packet %d has flags %d, want %d", i, p.flags, want)
			}
			continue
		}
		mine, other := 0, 1
		if p.src.Port() == 5060 {
			mine, other = 1, 0
		}
		if int(p.seq) != 1+got[mine].Len() || int(p.ack) != 1+got[other].Len() {
			t.Errorf("packet %d has sequence %d and acknowledges %d", i, p.seq, p.ack)
		}
		got[mine].Write(p.payload)
	}
	for i := range sent {
		if !bytes.Equal(got[i].Bytes(), sent[i].Bytes()) {
			t.Errorf("direction %d: %d bytes, want %d", i, got[i].Len(), sent[i].Len())
		}
	}
}

type fullDisk struct{}

var errFull = errors.New("no space left")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestPcapReportsWriteErrors(t *testing.T) {
	msgs := []trace.Message{{At: time.Now(), Flow: udp("192.0.2.20:5060"), Raw: make([]byte, 10_000)}}
	if err := trace.WritePcap(fullDisk{}, msgs); !errors.Is(err, errFull) {
		t.Errorf("WritePcap = %v, want %v", err, errFull)
	}
}
