package subscribe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fengsui/gb28181"
	"fengsui/shadow"
	"fengsui/sip"
	"fengsui/sip/flow"
)

// What callers decide on.
var (
	ErrFull    = errors.New("table of subscriptions is full")
	ErrUnknown = errors.New("no such kind of subscription")
)

// EditionError is reported for a kind that the device's edition does not have.
// Nothing was sent.
type EditionError struct {
	Kind           Kind
	Edition, Since gb28181.Edition
}

func (e *EditionError) Error() string {
	return fmt.Sprintf("subscription %s came with GB/T 28181-%s: the device speaks %s", e.Kind, e.Since, e.Edition)
}

// Dialog is one SUBSCRIBE dialog, as sip.Subscription is.
type Dialog interface {
	// CallID is "" when there is no dialog.
	CallID() string
	// Reset forgets the dialog; the next Subscribe begins a new one.
	Reset()
	// Subscribe begins, refreshes or, with expires 0, cancels. An answer other
	// than 2xx is a *sip.Rejected.
	Subscribe(ctx context.Context, p sip.Peer, expires time.Duration, contentType string, body []byte) (granted time.Duration, res *sip.Response, err error)
}

// Subscriber makes dialogs; see [Over].
type Subscriber interface {
	Dialog(event string) Dialog
}

// Over is the Subscriber that a SIP endpoint is.
func Over(e *sip.Endpoint) Subscriber { return endpoint{e} }

type endpoint struct{ *sip.Endpoint }

func (e endpoint) Dialog(event string) Dialog {
	return dialog{e.Endpoint, sip.NewSubscription(event)}
}

type dialog struct {
	e *sip.Endpoint
	*sip.Subscription
}

func (d dialog) Subscribe(ctx context.Context, p sip.Peer, expires time.Duration, contentType string, body []byte) (time.Duration, *sip.Response, error) {
	return d.e.Subscribe(ctx, p, d.Subscription, expires, contentType, body)
}

// Devices is what subscriptions need of the device table.
type Devices interface {
	Device(id gb28181.ID) (gb28181.Device, bool)
	Flow(id gb28181.ID) (flow.Flow, error) // gb28181.ErrUnknownDevice, gb28181.ErrOffline
	Heard(id gb28181.ID, by shadow.Evidence, f flow.Flow, at time.Time)
}

// Config is what the table can be told. The zero value of a field is its default.
type Config struct {
	// Expires is the time asked for; default 1 h. The standard's 600 s (2022
	// N.2) refreshes six times as often; some devices grant no more.
	Expires time.Duration
	// On are the kinds that every device is subscribed to whose edition has them;
	// nil means Catalog alone.
	On []Kind
	// Interval is what is asked for between two positions of a device; default 5 s,
	// the standard's.
	Interval time.Duration
	// Refused is how long a device that cannot be subscribed is left alone;
	// default 1 h.
	Refused time.Duration
	// Workers bounds the requests that are open at a time; default 256.
	Workers int
	// MaxRows bounds the subscriptions; default 200,000.
	MaxRows int
	// Pace, if set, waits for a request's turn among all questions to devices.
	Pace func(ctx context.Context) error
	// Secret is the password for a device that challenges requests; may be nil.
	Secret func(device gb28181.ID) string
}

func (c *Config) setDefaults() {
	def(&c.Expires, time.Hour)
	def(&c.Interval, 5*time.Second)
	if c.On == nil {
		c.On = []Kind{Catalog}
	}
	def(&c.Refused, time.Hour)
	def(&c.Workers, 256)
	def(&c.MaxRows, 200_000)
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

type metrics struct {
	requests *prometheus.CounterVec // result
	notifies *prometheus.CounterVec // match
	dropped  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, rows func() map[State]int) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_subscribe_requests_total", Help: "SUBSCRIBE requests sent, by result."}, []string{"result"}),
		notifies: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_subscribe_notifies_total", Help: "Reports received: NOTIFYs in a dialog of ours, by device, from a stranger, unreadable, and MESSAGEs."}, []string{"match"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_subscribe_dropped_total", Help: "Subscriptions not made because the table is full."}),
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.notifies, m.dropped, &stateGauge{
			desc: prometheus.NewDesc("fengsui_subscribe_subscriptions", "Subscriptions, by state.", []string{"state"}, nil), rows: rows})
	}
	return m
}

// stateGauge counts the rows by state when it is asked.
type stateGauge struct {
	desc *prometheus.Desc
	rows func() map[State]int
}

func (g *stateGauge) Describe(ch chan<- *prometheus.Desc) { ch <- g.desc }
func (g *stateGauge) Collect(ch chan<- prometheus.Metric) {
	rows := g.rows()
	for _, s := range [...]State{Active, Pending, Refused} {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(rows[s]), string(s))
	}
}
