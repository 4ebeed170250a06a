package journal

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	dropped  prometheus.Counter
	outbox   prometheus.Counter
	pruned   prometheus.Counter
	failures prometheus.Counter
	flush    prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_journal_dropped_total", Help: "Events that are not in the file because too many waited to be written.",
		}),
		outbox: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_journal_outbox_dropped_total", Help: "Letters to receivers that were dropped, the oldest first, because too many were pending or dead.",
		}),
		pruned: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_journal_pruned_total", Help: "Events deleted because they were too old or too many.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_journal_flush_failures_total", Help: "Batches that could not be written and are tried again.",
		}),
		flush: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "fengsui_journal_flush_seconds", Help: "Time to write one batch.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3},
		}),
	}
	if reg != nil {
		reg.MustRegister(m.dropped, m.outbox, m.pruned, m.failures, m.flush)
	}
	return m
}

// watch serves what the journal itself counts.
func (m *metrics) watch(reg prometheus.Registerer, j *Journal) {
	if reg == nil {
		return
	}
	reg.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "fengsui_journal_dropped_events_total", Help: "Events that readers of the journal missed by being slow; they read them again.",
		}, func() float64 { return float64(j.Dropped()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fengsui_journal_queued_events", Help: "Events waiting to be written.",
		}, func() float64 {
			j.disk.mu.Lock()
			defer j.disk.mu.Unlock()
			return float64(len(j.disk.queue))
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fengsui_journal_file_bytes", Help: "Size of the journal's file, free pages included.",
		}, func() float64 { return float64(j.disk.size()) }),
	)
}
