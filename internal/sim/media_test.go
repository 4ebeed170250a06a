package sim_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/gbsdp"
	"fengsui/internal/sim"
	"fengsui/internal/sim/wire"
	"fengsui/media"
	"fengsui/media/ps"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
)

const ssrc = "0200000001"

// call is an accepted INVITE.
type call struct {
	*server
	id, callID, tag string
	answer          gbsdp.Description
	ok              received
}

func live(tcp bool, setup string, port int, stream ...gbsdp.Attr) []byte {
	return gbsdp.Offer{
		Owner: serverID, Address: netip.MustParseAddr("127.0.0.1"), Port: port, TCP: tcp, Setup: setup, SSRC: ssrc, Stream: stream,
	}.Append(nil)
}

func inviteHeaders(id string) []wire.Header {
	return []wire.Header{{Name: "Subject", Value: id + ":" + ssrc + "," + serverID + ":0"}, {Name: "Content-Type", Value: "application/sdp"}}
}

// invite sends an INVITE that must be accepted, without ACK.
func (s *server) invite(id string, offer []byte) *call {
	s.t.Helper()
	ok := s.request("INVITE", id, "", "", inviteHeaders(id), offer)
	if ok.Status != 200 {
		s.t.Fatalf("INVITE answered %d %s", ok.Status, ok.Reason)
	}
	answer, err := gbsdp.Parse(ok.Body)
	if err != nil {
		s.t.Fatalf("answer: %v\n%s", err, ok.Body)
	}
	return &call{s, id, ok.Get("Call-ID"), wire.Param(ok.Get("To"), "tag"), answer, ok}
}

func (c *call) ack() { c.send("ACK", c.id, c.callID, c.tag, nil, nil) }

func (c *call) bye() int { return c.request("BYE", c.id, c.callID, c.tag, nil, nil).Status }

// viewer receives one stream and demuxes it.
type viewer struct {
	t      *testing.T
	udp    *net.UDPConn
	tcp    net.Conn
	demux  *ps.Demuxer
	frames []*media.Frame
	ssrc   uint32
	pt     byte
	first  []byte // payload of the first packet
	at     time.Time
}

func newViewer(t *testing.T) *viewer {
	v := &viewer{t: t}
	v.demux = ps.NewDemuxer(func(f *media.Frame) { v.frames = append(v.frames, f) })
	return v
}

func (v *viewer) listen() int {
	v.t.Helper()
	var err error
	if v.udp, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { v.udp.Close() })
	return v.udp.LocalAddr().(*net.UDPAddr).Port
}

// packet reads one RTP packet within d.
func (v *viewer) packet(d time.Duration) error {
	b := make([]byte, 64<<10)
	end := time.Now().Add(d)
	if v.udp != nil {
		if err := v.udp.SetReadDeadline(end); err != nil {
			return err
		}
		n, err := v.udp.Read(b)
		if err != nil {
			return err
		}
		b = b[:n]
	} else {
		if err := v.tcp.SetReadDeadline(end); err != nil {
			return err
		}
		if _, err := io.ReadFull(v.tcp, b[:2]); err != nil {
			return err
		}
		b = b[:binary.BigEndian.Uint16(b)]
		if _, err := io.ReadFull(v.tcp, b); err != nil {
			return err
		}
	}
	if v.first == nil {
		v.first, v.at = b[12:], time.Now()
	}
	v.pt, v.ssrc = b[1]&0x7f, binary.BigEndian.Uint32(b[8:])
	v.demux.Write(b[12:], binary.BigEndian.Uint32(b[4:]), b[1]&0x80 != 0, time.Now())
	return nil
}

// watch reads until n frames came.
func (v *viewer) watch(n int) {
	v.t.Helper()
	for len(v.frames) < n {
		if err := v.packet(4 * time.Second); err != nil {
			v.t.Fatalf("after %d frames: %v", len(v.frames), err)
		}
	}
	if st := v.demux.Stats(); st.Resyncs != 0 || st.Damaged != 0 {
		v.t.Errorf("demuxer met %+v", st)
	}
}

func (v *viewer) size() (int, int) {
	v.t.Helper()
	for _, tr := range v.demux.Tracks() {
		var err error
		switch tr.Codec {
		case media.H264:
			var sps h264.SPS
			if err = sps.Unmarshal(tr.Params[0]); err == nil {
				return sps.Width(), sps.Height()
			}
		case media.H265:
			var sps h265.SPS
			if err = sps.Unmarshal(tr.Params[1]); err == nil {
				return sps.Width(), sps.Height()
			}
		}
		if err != nil {
			v.t.Fatal(err)
		}
	}
	return 0, 0
}

func TestLiveOverUDP(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		video, audio media.Codec
		stream       []gbsdp.Attr
		width        int
	}{
		{media.H264, media.PCMA, nil, 640},
		{media.H265, media.AAC, []gbsdp.Attr{{Name: "streamnumber", Value: "1"}}, 320},
		{media.H264, sim.NoAudio, []gbsdp.Attr{{Name: "streamMode", Value: "SUB"}}, 320},
	} {
		s := newServer(t)
		m := s.start(sim.Config{Video: c.video, Audio: c.audio, Keepalive: time.Hour})
		v := newViewer(t)
		g := s.invite(camera, live(false, "", v.listen(), c.stream...))
		rx := g.answer.First("video")
		if rx == nil || rx.TCP || rx.Port == 0 || rx.Direction != gbsdp.SendOnly || len(rx.Payloads) != 1 || rx.Payloads[0] != 96 ||
			rx.Setup != "" || g.answer.SSRC != ssrc || g.ok.Get("Contact") == "" {
			t.Errorf("answer\n%s", g.ok.Append(nil))
		}
		if err := v.packet(50 * time.Millisecond); err == nil {
			t.Error("a packet came before ACK")
		}
		start := time.Now()
		g.ack()
		v.watch(8)
		if took := v.at.Sub(start); took > 200*time.Millisecond {
			t.Errorf("first packet after %v", took)
		}
		if v.ssrc != 200000001 || v.pt != 96 {
			t.Errorf("RTP has SSRC %d, payload type %d", v.ssrc, v.pt)
		}
		tracks := v.demux.Tracks()
		if tracks[0].Codec != c.video || !v.frames[0].Key || (len(tracks) == 2) != (c.audio != sim.NoAudio) {
			t.Errorf("%d tracks, first frame key %v", len(tracks), v.frames[0].Key)
		}
		if len(tracks) == 2 && tracks[1].Codec != c.audio {
			t.Errorf("sound is %s, want %s", tracks[1].Codec, c.audio)
		}
		if w, _ := v.size(); w != c.width {
			t.Errorf("picture is %d wide, want %d", w, c.width)
		}
		if m.Device(0).Streams != 1 || m.Stats().Streaming != 1 {
			t.Errorf("%s", m.Stats())
		}
		if status := g.bye(); status != 200 {
			t.Errorf("BYE answered %d", status)
		}
		for v.packet(100*time.Millisecond) == nil { // what was on the way
		}
		if err := v.packet(100 * time.Millisecond); err == nil {
			t.Error("a packet came after BYE")
		}
		if status := g.bye(); status != 481 {
			t.Errorf("second BYE answered %d", status)
		}
	}
}

func TestLiveOverTCPWhereTheDeviceConnects(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start(sim.Config{Keepalive: time.Hour})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	g := s.invite(camera, live(true, gbsdp.Passive, l.Addr().(*net.TCPAddr).Port))
	if rx := g.answer.First("video"); !rx.TCP || rx.Setup != gbsdp.Active || rx.Connection != "new" {
		t.Errorf("answer\n%s", g.ok.Body)
	}
	g.ack()
	v := newViewer(t)
	if v.tcp, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	v.watch(30)
	v.tcp.Close()
	bye := s.wait("BYE", func(r received) bool { return r.Method == "BYE" })
	if bye.Get("Call-ID") != g.callID || wire.Param(bye.Get("From"), "tag") != g.tag || wire.User(bye.URI) != serverID {
		t.Errorf("BYE\n%s", bye.Append(nil))
	}
}

func TestLiveOverTCPWhereTheDeviceListens(t *testing.T) {
	t.Parallel()
	for _, early := range []bool{false, true} { // connect before or after ACK
		s := newServer(t)
		s.start(sim.Config{Video: media.H265, Keepalive: time.Hour, Transport: sim.TCP})
		g := s.invite(camera, live(true, gbsdp.Active, 9))
		rx := g.answer.First("video")
		if !rx.TCP || rx.Setup != gbsdp.Passive || rx.Port == 0 {
			t.Fatalf("answer\n%s", g.ok.Body)
		}
		v := newViewer(t)
		if !early {
			g.ack()
		}
		var err error
		if v.tcp, err = net.Dial("tcp", g.answer.Remote(rx).String()); err != nil {
			t.Fatal(err)
		}
		if early {
			time.Sleep(20 * time.Millisecond)
			g.ack()
		}
		v.watch(5)
		v.tcp.Close()
	}
}

func TestInvitesThatCannotBeMetAreRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	m := s.start(sim.Config{Channels: 3, MaxStreams: 1, Keepalive: time.Hour})
	refused := func(id string, offer []byte, want int) {
		t.Helper()
		if r := s.request("INVITE", id, "", "", inviteHeaders(id), offer); r.Status != want {
			t.Errorf("INVITE answered %d, want %d", r.Status, want)
		}
	}
	offer := live(false, "", 40000)
	refused(recorder, offer, 404)
	refused("34020000001320000001", []byte("v=0\r\ns=Play\r\n"), 488)
	refused("34020000001320000001", []byte(strings.Replace(string(offer), "s=Play", "s=Playback", 1)), 488)
	if err := m.SetChannel(0, 1, false); err != nil {
		t.Fatal(err)
	}
	refused("34020000001320000002", offer, 480)
	g := s.invite("34020000001320000001", offer)
	g.ack()
	refused("34020000001320000003", offer, 486)
	if st := m.Stats(); st.Invites != 6 || st.Rejected != 5 {
		t.Errorf("%s", st)
	}
}

// 2022 Annex K c: the same sender and sequence in Subject takes the stream over.
func TestANewInviteOfTheSameStreamTakesOver(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	m := s.start(sim.Config{Keepalive: time.Hour, MaxStreams: 1})
	old, v := newViewer(t), newViewer(t)
	s.invite(camera, live(false, "", old.listen())).ack()
	old.watch(2)
	s.invite(camera, live(false, "", v.listen())).ack()
	v.watch(2)
	if n := m.Device(0).Streams; n != 1 {
		t.Errorf("%d streams, want 1", n)
	}
}

func TestACancelledInviteGets487(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	m := s.start(sim.Config{Keepalive: time.Hour, AnswerDelay: time.Minute})
	cseq, callID := s.send("INVITE", camera, "", "", inviteHeaders(camera), live(false, "", 40000))
	s.wait("180", func(r received) bool { return r.Status == 180 })
	s.send("CANCEL", camera, callID, "", nil, nil)
	s.wait("200 to CANCEL", func(r received) bool { return r.Status == 200 && strings.HasSuffix(r.Get("CSeq"), "CANCEL") })
	s.wait("487", func(r received) bool { return r.Status == 487 && r.Get("CSeq") == cseq })
	if m.Device(0).Streams != 0 || m.Stats().Started != 0 {
		t.Errorf("%s", m.Stats())
	}
}

func TestAnAnswerWithoutAckIsRepeatedAndThenGivenUp(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	m := s.start(sim.Config{Keepalive: time.Hour, T1: 10 * time.Millisecond})
	s.invite(camera, live(false, "", 40000))
	s.wait("second 200", func(r received) bool { return r.Status == 200 && strings.HasSuffix(r.Get("CSeq"), "INVITE") })
	s.wait("BYE", func(r received) bool { return r.Method == "BYE" })
	if st := m.Stats(); len(st.Errors) != 1 || st.Errors[0].Reason != "invite: no ACK" {
		t.Errorf("%s", st)
	}
}

func TestARefusedMediaConnectionEndsWithBye(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start(sim.Config{Keepalive: time.Hour})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	start := time.Now()
	s.invite(camera, live(true, gbsdp.Passive, port)).ack()
	s.wait("BYE", func(r received) bool { return r.Method == "BYE" })
	if took := time.Since(start); took < 3*time.Second {
		t.Errorf("gave up after %v, want three more tries a second apart", took)
	}
}

func TestManyStreamsAtOnce(t *testing.T) {
	t.Parallel()
	const n = 20
	s := newServer(t)
	m := s.start(sim.Config{Devices: n, Keepalive: time.Hour})
	var viewers []*viewer
	for i := range n {
		v := newViewer(t)
		id := fmt.Sprintf("34020000001320%06d", i+1)
		s.invite(id, live(false, "", v.listen())).ack()
		viewers = append(viewers, v)
	}
	eventually(t, "all streaming", func() bool { return m.Stats().Streaming == n })
	for _, v := range viewers {
		v.watch(3)
	}
	if id := m.Device(n - 1).ID; id != gb28181.ID("34020000001320000020") {
		t.Errorf("last device is %s", id)
	}
}
