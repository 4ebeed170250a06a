package spine_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fengsui/configs"
	"fengsui/internal/sim"
	"fengsui/media"
	"fengsui/sip/siptest"
)

func TestDevicesOverIPv6RegisterAndPlay(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *configs.Config) {
		c.SIP.Listen, c.Media.Listen = freeAddress(t, "::1"), freeAddress(t, "::1")
	})
	for i, transport := range []string{sim.UDP, sim.TCP} {
		id := number(camera, 1+i)
		s := h.run(sim.Config{FirstID: id, Transport: transport})
		h.complete(id, 1)
		if d := h.device(id); d.State != "online" || d.Remote != s.Device(0).Addr.String() || !strings.HasPrefix(d.Remote, "[::1]:") {
			t.Errorf("%s: device %s at %s", transport, d.State, d.Remote)
		}
		for _, over := range []string{"udp", "tcp-passive", "tcp-active"} {
			stream := h.plays(id, id, over)
			if offer := stream.Stages[2].Detail; !strings.Contains(offer, "c=IN IP6 ::1\r\n") {
				t.Errorf("offer\n%s", offer)
			}
			h.picture(stream, media.H264, media.PCMA)
			h.stop(stream)
		}
	}
}

// User pain 2 and section 9 row 48: each device sees the address of the listener
// it registered at.
//
// Quirk: 48
func TestEachListenerHasItsOwnAdvertisedAddress(t *testing.T) {
	t.Parallel()
	const outside = "203.0.113.7"
	second := freeAddress(t, "127.0.0.1")
	h := open(t, func(c *configs.Config) {
		c.SIP.Listeners = []configs.Listener{{Transport: "udp", Address: second, Advertise: outside + ":15060"}}
	})
	for address, want := range map[string]string{h.cfg.SIP.Listen: h.cfg.SIP.Listen, second: outside + ":15060"} {
		id := camera
		if address == second {
			id = number(camera, 2)
		}
		d := h.camera(siptest.Config{ID: string(id), Server: netip.MustParseAddrPort(address)})
		d.React(okToMessages(d))
		register(d)
		over := make(chan struct{})
		go func() {
			defer close(over)
			_, _, _ = h.play(t.Context(), id, id, "") // it will be busy
		}()
		invite := d.Expect("INVITE")
		if via := invite.Get("Via"); !strings.HasPrefix(via, "SIP/2.0/UDP "+want+";") {
			t.Errorf("Via %s at %s, want %s", via, address, want)
		}
		if contact := invite.Get("Contact"); contact != "<sip:"+serverID+"@"+want+">" {
			t.Errorf("Contact %s at %s, want %s", contact, address, want)
		}
		host, _, _ := net.SplitHostPort(want)
		if !strings.Contains(string(invite.Body), "c=IN IP4 "+host+"\r\n") {
			t.Errorf("offer at %s, want %s in it\n%s", address, host, invite.Body)
		}
		if invite.From != netip.MustParseAddrPort(address) {
			t.Errorf("INVITE came from %s, want the listener %s", invite.From, address)
		}
		d.Answer(invite, 486, "Busy Here", "")
		d.Expect("ACK")
		<-over
	}
}

// User pain 2: media can have a public address of their own; a name is told to
// devices in SIP only, SDP carries addresses.
func TestMediaCanBeAdvertisedElsewhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sip, media, contact, offer string }{
		{"", "198.51.100.9", "", "198.51.100.9"},
		{"gb.example.org", "", "gb.example.org", "127.0.0.1"},
		{"203.0.113.7", "", "203.0.113.7", "203.0.113.7"},
		{"203.0.113.7:15060", "198.51.100.9", "203.0.113.7:15060", "198.51.100.9"},
	} {
		t.Run(c.sip+" "+c.media, func(t *testing.T) {
			t.Parallel()
			h := open(t, func(cfg *configs.Config) { cfg.SIP.Advertise, cfg.Media.Advertise = c.sip, c.media })
			d := h.camera(siptest.Config{})
			d.React(okToMessages(d))
			register(d)
			over := make(chan struct{})
			go func() {
				defer close(over)
				_, _, _ = h.play(t.Context(), camera, camera, "") // it will be busy
			}()
			invite := d.Expect("INVITE")
			d.Answer(invite, 486, "Busy Here", "")
			d.Expect("ACK")
			<-over
			_, port, _ := net.SplitHostPort(h.cfg.SIP.Listen)
			want := c.contact
			switch {
			case want == "":
				want = h.cfg.SIP.Listen
			case !strings.Contains(want, ":"):
				want += ":" + port
			}
			if contact := invite.Get("Contact"); contact != "<sip:"+serverID+"@"+want+">" {
				t.Errorf("Contact %s, want %s", contact, want)
			}
			if !strings.Contains(string(invite.Body), "c=IN IP4 "+c.offer+"\r\n") {
				t.Errorf("want %s in offer\n%s", c.offer, invite.Body)
			}
		})
	}
}

func TestADeviceRegistersOverTLS(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	h := open(t, func(c *configs.Config) {
		c.SIP.TLS = configs.SIPTLS{Listen: freeAddress(t, "127.0.0.1"), Cert: cert, Key: key}
	})
	pool := x509.NewCertPool()
	text, err := os.ReadFile(cert)
	if err != nil || !pool.AppendCertsFromPEM(text) {
		t.Fatal("certificate cannot be read back", err)
	}
	d := h.camera(siptest.Config{
		Transport: "tls", Server: netip.MustParseAddrPort(h.cfg.SIP.TLS.Listen), TLS: &tls.Config{RootCAs: pool, ServerName: "localhost"},
	})
	register(d)
	if v := h.becomes(camera, "online"); v.Transport != "tls" || v.Remote != d.Local().String() {
		t.Errorf("online by %s from %s", v.Transport, v.Remote)
	}
	// The server's questions come over the same connection.
	query := d.Expect("MESSAGE")
	if via := query.Get("Via"); !strings.HasPrefix(via, "SIP/2.0/TLS "+h.cfg.SIP.TLS.Listen) {
		t.Errorf("Via %s", via)
	}
	d.Answer(query, 200, "OK", "")
	d.Close()
	if v := h.becomes(camera, "unknown"); v.StateEvidence != "connection" {
		t.Errorf("unknown by %s: %s", v.StateEvidence, v.StateReason)
	}
}

// certificate makes a self-signed one for localhost and returns its files.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// Without an address a listener serves both families; each device is told an
// address of its own.
func TestOneListenerServesBothFamilies(t *testing.T) {
	t.Parallel()
	for listen, hosts := range map[string][]string{"": {"127.0.0.1", "[::1]"}, "0.0.0.0": {"127.0.0.1"}, "::": {"[::1]"}} {
		t.Run(listen, func(t *testing.T) {
			t.Parallel()
			h := open(t, func(c *configs.Config) { c.SIP.Listen, c.Media.Listen = freeAddress(t, listen), freeAddress(t, listen) })
			_, port, _ := net.SplitHostPort(h.cfg.SIP.Listen)
			n := 0
			for _, host := range hosts {
				for _, transport := range []string{sim.UDP, sim.TCP} {
					n++
					id := number(camera, n)
					s := h.run(sim.Config{FirstID: id, Transport: transport, Server: host + ":" + port})
					h.complete(id, 1)
					if d := h.device(id); d.State != "online" || d.Remote != s.Device(0).Addr.String() {
						t.Errorf("%s %s: device %s at %s, is at %s", host, transport, d.State, d.Remote, s.Device(0).Addr)
					}
					for _, over := range []string{"udp", "tcp-passive", "tcp-active"} {
						for _, mode := range []string{"single", "range"} {
							h.must("PATCH", "/api/v1/devices/"+string(id), map[string]any{"media_mode": mode}, nil)
							stream := h.plays(id, id, over)
							want := "c=IN IP4 127.0.0.1\r\n"
							if host == "[::1]" {
								want = "c=IN IP6 ::1\r\n"
							}
							if offer := stream.Stages[2].Detail; !strings.Contains(offer, want) {
								t.Errorf("want %q in offer\n%s", want, offer)
							}
							h.picture(stream, media.H264, media.PCMA)
							h.stop(stream)
						}
					}
				}
			}
		})
	}
}
