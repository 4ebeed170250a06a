package sink

import "github.com/prometheus/client_golang/prometheus"

// Kinds are all kinds of sinks.
var Kinds = []string{"webhook", "kafka", "redis"}

type metrics struct {
	letters *prometheus.CounterVec
	delay   *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{
		letters: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_sink_letters_total", Help: "Events for receivers: sent, refused by the receiver, failed because it was not reached, given up.",
		}, []string{"kind", "result"}),
		delay: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "fengsui_sink_delay_seconds", Help: "Time from an event to its receiver's acknowledgement.",
			Buckets: []float64{.05, .1, .2, .5, 1, 2, 5, 30, 300, 3600},
		}, []string{"kind"}),
	}
	for _, kind := range Kinds {
		for _, result := range []string{"sent", "refused", "failed", "dead"} {
			m.letters.WithLabelValues(kind, result)
		}
	}
	return m
}

var (
	pendingDesc = prometheus.NewDesc("fengsui_sink_pending_letters", "Events that receivers have still to be told.", []string{"kind"}, nil)
	deadDesc    = prometheus.NewDesc("fengsui_sink_dead_letters", "Events that were given up and can be sent again.", []string{"kind"}, nil)
)

// Describe implements [prometheus.Collector].
func (s *Sinks) Describe(ch chan<- *prometheus.Desc) { ch <- pendingDesc; ch <- deadDesc }

// Collect implements [prometheus.Collector].
func (s *Sinks) Collect(ch chan<- prometheus.Metric) {
	pending, dead := map[string]int{}, map[string]int{}
	for _, one := range s.all {
		pending[one.cfg.Kind] += one.outbox.Pending()
		dead[one.cfg.Kind] += one.outbox.Dead()
	}
	for _, kind := range Kinds {
		ch <- prometheus.MustNewConstMetric(pendingDesc, prometheus.GaugeValue, float64(pending[kind]), kind)
		ch <- prometheus.MustNewConstMetric(deadDesc, prometheus.GaugeValue, float64(dead[kind]), kind)
	}
}
