package records

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// Asker sends a RecordInfo query. A nil error means that the device has taken it.
// When ctx ends it stops repeating the query.
type Asker interface {
	AskRecords(ctx context.Context, device gb28181.ID, q manscdp.RecordQuery) error
}

// Config is what the search can be told. The zero value of a field is its default.
type Config struct {
	// Zone is the zone of devices' times; default 8 hours east, as in the standard.
	Zone *time.Location
	// ZoneOf is that of a device which has another; nil: none has.
	ZoneOf func(device gb28181.ID) *time.Location
	// FirstPart is how long a device that took a question may be silent; default 10 s.
	FirstPart time.Duration
	// Between is the longest silence between two parts; default 5 s. After rounds
	// that brought nothing both become longer, up to four times.
	Between time.Duration
	// AtOnce is how many gaps a device is asked about beside each other, by all
	// searches together; one that loses the questions is asked one by one. Default 4.
	AtOnce int
	// Rounds is how often one search asks, gaps included; default 8.
	Rounds int
	// MaxRecords bounds one search; default 50,000.
	MaxRecords int
	// MaxSearches bounds the searches under way; default 64.
	MaxSearches int
	// MaxOfDevice bounds those at one device; default 4.
	MaxOfDevice int
}

func (c *Config) setDefaults() {
	if c.Zone == nil {
		c.Zone = time.FixedZone("UTC+8", 8*3600)
	}
	if c.ZoneOf == nil {
		zone := c.Zone
		c.ZoneOf = func(gb28181.ID) *time.Location { return zone }
	}
	def(&c.FirstPart, 10*time.Second)
	def(&c.Between, 5*time.Second)
	def(&c.AtOnce, 4)
	def(&c.Rounds, 8)
	def(&c.MaxRecords, 50_000)
	def(&c.MaxSearches, 64)
	def(&c.MaxOfDevice, 4)
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

type metrics struct {
	searches  *prometheus.CounterVec // result
	questions *prometheus.CounterVec // result
	parts     *prometheus.CounterVec // kind
	refused   *prometheus.CounterVec // bound
	over      prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, running func() float64) *metrics {
	m := &metrics{
		searches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_records_searches_total", Help: "Searches for recordings ended, by result."}, []string{"result"}),
		questions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_records_questions_total", Help: "RecordInfo queries sent: answered whole, in part, or failed."}, []string{"result"}),
		parts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_records_parts_total", Help: "RecordInfo answers received: fresh, repeated, late, under a wrong SN but taken, of no search."}, []string{"kind"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_records_refused_total", Help: "Searches refused because too many were under way: in all, or at one device."}, []string{"bound"}),
		over: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_records_over_total", Help: "Searches ended because a device has more recordings than one search holds."}),
	}
	if reg != nil {
		reg.MustRegister(m.searches, m.questions, m.parts, m.refused, m.over, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fengsui_records_searches", Help: "Searches for recordings under way."}, running))
	}
	return m
}
