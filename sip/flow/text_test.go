package flow_test

import (
	"errors"
	"net/netip"
	"testing"

	"fengsui/sip/flow"
)

func TestFlowTextRoundTrip(t *testing.T) {
	for _, f := range []flow.Flow{
		{Transport: flow.UDP, Local: netip.MustParseAddrPort("0.0.0.0:5060"), Remote: netip.MustParseAddrPort("192.0.2.20:5060")},
		{Transport: flow.TLS, Listener: 3, Local: netip.MustParseAddrPort("[2001:db8::1]:5061"), Remote: netip.MustParseAddrPort("[fe80::1%eth0]:40000")},
	} {
		text, err := f.AppendText(nil)
		if err != nil {
			t.Fatal(err)
		}
		again, err := flow.Parse(string(text))
		if err != nil || again != f {
			t.Errorf("Parse(%q) = %v, %v, want %v", text, again, err, f)
		}
	}
}

func TestParseRefusesWhatIsNoFlow(t *testing.T) {
	for _, text := range []string{
		"", "udp", "udp/0/192.0.2.1:5060", "sctp/0/192.0.2.1:5060/192.0.2.2:5060", "udp/x/192.0.2.1:5060/192.0.2.2:5060",
		"udp/0/192.0.2.1/192.0.2.2:5060", "udp/0/192.0.2.1:5060/host:5060",
	} {
		if f, err := flow.Parse(text); !errors.Is(err, flow.ErrBadText) {
			t.Errorf("Parse(%q) = %v, %v, want ErrBadText", text, f, err)
		}
	}
}

func TestUnmapWritesMappedAddressesAsIPv4(t *testing.T) {
	got := flow.Unmap(netip.MustParseAddrPort("[::ffff:192.0.2.20]:5060"))
	if want := netip.MustParseAddrPort("192.0.2.20:5060"); got != want {
		t.Errorf("Unmap = %v, want %v", got, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("udp/0/192.0.2.1:5060/192.0.2.20:5060")
	f.Add("tcp/12/[2001:db8::1]:5060/[fe80::1%eth0]:1")
	f.Fuzz(func(t *testing.T, text string) {
		v, err := flow.Parse(text)
		if err != nil {
			return
		}
		out, _ := v.AppendText(nil)
		if again, err := flow.Parse(string(out)); err != nil || again != v {
			t.Fatalf("Parse(%q) = %v, %v, want %v", out, again, err, v)
		}
	})
}
