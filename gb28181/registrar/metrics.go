package registrar

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	accepted, unregistered, challenged, stale, postponed prometheus.Counter

	refused    *prometheus.CounterVec // check
	keepalives *prometheus.CounterVec // result
	good       prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, a *Attempts) *metrics {
	f := promauto.With(reg)
	registers := f.NewCounterVec(prometheus.CounterOpts{
		Name: "fengsui_registrar_registers_total", Help: "REGISTERs by verdict, without those refused.",
	}, []string{"verdict"})
	f.NewCounterFunc(prometheus.CounterOpts{
		Name: "fengsui_registrar_attempts_dropped_total", Help: "Refused registrations no longer or not listed because the list was full.",
	}, func() float64 { return float64(a.Dropped()) })
	m := &metrics{
		accepted:     registers.WithLabelValues("accepted"),
		unregistered: registers.WithLabelValues("unregistered"),
		challenged:   registers.WithLabelValues("challenged"),
		stale:        registers.WithLabelValues("stale"),
		postponed:    registers.WithLabelValues("postponed"),
		refused: f.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_registrar_refused_total", Help: "REGISTERs refused or challenged again, by the check that failed.",
		}, []string{"check"}),
		keepalives: f.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_registrar_keepalives_total", Help: "Keepalives by result.",
		}, []string{"result"}),
	}
	m.good = m.keepalives.WithLabelValues("good")
	return m
}
