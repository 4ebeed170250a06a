package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fengsui/configs"
	"fengsui/internal/reuse"
	"fengsui/internal/store"
)

// finding is one thing the doctor looked at.
type finding struct {
	what   string // "sip.listen udp 0.0.0.0:5060"
	state  string // ok, warn or broken
	seen   string // what is
	remedy string // what to do, empty when ok
}

// ErrUnhealthy is returned by [Doctor] when something is broken.
var ErrUnhealthy = errors.New("something is broken; the remedies stand above")

// Doctor looks at what the server will need on this machine and writes what is
// wrong with the exact remedy. It opens and closes every port, unless a server
// with the same configuration runs: that is asked for its pools instead.
func Doctor(ctx context.Context, c configs.Config, out io.Writer) error {
	var all []finding
	if r, err := askRunning(ctx, &c); err == nil {
		all = append(all, r.findings()...)
	} else {
		all = append(all, checkPorts(ctx, &c)...)
		all = append(all, checkPools(&c))
	}
	all = append(all, checkAddresses(&c)...)
	all = append(all, checkBuffers(), checkFiles(&c), checkMemory(&c), checkClock(&c))
	all = append(all, checkDisk(&c)...)
	all = append(all, checkSinks(ctx, &c)...)
	all = append(all, checkAudit(ctx, &c))
	broken := 0
	for _, f := range all {
		fmt.Fprintf(out, "%-7s %-36s %s\n", f.state, f.what, f.seen)
		if f.remedy != "" {
			fmt.Fprintf(out, "        remedy: %s\n", f.remedy)
		}
		if f.state == "broken" {
			broken++
		}
	}
	if broken > 0 {
		return ErrUnhealthy
	}
	return nil
}

// checkAudit walks the chain of the audit in the database.
func checkAudit(ctx context.Context, c *configs.Config) finding {
	f := finding{what: "audit", state: "ok"}
	secret, err := clusterSecret(c)
	if err != nil {
		f.seen = "nothing is kept yet"
		return f
	}
	path := databasePath(c)
	chain, err := store.CheckAudit(ctx, path, []byte(secret))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, store.ErrNotFound):
		f.seen = "nothing is kept yet"
	case err != nil:
		f.state, f.seen, f.remedy = "warn", err.Error(), "run this as the user that the server runs as, who may read "+path
	case chain.Broken != 0:
		f.state, f.seen = "broken", fmt.Sprintf("the chain breaks at %d after %d rows: %s", chain.Broken, chain.Rows, chain.Detail)
		f.remedy = "someone changed the database by other means than the server, or cluster.secret is another one: compare with a backup before you trust it"
	default:
		f.seen = fmt.Sprintf("%d rows, all as they were written", chain.Rows)
	}
	return f
}

func checkPorts(ctx context.Context, c *configs.Config) []finding {
	type port struct{ key, network, address string }
	ports := []port{
		{"sip.listen", "udp", c.SIP.Listen}, {"sip.listen", "tcp", c.SIP.Listen},
		{"http.listen", "tcp", c.HTTP.Listen},
		{"media.listen", "udp", c.Media.Listen}, {"media.listen", "tcp", c.Media.Listen},
	}
	if c.SIP.TLS.Listen != "" {
		ports = append(ports, port{"sip.tls.listen", "tcp", c.SIP.TLS.Listen})
	}
	for i, l := range c.SIP.Listeners {
		network := l.Transport
		if network == "tls" {
			network = "tcp"
		}
		ports = append(ports, port{fmt.Sprintf("sip.listeners[%d]", i), network, l.Address})
	}
	if c.Media.WebRTCListen != "" {
		ports = append(ports, port{"media.webrtc_listen", "udp", c.Media.WebRTCListen}, port{"media.webrtc_listen", "tcp", c.Media.WebRTCListen})
	}
	var out []finding
	for _, p := range ports {
		f := finding{what: p.key + " " + p.network, state: "ok", seen: p.address + " is free"}
		if err := tryListen(ctx, p.network, p.address); err != nil {
			f.state, f.seen, f.remedy = "broken", err.Error(), portRemedy(p.key, p.network, p.address, err)
		}
		out = append(out, f)
	}
	return append(out, checkRange(ctx, c.Media.Ports))
}

func tryListen(ctx context.Context, network, address string) error {
	var lc net.ListenConfig
	var c io.Closer
	var err error
	if network == "udp" {
		c, err = lc.ListenPacket(ctx, network, address)
	} else {
		c, err = lc.Listen(ctx, network, address)
	}
	if err != nil {
		return err
	}
	return c.Close()
}

func portRemedy(key, network, address string, err error) string {
	_, port, _ := net.SplitHostPort(address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Sprintf("see who has it with: ss -l%cpn 'sport = :%s'; stop it, or choose another with --set %s=host:port", network[0], port, key)
	case errors.Is(err, syscall.EACCES):
		return fmt.Sprintf("ports below 1024 need a right: setcap cap_net_bind_service+ep on the binary, or choose another with --set %s=host:port", key)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "this machine does not have that address: see `ip address`, or listen on 0.0.0.0"
	}
	return "choose another address with --set " + key + "=host:port"
}

func checkRange(ctx context.Context, r configs.PortRange) finding {
	busy, first := 0, 0
	for p := r.First; p <= r.Last; p++ {
		if tryListen(ctx, "udp", ":"+strconv.Itoa(p)) != nil {
			if busy++; first == 0 {
				first = p
			}
		}
	}
	f := finding{what: "media.ports udp", state: "ok", seen: fmt.Sprintf("%s are free", r)}
	if total := r.Last - r.First + 1; busy > 0 {
		f.state, f.seen = "warn", fmt.Sprintf("%d of %d are in use, the first is %d", busy, total, first)
		f.remedy = "they are passed over; choose a range nobody uses with --set media.ports=first-last"
		if busy == total {
			f.state = "broken"
		}
	}
	return f
}

func checkAddresses(c *configs.Config) []finding {
	f := finding{what: "addresses", state: "ok"}
	var found []string
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return []finding{{what: f.what, state: "warn", seen: err.Error(), remedy: "set sip.advertise and media.advertise"}}
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			found = append(found, n.IP.String())
		}
	}
	f.seen = "devices reach this machine at " + strings.Join(found, ", ")
	if len(found) == 0 {
		f.state, f.seen, f.remedy = "warn", "only loopback: no device can reach this machine", "give a network interface an address"
	}
	out := []finding{f}
	if a := c.SIP.Advertise; a != "" {
		out = append(out, finding{what: "sip.advertise", state: "ok", seen: a + " is told to devices; forward the SIP and media ports there unchanged"})
	}
	return out
}

func checkBuffers() finding {
	const want = 8 << 20
	f := finding{what: "UDP receive buffer", state: "ok"}
	b, err := os.ReadFile("/proc/sys/net/core/rmem_max")
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	f.seen = fmt.Sprintf("net.core.rmem_max is %d bytes", n)
	switch {
	case err != nil:
		f.seen = "not known on this system"
	case n < want:
		f.state, f.remedy = "warn", fmt.Sprintf("bursts may be lost: sysctl -w net.core.rmem_max=%d (and in /etc/sysctl.d)", 4*want)
	}
	return f
}

func checkFiles(c *configs.Config) finding {
	f := finding{what: "open files", state: "ok"}
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return finding{what: f.what, state: "warn", seen: err.Error()}
	}
	f.seen = fmt.Sprintf("%d may be open", l.Cur)
	if l.Cur < 65536 {
		f.state, f.remedy = "warn", "each TCP device and viewer needs one: ulimit -n 1048576, or LimitNOFILE=1048576 in the unit"
	}
	return f
}

func checkMemory(c *configs.Config) finding {
	n := memoryLimit(c.Memory.Limit)
	f := finding{what: "memory", state: "ok", seen: fmt.Sprintf("%d MiB will be used at the most", n>>20)}
	if total := machineMemory(); total > 0 && int64(c.Memory.Limit) > total {
		f.state, f.remedy = "broken", fmt.Sprintf("memory.limit is above the %d MiB there are: lower it, or set it to 0", total>>20)
	}
	return f
}

// checkPools tells what pools may take of a server that does not run.
func checkPools(c *configs.Config) finding {
	limit := cmp.Or(memoryLimit(c.Memory.Limit), assumedMemory)
	return finding{what: "pools", state: "ok", seen: fmt.Sprintf(
		"at most %d MiB of memory.limit; their sizes follow devices × session ÷ collector's period, seen here while the server runs",
		int64(reuse.MostShare*float64(limit))>>20)}
}

func checkClock(c *configs.Config) finding {
	zone, err := time.LoadLocation(c.Time.Zone)
	if err != nil {
		return finding{what: "clock", state: "broken", seen: err.Error(), remedy: "set time.zone to an IANA name"}
	}
	now := time.Now()
	f := finding{what: "clock", state: "ok", seen: "devices are told " + now.In(zone).Format("2006-01-02T15:04:05") + " (" + c.Time.Zone + ")"}
	if now.Year() < 2025 {
		f.state, f.remedy = "broken", "the clock is wrong: run an NTP client, devices take their time from here"
	}
	return f
}

func checkDisk(c *configs.Config) []finding {
	f := finding{what: "data_dir", state: "ok"}
	probe := filepath.Join(c.DataDir, ".doctor")
	err := os.MkdirAll(c.DataDir, 0o700)
	if err == nil {
		err = os.WriteFile(probe, []byte("x"), 0o600)
		_ = os.Remove(probe) // the write has been judged
	}
	if err != nil {
		return []finding{{what: f.what, state: "broken", seen: err.Error(), remedy: "choose a folder that can be written with --set data_dir=…"}}
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(c.DataDir, &st); err != nil {
		return []finding{{what: f.what, state: "warn", seen: err.Error()}}
	}
	free := int64(st.Bavail) * st.Bsize
	f.seen = fmt.Sprintf("%s can be written, %d MiB are free", c.DataDir, free>>20)
	if free < 256<<20 {
		f.state, f.remedy = "broken", "free at least 256 MiB, or move data_dir"
	}
	return []finding{f}
}

// checkSinks tries whether the receivers of events are reached. Of several hosts one is enough.
func checkSinks(ctx context.Context, c *configs.Config) []finding {
	var out []finding
	for i := range c.Sinks {
		s := &c.Sinks[i]
		f := finding{what: "sink " + s.Name, state: "warn", remedy: "events wait in the outbox; correct sinks[" + strconv.Itoa(i) + "].url, or see why nobody answers there"}
		for _, host := range s.Hosts() {
			d := net.Dialer{Timeout: 3 * time.Second}
			conn, err := d.DialContext(ctx, "tcp", host)
			if err != nil {
				f.seen = s.Kind + " is not reached: " + err.Error()
				continue
			}
			_ = conn.Close()
			f.state, f.seen, f.remedy = "ok", s.Kind+" at "+host+" is reached", ""
			break
		}
		out = append(out, f)
	}
	return out
}
