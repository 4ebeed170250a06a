package spine_test

import (
	"strconv"
	"strings"

	"fengsui/sip/digest"
	"fengsui/sip/siptest"
)

// register registers a device of plain text by the common password and returns
// its last REGISTER (section 2.9.2).
func register(d *siptest.Device, headers ...siptest.Header) *siptest.Message {
	m := d.Request("REGISTER", "", append([]siptest.Header{{Name: "Expires", Value: "3600"}}, headers...)...)
	m.Set("To", strings.Split(m.Get("From"), ";tag=")[0])
	m.Set("Contact", "<sip:"+d.ID()+"@"+d.Local().String()+">")
	d.Send(m.Bytes())
	authorize(m, d.ExpectStatus(401))
	d.Send(m.Bytes())
	d.ExpectStatus(200)
	return m
}

// authorize makes a REGISTER the answer to a challenge.
func authorize(m, challenge *siptest.Message) {
	c, _, _ := digest.ParseChallenge([]byte(challenge.Get("WWW-Authenticate")))
	id, _, _ := strings.Cut(strings.TrimPrefix(m.Get("From"), "<sip:"), "@")
	c.Username, c.URI = id, m.URI
	if c.QOP != "" {
		c.NC, c.CNonce = "00000001", "0a4f113b"
	}
	c.Sign("REGISTER", password)
	n, _ := m.CSeq()
	again(m, n+1)
	m.Set("Authorization", c.String())
}

// again gives a request the next sequence number and a branch of its own.
func again(m *siptest.Message, cseq uint32) {
	m.Set("CSeq", strconv.FormatUint(uint64(cseq), 10)+" "+m.Method)
	via, branch, _ := strings.Cut(m.Get("Via"), ";branch=")
	m.Set("Via", via+";branch="+branch+"x")
}

// okToMessages takes every query with 200 and answers none.
func okToMessages(d *siptest.Device) func(*siptest.Message) []byte {
	return func(m *siptest.Message) []byte {
		switch m.Method {
		case "MESSAGE", "SUBSCRIBE", "OPTIONS":
			return d.Response(m, 200, "OK", "").Bytes()
		}
		return nil
	}
}
