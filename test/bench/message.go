//go:build linux

package main

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"fengsui/sip/digest"
)

// The identity of the server under test: its defaults.
const (
	serverID     = "34020000002000000001"
	serverDomain = "3402000000"
	devicePrefix = "34020000001320" // and six digits
	devicePass   = "bench-device-1"
	adminPass    = "bench-admin-1"
	xmlHead      = "<?xml version=\"1.0\" encoding=\"GB2312\"?>\r\n"
	xmlType      = "Application/MANSCDP+xml"
	expires      = "3600"
)

// Kinds of operation.
const (
	opNone = iota
	opChallenge
	opRegister
	opKeepalive
)

// camera is one loaded device: its identity, and the operation under way.
type camera struct {
	index     int
	id        string
	addr      [4]byte // of 127.0.0.0/8
	host      string  // addr:port
	transport string  // UDP or TCP
	callID    string  // of its registration
	tag       string
	ha1       string
	cseq      uint32 // of REGISTER
	sn        uint32 // of XML
	nonce     string // the last one it was given

	registered bool
	notBefore  time.Time // asked to come back then

	op     uint8
	since  time.Time // when it began
	serial uint32    // of the operation, in branch, Call-ID and CSeq of a keepalive
}

func newCamera(index int, net byte, port uint16, transport string) camera {
	c := camera{index: index, addr: [4]byte{127, net + byte(index>>16), byte(index >> 8), byte(index)}, transport: transport}
	c.id = devicePrefix + strconv.Itoa(1000001 + index)[1:]
	c.setPort(port)
	c.callID = fmt.Sprintf("r%06d-%d@bench", index, port)
	c.tag = fmt.Sprintf("t%06d", index)
	c.ha1 = digest.MD5.HA1(c.id, serverDomain, devicePass)
	return c
}

func (c *camera) setPort(port uint16) {
	c.host = fmt.Sprintf("%d.%d.%d.%d:%d", c.addr[0], c.addr[1], c.addr[2], c.addr[3], port)
}

// branch of the operation: what an answer is matched by.
func (c *camera) appendBranch(b []byte) []byte {
	b = append(b, "z9hG4bKb"...)
	b = strconv.AppendUint(b, uint64(c.index), 16)
	b = append(b, '-')
	return strconv.AppendUint(b, uint64(c.serial), 16)
}

// readBranch undoes appendBranch.
func readBranch(b []byte) (index int, serial uint32, ok bool) {
	rest, ok := bytes.CutPrefix(b, []byte("z9hG4bKb"))
	if !ok {
		return 0, 0, false
	}
	first, second, ok := bytes.Cut(rest, []byte("-"))
	if !ok {
		return 0, 0, false
	}
	i, ok1 := hexUint(first)
	s, ok2 := hexUint(second)
	return int(i), s, ok1 && ok2
}

func hexUint(b []byte) (n uint32, ok bool) {
	if len(b) == 0 || len(b) > 8 {
		return 0, false
	}
	for _, ch := range b {
		switch {
		case '0' <= ch && ch <= '9':
			ch -= '0'
		case 'a' <= ch && ch <= 'f':
			ch -= 'a' - 10
		default:
			return 0, false
		}
		n = n<<4 | uint32(ch)
	}
	return n, true
}

func (c *camera) appendVia(b []byte) []byte {
	b = append(b, "Via: SIP/2.0/"...)
	b = append(b, c.transport...)
	b = append(b, ' ')
	b = append(b, c.host...)
	b = append(b, ";rport;branch="...)
	return append(c.appendBranch(b), "\r\n"...)
}

const registerURI = "sip:" + serverID + "@" + serverDomain

// appendRegister writes a REGISTER; authorization is "" in the first of a pair.
func (c *camera) appendRegister(b []byte, authorization []byte) []byte {
	b = append(b, "REGISTER "+registerURI+" SIP/2.0\r\n"...)
	b = c.appendVia(b)
	b = append(b, "From: <sip:"...)
	b = append(b, c.id...)
	b = append(b, "@"+serverDomain+">;tag="...)
	b = append(b, c.tag...)
	b = append(b, "\r\nTo: <sip:"...)
	b = append(b, c.id...)
	b = append(b, "@"+serverDomain+">\r\nCall-ID: "...)
	b = append(b, c.callID...)
	b = append(b, "\r\nCSeq: "...)
	b = strconv.AppendUint(b, uint64(c.cseq), 10)
	b = append(b, " REGISTER\r\nContact: <sip:"...)
	b = append(b, c.id...)
	b = append(b, '@')
	b = append(b, c.host...)
	b = append(b, ">\r\nMax-Forwards: 70\r\nUser-Agent: Fengsui bench\r\nExpires: "+expires+"\r\n"...)
	if authorization != nil {
		b = append(b, "Authorization: "...)
		b = append(b, authorization...)
		b = append(b, "\r\n"...)
	}
	return append(b, "Content-Length: 0\r\n\r\n"...)
}

// appendKeepalive writes the MESSAGE of GB/T 28181-2022 A.2.5.
func (c *camera) appendKeepalive(b []byte) []byte {
	b = append(b, "MESSAGE "+registerURI+" SIP/2.0\r\n"...)
	b = c.appendVia(b)
	b = append(b, "From: <sip:"...)
	b = append(b, c.id...)
	b = append(b, "@"+serverDomain+">;tag="...)
	b = append(b, c.tag...)
	b = append(b, "\r\nTo: <sip:"+serverID+"@"+serverDomain+">\r\nCall-ID: "...)
	b = c.appendCallID(b)
	b = append(b, "\r\nCSeq: "...)
	b = strconv.AppendUint(b, uint64(c.serial), 10)
	b = append(b, " MESSAGE\r\nMax-Forwards: 70\r\nUser-Agent: Fengsui bench\r\nContent-Type: "+xmlType+"\r\nContent-Length: "...)
	c.sn++
	sn := strconv.AppendUint(make([]byte, 0, 10), uint64(c.sn), 10)
	const one, two, three = xmlHead + "<Notify>\r\n<CmdType>Keepalive</CmdType>\r\n<SN>", "</SN>\r\n<DeviceID>", "</DeviceID>\r\n<Status>OK</Status>\r\n</Notify>\r\n"
	b = strconv.AppendInt(b, int64(len(one)+len(sn)+len(two)+len(c.id)+len(three)), 10)
	b = append(b, "\r\n\r\n"+one...)
	b = append(b, sn...)
	b = append(b, two...)
	b = append(b, c.id...)
	return append(b, three...)
}

// appendCallID is the Call-ID of a keepalive.
func (c *camera) appendCallID(b []byte) []byte {
	b = append(b, 'k')
	b = strconv.AppendUint(b, uint64(c.serial), 16)
	b = append(b, '.')
	return append(b, c.id...)
}

// appendAuthorization answers a challenge by MD5 without qop, as cameras do
// (RFC 2617 section 3.2.2.1); ha2 is that of REGISTER.
func (c *camera) appendAuthorization(b []byte, nonce []byte, ha2 string) []byte {
	in := make([]byte, 0, 256)
	in = append(in, c.ha1...)
	in = append(in, ':')
	in = append(in, nonce...)
	in = append(in, ':')
	in = append(in, ha2...)
	sum := md5.Sum(in)
	b = append(b, `Digest username="`...)
	b = append(b, c.id...)
	b = append(b, `",realm="`+serverDomain+`",nonce="`...)
	b = append(b, nonce...)
	b = append(b, `",uri="`+registerURI+`",response="`...)
	b = hex.AppendEncode(b, sum[:])
	return append(b, `",algorithm=MD5`...)
}

func registerHA2() string {
	sum := md5.Sum([]byte("REGISTER:" + registerURI))
	return hex.EncodeToString(sum[:])
}

var errAnswer = errors.New("unreadable answer")

// answer is what a response says; its bytes point into the datagram.
type answer struct {
	status                      int
	branch, from, to, callID    []byte
	method                      []byte
	cseq                        uint32
	challenge, date, expiration []byte
	contact                     []byte
	retry                       time.Duration
	vias                        int
}

// scanAnswer reads a response. It is strict: the server is ours.
func scanAnswer(b []byte) (a answer, err error) {
	const start = "SIP/2.0 "
	if len(b) < len(start)+4 || string(b[:len(start)]) != start {
		return a, fmt.Errorf("%w: no status line", errAnswer)
	}
	status := 0
	for _, ch := range b[len(start) : len(start)+3] {
		if ch < '0' || ch > '9' {
			return a, fmt.Errorf("%w: bad status", errAnswer)
		}
		status = status*10 + int(ch-'0')
	}
	a, err = scanFields(b)
	a.status = status
	return a, err
}

// scanFields reads a message from its second line on.
func scanFields(b []byte) (a answer, err error) {
	head := bytes.Index(b, []byte("\r\n\r\n"))
	if head < 0 {
		return a, fmt.Errorf("%w: no end of the head", errAnswer)
	}
	rest := b[:head+2]
	rest = rest[bytes.IndexByte(rest, '\n')+1:]
	for len(rest) > 0 {
		end := bytes.IndexByte(rest, '\n')
		if end < 1 || rest[end-1] != '\r' {
			return a, fmt.Errorf("%w: a line does not end with CRLF", errAnswer)
		}
		line := rest[:end-1]
		rest = rest[end+1:]
		colon := bytes.IndexByte(line, ':')
		if colon < 1 {
			return a, fmt.Errorf("%w: a line has no name", errAnswer)
		}
		value := bytes.TrimSpace(line[colon+1:])
		switch string(line[:colon]) {
		case "Via":
			if a.vias++; a.vias == 1 {
				a.branch = param(value, ";branch=")
			}
		case "From":
			a.from = value
		case "To":
			a.to = value
		case "Call-ID":
			a.callID = value
		case "CSeq":
			num, method, _ := bytes.Cut(value, []byte(" "))
			for _, ch := range num {
				if ch < '0' || ch > '9' {
					return a, fmt.Errorf("%w: bad CSeq", errAnswer)
				}
				a.cseq = a.cseq*10 + uint32(ch-'0')
			}
			a.method = method
		case "WWW-Authenticate":
			if a.challenge == nil {
				a.challenge = value
			}
		case "Date":
			a.date = value
		case "Expires":
			a.expiration = value
		case "Contact":
			a.contact = value
		case "Retry-After":
			n, _ := strconv.Atoi(string(value))
			a.retry = time.Duration(n) * time.Second
		}
	}
	return a, nil
}

// param is a parameter of a header value, up to the next semicolon.
func param(value []byte, name string) []byte {
	i := bytes.Index(value, []byte(name))
	if i < 0 {
		return nil
	}
	value = value[i+len(name):]
	if end := bytes.IndexByte(value, ';'); end >= 0 {
		value = value[:end]
	}
	return value
}

// quoted is a quoted parameter of a challenge.
func quoted(value []byte, name string) []byte {
	i := bytes.Index(value, []byte(name+`="`))
	if i < 0 {
		return nil
	}
	value = value[i+len(name)+2:]
	end := bytes.IndexByte(value, '"')
	if end < 0 {
		return nil
	}
	return value[:end]
}
