package reuse

import "github.com/prometheus/client_golang/prometheus"

var (
	descTaken    = byPool("taken_total", "Items taken from the pool.")
	descReturned = byPool("returned_total", "Items returned to the pool.")
	descMissed   = byPool("missed_total", "Items made because none was free.")
	descDropped  = byPool("dropped_total", "Items returned to a full pool and left to the collector.")
	descTwice    = byPool("returned_twice_total", "Returns refused because the item was not out: a fault of the program.")
	descFree     = byPool("free", "Items free to be taken.")
	descSize     = byPool("size", "Items that are kept at the most.")
	descLeast    = byPool("least", "Items that the model asks for: devices x mean session / collector's period, at least 8.")
	descShare    = byPool("share_bytes", "Share of memory.limit that kept items may take.")
	descSession  = byPool("session_seconds", "Mean time an item is out.")
	descHits     = byPool("hit_ratio", "Part of takes that found a free item, since the start.")

	descDevices   = ofModel("devices", "Devices that sizes were computed for.")
	descPeriod    = ofModel("gc_period_seconds", "Time between collections that sizes were computed for.")
	descComputed  = ofModel("computed_total", "Times sizes were computed.")
	descPostponed = ofModel("postponed_total", "Times that was put off because a collection was expected.")
)

func byPool(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("fengsui_pool_"+name, help, []string{"pool"}, nil)
}

func ofModel(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("fengsui_pool_model_"+name, help, nil, nil)
}

// Describe is of prometheus.Collector.
func (k *Keeper) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descTaken, descReturned, descMissed, descDropped, descTwice, descFree, descSize, descLeast, descShare, descSession, descHits,
		descDevices, descPeriod, descComputed, descPostponed,
	} {
		ch <- d
	}
}

// Collect is of prometheus.Collector.
func (k *Keeper) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s := k.State()
	gauge(descDevices, float64(s.Devices))
	gauge(descPeriod, s.Period.Seconds())
	counter(descComputed, s.Computed)
	counter(descPostponed, s.Postponed)
	for i := range s.Kept {
		r := &s.Kept[i]
		counter(descTaken, r.Counts.Taken, r.Name)
		counter(descReturned, r.Counts.Returned, r.Name)
		counter(descMissed, r.Counts.Missed, r.Name)
		counter(descDropped, r.Counts.Dropped, r.Name)
		counter(descTwice, r.Counts.Twice, r.Name)
		gauge(descFree, float64(r.Free), r.Name)
		gauge(descSize, float64(r.Size), r.Name)
		gauge(descLeast, float64(r.Least), r.Name)
		gauge(descShare, float64(r.Limit), r.Name)
		gauge(descSession, r.Session.Seconds(), r.Name)
		gauge(descHits, r.Counts.HitRate(), r.Name)
	}
}
