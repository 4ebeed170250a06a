package device

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"fengsui/shadow"
)

type metrics struct {
	transitions *prometheus.CounterVec // state
	answered    prometheus.Counter
	silent      prometheus.Counter
	postponed   prometheus.Counter
	moved       prometheus.Counter
	merged      prometheus.Counter
	late        prometheus.Counter
	full        prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, t *Table) *metrics {
	f := promauto.With(reg)
	for s := shadow.Unknown; s <= shadow.Offline; s++ {
		f.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fengsui_device_devices", Help: "Devices in the table by state.",
			ConstLabels: prometheus.Labels{"state": s.String()},
		}, func() float64 { return float64(t.counts[s].Load()) })
	}
	probes := f.NewCounterVec(prometheus.CounterOpts{
		Name: "fengsui_device_probes_total", Help: "Probes by result; postponed ones found the queue full.",
	}, []string{"result"})
	return &metrics{
		transitions: f.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_device_transitions_total", Help: "Changes of state by the new state.",
		}, []string{"state"}),
		answered:  probes.WithLabelValues("answered"),
		silent:    probes.WithLabelValues("silent"),
		postponed: probes.WithLabelValues("postponed"),
		moved: f.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_device_moves_total", Help: "Bindings that followed a device to another address.",
		}),
		merged: f.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_device_changes_merged_total", Help: "Changes told late and merged because a watcher was slow.",
		}),
		late: f.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_device_wheel_late_total", Help: "Times the wheel came late by more than an interval and all devices were given one.",
		}),
		full: f.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_device_refused_full_total", Help: "Devices refused because the table was full.",
		}),
	}
}
