package sip

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests  *prometheus.CounterVec   // received, by method and status class answered
	sent      *prometheus.CounterVec   // sent, by method and how it ended
	answered  *prometheus.HistogramVec // time of our requests until the final answer
	dropped   prometheus.Counter
	unclaimed prometheus.Counter
	shed      prometheus.Counter
	retried   prometheus.Counter
	stray     prometheus.Counter
	handovers prometheus.Counter
	crowded   *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, counts func() Counts) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_sip_requests_received_total",
			Help: "Requests that reached a handler, by method and class of the answer.",
		}, []string{"method", "answer"}),
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fengsui_sip_requests_sent_total",
			Help: "Requests sent, by method and class of the final answer, timeout, unreachable or canceled.",
		}, []string{"method", "answer"}),
		answered: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "fengsui_sip_answer_seconds",
			Help:    "Time from sending a request to its final answer.",
			Buckets: []float64{.005, .02, .05, .1, .25, .5, 1, 2, 5, 10, 32},
		}, []string{"method"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_sip_after_dropped_total",
			Help: "Work after an answer that was dropped because its queue was full.",
		}),
		unclaimed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_sip_order_unclaimed_total",
			Help: "Messages read whose handler never started: repeats and messages the parser refused.",
		}),
		shed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_sip_requests_shed_total",
			Help: "Requests answered 503 because too many handlers were running.",
		}),
		retried: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_sip_socket_errors_total",
			Help: "Errors of a listening socket that were waited out.",
		}),
		stray: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fengsui_sip_stray_responses_total",
			Help: "Responses that matched no request of ours.",
		}),
	}
	m.handovers = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "fengsui_sip_handovers_total",
		Help: "Times a UDP socket was handed to a new loop of the library, so that it forgets sources.",
	})
	m.crowded = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fengsui_sip_bodies_refused_total",
		Help: "Requests answered 503 because the bodies being handled are too large together, of all or of one address.",
	}, []string{"share"})
	gauge := func(name, help string, value func(Counts) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return float64(value(counts())) })
	}
	for _, c := range []prometheus.Collector{
		m.requests, m.sent, m.answered, m.dropped, m.unclaimed, m.shed, m.retried, m.stray, m.handovers, m.crowded,
		gauge("fengsui_sip_dialogs", "INVITE dialogs, established or being established.", func(c Counts) int { return c.Dialogs }),
		gauge("fengsui_sip_client_transactions", "Requests of ours that are not finished.", func(c Counts) int { return c.Transactions }),
		gauge("fengsui_sip_queued", "Work after an answer that waits.", func(c Counts) int { return c.Queued }),
		gauge("fengsui_sip_handlers", "Requests being handled.", func(c Counts) int { return c.Handlers }),
		gauge("fengsui_sip_body_bytes", "Bytes of bodies over 16 KiB being handled.", func(c Counts) int { return int(c.Bodies) }),
	} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// label keeps the methods a small closed set.
func label(method string) string {
	switch method {
	case "REGISTER", "MESSAGE", "INVITE", "ACK", "CANCEL", "BYE", "INFO", "SUBSCRIBE", "NOTIFY", "OPTIONS":
		return method
	}
	return "other"
}

func class(status int) string { return strconv.Itoa(status/100) + "xx" }
