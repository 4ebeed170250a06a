package api_test

import (
	"net/netip"
	"testing"
	"time"

	"fengsui/sip/guard"
)

func TestBansAreShownAndEnded(t *testing.T) {
	h := build(t)
	now := time.Now()
	h.bans.rows = []guard.Ban{
		{Source: netip.MustParsePrefix("198.51.100.66/32"), Reason: "500 refused registrations within 10m0s", Since: now, Until: now.Add(time.Minute)},
		{Source: netip.MustParsePrefix("2001:db8:1:2::/64"), Reason: "garbage", Since: now.Add(-time.Second), Until: now.Add(time.Hour)},
	}
	var list struct {
		Items []struct{ IP, Source, Reason string }
	}
	h.do(h.admin, "GET", "/api/v1/bans", nil).want(200).into(&list)
	if len(list.Items) != 2 || list.Items[0].IP != "198.51.100.66" || list.Items[1].Source != "2001:db8:1:2::/64" || list.Items[1].Reason != "garbage" {
		t.Errorf("bans = %+v", list)
	}
	h.do(h.admin, "DELETE", "/api/v1/bans/2001:db8:1:2::99", nil).want(204)
	h.do(h.admin, "DELETE", "/api/v1/bans/203.0.113.1", nil).problem(404, 124005)
	h.do(h.admin, "DELETE", "/api/v1/bans/nowhere", nil).problem(422, 104002)
	if len(h.bans.Bans()) != 1 {
		t.Errorf("left %+v", h.bans.Bans())
	}
}
