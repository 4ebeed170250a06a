package download

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	ended     *prometheus.CounterVec // by state
	refused   *prometheus.CounterVec // by reason: space, running, kept
	written   prometheus.Counter
	continued prometheus.Counter
	expired   prometheus.Counter
	dropped   prometheus.Counter
}

func newMetrics(d *Downloads, reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_download_ended_total", Help: "Downloads that ended, by state: done, partial, interrupted, canceled.",
		}, []string{"state"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_download_refused_total", Help: "Downloads not begun or cut short because a bound was reached: space, running, kept.",
		}, []string{"bound"}),
		written:   counter("fengsui_download_written_bytes_total", "Bytes written to files of downloads."),
		continued: counter("fengsui_download_continued_total", "Times that a device was asked again after a cut."),
		expired:   counter("fengsui_download_expired_total", "Downloads deleted because of their age."),
		dropped:   counter("fengsui_download_dropped_frames_total", "Frames of downloads lost because the disk was too slow."),
	}
	gauge := func(name, help string, of func() float64) prometheus.GaugeFunc {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			d.mu.Lock()
			defer d.mu.Unlock()
			return of()
		})
	}
	reg.MustRegister(m.ended, m.refused, m.written, m.continued, m.expired, m.dropped,
		gauge("fengsui_download_running", "Downloads that are worked at now.", func() float64 { return float64(d.running) }),
		gauge("fengsui_download_kept", "Downloads that are kept, running ones included.", func() float64 { return float64(len(d.jobs)) }),
		gauge("fengsui_download_space_bytes", "Space that the files of downloads take.", func() float64 { return float64(d.used) }),
	)
	return m
}
