package talk

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	started *prometheus.CounterVec // way; result: ok, refused, timeout, media, taken, full, offline, error
	ended   *prometheus.CounterVec // reason: source, caller, device, media, gone, shutdown
	packets prometheus.Counter
	late    prometheus.Counter
	strange *prometheus.CounterVec // invites of devices that were not asked, by why
}

func newMetrics(reg prometheus.Registerer, running func() float64) *metrics {
	m := &metrics{
		started: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_talk_starts_total", Help: "Talks by how they were tried last and what came of it.",
		}, []string{"way", "result"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_talk_ended_total", Help: "Talks that had begun, by who ended them.",
		}, []string{"by"}),
		packets: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_talk_packets_total", Help: "Packets of sound sent to devices.",
		}),
		late: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_talk_late_total", Help: "Delays of ours of more than three packets, which devices hear.",
		}),
		strange: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_talk_strange_invites_total", Help: "INVITEs of devices that were turned away: unasked, offer, port.",
		}, []string{"why"}),
	}
	m.started.WithLabelValues("none", "full")
	reg.MustRegister(m.started, m.ended, m.packets, m.late, m.strange, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "fengsui_talk_running", Help: "Talks now, starting ones included.",
	}, running))
	return m
}
