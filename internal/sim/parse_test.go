package sim

import (
	"net/netip"
	"strings"
	"testing"

	"fengsui/media"
)

// Section 6.5 of the signalling page.
const tcpOffer = "v=0\r\no=34020000002000000001 0 0 IN IP4 198.51.100.6\r\ns=Play\r\nc=IN IP4 198.51.100.6\r\nt=0 0\r\n" +
	"m=video 30000 TCP/RTP/AVP 96 97 98 99\r\na=recvonly\r\na=rtpmap:96 PS/90000\r\na=rtpmap:97 MPEG4/90000\r\n" +
	"a=rtpmap:98 H264/90000\r\na=rtpmap:99 H265/90000\r\na=setup:passive\r\na=connection:new\r\ny=0200000001\r\n"

func TestOffersAreRead(t *testing.T) {
	o, err := readOffer([]byte(tcpOffer))
	if err != nil || o.remote != netip.MustParseAddrPort("198.51.100.6:30000") || !o.tcp || o.setup != "passive" ||
		o.y != "0200000001" || o.payloads["H265"] != 99 || o.profile != media.Main || o.session != "Play" {
		t.Errorf("readOffer = %+v, %v", o, err)
	}
	for line, want := range map[string]media.Profile{
		"a=streamnumber:0": media.Main, "a=streamnumber:1": media.Sub, "a=stream:sub": media.Sub,
		"a=streamprofile:1": media.Sub, "a=streamMode:MAIN": media.Main, "a=streamMode:SUB": media.Sub,
	} {
		if o, err := readOffer([]byte(tcpOffer + line + "\r\n")); err != nil || o.profile != want {
			t.Errorf("%s: profile %s, %v", line, o.profile, err)
		}
	}
	for _, bad := range []string{"", "m=video 30000 RTP/AVP 96", "c=IN IP4 10.0.0.1", "c=IN IP4 10.0.0.1\nm=video x RTP/AVP 96"} {
		if _, err := readOffer([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestIDsMapToDevicesAndBack(t *testing.T) {
	for _, c := range []Config{
		{Devices: 1}, {Devices: 1000}, {Devices: 300, Channels: 16},
		{Devices: 3, Channels: 2, FirstID: "34020000001320000500"}, {Devices: 2, FirstID: "34020000001110000000"},
	} {
		c = c.withDefaults()
		n, err := newNumbering(&c)
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.Devices {
			if got, ch, ok := n.find(n.deviceID(i)); !ok || got != i || (ch == 0) != (c.Channels == 1) {
				t.Fatalf("find(%s) = %d, %d, %v", n.deviceID(i), got, ch, ok)
			}
			for ch := range c.Channels {
				if d, got, ok := n.find(n.channelID(i, ch)); !ok || d != i || got != ch || n.channelName(i, ch) == "" {
					t.Fatalf("find(%s) = %d, %d, %v", n.channelID(i, ch), d, got, ok)
				}
			}
		}
		for _, other := range []string{"", "34020000001329999999", "3402000000132000000x", n.channel.id(c.Devices * c.Channels)} {
			if _, _, ok := n.find(other); ok {
				t.Errorf("%q was found", other)
			}
		}
	}
}

func FuzzReadOffer(f *testing.F) {
	f.Add([]byte(tcpOffer))
	f.Add([]byte(strings.ReplaceAll(tcpOffer, "TCP/", "")))
	f.Add([]byte("c=IN IP6 2001:db8::1\nm=video 9 RTP/AVP 96\ny=1"))
	f.Fuzz(func(t *testing.T, in []byte) {
		o, err := readOffer(in)
		if err != nil {
			return
		}
		// An answer with the same words reads the same.
		a := answerSDP{id: "1", session: "Play", addr: o.remote, tcp: o.tcp, payload: 96, name: "PS", y: o.y}
		again, err := readOffer(a.bytes())
		if err != nil || again.remote != o.remote || again.tcp != o.tcp || again.y != o.y || again.payloads["PS"] != 96 {
			t.Fatalf("got %+v, %v, want %+v", again, err, o)
		}
	})
}

func FuzzReadRequest(f *testing.F) {
	f.Add([]byte("<?xml version=\"1.0\"?><Query><CmdType>Catalog</CmdType><SN>248</SN><DeviceID>34020000001180000001</DeviceID></Query>"))
	f.Add([]byte("<Control><CmdType>DeviceControl</CmdType><SN>1</SN><DeviceID>x</DeviceID><IFameCmd>Send</IFameCmd></Control>"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, ok := readRequest(in)
		if !ok || strings.ContainsAny(r.cmd+r.sn+r.id, "<>&\"'\r\n\t") {
			return
		}
		again, ok := readRequest([]byte(body(r.root, r.cmd, r.sn, r.id, "")))
		if !ok || again.root != r.root || again.cmd != r.cmd || again.sn != r.sn || again.id != r.id {
			t.Fatalf("got %+v, want %+v", again, r)
		}
	})
}

func FuzzPickChallenge(f *testing.F) {
	f.Add(`Digest realm="3402000000",nonce="6fe9ba44a76be22a",algorithm=MD5`)
	f.Add(`Digest realm="a,b", nonce="x", qop="auth,auth-int", stale=TRUE, opaque="o", algorithm="SM3"`)
	f.Fuzz(func(t *testing.T, in string) {
		c, err := pickChallenge([]string{in})
		if err != nil || strings.Contains(c.realm+c.nonce+c.opaque+c.algorithm, `"`) {
			return
		}
		// What is answered names what was asked.
		again, err := pickChallenge([]string{c.authorize("u", "p", "REGISTER", "sip:x", "c")})
		if err != nil || again.nonce != strings.TrimSpace(c.nonce) && again.nonce != c.nonce || again.algorithm != c.algorithm {
			t.Fatalf("got %+v, %v, want %+v", again, err, c)
		}
	})
}
