package sim

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"fengsui/internal/sim/stream"
	"fengsui/internal/sim/wire"
)

const (
	lateAnswerDelay = 5 * time.Second
	lateKeys        = 3 // key pictures left out by late-key: 3 s
	acceptTimeout   = 30 * time.Second
	connectTries    = 4 // 2022 annex D: again three times, a second apart
	connectPause    = time.Second
)

// dialog is one INVITE and the stream it asked for.
type dialog struct {
	device  *device
	invite  *wire.Message
	offer   offer
	key     string // sender part of Subject: who takes it over
	channel int
	ssrc    uint32 // of RTP

	last      []byte // what to send again: 180 or 200
	answered  bool   // 200 was sent
	confirmed bool   // ACK came
	told      bool   // deaf-bye: a BYE was passed over
	over      bool
	at        instant // when to answer, or to send 200 again
	interval  time.Duration
	giveUp    instant // when to stop waiting for ACK
	cseq      uint32  // of our BYE

	udp      *net.UDPConn     // until the stream has it
	listener *net.TCPListener // TCP passive
	conn     net.Conn         // TCP, there before ACK
	stream   *stream.Stream
}

// invite takes an INVITE (signalling.md section 6.5).
func (d *device) invite(now instant, m *wire.Message) {
	if g := d.dialogOf(m); g != nil {
		if g.last != nil { // retransmission or re-INVITE: same answer
			d.emit(g.last)
		}
		return
	}
	c := &d.sim.counters
	c.invites.Add(1)
	g, status := d.accept(m)
	if status != 0 {
		c.rejected.Add(1)
		d.reply(m, status, nil, nil)
		return
	}
	d.reply(m, 100, nil, nil)
	// The same sender and sequence again: the new stream takes over (2022 Annex K c).
	for _, old := range d.dialogs {
		if g.key != "" && old.key == g.key {
			old.end()
		}
	}
	d.sweep()
	d.dialogs = append(d.dialogs, g)
	delay := d.sim.cfg.AnswerDelay
	if d.sim.quirks.has(lateAnswer) {
		delay = lateAnswerDelay
	}
	if delay == 0 {
		d.answerInvite(now, g)
		return
	}
	g.last = d.response(m, 180, d.inviteHeaders(), nil)
	d.emit(g.last)
	g.at = now + delay
}

// accept checks an INVITE and opens what its media needs; else the status to refuse with.
func (d *device) accept(m *wire.Message) (*dialog, int) {
	s := d.sim
	i, ch, ok := s.ids.find(wire.User(m.URI))
	if !ok {
		i, ch, ok = s.ids.find(wire.User(m.Get("To")))
	}
	if !ok || i != d.index || ch < 0 {
		return nil, 404
	}
	if _, isOff := d.off[ch]; isOff {
		return nil, 480
	}
	key, _, _ := strings.Cut(m.Get("Subject"), ",")
	key = strings.TrimSpace(key)
	others := 0
	for _, g := range d.dialogs {
		if key == "" || g.key != key {
			others++
		}
	}
	if s.quirks.has(busy) || s.cfg.MaxStreams > 0 && others >= s.cfg.MaxStreams {
		return nil, 486
	}
	o, err := readOffer(m.Body)
	if err != nil {
		s.counters.fail(d.id, "offer: "+err.Error())
		return nil, 488
	}
	if status := o.refusal(time.Now()); status != 0 {
		return nil, status
	}
	if o.download() && o.speed > 1 && s.quirks.has(oneSpeed) {
		return nil, 488
	}
	m.Body = nil // lent by the socket
	g := &dialog{device: d, invite: m, offer: o, key: key, channel: ch, at: never}
	if err := g.open(); err != nil {
		s.counters.fail(d.id, "open media: "+plain(err))
		return nil, 500
	}
	return g, 0
}

// open opens the media socket, except where the device connects.
func (g *dialog) open() error {
	ip := g.device.path.local().Addr().AsSlice()
	if !g.offer.tcp {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: ip})
		if err != nil {
			return err
		}
		_ = conn.SetWriteBuffer(1 << 20) // best effort
		g.udp = conn
		return nil
	}
	if g.offer.setup == "active" {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: ip})
		if err != nil {
			return err
		}
		g.listener = l
		if !g.device.sim.work(func() { g.acceptMedia(l) }) {
			_ = l.Close()
			return errStopped
		}
	}
	return nil
}

// answerInvite sends the 200 and waits for ACK.
func (d *device) answerInvite(now instant, g *dialog) {
	q := d.sim.quirks
	a := answerSDP{
		id: wire.User(g.invite.URI), session: g.offer.session, tcp: g.offer.tcp, payload: 96, name: "PS", y: g.offer.y,
		addr: netip.AddrPortFrom(d.path.local().Addr(), 9),
	}
	if pt, ok := g.offer.payloads["PS"]; ok {
		a.payload = pt
	}
	if q.has(bareES) {
		a.name, a.payload = string(d.sim.cfg.Video), 98
		if pt, ok := g.offer.payloads[a.name]; ok {
			a.payload = pt
		}
	}
	if ssrc, err := strconv.ParseUint(g.offer.y, 10, 32); err == nil {
		g.ssrc = uint32(ssrc)
	}
	if q.has(ownSSRC) {
		a.y = fmt.Sprintf("0999%06d", rand.N(1000000))
		ssrc, _ := strconv.ParseUint(a.y, 10, 32)
		g.ssrc = uint32(ssrc)
	}
	if q.has(rtpSSRC) {
		g.ssrc = rand.Uint32() | 1
	}
	if q.has(ssrcZero) {
		g.ssrc = 0
	}
	if q.has(noY) {
		a.y = ""
	}
	switch {
	case g.udp != nil:
		a.addr = netip.AddrPortFrom(a.addr.Addr(), uint16(g.udp.LocalAddr().(*net.UDPAddr).Port))
	case g.listener != nil:
		a.addr = netip.AddrPortFrom(a.addr.Addr(), uint16(g.listener.Addr().(*net.TCPAddr).Port))
		a.setup = "passive"
	default:
		a.setup = "active"
	}
	a.extra = g.downloadLines()
	if q.has(noSetup) || !g.offer.tcp {
		a.setup = ""
	}
	headers := append(d.inviteHeaders(), wire.Header{Name: "Content-Type", Value: "application/sdp"})
	g.last = d.response(g.invite, 200, headers, a.bytes())
	g.answered, g.interval, g.giveUp = true, d.sim.cfg.T1, now+64*d.sim.cfg.T1
	g.at = now + g.interval
	if d.path.reliable() {
		g.at = g.giveUp
	}
	d.emit(g.last)
}

func (d *device) inviteHeaders() []wire.Header {
	if d.sim.quirks.has(noContact) {
		return nil
	}
	return []wire.Header{{Name: "Contact", Value: d.contact()}}
}

// tickDialogs answers late INVITEs and sends unacknowledged 200s again.
func (d *device) tickDialogs(now instant) {
	for _, g := range d.dialogs {
		switch {
		case g.at > now:
		case d.path == nil:
			g.end()
		case !g.answered:
			d.answerInvite(now, g)
		case g.giveUp <= now:
			d.sim.counters.fail(d.id, "invite: no ACK")
			d.bye(now, g)
			g.end()
		default:
			g.interval = min(2*g.interval, t2)
			g.at = min(now+g.interval, g.giveUp)
			d.sim.counters.retransmitted.Add(1)
			d.emit(g.last)
		}
	}
	d.sweep()
}

// ack starts the stream.
func (d *device) ack(now instant, m *wire.Message) {
	if d.talkACK(now, m) {
		return
	}
	g := d.dialogOf(m)
	if g == nil || !g.answered || g.confirmed {
		return
	}
	g.confirmed, g.at = true, never
	s := d.sim
	switch {
	case s.quirks.has(silent):
	case !g.offer.tcp:
		conn := g.udp
		g.udp = nil
		g.start(stream.Options{UDP: conn, Remote: g.offer.remote})
	case g.listener == nil:
		if !s.work(g.connect) {
			g.end()
		}
	case g.conn != nil:
		conn := g.conn
		g.conn = nil
		g.start(stream.Options{TCP: conn})
	}
}

// start hands the connection in o to a new stream.
func (g *dialog) start(o stream.Options) {
	d := g.device
	s := d.sim
	prog, err := s.program(g.offer.profile, s.quirks.has(bareES))
	if err != nil {
		s.counters.fail(d.id, "make stream: "+err.Error())
		g.end()
		return
	}
	o.Program, o.SSRC, o.Loss = prog, g.ssrc, s.cfg.Loss
	o.PayloadType = 96
	if pt, ok := g.offer.payloads["PS"]; ok {
		o.PayloadType = pt
	}
	if s.quirks.has(bareES) {
		o.PayloadType = 98
		if pt, ok := g.offer.payloads[string(s.cfg.Video)]; ok {
			o.PayloadType = pt
		}
	}
	if s.quirks.has(lateKey) {
		o.SkipKeys = lateKeys
	}
	o.Base = rand.Int64N(1 << 32)
	o.Ended = func(err error) { d.shard.do(d, func(now instant) { d.mediaEnded(now, g, err) }) }
	o.Recording = g.recording()
	if g.stream, err = s.pacer.Start(o); err != nil {
		g.end()
		return
	}
	if g.offer.download() {
		g.stream.Scale(float64(max(g.offer.speed, 1)))
	}
	s.counters.started.Add(1)
}

// connect opens the TCP connection to the server, with a few tries.
func (g *dialog) connect() {
	d := g.device
	s := d.sim
	var conn net.Conn
	var err error
	for try := range connectTries {
		if try > 0 {
			select {
			case <-time.After(connectPause):
			case <-s.ctx.Done():
				return
			}
		}
		dialer := net.Dialer{Timeout: dialTimeout}
		if conn, err = dialer.DialContext(s.ctx, "tcp", g.offer.remote.String()); err == nil {
			break
		}
	}
	d.shard.do(d, func(now instant) {
		switch {
		case err != nil && !g.over:
			s.counters.fail(d.id, "connect media: "+plain(err))
			d.bye(now, g)
			g.end()
		case err == nil && g.over:
			_ = conn.Close()
		case err == nil:
			g.start(stream.Options{TCP: conn})
		}
	})
}

// acceptMedia waits for the server's connection; it may come before ACK.
func (g *dialog) acceptMedia(l *net.TCPListener) {
	d := g.device
	_ = l.SetDeadline(time.Now().Add(acceptTimeout))
	conn, err := l.Accept()
	_ = l.Close()
	d.shard.do(d, func(now instant) {
		switch {
		case err != nil && !g.over:
			d.sim.counters.fail(d.id, "accept media: "+plain(err))
			if g.confirmed {
				d.bye(now, g)
			}
			g.end()
		case err == nil && (g.over || d.sim.quirks.has(silent)):
			_ = conn.Close()
		case err == nil && g.confirmed:
			g.start(stream.Options{TCP: conn})
		case err == nil:
			g.conn = conn
		}
	})
}

// mediaEnded hears that the server closed the media connection: the device hangs up.
func (d *device) mediaEnded(now instant, g *dialog, err error) {
	if g.over {
		return
	}
	d.sim.counters.fail(d.id, "media connection: "+plain(err))
	d.bye(now, g)
	g.end()
	d.sweep()
}

// bye sends BYE for an answered dialog.
func (d *device) bye(now instant, g *dialog) {
	m := g.invite
	target := wire.URI(m.Get("Contact"))
	if target == "" {
		target = "sip:" + string(d.sim.cfg.ServerID) + "@" + d.sim.cfg.Domain
	}
	g.cseq++
	d.send(now, &tx{done: func(instant, *wire.Message) {}}, head{
		method: "BYE", uri: target, from: m.Get("To") + ";tag=" + d.tag(m.Get("Call-ID")), to: m.Get("From"),
		callID: m.Get("Call-ID"), cseq: g.cseq,
	}, nil)
}

func (d *device) takeBye(m *wire.Message) {
	if d.endCall(m) {
		return
	}
	g := d.dialogOf(m)
	if g == nil {
		d.reply(m, 481, nil, nil)
		return
	}
	d.sim.counters.byes.Add(1)
	if d.sim.quirks.has(deafBye) && !g.told {
		g.told = true
	} else {
		g.end()
		d.sweep()
	}
	d.reply(m, 200, nil, nil)
}

func (d *device) cancel(_ instant, m *wire.Message) {
	g := d.dialogOf(m)
	if g == nil {
		d.reply(m, 481, nil, nil)
		return
	}
	d.reply(m, 200, nil, nil)
	if g.answered {
		return // too late: the 200 stands
	}
	d.reply(g.invite, 487, nil, nil)
	g.end()
	d.sweep()
}

// dialogOf is the dialog of a Call-ID that is not over.
func (d *device) dialogOf(m *wire.Message) *dialog {
	id := m.Get("Call-ID")
	for _, g := range d.dialogs {
		if !g.over && g.invite.Get("Call-ID") == id {
			return g
		}
	}
	return nil
}

// sweep drops the dialogs that are over.
func (d *device) sweep() {
	kept := d.dialogs[:0]
	for _, g := range d.dialogs {
		if !g.over {
			kept = append(kept, g)
		}
	}
	clear(d.dialogs[len(kept):])
	if d.dialogs = kept; len(kept) == 0 {
		d.dialogs = nil
	}
}

func (d *device) streaming() int {
	n := 0
	for _, g := range d.dialogs {
		if g.stream != nil && !g.over {
			n++
		}
	}
	return n
}

// end stops the stream and closes everything of the dialog. It may be called
// more than once.
func (g *dialog) end() {
	g.over, g.at = true, never
	if g.stream != nil {
		g.stream.Stop()
	}
	if g.udp != nil {
		_ = g.udp.Close()
	}
	if g.listener != nil {
		_ = g.listener.Close()
	}
	if g.conn != nil {
		_ = g.conn.Close()
	}
	g.udp, g.listener, g.conn = nil, nil, nil
}
