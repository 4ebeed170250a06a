package catalog

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fengsui/gb28181"
)

// Asker sends a Catalog query. A nil error means that the device has taken it.
// gb28181.ErrOffline ends the job at once, any other error is tried again.
type Asker interface {
	Ask(ctx context.Context, device gb28181.ID, target string, sn int) error
}

// Keeper keeps channels durably. No call may block; false means that something
// was dropped. ReplaceChannels makes the given ones the only ones of a device: it
// is how what was dropped is kept later.
type Keeper interface {
	SaveChannels(device gb28181.ID, channels []gb28181.Channel) bool
	DropChannels(device gb28181.ID, ids []gb28181.ID) bool
	ReplaceChannels(device gb28181.ID, channels []gb28181.Channel) bool
}

// Config is what the catalog can be told. The zero value of a field is its default.
type Config struct {
	// Self is this platform's ID; as a parent it means the top level.
	Self gb28181.ID
	// AnyType reports devices whose cameras may have any type code; nil: none.
	AnyType func(device gb28181.ID) bool
	// FirstPart is how long a device that took the query may be silent; default
	// 30 s. Large platforms need a minute or more.
	FirstPart time.Duration
	// Between is the longest silence between two parts; default 10 s. Longer
	// finds gaps later, shorter asks slow devices twice.
	Between time.Duration
	// Attempts is how often one job asks; default 4.
	Attempts int
	// Again is the least time between two jobs that nobody asked for: after an
	// empty answer, or when an unknown channel is reported ON; default 60 s.
	Again time.Duration
	// MaxItems bounds the items of one device; default 100,000.
	MaxItems int
	// MaxDevices bounds the devices; default 200,000.
	MaxDevices int
	// Workers bounds the queries that are being sent at a time; default 256.
	Workers int
}

// maxQueued bounds the reported changes of one device that wait for the end of
// its running job. Beyond, the job is followed by another one.
const maxQueued = 10_000

func (c *Config) setDefaults() {
	def(&c.FirstPart, 30*time.Second)
	def(&c.Between, 10*time.Second)
	def(&c.Attempts, 4)
	def(&c.Again, time.Minute)
	def(&c.MaxItems, 100_000)
	def(&c.MaxDevices, 200_000)
	def(&c.Workers, 256)
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

type metrics struct {
	channels prometheus.Gauge
	jobs     *prometheus.CounterVec // result
	parts    *prometheus.CounterVec // kind
	changes  *prometheus.CounterVec // event
	dropped  *prometheus.CounterVec // what
}

func newMetrics(reg prometheus.Registerer, running func() float64) *metrics {
	m := &metrics{
		channels: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fengsui_catalog_channels", Help: "Catalog items known of all devices."}),
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_catalog_jobs_total", Help: "Catalog synchronisations ended, by result."}, []string{"result"}),
		parts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_catalog_parts_total", Help: "Catalog answers received: of a running job, repeated, under a foreign SN, unsolicited."}, []string{"kind"}),
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_catalog_changes_total", Help: "Reported changes applied, by event."}, []string{"event"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_catalog_dropped_total", Help: "Left out: bad items, items over the bound, changes over the queue, devices over the bound, saves refused."}, []string{"what"}),
	}
	if reg != nil {
		reg.MustRegister(m.channels, m.jobs, m.parts, m.changes, m.dropped, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fengsui_catalog_running_jobs", Help: "Catalog synchronisations under way."}, running))
	}
	return m
}
