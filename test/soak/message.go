//go:build linux

package main

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strconv"
)

// The identity of the server: its defaults.
const (
	serverID    = "34020000002000000001"
	domain      = "3402000000"
	registerURI = "sip:" + serverID + "@" + domain
	password    = "soak-device-1"
)

// sender is who a message is from.
type sender struct {
	id   string
	addr [4]byte
	port uint16
}

// number is the ID of a camera.
func number(n int) string { return fmt.Sprintf("34020000001320%06d", n) }

// request appends the headers that all requests of a sender have; the serial
// names it in branch, Call-ID and CSeq.
func (s *sender) request(b []byte, method, to string, serial uint32) []byte {
	b = fmt.Appendf(b, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %d.%d.%d.%d:%d;rport;branch=z9hG4bKs%x\r\n",
		method, registerURI, s.addr[0], s.addr[1], s.addr[2], s.addr[3], s.port, serial)
	call := "r"
	if method != "REGISTER" { // which has one for all of a device
		call = strconv.FormatUint(uint64(serial), 16)
	}
	return fmt.Appendf(b, "From: <sip:%s@%s>;tag=s%x\r\nTo: <sip:%s@%s>\r\nCall-ID: %s.%s\r\nCSeq: %d %s\r\nMax-Forwards: 70\r\nUser-Agent: Fengsui soak\r\n",
		s.id, domain, serial, to, domain, call, s.id, serial, method)
}

// register appends a REGISTER that answers the challenge of the nonce, if there
// is one.
func (s *sender) register(b []byte, serial uint32, nonce, secret string) []byte {
	b = s.request(b, "REGISTER", s.id, serial)
	b = fmt.Appendf(b, "Contact: <sip:%s@%d.%d.%d.%d:%d>\r\nExpires: 3600\r\n", s.id, s.addr[0], s.addr[1], s.addr[2], s.addr[3], s.port)
	if nonce != "" {
		response := hashed(hashed(s.id+":"+domain+":"+secret) + ":" + nonce + ":" + hashed("REGISTER:"+registerURI))
		b = fmt.Appendf(b, "Authorization: Digest username=\"%s\",realm=\"%s\",nonce=\"%s\",uri=\"%s\",response=\"%s\",algorithm=MD5\r\n",
			s.id, domain, nonce, registerURI, response)
	}
	return append(b, "Content-Length: 0\r\n\r\n"...)
}

// hashed is the hash of Digest without qop (RFC 2617 section 3.2.2.1).
func hashed(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// message appends a MESSAGE with a body.
func (s *sender) message(b []byte, serial uint32, body string) []byte {
	b = s.request(b, "MESSAGE", serverID, serial)
	return fmt.Appendf(b, "Content-Type: Application/MANSCDP+xml\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func (s *sender) keepalive(b []byte, serial uint32) []byte {
	return s.message(b, serial, "<?xml version=\"1.0\"?>\r\n<Notify>\r\n<CmdType>Keepalive</CmdType>\r\n<SN>"+strconv.Itoa(int(serial))+
		"</SN>\r\n<DeviceID>"+s.id+"</DeviceID>\r\n<Status>OK</Status>\r\n</Notify>\r\n")
}

// report is the body with which a camera answers a query; "" to what has none.
func (s *sender) report(query []byte) string {
	command, sn := within(query, "<CmdType>", "</CmdType>"), within(query, "<SN>", "</SN>")
	if command == nil || !bytes.Contains(query, []byte("<Query>")) {
		return ""
	}
	said := "<Result>OK</Result>"
	switch string(command) {
	case "Catalog":
		said = "<SumNum>1</SumNum>\r\n<DeviceList Num=\"1\">\r\n<Item>\r\n<DeviceID>" + s.id + "</DeviceID>\r\n<Name>soak</Name>\r\n<Parental>0</Parental>\r\n" +
			"<ParentID>" + s.id + "</ParentID>\r\n<Status>ON</Status>\r\n</Item>\r\n</DeviceList>"
	case "DeviceStatus":
		said += "\r\n<Online>ONLINE</Online>\r\n<Status>OK</Status>"
	}
	return fmt.Sprintf("<?xml version=\"1.0\"?>\r\n<Response>\r\n<CmdType>%s</CmdType>\r\n<SN>%s</SN>\r\n<DeviceID>%s</DeviceID>\r\n%s\r\n</Response>\r\n",
		command, sn, s.id, said)
}

// answer appends the 200 to a request of the server's.
func answer(b, request []byte) []byte {
	b = append(b, "SIP/2.0 200 OK\r\n"...)
	for line := range bytes.Lines(request) {
		name, _, ok := bytes.Cut(line, []byte(":"))
		if !ok && len(bytes.TrimSpace(line)) == 0 {
			break
		}
		switch string(name) {
		case "To":
			line = append(bytes.TrimRight(line[:len(line):len(line)], "\r\n"), ";tag=soak\r\n"...)
			fallthrough
		case "Via", "From", "Call-ID", "CSeq", "Event", "Expires":
			b = append(b, line...)
		}
	}
	return append(b, "Content-Length: 0\r\n\r\n"...)
}

// reply is what a response says; its bytes point into it.
type reply struct {
	status int
	serial uint32
	nonce  []byte
	after  int // Retry-After, s
}

// readReply reads a response to a request of ours; ok is false for one to
// something else.
func readReply(b []byte) (r reply, ok bool) {
	if len(b) < 12 {
		return r, false
	}
	status, err := strconv.Atoi(string(b[8:11]))
	branch := within(b, "branch=z9hG4bKs", "\r\n")
	branch, _, _ = bytes.Cut(branch, []byte(";"))
	serial, errSerial := strconv.ParseUint(string(branch), 16, 32)
	if err != nil || errSerial != nil {
		return r, false
	}
	r = reply{status: status, serial: uint32(serial), nonce: within(b, "nonce=\"", "\"")}
	r.after, _ = strconv.Atoi(string(within(b, "\r\nRetry-After: ", "\r\n"))) // 0 when there is none
	return r, true
}

// within is what stands between two texts, nil when they are not there.
func within(b []byte, before, after string) []byte {
	_, rest, ok := bytes.Cut(b, []byte(before))
	if !ok {
		return nil
	}
	inner, _, ok := bytes.Cut(rest, []byte(after))
	if !ok {
		return nil
	}
	return inner
}
