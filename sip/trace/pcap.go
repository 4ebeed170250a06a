package trace

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"time"

	"fengsui/sip/flow"
)

// The pcap file format, microsecond form, with packets that begin at the IP
// header.
const (
	pcapMagic   = 0xa1b2c3d4
	linktypeRaw = 101
	snapLen     = 1 << 18

	protoTCP = 6
	protoUDP = 17

	maxIP      = 65535 // total length of an IPv4 packet; payload length of an IPv6 one
	maxSegment = 65000 // bytes of a message in one synthesised TCP segment
)

// WritePcap writes the messages as a pcap file of raw IP packets, as tcpdump
// would have caught them: IP, UDP and TCP headers are made up, with sequence
// numbers that fit and a handshake for each connection. What came over TLS is
// written in clear as TCP, with port 5060 in place of 5061, since a reader would take
// the other for cipher text. A message kept in part is written in part.
func WritePcap(w io.Writer, msgs []Message) error {
	p := &pcapWriter{w: bufio.NewWriter(w), conns: make(map[pcapConn]*pcapStream)}
	head := make([]byte, 0, 24)
	le := binary.LittleEndian
	head = le.AppendUint32(head, pcapMagic)
	head = le.AppendUint16(head, 2)
	head = le.AppendUint16(head, 4)
	head = le.AppendUint64(head, 0) // zone and accuracy
	head = le.AppendUint32(head, snapLen)
	head = le.AppendUint32(head, linktypeRaw)
	p.write(head)
	for i := range msgs {
		p.message(&msgs[i])
	}
	if p.err == nil {
		p.err = p.w.Flush()
	}
	if p.err != nil {
		return fmt.Errorf("write pcap: %w", p.err)
	}
	return nil
}

// pcapConn is a connection, seen from us.
type pcapConn struct{ local, remote netip.AddrPort }

// pcapStream counts the bytes each side of a connection has sent.
type pcapStream struct{ local, remote uint32 }

type pcapWriter struct {
	w     *bufio.Writer
	conns map[pcapConn]*pcapStream
	buf   []byte // one packet
	err   error  // the first; later writes do nothing
}

func (p *pcapWriter) write(b []byte) {
	if p.err == nil {
		_, p.err = p.w.Write(b)
	}
}

func (p *pcapWriter) message(m *Message) {
	local, remote := endpoints(m.Flow)
	src, dst := remote, local
	if m.Dir == Out {
		src, dst = local, remote
	}
	if !m.Flow.Stream() {
		limit := maxIP - 20 - 8
		if src.Addr().Is6() {
			limit = maxIP - 8
		}
		payload := m.Raw[:min(len(m.Raw), limit)]
		p.begin(src, dst, protoUDP, 8+len(payload))
		be := binary.BigEndian
		at := len(p.buf)
		p.buf = be.AppendUint16(p.buf, src.Port())
		p.buf = be.AppendUint16(p.buf, dst.Port())
		p.buf = be.AppendUint16(p.buf, uint16(8+len(payload)))
		p.buf = append(p.buf, 0, 0)
		p.buf = append(p.buf, payload...)
		p.end(m.At, src, dst, protoUDP, at, 6)
		return
	}
	key := pcapConn{local, remote}
	s := p.conns[key]
	if s == nil {
		s = &pcapStream{}
		p.conns[key] = s
		const syn, ack = 2, 16
		p.segment(m.At, remote, local, 0, 0, syn, nil)
		p.segment(m.At, local, remote, 0, 1, syn|ack, nil)
		s.local, s.remote = 1, 1
		p.segment(m.At, remote, local, 1, 1, ack, nil)
	}
	seq, ack := &s.remote, &s.local
	if m.Dir == Out {
		seq, ack = ack, seq
	}
	for rest := m.Raw; len(rest) > 0; {
		const push, acked = 8, 16
		part := rest[:min(len(rest), maxSegment)]
		rest = rest[len(part):]
		p.segment(m.At, src, dst, *seq, *ack, push|acked, part)
		*seq += uint32(len(part))
	}
}

func (p *pcapWriter) segment(at time.Time, src, dst netip.AddrPort, seq, ack uint32, flags byte, payload []byte) {
	p.begin(src, dst, protoTCP, 20+len(payload))
	be := binary.BigEndian
	start := len(p.buf)
	p.buf = be.AppendUint16(p.buf, src.Port())
	p.buf = be.AppendUint16(p.buf, dst.Port())
	p.buf = be.AppendUint32(p.buf, seq)
	p.buf = be.AppendUint32(p.buf, ack)
	p.buf = append(p.buf, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	p.buf = append(p.buf, payload...)
	p.end(at, src, dst, protoTCP, start, 16)
}

// begin puts room for the record head and an IP header into buf, for a payload
// of n bytes.
func (p *pcapWriter) begin(src, dst netip.AddrPort, proto byte, n int) {
	be := binary.BigEndian
	p.buf = append(p.buf[:0], make([]byte, 16)...)
	if src.Addr().Is6() {
		p.buf = append(p.buf, 0x60, 0, 0, 0)
		p.buf = be.AppendUint16(p.buf, uint16(n))
		p.buf = append(p.buf, proto, 64)
		s, d := src.Addr().As16(), dst.Addr().As16()
		p.buf = append(append(p.buf, s[:]...), d[:]...)
		return
	}
	p.buf = append(p.buf, 0x45, 0)
	p.buf = be.AppendUint16(p.buf, uint16(20+n))
	p.buf = append(p.buf, 0, 0, 0x40, 0, 64, proto, 0, 0)
	s, d := src.Addr().As4(), dst.Addr().As4()
	p.buf = append(append(p.buf, s[:]...), d[:]...)
	be.PutUint16(p.buf[16+10:], fold(sum(0, p.buf[16:])))
}

// end fills in the record head and the checksum, which lies offset bytes into
// the transport header that begins at start, and writes the packet.
func (p *pcapWriter) end(at time.Time, src, dst netip.AddrPort, proto byte, start, offset int) {
	be, le := binary.BigEndian, binary.LittleEndian
	s, d := src.Addr().AsSlice(), dst.Addr().AsSlice()
	total := sum(sum(uint32(proto)+uint32(len(p.buf)-start), s), d)
	check := fold(sum(total, p.buf[start:]))
	if check == 0 {
		check = 0xffff // zero would mean none
	}
	be.PutUint16(p.buf[start+offset:], check)

	us := at.UnixMicro()
	n := uint32(len(p.buf) - 16)
	le.PutUint32(p.buf[0:], uint32(us/1e6))
	le.PutUint32(p.buf[4:], uint32(us%1e6))
	le.PutUint32(p.buf[8:], n)
	le.PutUint32(p.buf[12:], n)
	p.write(p.buf)
}

// sum adds b as big-endian 16-bit words, as the Internet checksum does.
func sum(total uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		total += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		total += uint32(b[0]) << 8
	}
	return total
}

func fold(total uint32) uint16 {
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return ^uint16(total)
}

// endpoints are both ends in one address family: a socket bound to all
// addresses shows up as the unspecified one of either.
func endpoints(f flow.Flow) (local, remote netip.AddrPort) {
	local, remote = flow.Unmap(f.Local), flow.Unmap(f.Remote)
	if f.Transport == flow.TLS && local.Port() == 5061 {
		local = netip.AddrPortFrom(local.Addr(), 5060)
	}
	a, b := local.Addr().WithZone(""), remote.Addr().WithZone("")
	four := b.Is4() || !b.IsValid() && !a.Is6()
	return netip.AddrPortFrom(inFamily(a, four), cmp.Or(local.Port(), 5060)),
		netip.AddrPortFrom(inFamily(b, four), cmp.Or(remote.Port(), 5060))
}

func inFamily(a netip.Addr, four bool) netip.Addr {
	switch {
	case four && a.Is4() || !four && a.Is6():
		return a
	case four:
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
