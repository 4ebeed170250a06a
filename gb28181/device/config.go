package device

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"fengsui/gb28181"
	"fengsui/shadow"
	"fengsui/shadow/journal"
	"fengsui/sip/flow"
)

// Why a keepalive or a binding is refused. An ID without a row is
// [gb28181.ErrUnknownDevice].
var (
	ErrNotRegistered = errors.New("device is not registered")
	ErrElsewhere     = errors.New("device is registered at another address")
	ErrFull          = errors.New("device table is full")
)

// Follow says what a keepalive from another address does to the binding.
type Follow string

// The rules. The empty one is the table's default.
const (
	FollowPort  Follow = "port"  // the same IP may change its port or transport
	FollowProbe Follow = "probe" // another IP too, once it answered a probe and the old address did not
	FollowAny   Follow = "any"   // whatever spoke last
)

// Config holds the table's settings. The zero value of each field is its default.
type Config struct {
	// Interval between two keepalives, default 60 s. A device is doubted after
	// one and a half intervals of silence.
	Interval time.Duration
	// Missed keepalives after which a device is offline, default 3. Fewer find
	// dead devices sooner and flap on lossy links.
	Missed int
	// Follow is the rule for devices without their own, default FollowProbe.
	Follow Follow
	// MaxDevices bounds the table, default 200,000; beyond it new IDs are
	// refused with [ErrFull].
	MaxDevices int
	// Probes is how many probes run at a time, default 256. Each waits for
	// ProbeTimeout, so Probes/ProbeTimeout dead devices are asked in a second.
	Probes int
	// ProbeTimeout is how long a device has to answer, default 4 s; the second
	// probe follows 5 s after the first.
	ProbeTimeout time.Duration
	// Moved is told, in order for each device and before the message that caused
	// it is answered, from which address to which a registration moves; the zero
	// address is none. It must not block and not call the table. nil: nobody.
	Moved func(from, to netip.Addr)
}

const (
	probeTries  = 2
	probeGap    = 5 * time.Second
	probeQueue  = 8192             // devices waiting for a probe; beyond it they ask again a second later
	expiryGrace = 30 * time.Second // after the end of a registration
	followRest  = 30 * time.Second // between two looks at a candidate address of one device
	// refreshRest is by how much a registration has to be prolonged for the
	// watchers to be told when nothing else about it changed. Some devices register
	// every second; what a watcher keeps of the end may be as wrong as expiryGrace.
	refreshRest = expiryGrace
	// flapWindow is how long an unregistration is kept from the watchers: devices
	// that were reconfigured unregister and come back at once.
	flapWindow = 3 * time.Second
)

func (c Config) withDefaults() Config {
	def := shadow.Rhythm{Interval: time.Minute, Missed: 3}
	if c.Interval <= 0 {
		c.Interval = def.Interval
	}
	if c.Missed <= 0 {
		c.Missed = def.Missed
	}
	if c.Follow == "" {
		c.Follow = FollowProbe
	}
	if c.MaxDevices <= 0 {
		c.MaxDevices = 200_000
	}
	if c.Probes <= 0 {
		c.Probes = 256
	}
	if c.ProbeTimeout <= 0 {
		c.ProbeTimeout = 4 * time.Second
	}
	return c
}

// Prober asks a device whether it lives; any answer, even a refusal, is life
// and no error. f may be an address that is not bound yet.
type Prober interface {
	Probe(ctx context.Context, id gb28181.ID, f flow.Flow) error
}

// ProberFunc is a function as a [Prober].
type ProberFunc func(ctx context.Context, id gb28181.ID, f flow.Flow) error

// Probe calls the function.
func (p ProberFunc) Probe(ctx context.Context, id gb28181.ID, f flow.Flow) error {
	return p(ctx, id, f)
}

// Journal takes the events of devices.
type Journal interface {
	Append(e journal.Event) uint64
}

// Registration is an authenticated REGISTER with an Expires above zero. Its texts
// may share the request's memory: the table copies what it keeps.
type Registration struct {
	ID        gb28181.ID
	Flow      flow.Flow
	Contact   string // URI, for display only
	CallID    string
	UserAgent string
	Expires   time.Duration // granted
	Edition   gb28181.Edition
	At        time.Time
	Trace     string // trace ID that its REGISTER brought, "" to take that of CallID

	Follow Follow // "" is the table's rule
	// KeepaliveExtends lets each keepalive renew the registration, for devices
	// that never register again (signalling.md section 9, row 7).
	KeepaliveExtends bool
	// KeepTransport keeps the binding on its transport whatever Follow says.
	KeepTransport bool
}

// Bound is what a registration meant.
type Bound struct {
	// First: new to us, back from offline, not heard since our restart, or a
	// registration of its own (another Call-ID).
	First bool
	Flap  bool // it had unregistered just before; the watchers were told of neither
}

// Saved is what survives a restart of one device.
type Saved struct {
	Device           gb28181.Device
	Flow             flow.Flow
	CallID           string
	Follow           Follow
	KeepaliveExtends bool
	KeepTransport    bool
	Rhythm           shadow.Rhythm // zero: the table's
}
