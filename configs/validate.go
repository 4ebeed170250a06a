package configs

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"fengsui/gb28181"
)

// Validate reports every fault at once, by key; none means that the
// configuration can be used as far as values alone can tell.
func (c *Config) Validate() Faults {
	var v check
	v.notEmpty("data_dir", c.DataDir)
	v.duration("shutdown_timeout", c.ShutdownTimeout, time.Second, 5*time.Minute)
	c.SIP.validate(&v)
	v.address("http.listen", c.HTTP.Listen)
	v.pair("http.tls.cert", c.HTTP.TLS.Cert, "http.tls.key", c.HTTP.TLS.Key)
	if c.HTTP.TLS.Auto && c.HTTP.TLS.Cert != "" {
		v.add("http.tls.auto", "is true while http.tls.cert is set: want one of the two")
	}
	for _, name := range c.HTTP.TLS.Names {
		if strings.TrimSpace(name) == "" || strings.ContainsAny(name, " /:@*") && net.ParseIP(name) == nil {
			v.add("http.tls.names", "%q: want a host name or an IP address", name)
		}
	}
	if p := c.Auth.AdminPassword; p != nil && len(*p) < 8 {
		v.add("auth.admin_password", "has %d characters: want at least 8", len(*p))
	}
	c.Media.validate(&v)
	if c.Play.Slots < 0 || c.Play.Slots > 1000 {
		v.add("play.slots", "%d: want 0 to 1000", c.Play.Slots)
	}
	v.duration("play.silence", c.Play.Silence, 2*time.Second, 5*time.Minute)
	v.size("downloads.space", c.Downloads.Space, 16<<20, 1<<50)
	v.duration("downloads.keep", c.Downloads.Keep, time.Hour, 10*365*24*time.Hour)
	v.number("downloads.running", c.Downloads.Running, 1, 1000)
	v.duration("keepalive.interval", c.Keepalive.Interval, 5*time.Second, time.Hour)
	v.number("keepalive.missed", c.Keepalive.Missed, 1, 255)
	v.duration("subscribe.interval", c.Subscribe.Interval, time.Second, 24*time.Hour)
	for key, r := range map[string]Retention{"alarms": c.Alarms, "positions": c.Positions} {
		v.duration(key+".keep", r.Keep, time.Hour, 10*365*24*time.Hour)
		v.number(key+".rows", r.Rows, 1000, 100_000_000)
	}
	v.duration("snapshots.keep", c.Snapshots.Keep, time.Hour, 10*365*24*time.Hour)
	v.size("snapshots.size", c.Snapshots.Size, 16<<20, 1<<40)
	if u := c.Snapshots.UploadURL; u != "" {
		if a, err := url.Parse(u); err != nil || a.Host == "" || a.Scheme != "http" && a.Scheme != "https" || a.RawQuery != "" || a.User != nil {
			v.add("snapshots.upload_url", "%q: want http://host:port or https://host:port", u)
		}
	}
	v.duration("journal.keep", c.Journal.Keep, time.Hour, 10*365*24*time.Hour)
	v.size("journal.size", c.Journal.Size, 1<<20, 1<<40)
	v.sinks(c.Sinks)
	if c.Memory.Limit != 0 {
		v.size("memory.limit", c.Memory.Limit, 64<<20, 1<<50)
	}
	if s := c.Cluster.Secret; s != "" && len(s) < 16 {
		v.add("cluster.secret", "has %d characters: want at least 16, or none for a random one", len(s))
	}
	if u := c.Store.URL; u != "" && !strings.HasPrefix(u, "sqlite:") {
		v.add("store.url", "%q: want nothing (SQLite in data_dir) or sqlite:<path>", u)
	}
	if _, err := time.LoadLocation(c.Time.Zone); err != nil || c.Time.Zone == "" {
		v.add("time.zone", "%q is not a known zone: want an IANA name such as Asia/Shanghai", c.Time.Zone)
	}
	v.size("trace.memory", c.Trace.Memory, 1<<20, 4<<30)
	v.duration("trace.keep", c.Trace.Keep, time.Minute, 24*time.Hour)
	v.duration("audit.keep", c.Audit.Keep, 24*time.Hour, 10*365*24*time.Hour)
	v.oneOf("log.level", c.Log.Level, "trace", "debug", "info", "warn", "error")
	v.oneOf("log.format", c.Log.Format, "auto", "console", "json")
	if d := c.Telemetry.FlightRecorder; d != 0 {
		v.duration("telemetry.flight_recorder", d, time.Second, time.Minute)
	}
	return v.faults
}

func (s *SIP) validate(v *check) {
	if id, err := gb28181.ParseID(s.ID); err != nil {
		v.add("sip.id", "%v", err)
	} else if !id.Full() {
		v.add("sip.id", "%q has 18 digits: want 20", s.ID)
	}
	if s.Domain != "" && strings.ContainsAny(s.Domain, " \t<>;\"@") {
		v.add("sip.domain", "%q: want ten digits or a host name", s.Domain)
	}
	v.address("sip.listen", s.Listen)
	v.host("sip.advertise", s.Advertise)
	for i, l := range s.Listeners {
		key := fmt.Sprintf("sip.listeners[%d].", i)
		v.oneOf(key+"transport", l.Transport, "udp", "tcp", "tls")
		v.address(key+"address", l.Address)
		v.host(key+"advertise", l.Advertise)
		if l.Transport == "tls" && s.TLS.Cert == "" {
			v.add(key+"transport", "tls needs sip.tls.cert and sip.tls.key")
		}
	}
	v.pair("sip.tls.cert", s.TLS.Cert, "sip.tls.key", s.TLS.Key)
	if s.TLS.Listen != "" {
		v.address("sip.tls.listen", s.TLS.Listen)
		v.notEmpty("sip.tls.cert", s.TLS.Cert)
	}
	if len(s.DigestAlgorithms) == 0 {
		v.add("sip.digest_algorithms", "is empty: want at least one of MD5, SHA-256, SM3")
	}
	for i, a := range s.DigestAlgorithms {
		v.oneOf("sip.digest_algorithms", a, "MD5", "SHA-256", "SM3")
		if slices.Contains(s.DigestAlgorithms[:i], a) {
			v.add("sip.digest_algorithms", "%q stands twice", a)
		}
	}
	v.oneOf("sip.qop", s.QOP, "off", "auth")
	v.number("sip.query_rate", s.QueryRate, 1, 100000)
	v.oneOf("sip.follow", s.Follow, "port", "probe", "any")
	v.size("sip.max_body", s.MaxBody, 8<<10, 64<<20)
	s.Guard.validate(v)
	v.oneOf("sip.note.mode", s.Note.Mode, "off", "log", "enforce")
	if s.Note.Algorithm != "" {
		v.oneOf("sip.note.algorithm", s.Note.Algorithm, "MD5", "SHA-1", "SHA-256", "SM3")
	}
	if s.Note.Mode != "off" && s.Note.Seed == "" {
		v.add("sip.note.seed", "is empty: want the secret that is shared with devices, or sip.note.mode off")
	}
	v.duration("sip.note.window", s.Note.Window, 10*time.Second, time.Hour)
	if id, err := gb28181.ParseID(s.Gateway); s.Gateway != "" && (err != nil || id.Type() != 211) {
		v.add("sip.gateway", "%q: want 20 digits with type 211 (digits 11 to 13)", s.Gateway)
	}
}

func (g *SIPGuard) validate(v *check) {
	v.number("sip.guard.rate", g.Rate, 10, 1_000_000)
	v.number("sip.guard.burst", g.Burst, 100, 10_000_000)
	v.number("sip.guard.per_device", g.PerDevice, 1, 1000)
	v.number("sip.guard.failures", g.Failures, 10, 1_000_000)
	v.duration("sip.guard.ban", g.Ban, time.Second, 24*time.Hour)
	v.size("sip.guard.bodies", g.Bodies, 8<<20, 4<<30)
	for _, l := range []struct {
		key  string
		list []string
	}{{"sip.guard.allow", g.Allow}, {"sip.guard.deny", g.Deny}} {
		for _, s := range l.list {
			if _, err := parseNetwork(s); err != nil {
				v.add(l.key, "%q is not a network: want an address or 192.0.2.0/24", s)
			}
		}
	}
	for _, l := range []struct {
		key  string
		list []string
	}{{"sip.guard.allow_ids", g.AllowIDs}, {"sip.guard.deny_ids", g.DenyIDs}} {
		for _, s := range l.list {
			if s == "" || len(s) > 20 || strings.Trim(s, "0123456789") != "" {
				v.add(l.key, "%q is not the beginning of an ID: want 1 to 20 digits", s)
			}
		}
	}
	for _, l := range []struct {
		key  string
		list []string
	}{{"sip.guard.allow_agents", g.AllowAgents}, {"sip.guard.deny_agents", g.DenyAgents}} {
		for _, s := range l.list {
			if strings.TrimSpace(s) == "" || len(s) > 128 {
				v.add(l.key, "%q is not a part of a User-Agent: want 1 to 128 characters", s)
			}
		}
	}
}

func (m *Media) validate(v *check) {
	v.address("media.listen", m.Listen)
	if m.Ports.First < 1024 || m.Ports.Last > 65535 || m.Ports.Last <= m.Ports.First {
		v.add("media.ports", "%s: want first-last within 1024-65535, at least two ports", m.Ports)
	}
	v.oneOf("media.mode", m.Mode, "single", "range")
	v.oneOf("media.transport", m.Transport, "udp", "tcp-passive", "tcp-active")
	if m.Advertise != "" {
		if _, err := netip.ParseAddr(m.Advertise); err != nil {
			v.add("media.advertise", "%q is not an IP address: SDP carries no names", m.Advertise)
		}
	}
	v.duration("media.idle_close", m.IdleClose, time.Second, time.Hour)
	v.duration("media.answer_timeout", m.AnswerTimeout, 2*time.Second, time.Minute)
	v.duration("media.packet_timeout", m.PacketTimeout, time.Second, time.Minute)
	if m.WebRTCListen != "" {
		v.address("media.webrtc_listen", m.WebRTCListen)
	}
}

type check struct{ faults Faults }

func (v *check) add(key, format string, args ...any) {
	v.faults = append(v.faults, Fault{key, fmt.Sprintf(format, args...)})
}

func (v *check) notEmpty(key, value string) {
	if value == "" {
		v.add(key, "is empty")
	}
}

func (v *check) duration(key string, d, least, most time.Duration) {
	if d < least || d > most {
		v.add(key, "%v is out of range: want %v to %v", d, least, most)
	}
}

func (v *check) number(key string, n, least, most int) {
	if n < least || n > most {
		v.add(key, "%d is out of range: want %d to %d", n, least, most)
	}
}

func (v *check) size(key string, s, least, most Size) {
	if s < least || s > most {
		v.add(key, "%v is out of range: want %v to %v", s, least, most)
	}
}

func (v *check) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.add(key, "%q: want one of %s", value, strings.Join(allowed, ", "))
	}
}

// address checks a listener's host:port; the host may be empty or an IP address.
func (v *check) address(key, value string) {
	host, port, err := net.SplitHostPort(value)
	if err != nil {
		v.add(key, "%q is not an address: want host:port, as in 0.0.0.0:5060", value)
		return
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		v.add(key, "%q: port %q is not within 0-65535", value, port)
	}
	if host != "" {
		if _, err := netip.ParseAddr(host); err != nil {
			v.add(key, "%q: %q is not an IP address of this machine", value, host)
		}
	}
}

// host checks an advertised host or host:port.
func (v *check) host(key, value string) {
	if value == "" {
		return
	}
	host := value
	if h, port, err := net.SplitHostPort(value); err == nil {
		host = h
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			v.add(key, "%q: port %q is not within 1-65535", value, port)
		}
	}
	if host == "" || strings.ContainsAny(host, " /<>@") {
		v.add(key, "%q: want a host or host:port", value)
	}
	if a, err := netip.ParseAddr(host); err == nil && a.IsUnspecified() {
		v.add(key, "%q cannot be reached by a device: want a real address, or nothing to learn it", value)
	}
}

func (v *check) pair(key1, a, key2, b string) {
	switch {
	case a != "" && b == "":
		v.add(key2, "is empty while %s is set", key1)
	case a == "" && b != "":
		v.add(key1, "is empty while %s is set", key2)
	}
}
