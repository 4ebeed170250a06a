package api_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fengsui/sip/flow"
	"fengsui/sip/trace"
)

type watchInfo struct {
	Peer, By  string
	Remaining int
	Kept      int
}

func TestAPeerIsRecordedWholeForATime(t *testing.T) {
	h := build(t)
	h.online(cam)
	const all = "/api/v1/trace/watches"
	var w watchInfo
	h.do(h.admin, "PUT", all+"/"+string(cam), `{}`).want(200).into(&w)
	if w.Peer != string(cam) || w.By != "admin" || w.Remaining != 600 || w.Kept != 0 {
		t.Errorf("watch %+v", w)
	}
	h.do(h.admin, "PUT", all+"/192.0.2.20", `{"seconds":30}`).want(200)
	f := flow.Flow{Transport: flow.UDP, Local: netip.MustParseAddrPort("192.0.2.1:5060"), Remote: netip.MustParseAddrPort("192.0.2.20:5060")}
	for i := range 5 {
		raw := fmt.Appendf(nil, "MESSAGE sip:a SIP/2.0\r\nFrom: <sip:%s@3402000000>;tag=1\r\nCall-ID: k%d\r\nCSeq: 1 MESSAGE\r\n\r\n", cam, i)
		h.ring.Exchange(time.Now().Add(time.Duration(i)*time.Millisecond), trace.Keepalive, []byte(cam), f, raw, nil, 200, false)
	}
	var list struct {
		Items []watchInfo
		Total int
	}
	h.do(h.admin, "GET", all, nil).want(200).into(&list)
	if list.Total != 2 || list.Items[0].Peer != "192.0.2.20" || list.Items[0].Remaining != 30 || list.Items[1].Kept != 5 {
		t.Errorf("watches %+v", list)
	}
	var out struct {
		Items   []struct{ Text string }
		Routine struct{ Keepalives int }
		Watch   *watchInfo
	}
	h.do(h.admin, "GET", "/api/v1/trace?device="+string(cam), nil).want(200).into(&out)
	if len(out.Items) != 5 || out.Routine.Keepalives != 5 || out.Watch == nil || out.Watch.Peer != string(cam) {
		t.Errorf("trace %+v", out)
	}
	for query, n := range map[string]int{"source=192.0.2.20": 5, "source=192.0.2.21": 0} {
		h.do(h.admin, "GET", "/api/v1/trace?"+query, nil).want(200).into(&out)
		if len(out.Items) != n {
			t.Errorf("%s: %d messages", query, len(out.Items))
		}
	}
	h.do(h.admin, "GET", "/api/v1/trace?source=x", nil).problem(422, 104002)
	h.do(h.admin, "GET", "/api/v1/trace.pcap?source=x", nil).problem(422, 104002)
	h.do(h.admin, "DELETE", all+"/"+string(cam), nil).want(204)
	h.do(h.admin, "DELETE", all+"/"+string(cam), nil).problem(404, 104013)
	h.do(h.admin, "GET", "/api/v1/trace?device="+string(cam), nil).want(200).into(&out)
	if out.Watch == nil || out.Watch.Peer != "192.0.2.20" {
		t.Errorf("its address is still recorded, the trace says %+v", out.Watch)
	}

	h.do(h.login("operator"), "PUT", all+"/"+string(cam), `{}`).problem(403, 114004)
	h.do(h.admin, "PUT", all+"/192.0.2.20:5060", `{}`).problem(422, 104012)
	h.do(h.admin, "PUT", all+"/"+string(cam), `{"seconds":3601}`).problem(422, 104002)
	for i := range trace.MaxWatches - 1 {
		h.do(h.admin, "PUT", fmt.Sprint(all, "/198.51.100.", i), `{}`).want(200)
	}
	h.do(h.admin, "PUT", all+"/"+string(cam), `{}`).problem(409, 104014)
}

func TestSecretsAreShownOnlyToAdministratorsWhoAsk(t *testing.T) {
	h := build(t)
	h.ring.Add(time.Now(), trace.In, flow.Flow{Transport: flow.UDP, Remote: netip.MustParseAddrPort("192.0.2.20:5060")},
		[]byte("REGISTER sip:a SIP/2.0\r\nCall-ID: c\r\nAuthorization: Digest nonce=\"n\", response=\"6629fae49393a05397450978507c4ef1\"\r\n\r\n"))
	operator := h.login("operator")
	for _, path := range []string{"/api/v1/trace", "/api/v1/trace.pcap"} {
		for query, hidden := range map[string]bool{"": true, "?redact=true": true, "?redact=false": false} {
			a := h.do(h.admin, "GET", path+query, nil).want(200)
			if strings.Contains(string(a.body), "6629fae4") == hidden {
				t.Errorf("%s%s: %s", path, query, a.body)
			}
			h.do(operator, "GET", path+query, nil).problem(403, 114004)
		}
	}
	h.do(h.admin, "GET", "/api/v1/trace.pcap?redact=perhaps", nil).problem(422, 104002)
	audit := 0
	for line := range strings.Lines(h.log.String()) {
		if strings.Contains(line, `"audit":"trace"`) && strings.Contains(line, `"user":"admin"`) {
			audit++
		}
	}
	if audit != 2 || strings.Contains(h.log.String(), "6629fae4") {
		t.Errorf("%d of 2 are in the log:\n%s", audit, h.log.String())
	}
}
