package sip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/emiago/sipgo"
	gosip "github.com/emiago/sipgo/sip"
	"github.com/rs/zerolog"
)

// Sizes the library must not be narrower in than the intake, bytes.
const (
	largestMessage  = 65 << 20            // sip.max_body goes to 64 MiB; headers come on top
	largestDatagram = 65507               // of IPv4
	largestPacket   = 2 * largestDatagram // repaired and stamped
)

// errNoDial ends every attempt of the library to open a connection: a device
// behind NAT is reachable only on the connection it opened itself.
var errNoDial = errors.New("connections to devices are never dialled")

// library guards the settings sipgo keeps in package variables. They are
// process-wide and read without a lock, so they are set before the first
// endpoint and never again.
var library struct {
	sync.Mutex
	t1 time.Duration // 0 until set
}

// setLibrary applies every package variable of sipgo that we change.
func setLibrary(t1 time.Duration) error {
	library.Lock()
	defer library.Unlock()
	if library.t1 != 0 {
		if library.t1 != t1 {
			return fmt.Errorf("timer T1 is %v for this process already, not %v", library.t1, t1)
		}
		return nil
	}
	library.t1 = t1
	gosip.SetTimers(t1, 4*time.Second, 5*time.Second)
	// RFC 3261 asks for 64*T1, which keeps 4 KB for 32 s of every UDP request.
	// 4 s cover the repeats at 0.5, 1.5 and 3.5 s; later ones are answered anew.
	gosip.Timer_J = 4 * time.Second
	gosip.UDPMTUSize = largestDatagram + 200 // the library takes 200 off
	gosip.ParseMaxMessageLength = largestMessage
	gosip.TransportBufferReadSize = tokenSize // one buffer for each connection, as long as it lasts
	// Messages that do not know their endpoint: reference counts of
	// connections, and reads that the intake sees and counts too.
	gosip.SetDefaultLogger(slog.New(slog.DiscardHandler))
	return nil
}

// newUA builds the library's layers for one endpoint.
func newUA(name string, t1 time.Duration, log zerolog.Logger, redeem gosip.TransportReadFilter, unmatched func(*gosip.Response)) (*sipgo.UserAgent, error) {
	if err := setLibrary(t1); err != nil {
		return nil, err
	}
	logger := slog.New(newBridge(log))
	return sipgo.NewUA(
		sipgo.WithUserAgent(name),
		sipgo.WithUserAgentParser(gosip.NewParser(gosip.WithHeadersParsers(lenientParsers()))),
		sipgo.WithUserAgentTransportLayerOptions(
			gosip.WithTransportLayerLogger(logger),
			gosip.WithTransportLayerReadFilter(redeem), // before the transports, which copy it
			gosip.WithTransportLayerTransports(gosip.TransportsConfig{
				TCP: newTCP(),
				TLS: &gosip.TransportTLS{TransportTCP: newTCP()},
			}),
		),
		sipgo.WithUserAgentTransactionLayerOptions(
			gosip.WithTransactionLayerLogger(logger),
			gosip.WithTransactionLayerTerminateOnConnClose(),
			gosip.WithTransactionLayerUnhandledResponseHandler(unmatched),
		),
	)
}

func newTCP() *gosip.TransportTCP {
	return &gosip.TransportTCP{
		DialerCreate: func(net.Addr) net.Dialer {
			return net.Dialer{ControlContext: func(context.Context, string, string, syscall.RawConn) error { return errNoDial }}
		},
	}
}

// lenientParsers are sipgo's, but a header that cannot be parsed becomes an
// opaque one instead of losing the message. Via and Content-Length stay strict:
// without them there is nowhere to answer and no boundary. Addresses are parsed
// when they are asked for: until then they are what the peer wrote, which our
// answers repeat.
func lenientParsers() map[string]gosip.HeaderParser {
	parsers := maps.Clone(gosip.DefaultHeadersParser()) // the default is shared
	for _, name := range [...]string{"from", "f", "to", "t", "contact", "m"} {
		delete(parsers, name)
	}
	for name, parse := range parsers {
		switch name {
		case "via", "v", "content-length", "l":
			continue
		}
		parsers[name] = func(header []byte, value string) (gosip.Header, error) {
			h, err := parse(header, value)
			if err == nil || err.Error() == "comma detected" { // an unexported type: the list goes on
				return h, err
			}
			return gosip.NewHeader(string(header), value), nil
		}
	}
	return parsers
}
