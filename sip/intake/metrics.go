package intake

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"fengsui/sip/flow"
)

// metrics has every counter of a label's closed set made beforehand.
type metrics struct {
	received, receivedBytes byTransport
	sent, sentBytes         byTransport
	direct                  *prometheus.CounterVec
	registerOK, registerNo  prometheus.Counter
	keepaliveOK, keepalive  prometheus.Counter
	repeats                 prometheus.Counter
	repaired                [len(quirkNames)]prometheus.Counter
	dropped                 *prometheus.CounterVec
	stormDropped            prometheus.Counter
	readErrors              prometheus.Counter
	writeErrors             *prometheus.CounterVec
	resyncs                 prometheus.Counter
	connections             byGauge
	refused                 *prometheus.CounterVec
	closed                  *prometheus.CounterVec
	slowed                  prometheus.Counter
}

// Reasons for dropping, refusing and closing.
const (
	dropJunk      = "junk"      // no SIP
	dropMalformed = "malformed" // SIP that nobody can read; answered 400 where possible
	dropTooLarge  = "too_large" // answered 413 where possible

	writeTooLarge = "too_large"
	writeFailed   = "failed"

	refuseTotal  = "total"
	refusePerIP  = "per_ip"
	refuseFailed = "accept_failed" // the system refused to accept
	refuseGuard  = "guard"         // banned or denied

	closePeer     = "peer"
	closeLocal    = "local"
	closeIdle     = "idle"
	closeSlow     = "slow"     // message not finished in time
	closeJunk     = "junk"     // no way to the next message
	closeMemory   = "memory"   // too much in unfinished messages
	closeOrphaned = "orphaned" // no device is bound to it
	closeError    = "error"
)

type (
	byTransport struct{ udp, tcp, tls prometheus.Counter }
	byGauge     struct{ tcp, tls prometheus.Gauge }
)

func (b *byTransport) of(transport string) prometheus.Counter {
	switch transport {
	case flow.TCP:
		return b.tcp
	case flow.TLS:
		return b.tls
	}
	return b.udp
}

func (b *byGauge) of(transport string) prometheus.Gauge {
	if transport == flow.TLS {
		return b.tls
	}
	return b.tcp
}

func newMetrics(reg prometheus.Registerer, storm *storm) *metrics {
	factory := promauto.With(reg)
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return factory.NewCounterVec(prometheus.CounterOpts{
			Namespace: "fengsui", Subsystem: "sip", Name: name, Help: help,
		}, labels)
	}
	one := func(name, help string) prometheus.Counter { return vec(name, help).WithLabelValues() }
	transports := func(name, help string) byTransport {
		v := vec(name, help, "transport")
		return byTransport{v.WithLabelValues(flow.UDP), v.WithLabelValues(flow.TCP), v.WithLabelValues(flow.TLS)}
	}
	m := &metrics{
		received:      transports("received_total", "SIP messages received."),
		receivedBytes: transports("received_bytes_total", "Bytes of SIP messages received."),
		sent:          transports("sent_total", "SIP messages sent."),
		sentBytes:     transports("sent_bytes_total", "Bytes of SIP messages sent."),
		direct: vec("direct_answers_total", "REGISTER and keepalive requests answered without a transaction.",
			"kind", "result"),
		repeats: one("repeats_total", "Retransmitted requests answered with the same bytes."),
		dropped: vec("dropped_total", "Messages received and not handed on; some were answered 400 or 413.",
			"reason"),
		stormDropped: one("storm_dropped_total",
			"Datagrams of strangers dropped unread because more came in than could be handled."),
		readErrors:  one("read_errors_total", "Errors reading a UDP socket."),
		writeErrors: vec("write_errors_total", "Messages that could not be sent.", "reason"),
		slowed:      one("connections_slowed_total", "Times a connection was not read for the rest of a second because it had sent too many messages in it."),
		resyncs:     one("resyncs_total", "Times bytes between messages of a connection were skipped."),
		refused:     vec("connections_refused_total", "Connections refused.", "reason"),
		closed:      vec("connections_closed_total", "Connections closed, by cause.", "reason"),
	}
	m.registerOK = m.direct.WithLabelValues("register", "ok")
	m.registerNo = m.direct.WithLabelValues("register", "refused")
	m.keepaliveOK = m.direct.WithLabelValues("keepalive", "ok")
	m.keepalive = m.direct.WithLabelValues("keepalive", "refused")
	repaired := vec("repaired_total", "Messages with this fault, set right.", "quirk")
	for i, name := range quirkNames {
		m.repaired[i] = repaired.WithLabelValues(name)
	}
	gauge := factory.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: "fengsui", Subsystem: "sip", Name: "connections", Help: "Open connections of peers.",
	}, []string{"transport"})
	factory.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "fengsui", Subsystem: "sip", Name: "storm_level",
		Help: "0 in calm; of strangers' datagrams one in 2^level is looked at.",
	}, func() float64 { return float64(storm.over(time.Now())) })
	m.connections = byGauge{gauge.WithLabelValues(flow.TCP), gauge.WithLabelValues(flow.TLS)}
	return m
}

func (m *metrics) quirks(q Quirk) {
	for i := 0; q != 0; i, q = i+1, q>>1 {
		if q&1 != 0 {
			m.repaired[i].Inc()
		}
	}
}
