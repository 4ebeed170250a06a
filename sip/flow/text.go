package flow

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ErrBadText is wrapped by the errors of [Parse].
var ErrBadText = errors.New("not a flow")

// AppendText appends the flow as "udp/0/192.0.2.1:5060/192.0.2.20:5060":
// transport, listener, local and remote address. [Parse] reads it back. It
// never fails.
func (f Flow) AppendText(dst []byte) ([]byte, error) {
	dst = append(dst, f.Transport...)
	dst = append(dst, '/')
	dst = strconv.AppendInt(dst, int64(f.Listener), 10)
	dst = append(dst, '/')
	dst = f.Local.AppendTo(dst)
	dst = append(dst, '/')
	return f.Remote.AppendTo(dst), nil
}

// Parse reads what [Flow.AppendText] wrote. Errors wrap [ErrBadText].
func Parse(text string) (Flow, error) {
	transport, rest, _ := strings.Cut(text, "/")
	listener, rest, _ := strings.Cut(rest, "/")
	local, remote, ok := strings.Cut(rest, "/")
	if !ok {
		return Flow{}, fmt.Errorf("%w: %q has too few parts", ErrBadText, text)
	}
	f := Flow{Transport: transport}
	switch transport {
	case UDP, TCP, TLS:
	default:
		return Flow{}, fmt.Errorf("%w: transport %q", ErrBadText, transport)
	}
	var err error
	if f.Listener, err = strconv.Atoi(listener); err != nil {
		return Flow{}, fmt.Errorf("%w: listener: %w", ErrBadText, err)
	}
	if f.Local, err = netip.ParseAddrPort(local); err != nil {
		return Flow{}, fmt.Errorf("%w: local address: %w", ErrBadText, err)
	}
	if f.Remote, err = netip.ParseAddrPort(remote); err != nil {
		return Flow{}, fmt.Errorf("%w: remote address: %w", ErrBadText, err)
	}
	return f, nil
}

// Unmap returns ap with an IPv4 address written as IPv4, as dual-stack sockets
// report it mapped into IPv6. Flows hold unmapped addresses only.
func Unmap(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
