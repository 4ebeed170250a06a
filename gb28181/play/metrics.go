package play

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	startSeconds prometheus.Histogram
	ended        *prometheus.CounterVec // outcome: started, failed, played
	orphans      *prometheus.CounterVec // known: bye, stranger
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		startSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "fengsui_play_start_seconds", Help: "From the request to the first key frame.",
			Buckets: []float64{.025, .05, .1, .2, .5, 1, 2, 5, 10, 20},
		}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_play_sessions_total", Help: "Sessions by what became of them.",
		}, []string{"outcome"}),
		orphans: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_play_orphans_total", Help: "RTP without a session found by the reconciler.",
		}, []string{"known"}),
	}
	reg.MustRegister(m.startSeconds, m.ended, m.orphans)
	return m
}
