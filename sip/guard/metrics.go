package guard

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	overSource, overNetwork, denied, banned, agent, id, stranger, paused prometheus.Counter

	bans prometheus.Counter

	// Entries in use that gave way to newer ones, by table.
	strangersEvicted, networksEvicted, pairsEvicted, sourcesEvicted, wasteEvicted, expectedEvicted, bansEvicted, pastEvicted prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, g *Guard) *metrics {
	f := promauto.With(reg)
	dropped := f.NewCounterVec(prometheus.CounterOpts{
		Name: "fengsui_guard_dropped_total",
		Help: "Messages and connections kept away, by reason: source and network are budgets, stranger is of no registered device.",
	}, []string{"reason"})
	evicted := f.NewCounterVec(prometheus.CounterOpts{
		Name: "fengsui_guard_evicted_total",
		Help: "Entries still in use that gave way to newer ones because their table was full, by table.",
	}, []string{"table"})
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "fengsui_guard_bans", Help: "Sources banned now.",
	}, func() float64 {
		g.bansMu.Lock()
		defer g.bansMu.Unlock()
		g.clear(time.Now())
		return float64(len(g.bans))
	})
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "fengsui_guard_sources", Help: "Sources from which devices are registered.",
	}, func() float64 { return float64(g.known.Size()) })
	return &metrics{
		overSource: dropped.WithLabelValues("source"), overNetwork: dropped.WithLabelValues("network"),
		denied: dropped.WithLabelValues("denied"), banned: dropped.WithLabelValues("banned"),
		agent: dropped.WithLabelValues("agent"), id: dropped.WithLabelValues("id"),
		stranger: dropped.WithLabelValues("stranger"), paused: dropped.WithLabelValues("paused"),
		bans:             f.NewCounter(prometheus.CounterOpts{Name: "fengsui_guard_bans_total", Help: "Bans pronounced."}),
		strangersEvicted: evicted.WithLabelValues("strangers"), networksEvicted: evicted.WithLabelValues("networks"),
		pairsEvicted: evicted.WithLabelValues("pairs"), sourcesEvicted: evicted.WithLabelValues("sources"),
		wasteEvicted: evicted.WithLabelValues("waste"), expectedEvicted: evicted.WithLabelValues("expected"),
		bansEvicted: evicted.WithLabelValues("bans"), pastEvicted: evicted.WithLabelValues("past"),
	}
}
