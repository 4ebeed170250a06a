package registrar

import (
	"net/netip"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/device"
	"fengsui/sip/digest"
	"fengsui/sip/intake"
)

// Ways in which an account proves itself.
const (
	AuthDigest = "digest"
	AuthNone   = "none" // by its address alone, which must be in Allow
)

// Account is what is provisioned for one device.
type Account struct {
	Password string         // "" is the common password
	Auth     string         // AuthDigest, also when empty, or AuthNone
	Allow    []netip.Prefix // addresses it may register from; empty is any, and none with AuthNone
	// Transport is the one it must register by, flow.UDP, TCP or TLS; "" is any.
	Transport string
	Edition   gb28181.Edition // instead of what it announces, unless unknown
	// Algorithms to offer instead of the common ones, in this order.
	Algorithms []digest.Algorithm
	Follow     device.Follow // "" is the common rule
	Approved   bool          // asked for only with Config.ApproveUnknown

	// KeepaliveExtends lets keepalives renew its registration (signalling.md
	// section 9, row 7).
	KeepaliveExtends bool

	anyRealm bool // see Config.AnyRealm
}

// Accounts knows the provisioned devices. It answers from memory: it is asked
// in the read loop of a socket, from several goroutines at once.
type Accounts interface {
	Account(id gb28181.ID) (Account, bool)
}

// Config holds the registrar's settings.
type Config struct {
	ID     gb28181.ID // of this platform
	Domain string     // Digest realm; "" is the first ten digits of ID
	// Password is the common password; nil or "" lets only provisioned devices in.
	Password func() string
	// ApproveUnknown keeps devices out that are not approved, with the right
	// password too.
	ApproveUnknown bool
	// Algorithms to offer, one WWW-Authenticate each in this order; default
	// MD5. Most devices read only the first.
	Algorithms []digest.Algorithm
	// QOP offers qop="auth"; some devices stumble over it.
	QOP bool
	// Zone of the Date told to devices; default UTC+8.
	Zone *time.Location
	// NoDate leaves Date out, where devices keep time by NTP.
	NoDate bool
	// MinExpires and MaxExpires bound what is granted, defaults 60 s and
	// 86,400 s; a REGISTER that asks for nothing gets DefaultExpires, 3,600 s.
	MinExpires, MaxExpires, DefaultExpires time.Duration
	// AnyRealm says of which devices a response is taken that was computed with
	// another realm than ours: some use a configured domain (row 1). nil: of none.
	AnyRealm func(id gb28181.ID, userAgent string) bool
	// StrictUsername: the username must be the device's ID; else any will do, since
	// its password proves the device.
	StrictUsername bool

	// IsKeepalive reads a MESSAGE body; ok is false for any that is not a
	// keepalive. nil: there are none.
	IsKeepalive func(body []byte) (deviceID, status []byte, ok bool)
	// EmptyKeepalive takes a MESSAGE without body from a bound address for a
	// keepalive: some middleboxes strip it (row 40).
	EmptyKeepalive bool
	// Platform reports IDs of other platforms, whose keepalives are not the
	// device table's and go on unanswered. nil: there are none.
	Platform func(id gb28181.ID) bool
	// Admit judges a keepalive before it counts; nil: all count.
	Admit func(id gb28181.ID, r *intake.Request) error
	// First is told of a registration that is none's continuation, and reads the
	// request before it returns; nil: nobody is.
	First func(id gb28181.ID, r *intake.Request)
	// Guard slows those who fail; nil: nobody is slowed.
	Guard Guard
}

// Guard slows those who fail; package sip/guard has it. Calls must not block.
type Guard interface {
	// Paused reports whether the ID has to wait at that address before it is
	// judged again.
	Paused(from netip.Addr, id string, now time.Time) bool
	// Failed is told of each refusal under a nonce that we gave that address,
	// Proved of each registration.
	Failed(from netip.Addr, id string, now time.Time)
	Proved(from netip.Addr, id string)
}

func (c Config) withDefaults() Config {
	if c.Domain == "" {
		c.Domain = c.ID.Domain()
	}
	if c.Password == nil {
		c.Password = func() string { return "" }
	}
	if len(c.Algorithms) == 0 {
		c.Algorithms = []digest.Algorithm{digest.MD5}
	}
	if c.Zone == nil {
		c.Zone = time.FixedZone("UTC+8", 8*60*60)
	}
	if c.MinExpires <= 0 {
		c.MinExpires = time.Minute
	}
	if c.MaxExpires <= 0 {
		c.MaxExpires = 24 * time.Hour
	}
	c.MaxExpires = max(c.MaxExpires, c.MinExpires)
	if c.DefaultExpires <= 0 {
		c.DefaultExpires = time.Hour
	}
	return c
}
