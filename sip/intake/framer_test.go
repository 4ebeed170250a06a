package intake

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const framerLimit = 256 << 10

// framed cuts a stream that arrives in chunks; a part that is no message is
// written as its name.
func framed(chunks [][]byte) (parts []string) {
	f := framer{maxMessage: framerLimit, maxBody: framerLimit / 2}
	var b []byte
	for _, chunk := range chunks {
		b = append(b, chunk...)
		for {
			part, n := f.next(b)
			if part == partMore {
				break
			}
			switch part {
			case partMessage:
				parts = append(parts, string(b[:n]))
			case partTooLarge:
				parts = append(parts, "too large: "+string(b[:n]))
			case partPing:
				parts = append(parts, "ping")
			case partLost:
				return append(parts, "lost")
			case partMore, partSkip, partJunk:
			}
			b = b[n:]
		}
	}
	return parts
}

// split cuts a stream into chunks at places that the seed says.
func split(stream []byte, seed uint64) (chunks [][]byte) {
	r := rand.New(rand.NewPCG(seed, 1))
	for most := 1 << (seed % 12); len(stream) > 0; {
		n := min(len(stream), 1+r.IntN(most))
		chunks = append(chunks, stream[:n])
		stream = stream[n:]
	}
	return chunks
}

func message(length, body string) string {
	m := "MESSAGE sip:34020000002000000001@3402000000 SIP/2.0\r\n" +
		"Via: SIP/2.0/TCP 192.0.2.20:5060;branch=z9hG4bK777\r\n" +
		"From: <sip:34020000001320000001@3402000000>;tag=99\r\n" +
		"To: <sip:34020000002000000001@3402000000>\r\n" +
		"Call-ID: 2011@192.0.2.20\r\nCSeq: 20 MESSAGE\r\n"
	if body != "" {
		m += "Content-Type: Application/MANSCDP+xml\r\n"
	}
	if length != "" {
		m += "Content-Length: " + length + "\r\n"
	}
	return m + "\r\n" + body
}

const (
	document = "<?xml version=\"1.0\"?>\r\n<Notify>\r\n<CmdType>Keepalive</CmdType>\r\n<DeviceID>1</DeviceID>\r\n</Notify>"
	sdp      = "v=0\r\no=- 0 0 IN IP4 192.0.2.20\r\ns=Play\r\n"
)

// streams are what devices send over a connection (signalling reference,
// section 2.3 and section 9 row 38), and how it is cut.
var streams = []struct {
	name, in string
	parts    []string
}{
	{"two messages in one segment", message("0", "") + message(strconv.Itoa(len(document)), document) + message("0", ""),
		[]string{message("0", ""), message(strconv.Itoa(len(document)), document), message("0", "")}},
	{"length padded with blanks", message("    "+strconv.Itoa(len(document)), document) + message("0", ""),
		[]string{message("    "+strconv.Itoa(len(document)), document), message("0", "")}},
	{"no length and no body", message("", "") + message("0", ""),
		[]string{message("", ""), message("0", "")}},
	{"no length and a body", message("", document) + "\r\n" + message("0", ""),
		[]string{message("", document), message("0", "")}},
	{"length in characters", message(strconv.Itoa(len(document)-20), document) + message("0", ""),
		[]string{message(strconv.Itoa(len(document)-20), document), message("0", "")}},
	{"length in characters, then a line end", message(strconv.Itoa(len(document)-5), document) + "\r\n" + message("0", ""),
		[]string{message(strconv.Itoa(len(document)-5), document), message("0", "")}},
	{"length too large", message("5000", document) + message("0", "") + message("3", "abc"),
		[]string{message("5000", document), message("0", ""), message("3", "abc")}},
	{"length a little too large", message(strconv.Itoa(len(document)+3), document) + message("0", ""),
		[]string{message(strconv.Itoa(len(document)+3), document), message("0", "")}},
	{"length too large, SDP", message("5000", sdp) + message("0", ""),
		[]string{message("5000", sdp), message("0", "")}},
	{"length too small, SDP", message("10", sdp) + message("0", ""),
		[]string{message("10", sdp[:10]), message("0", "")}},
	{"document cut short", message("40", document[:40]) + message("0", ""),
		[]string{message("40", document[:40]), message("0", "")}},
	{"line ends before and between", "\r\n" + message("0", "") + "\r\n" + message("0", ""),
		[]string{message("0", ""), message("0", "")}},
	{"keep-alive", "\r\n\r\n" + message("0", "") + "\r\n\r\n\r\n\r\n" + message("0", ""),
		[]string{"ping", message("0", ""), "ping", "ping", message("0", "")}},
	{"NUL bytes", "\x00\x00\x00" + message("0", "") + "\x00" + message("0", ""),
		[]string{message("0", ""), message("0", "")}},
	{"junk between", message("0", "") + "GET / HTTP/1.1\r\nHost: x\r\n\r\n" + message("0", ""),
		[]string{message("0", ""), message("0", "")}},
	{"rest of a body on the line of the next message", message("0", "") + "eID>1</DeviceID></Notify>" + message("0", ""),
		[]string{message("0", ""), message("0", "")}},
	{"LF alone", strings.ReplaceAll(message("0", "")+message("0", ""), "\r", ""),
		[]string{strings.ReplaceAll(message("0", ""), "\r", ""), strings.ReplaceAll(message("0", ""), "\r", "")}},
	{"no empty line", strings.TrimSuffix(message("0", ""), "\r\n") + message("0", ""),
		[]string{strings.TrimSuffix(message("0", ""), "\r\n"), message("0", "")}},
	{"compact length", strings.Replace(message("3", "abc"), "Content-Length", "l", 1) + message("0", ""),
		[]string{strings.Replace(message("3", "abc"), "Content-Length", "l", 1), message("0", "")}},
	{"answer", strings.Replace(message("0", ""), "MESSAGE sip:34020000002000000001@3402000000 SIP/2.0", "SIP/2.0 200 OK", 1) + message("0", ""),
		[]string{strings.Replace(message("0", ""), "MESSAGE sip:34020000002000000001@3402000000 SIP/2.0", "SIP/2.0 200 OK", 1), message("0", "")}},
	{"body over the limit", message("200000", strings.Repeat("x", 200000)) + message("0", ""),
		[]string{"too large: " + strings.TrimSuffix(message("200000", "x"), "x"), message("0", "")}},
	{"junk without end", message("0", "") + strings.Repeat("x", maxJunk+maxLine), []string{message("0", ""), "lost"}},
	{"header without end", "INVITE sip:x@y SIP/2.0\r\n" + strings.Repeat("X: y\r\n", maxHead/6+1), []string{"lost"}},
	{"document that never ends", message("", "<Notify>"+strings.Repeat(" ", framerLimit)), []string{"lost"}},
}

func TestStreamIsCutIntoMessages(t *testing.T) {
	for _, s := range streams {
		t.Run(s.name, func(t *testing.T) {
			if diff := cmp.Diff(s.parts, framed([][]byte{[]byte(s.in)})); diff != "" {
				t.Errorf("parts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestChunkingDoesNotChangeTheMessages(t *testing.T) {
	for _, s := range streams {
		t.Run(s.name, func(t *testing.T) {
			for seed := range uint64(24) {
				if len(s.in) > 50_000 && seed%12 < 6 {
					continue // slow, and nothing new
				}
				if diff := cmp.Diff(s.parts, framed(split([]byte(s.in), seed))); diff != "" {
					t.Fatalf("parts with seed %d (-want +got):\n%s", seed, diff)
				}
			}
		})
	}
}

// TestMixturesAreCutAlikeInAnyChunks strings together what devices send, with
// lengths that are wrong by any amount, and cuts it in two ways.
func TestMixturesAreCutAlikeInAnyChunks(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	bodies := []string{"", document, document + "\r\n", sdp, document[:50], "\r\n", "  ", "<Notify>MESSAGE sip:a", document + "MESS", "<a/>", "\xef\xbb\xbf" + document}
	between := []string{"", "", "", "\r\n", "\r\n\r\n", "\r", "\n", "\x00", "junk\r\n", "</Notify>", "SIP", "MESSAGE ", "BYE sip:x@y SIP/2.0\r\n\r\n"}
	for range 1500 {
		var stream []byte
		for range 1 + r.IntN(5) {
			body := bodies[r.IntN(len(bodies))]
			length := strconv.Itoa(len(body))
			switch r.IntN(4) {
			case 0:
				length = strconv.Itoa(max(0, len(body)+r.IntN(60)-30))
			case 1:
				length = []string{"", "900", "-1", "x"}[r.IntN(4)]
			}
			stream = append(stream, message(length, body)...)
			stream = append(stream, between[r.IntN(len(between))]...)
		}
		whole := framed([][]byte{stream})
		for range 3 {
			seed := r.Uint64()
			if diff := cmp.Diff(whole, framed(split(stream, seed))); diff != "" {
				t.Fatalf("%q with seed %d (-whole +chunks):\n%s", stream, seed, diff)
			}
		}
	}
}

func TestFlushEndsAMessageThatPromisesMore(t *testing.T) {
	for _, c := range []struct{ name, in string }{
		{"length too large", message("5000", document)},
		{"document cut short, its length true", message("40", document[:40])},
		{"type without length and body", strings.TrimSuffix(message("", "x"), "x")},
		{"SDP without length", message("", sdp)},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := framer{maxMessage: framerLimit, maxBody: framerLimit}
			if part, _ := f.next([]byte(c.in)); part != partMore || !f.waiting() {
				t.Fatalf("next = %v, waiting %v, want to wait for more", part, f.waiting())
			}
			if part, n := f.flush(); part != partMessage || n != len(c.in) {
				t.Errorf("flush = %v, %d, want the message of %d bytes", part, n, len(c.in))
			}
		})
	}
}

func FuzzFraming(f *testing.F) {
	for _, s := range streams {
		if len(s.in) < 8<<10 {
			f.Add([]byte(s.in), uint64(1))
		}
	}
	for i, message := range Torture(f) {
		f.Add(message, uint64(i))
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		whole := framed([][]byte{stream})
		if diff := cmp.Diff(whole, framed(split(stream, seed))); diff != "" {
			t.Fatalf("parts depend on the chunks (-whole +chunks):\n%s", diff)
		}
		total := 0
		for _, p := range whole {
			if !bytes.Contains(stream, []byte(strings.TrimPrefix(p, "too large: "))) && p != "ping" && p != "lost" {
				t.Fatalf("%q is not of the stream", p)
			}
			total += len(p)
		}
		if total > len(stream)+len("too large: ")*len(whole) {
			t.Fatal("messages overlap")
		}
	})
}
