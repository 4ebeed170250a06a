package bothways_test

import (
	"net/netip"
	"strings"

	"fengsui/gb28181"
	"fengsui/gb28181/device"
	"fengsui/gb28181/registrar"
	"fengsui/sip/digest"
	"fengsui/sip/flow"
)

// setting is how a house is set up.
type setting struct {
	name      string
	registrar registrar.Config
	follow    device.Follow
}

var settings = []setting{
	{name: "defaults", registrar: registrar.Config{}},
	{
		name: "qop, two algorithms, strict", follow: device.FollowAny,
		registrar: registrar.Config{
			QOP: true, Algorithms: []digest.Algorithm{digest.SHA256, digest.MD5}, StrictUsername: true, ApproveUnknown: true,
			EmptyKeepalive: true, NoDate: true,
		},
	},
}

// accounts are told apart by the last digit of an ID.
type accounts struct{}

func (accounts) Account(id gb28181.ID) (registrar.Account, bool) {
	acc := registrar.Account{Approved: true}
	if !id.Full() {
		return registrar.Account{}, false
	}
	switch id[len(id)-1] {
	case '0': // nobody knows it
		return registrar.Account{}, false
	case '1':
		acc.Password = "its own"
	case '2':
		acc.Auth, acc.Allow = registrar.AuthNone, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/25")}
	case '3':
		acc.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/25")}
	case '4':
		acc.Transport = flow.TCP
	case '5':
		acc.KeepaliveExtends = true // and any realm, see anyRealm
	case '6':
		acc.Algorithms, acc.Follow = []digest.Algorithm{digest.SM3}, device.FollowPort
	case '7':
		acc.Approved, acc.Edition = false, gb28181.Edition2022
	}
	return acc, true
}

// secret is the password that an ID has.
func secret(id string) string {
	if strings.HasSuffix(id, "1") {
		return "its own"
	}
	return password
}
