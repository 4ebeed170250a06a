package e2e_test

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// peer speaks SIP byte by byte, with no code of the server's.
type peer struct {
	net.Conn
	network string
	id      string
	cseq    int
	unread  []byte // over TCP, what came after the last message
}

func dial(t *testing.T, s *server, network, id string) *peer {
	t.Helper()
	c, err := net.DialTimeout(network, s.sip, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &peer{Conn: c, network: network, id: id}
}

// message makes a request; lines are further header lines.
func (p *peer) message(method, callID string, body string, lines ...string) string {
	p.cseq++
	to := p.id
	if method != "REGISTER" {
		to = serverID
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s sip:%s@%s SIP/2.0\r\n", method, serverID, domain)
	fmt.Fprintf(&b, "Via: SIP/2.0/%s %s;rport;branch=z9hG4bK%s%d\r\n", strings.ToUpper(p.network), p.LocalAddr(), callID, p.cseq)
	fmt.Fprintf(&b, "From: <sip:%s@%s>;tag=%s\r\nTo: <sip:%s@%s>\r\n", p.id, domain, callID, to, domain)
	fmt.Fprintf(&b, "Call-ID: %s\r\nCSeq: %d %s\r\nMax-Forwards: 70\r\n", callID, p.cseq, method)
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.String()
}

func (p *peer) register(callID string, expires int, lines ...string) string {
	lines = append([]string{
		fmt.Sprintf("Contact: <sip:%s@%s>", p.id, p.LocalAddr()), "Expires: " + strconv.Itoa(expires), "X-GB-Ver: 3.0",
	}, lines...)
	return p.message("REGISTER", callID, "", lines...)
}

func (p *peer) keepalive(callID string) string {
	return p.message("MESSAGE", callID, "<?xml version=\"1.0\"?>\r\n<Notify>\r\n<CmdType>Keepalive</CmdType>\r\n<SN>1</SN>\r\n<DeviceID>"+
		p.id+"</DeviceID>\r\n<Status>OK</Status>\r\n</Notify>\r\n", "Content-Type: Application/MANSCDP+xml")
}

func (p *peer) send(t *testing.T, message string) {
	t.Helper()
	if _, err := p.Write([]byte(message)); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// answer is the next response, passing over the server's own requests; "" when
// none comes within a time.
func (p *peer) answer(t *testing.T, within time.Duration) string {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		m := p.next(t, deadline)
		if m == "" || strings.HasPrefix(m, "SIP/2.0 ") {
			return m
		}
	}
}

// ask sends a request and returns its answer, which must come. Over UDP it
// sends again as RFC 3261 has it.
func (p *peer) ask(t *testing.T, message string) string {
	t.Helper()
	for range 8 {
		p.send(t, message)
		if a := p.answer(t, time.Second); a != "" {
			return a
		}
		if p.network != "udp" {
			break
		}
	}
	t.Fatalf("no answer to\n%s", message)
	return ""
}

var contentLength = regexp.MustCompile(`(?i)\r\nContent-Length: *([0-9]+)`)

func (p *peer) next(t *testing.T, deadline time.Time) string {
	t.Helper()
	_ = p.SetReadDeadline(deadline)
	buf := make([]byte, 65536)
	for {
		if end := bytes.Index(p.unread, []byte("\r\n\r\n")); p.network == "tcp" && end >= 0 {
			size := end + 4
			if m := contentLength.FindSubmatch(p.unread[:end]); m != nil {
				n, _ := strconv.Atoi(string(m[1]))
				size += n
			}
			if len(p.unread) >= size {
				m := string(p.unread[:size])
				p.unread = p.unread[size:]
				if strings.TrimSpace(m) == "" {
					continue
				}
				return m
			}
		}
		n, err := p.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return ""
		}
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		if p.network == "udp" {
			return string(buf[:n])
		}
		p.unread = append(p.unread, buf[:n]...)
	}
}

// statusOf is the code of a response.
func statusOf(message string) int {
	fields := strings.Fields(message)
	if len(fields) < 2 || fields[0] != "SIP/2.0" {
		return 0
	}
	n, _ := strconv.Atoi(fields[1])
	return n
}

// header is the value of the first header line of a name.
func header(message, name string) string {
	for line := range strings.SplitSeq(message, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

var challengeParam = regexp.MustCompile(`(\w+)="?([^",]*)"?`)

// credentials answers a 401 (RFC 2617, without qop).
func (p *peer) credentials(challenge, password string) string {
	offered := map[string]string{}
	for _, m := range challengeParam.FindAllStringSubmatch(header(challenge, "WWW-Authenticate"), -1) {
		offered[m[1]] = m[2]
	}
	sum := func(text string) string { return fmt.Sprintf("%x", md5.Sum([]byte(text))) }
	uri := "sip:" + serverID + "@" + domain
	response := sum(sum(p.id+":"+offered["realm"]+":"+password) + ":" + offered["nonce"] + ":" + sum("REGISTER:"+uri))
	return fmt.Sprintf(`Authorization: Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=MD5`,
		p.id, offered["realm"], offered["nonce"], uri, response)
}

// enrol registers with Digest and returns the second REGISTER and its answer.
func (p *peer) enrol(t *testing.T, callID string, expires int) (request, answer string) {
	t.Helper()
	challenge := p.ask(t, p.register(callID, expires))
	if statusOf(challenge) != 401 {
		t.Fatalf("want 401, got\n%s", challenge)
	}
	request = p.register(callID, expires, p.credentials(challenge, sipPassword))
	if answer = p.ask(t, request); statusOf(answer) != 200 {
		t.Fatalf("want 200, got\n%s", answer)
	}
	return request, answer
}
