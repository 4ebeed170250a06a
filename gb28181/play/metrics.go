package play

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	startSeconds prometheus.Histogram
	ended        *prometheus.CounterVec // outcome: started, failed, played
	orphans      *prometheus.CounterVec // known: bye, stranger
	controls     *prometheus.CounterVec // outcome: done, refused
	slotless     prometheus.Counter
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
	m.controls = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fengsui_play_controls_total", Help: "Playback commands that devices answered.",
	}, []string{"outcome"})
	m.slotless = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "fengsui_play_no_slot_total", Help: "Recordings not played because the device plays no more at a time.",
	})
	reg.MustRegister(m.startSeconds, m.ended, m.orphans, m.controls, m.slotless)
	return m
}
