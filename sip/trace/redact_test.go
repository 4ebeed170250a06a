package trace_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"

	"fengsui/sip/trace"
)

// redacted is a message as it leaves a ring.
func redacted(raw []byte) []byte {
	r := trace.NewRing(1<<20, 0)
	r.Add(time.Now(), trace.In, udp("192.0.2.20:5060"), raw)
	return r.Find(trace.Query{})[0].Raw
}

func TestSecretsAreOverwrittenInPlace(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"digest", "REGISTER sip:a SIP/2.0\r\nAuthorization: Digest username=\"u\", response=\"6a2143ae65b1\", uri=\"sip:a\"\r\n\r\n",
			"REGISTER sip:a SIP/2.0\r\nAuthorization: Digest username=\"u\", response=\"************\", uri=\"sip:a\"\r\n\r\n"},
		{"digest without quotes, folded", "REGISTER sip:a SIP/2.0\r\nproxy-authorization: Digest\r\n Response = 6a21,uri=x\r\nX-Response: response=1\r\n\r\n",
			"REGISTER sip:a SIP/2.0\r\nproxy-authorization: Digest\r\n Response = ****,uri=x\r\nX-Response: response=1\r\n\r\n"},
		{"digest behind a blank line and with bare line ends", "\r\nREGISTER sip:a SIP/2.0\rAuthorization :\r digest nonce=\"n\",cnonce=\"c\",response=\"6a\\\"21\",nc=1\r",
			"\r\nREGISTER sip:a SIP/2.0\rAuthorization :\r digest nonce=\"n\",cnonce=\"c\",response=\"******\",nc=1\r"},
		{"another scheme", "REGISTER sip:a SIP/2.0\r\nAuthorization: Basic dTpw\r\nProxy-Authorization: dTpw\r\n\r\n", "REGISTER sip:a SIP/2.0\r\nAuthorization: Basic ****\r\nProxy-Authorization: ****\r\n\r\n"},
		{"proof of the server", "SIP/2.0 200 OK\r\nAuthentication-Info: rspauth=\"6a21\", nextnonce=\"n\"\r\n\r\n", "SIP/2.0 200 OK\r\nAuthentication-Info: rspauth=\"****\", nextnonce=\"n\"\r\n\r\n"},
		{"challenge stays", "SIP/2.0 401 X\r\nWWW-Authenticate: Digest nonce=\"1\"\r\n\r\n", "SIP/2.0 401 X\r\nWWW-Authenticate: Digest nonce=\"1\"\r\n\r\n"},
		{"keys as headers", "OPTIONS sip:a SIP/2.0\r\nX-Auth-Token: a b\r\n c\r\nX-GB-Ver: 3.0\r\ncookie: s=1\r\n\r\n", "OPTIONS sip:a SIP/2.0\r\nX-Auth-Token: * *\r\n *\r\nX-GB-Ver: 3.0\r\ncookie: ***\r\n\r\n"},
		{"BasicParam", "MESSAGE sip:a SIP/2.0\r\n\r\n<Response><Password>secret</Password><UserPassWord a=\"1\">x</UserPassWord><Password/><Name>n</Name></Response>",
			"MESSAGE sip:a SIP/2.0\r\n\r\n<Response><Password>******</Password><UserPassWord a=\"1\">*</UserPassWord><Password/><Name>n</Name></Response>"},
		{"element with markup", "MESSAGE sip:a SIP/2.0\r\n\r\n<PWD><![CDATA[a<b>]]></pwd><Secrecy>0</Secrecy>", "MESSAGE sip:a SIP/2.0\r\n\r\n<PWD>****************</pwd><Secrecy>0</Secrecy>"},
		{"cut off", "MESSAGE sip:a SIP/2.0\r\n\r\n<Password>sec", "MESSAGE sip:a SIP/2.0\r\n\r\n<Password>***"},
		{"attributes, members, parameters", "MESSAGE sip:a SIP/2.0\r\n\r\n<Item Name=\"n\" PassWord='p q'/>{\"token\" : \"t\", \"n\":1} http://h/u?user=u&pwd=p&x=y",
			"MESSAGE sip:a SIP/2.0\r\n\r\n<Item Name=\"n\" PassWord='***'/>{\"token\" : \"*\", \"n\":1} http://h/u?user=u&pwd=*&x=y"},
		{"addresses", "INVITE sip:u:p@h SIP/2.0\r\nContact: <SIPS:u:p@w@h:5061>\r\nTo: <sip:u@h:5060;x=a@b>\r\n\r\nrtsp://u:p/w@h:554/x http://h:80/a@b",
			"INVITE sip:u:*@h SIP/2.0\r\nContact: <SIPS:u:***@h:5061>\r\nTo: <sip:u@h:5060;x=a@b>\r\n\r\nrtsp://u:***@h:554/x http://h:80/a@b"},
		{"media keys", "v=0\r\nk=base64:QUJD\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:QUJD|2^20\r\na=key-mgmt:mikey QUJD\r\na=ice-pwd:QUJD\r\na=setup:passive\r\n",
			"v=0\r\nk=base64:****\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:*********\r\na=key-mgmt:***** ****\r\na=ice-pwd:****\r\na=setup:passive\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, string(redacted([]byte(c.in)))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// places are where devices and platforms put secrets; %s is the secret.
var places = []string{
	"Authorization: Digest username=\"u\",realm=\"r\",nonce=\"n\",uri=\"sip:a\",response=\"%s\",algorithm=MD5",
	"authorization: digest response=%s, nonce=\"n\"",
	"Proxy-Authorization: Digest\r\n\tusername=\"u\",\r\n\tresponse=\"%s\"",
	"AUTHORIZATION: Basic %s",
	"Authorization: %s",
	"Authorization: Bidirection algorithm=\"A:SM2\", sign2=\"%s\"",
	"Authentication-Info: qop=auth, rspauth=\"%s\"",
	"X-Access-Token: %s",
	"X-Auth: %s",
	"x-api-key: %s",
	"Cookie: session=%s",
	"SecurityInfo: SVAC-KEK %s",
	"Contact: <sip:34020000001320000001:%s@192.0.2.20:5060>",
	"From: sip:u:%s@192.0.2.20",
	"k=clear:%s",
	"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:%s|2^20|1:4",
	"a=key-mgmt:mikey %s",
	"<Password>%s</Password>",
	"<PASSWORD >\r\n  %s\r\n</PASSWORD >",
	"<gb:password xmlns:gb=\"x\">%s</gb:password>",
	"<SIPPassword><![CDATA[%s]]></SIPPassword>",
	"<NewPasswd>%s",
	"<BasicParam UserName='u' Pwd='%s'/>",
	"<UploadURL>http://user:%s@192.0.2.9:8080/up</UploadURL>",
	"<UploadURL>http://192.0.2.9/up?token=%s&amp;n=1</UploadURL>",
	"<FileURL>ftp://user:%s@192.0.2.9/f.bin</FileURL>",
	"rtsp://admin:%s@192.0.2.20:554/Streaming",
	"{\"username\":\"admin\",\"password\": \"%s\"}",
	"{'access_token':'%s'}",
	"password=%s&x=1",
}

// message is a request that carries every line of lines, wherever it belongs.
func message(lines ...string) string {
	return "MESSAGE sip:34020000002000000001@3402000000 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bK1\r\nX-Note: 大门\r\n" +
		strings.Join(lines, "\r\n") + "\r\nContent-Length: 9\r\n\r\n<Note>大门</Note>\r\n" + strings.Join(lines, "\r\n")
}

// charsets are the encodings that XML of devices comes in.
var charsets = map[string]func(string) []byte{
	"UTF-8": func(s string) []byte { return []byte(s) },
	"GB18030": func(s string) []byte {
		b, err := simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(s))
		if err != nil {
			panic(err)
		}
		return b
	},
	"UTF-16LE": func(s string) (b []byte) {
		for _, u := range utf16.Encode([]rune(s)) {
			b = binary.LittleEndian.AppendUint16(b, u)
		}
		return b
	},
	"UTF-16BE, shifted": func(s string) []byte {
		b := []byte("x")
		for _, u := range utf16.Encode([]rune(s)) {
			b = binary.BigEndian.AppendUint16(b, u)
		}
		return b
	},
}

func TestNoSecretOfTheCorpusLeavesTheRing(t *testing.T) {
	for name, encode := range charsets {
		for _, place := range places {
			for _, secret := range []string{"Fengsui-1234", "6629fae49393a05397450978507c4ef1", "a!#$%*+~^|9", "99887766"} {
				text := message(fmt.Sprintf(place, secret))
				for _, mixed := range []string{text, "\r\n" + text, strings.ReplaceAll(text, "\r\n", "\n"), strings.ReplaceAll(text, "\r\n", "\r")} {
					in := encode(mixed)
					out := redacted(in)
					if bytes.Contains(out, encode(secret)[len(encode("")):]) || bytes.Contains(out, []byte(secret)) {
						t.Errorf("%s in %s: %q", secret, name, out)
					}
					if len(out) != len(in) || !bytes.Contains(out, encode("branch=z9hG4bK1")[len(encode("")):]) {
						t.Errorf("%s: the message is not the same: %q", name, out)
					}
				}
			}
		}
	}
}

// FuzzRedact puts a secret anywhere into any message: what stands around it may
// change what is overwritten beside it, but never lets it through.
func FuzzRedact(f *testing.F) {
	for i := range places {
		f.Add(uint8(i), "Subject: x", "<Name>n</Name>")
	}
	f.Fuzz(func(t *testing.T, place uint8, before, after string) {
		const secret = "Zq7-Zq7-Zq7-Zq7"
		if strings.Contains(before+after, "Zq7") {
			return
		}
		line := fmt.Sprintf(places[int(place)%len(places)], secret)
		in := []byte("INFO sip:a SIP/2.0\r\n" + before + "\r\n" + line + "\r\n" + after)
		out := redacted(in)
		if bytes.Contains(out, []byte(secret)) {
			t.Errorf("%q", out)
		}
		for i, c := range out {
			if c != in[i] && c != '*' || len(out) != len(in) {
				t.Fatalf("byte %d changed from %q to %q", i, in[i], c)
			}
		}
	})
}

func BenchmarkRedact(b *testing.B) {
	r := trace.NewRing(1<<20, 0)
	raw := []byte("REGISTER sip:34020000002000000001@3402000000 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.20:5060;rport;branch=z9hG4bK1\r\n" +
		"From: <sip:34020000001320000001@3402000000>;tag=1\r\nTo: <sip:34020000001320000001@3402000000>\r\nCall-ID: 1\r\nCSeq: 2 REGISTER\r\n" +
		"Contact: <sip:34020000001320000001@192.0.2.20:5060>\r\nMax-Forwards: 70\r\nExpires: 3600\r\nUser-Agent: IP Camera\r\n" +
		"Authorization: Digest username=\"34020000001320000001\",realm=\"3402000000\",nonce=\"n\",uri=\"sip:a\",response=\"6629fae49393a05397450978507c4ef1\",algorithm=MD5\r\nContent-Length: 0\r\n\r\n")
	for range 1000 {
		r.Add(time.Now(), trace.In, udp("192.0.2.20:5060"), raw)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Find(trace.Query{Limit: 1000})
	}
}
