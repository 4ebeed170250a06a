package spine_test

import (
	"strings"
	"testing"
	"time"

	"fengsui/sip/siptest"
)

// Of keepalives only the last three are kept, until an operator wants all of a
// device: then every one is there, also a repeated one, until the time is over.
func TestAllKeepalivesOfAWatchedDeviceAreInTheTrace(t *testing.T) {
	t.Parallel()
	h := open(t)
	d := h.camera(siptest.Config{})
	d.React(okToMessages(d))
	register(d)
	const beats = 8
	kept := func() (requests int) {
		for _, m := range h.trace(camera, time.Time{}) {
			if m.Dir == "in" && m.Status == 0 && strings.Contains(m.Text, "<CmdType>Keepalive</CmdType>") {
				requests++
			}
		}
		return requests
	}
	for range beats {
		keepalive(d)
	}
	if n := kept(); n != 3 {
		t.Errorf("%d of an unwatched device are kept", n)
	}
	h.must("PUT", "/api/v1/trace/watches/"+string(camera), map[string]any{"seconds": 60}, nil)
	for range beats {
		keepalive(d)
	}
	m := d.Request("MESSAGE", "<Notify>\r\n<CmdType>Keepalive</CmdType>\r\n<SN>9</SN>\r\n<DeviceID>"+d.ID()+"</DeviceID>\r\n<Status>OK</Status>\r\n</Notify>\r\n",
		siptest.Header{Name: "Content-Type", Value: "Application/MANSCDP+xml"})
	for range 2 {
		d.Send(m.Bytes())
		d.ExpectAnswer(m)
	}
	if n := kept(); n != beats+2 {
		t.Errorf("%d of %d of the watched device are kept", n, beats+2)
	}
	h.must("DELETE", "/api/v1/trace/watches/"+string(camera), nil, nil)
	keepalive(d)
	if n := kept(); n != beats+3 { // the last one is one of the last three
		t.Errorf("%d are kept after its end", n)
	}
}
