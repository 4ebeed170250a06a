package spine_test

import (
	"strings"
	"testing"
	"time"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/internal/sim"
	"fengsui/sip/siptest"
)

const camera = gb28181.ID("34020000001320000001")

// Section 2.9.6: what is configured is offered, and a device that follows the
// offer gets in.
func TestEveryDigestAlgorithmLetsDevicesIn(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"MD5", "SHA-256", "SM3"} {
		for _, qop := range []string{"off", "auth"} {
			t.Run(algorithm+" qop "+qop, func(t *testing.T) {
				t.Parallel()
				h := open(t, func(c *configs.Config) { c.SIP.DigestAlgorithms, c.SIP.QOP = []string{algorithm}, qop })
				d := h.camera(siptest.Config{ID: "34020000001320000002"})
				m := d.Request("REGISTER", "", siptest.Header{Name: "Expires", Value: "3600"})
				d.Send(m.Bytes())
				offer := d.ExpectStatus(401).Get("WWW-Authenticate")
				if !strings.Contains(offer, "algorithm="+algorithm) || strings.Contains(offer, `qop="auth"`) != (qop == "auth") {
					t.Errorf("offered %s", offer)
				}
				h.run(sim.Config{})
				if a := h.becomes(camera, "online"); a.StateEvidence != "register" {
					t.Errorf("online by %s", a.StateEvidence)
				}
			})
		}
	}
}

func TestSeveralAlgorithmsAreOfferedInTheirOrder(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *configs.Config) { c.SIP.DigestAlgorithms = []string{"SM3", "SHA-256", "MD5"} })
	d := h.camera(siptest.Config{ID: "34020000001320000002"})
	d.Send(d.Request("REGISTER", "", siptest.Header{Name: "Expires", Value: "3600"}).Bytes())
	offers := d.ExpectStatus(401).All("WWW-Authenticate")
	if len(offers) != 3 || !strings.Contains(offers[0], "SM3") || !strings.Contains(offers[2], "MD5") {
		t.Errorf("offered %q", offers)
	}
	h.run(sim.Config{})
	h.becomes(camera, "online")
}

// User pain 19: a refused registration says which check failed.
func TestAWrongPasswordIsAmongTheAttempts(t *testing.T) {
	t.Parallel()
	h := open(t)
	s := h.launch(sim.Config{Password: "not-it", Retry: time.Hour})
	a := h.attempt(camera)
	if a.Check != "password" || !strings.Contains(a.Detail, "wrong password") || a.Remote != s.Device(0).Addr.String() {
		t.Errorf("attempt %+v", a)
	}
	if d := h.device(camera); d.ID != "" {
		t.Errorf("the refused device is shown as %s", d.State)
	}
}

func TestAnUnknownDeviceWaitsForApproval(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *configs.Config) { c.SIP.ApproveUnknown = true })
	s := h.launch(sim.Config{Retry: 300 * time.Millisecond})
	if a := h.attempt(camera); a.Check != "pending approval" {
		t.Errorf("attempt %+v", a)
	}
	if s.Stats().Registered != 0 {
		t.Error("it is registered already")
	}
	h.must("POST", "/api/v1/attempts/"+string(camera)+"/approve", map[string]any{"name": "Gate"}, nil)
	if d := h.becomes(camera, "online"); d.Name != "Gate" {
		t.Errorf("it is called %q", d.Name)
	}
	h.picture(h.plays(camera, camera, ""), "H264", "PCMA")
}

func TestADeviceCanHaveAPasswordOfItsOwn(t *testing.T) {
	t.Parallel()
	h := open(t)
	other := number(camera, 2)
	for _, id := range []gb28181.ID{camera, other} {
		h.must("POST", "/api/v1/devices", map[string]any{"id": id, "password": "Its-own-1"}, nil)
	}
	h.run(sim.Config{FirstID: camera, Password: "Its-own-1"})
	h.becomes(camera, "online")
	h.launch(sim.Config{FirstID: other, Retry: time.Hour}) // with the common one
	if a := h.attempt(other); a.Check != "password" || !strings.Contains(a.Detail, "common password") {
		t.Errorf("attempt %+v", a)
	}
	if d := h.device(other); d.State == "online" {
		t.Error("the common password let it in")
	}
	// Reset by the operator, it gets in.
	h.must("PATCH", "/api/v1/devices/"+string(other), map[string]any{"password": ""}, nil)
	h.run(sim.Config{FirstID: other})
	h.becomes(other, "online")
}

func TestWithoutACommonPasswordOnlyProvisionedDevicesRegister(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *configs.Config) { c.SIP.Password = new(string) })
	stranger := number(camera, 2)
	h.must("POST", "/api/v1/devices", map[string]any{"id": camera, "password": "Its-own-1"}, nil)
	h.run(sim.Config{FirstID: camera, Password: "Its-own-1"})
	h.becomes(camera, "online")
	for _, word := range []string{password, "Its-own-1"} {
		h.launch(sim.Config{FirstID: stranger, Password: word, Retry: time.Hour})
	}
	if a := h.attempt(stranger); a.Check != "unknown id" {
		t.Errorf("attempt %+v", a)
	}
	if d := h.device(stranger); d.ID != "" {
		t.Errorf("the stranger is shown as %s", d.State)
	}
}
