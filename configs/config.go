package configs

import (
	"net/netip"
	"time"
)

// Config is the whole configuration. The zero value is not useful; start from [Default].
type Config struct {
	// DataDir is the folder for everything the process keeps: database, generated
	// secrets, the administrator's first password. Default ./data.
	DataDir string `yaml:"data_dir"`
	// ShutdownTimeout bounds draining at SIGTERM: BYEs to devices and open
	// responses. Range 1s to 5m; default 10s. Shorter leaves streams to devices' own time-outs.
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout"`

	SIP       SIP       `yaml:"sip"`
	HTTP      HTTP      `yaml:"http"`
	Auth      Auth      `yaml:"auth"`
	Media     Media     `yaml:"media"`
	Play      Play      `yaml:"play"`
	Downloads Downloads `yaml:"downloads"`
	Keepalive Keepalive `yaml:"keepalive"`
	Subscribe Subscribe `yaml:"subscribe"`
	Alarms    Retention `yaml:"alarms"`
	Positions Retention `yaml:"positions"`
	Snapshots Snapshots `yaml:"snapshots"`
	Journal   Journal   `yaml:"journal"`
	// Sinks are receivers outside that are told what happens.
	Sinks     []Sink    `yaml:"sinks"`
	Memory    Memory    `yaml:"memory"`
	Cluster   Cluster   `yaml:"cluster"`
	Store     Store     `yaml:"store"`
	Quirks    Quirks    `yaml:"quirks"`
	Time      Time      `yaml:"time"`
	Trace     Trace     `yaml:"trace"`
	Audit     Audit     `yaml:"audit"`
	Log       Log       `yaml:"log"`
	Telemetry Telemetry `yaml:"telemetry"`
}

// SIP is the signalling side.
type SIP struct {
	// ID is this platform's 20-digit code, type 200. Quote it in YAML.
	ID string `yaml:"id"`
	// Domain is the SIP domain and Digest realm; default the first 10 digits of ID.
	Domain string `yaml:"domain"`
	// Listen is the address of the first UDP and TCP listener, host:port. Default
	// 0.0.0.0:5060; [::]:5060 serves IPv4 too, unless a listener has that port there.
	Listen string `yaml:"listen"`
	// Listeners are further ones, each with its own advertised address.
	Listeners []Listener `yaml:"listeners"`
	// TLS adds a TLS listener.
	TLS SIPTLS `yaml:"tls"`
	// Advertise is the public host or host:port of Listen, where NAT demands it.
	// Empty: the local address of the route to each device.
	Advertise string `yaml:"advertise"`
	// Password is the common device password. Absent: random at the first start,
	// kept in the data folder. Empty: only provisioned devices may register.
	Password *string `yaml:"password"`
	// ApproveUnknown lets unknown device IDs wait for an operator's approval.
	ApproveUnknown bool `yaml:"approve_unknown"`
	// DigestAlgorithms are offered in this order: MD5, SHA-256, SM3. Old devices
	// read only the first. Default MD5.
	DigestAlgorithms []string `yaml:"digest_algorithms"`
	// QOP is off or auth. Default off: some old devices stumble over an offer.
	QOP string `yaml:"qop"`
	// QueryRate is how many questions a second are asked of all devices together
	// after their first registration. Range 1 to 100000; default 300.
	QueryRate int `yaml:"query_rate"`
	// Follow is what a keepalive from another address does to the binding: port,
	// probe or any. Default probe.
	Follow string `yaml:"follow"`
	// MaxBody bounds a SIP body in bytes; a larger one is answered 413. Range 8KiB
	// to 64MiB; default 8MiB (a catalog of 10,000 items over TCP).
	MaxBody Size `yaml:"max_body"`
	// Guard keeps strangers from harm.
	Guard SIPGuard `yaml:"guard"`
	// Note is the digest over requests (GB/T 28181-2016 Annex H, 2022 8.3).
	Note SIPNote `yaml:"note"`
	// Gateway is our 20-digit ID of type 211 in Monitor-User-Identity of requests
	// that a user asked for. Empty: no request says for whom it is sent.
	Gateway string `yaml:"gateway"`
}

// SIPNote is how requests are signed and checked. A device may have its own mode,
// algorithm and seed.
type SIPNote struct {
	// Mode is off, log (what does not fit is counted and logged) or enforce (and
	// refused with 403). We sign what we send unless it is off. Default off: few
	// devices know it.
	Mode string `yaml:"mode"`
	// Algorithm is MD5, SHA-1, SHA-256 or SM3; empty = SM3 for devices of the
	// edition of 2022, MD5 for others.
	Algorithm string `yaml:"algorithm"`
	// Seed is the secret shared with devices that have none of their own.
	Seed string `yaml:"seed"`
	// Window is how far a Date may be from our clock. Range 10s to 1h; default 10m.
	Window time.Duration `yaml:"window"`
}

// SIPGuard bounds what one address may cost. A source is an IPv4 address or an
// IPv6 /64.
type SIPGuard struct {
	// Rate is how many messages a second a source may send, and Burst how many at
	// once; more get no answer. Range 10 to 1000000; default 1000. Its network
	// (IPv4 /24, IPv6 /48) may send four times as much.
	Rate int `yaml:"rate"`
	// Burst has the range 100 to 10000000 and the default 10000.
	Burst int `yaml:"burst"`
	// PerDevice is added to Rate for each device registered from a source, twenty
	// times as much to Burst. Range 1 to 1000; default 5.
	PerDevice int `yaml:"per_device"`
	// Failures is how many registrations of a source may be refused within ten
	// minutes before it is banned, and twenty more for each device registered
	// from there. Range 10 to 1000000; default 500.
	Failures int `yaml:"failures"`
	// Ban is how long a ban lasts; twice as long each time within a day. Range 1s
	// to 24h; default 10m.
	Ban time.Duration `yaml:"ban"`
	// Bodies is how many bytes of large bodies are handled at a time; more are
	// answered 503. Range 8MiB to 4GiB; default 64MiB. Decoded they take up to
	// eleven times as much.
	Bodies Size `yaml:"bodies"`
	// Allow are networks that are never limited nor banned. Default this machine.
	Allow []string `yaml:"allow"`
	// Deny are networks of which nothing is heard.
	Deny []string `yaml:"deny"`
	// AllowIDs, if any, are the beginnings of the only device IDs that may speak,
	// DenyIDs of those that are refused with 403.
	AllowIDs []string `yaml:"allow_ids"`
	DenyIDs  []string `yaml:"deny_ids"`
	// AllowAgents, if any, are parts of the only User-Agents that are heard,
	// DenyAgents of those that get no answer; in any case. Default known scanners.
	AllowAgents []string `yaml:"allow_agents"`
	DenyAgents  []string `yaml:"deny_agents"`
}

// Listener is one more SIP listener.
type Listener struct {
	Transport string `yaml:"transport"` // udp, tcp or tls
	Address   string `yaml:"address"`   // host:port
	Advertise string `yaml:"advertise"` // public host or host:port, "" = learn
}

// SIPTLS is the TLS listener; off while Listen is empty.
type SIPTLS struct {
	Listen   string `yaml:"listen"`    // host:port, usually :5061
	Cert     string `yaml:"cert"`      // PEM file
	Key      string `yaml:"key"`       // PEM file
	ClientCA string `yaml:"client_ca"` // PEM file; set = devices must show a certificate
}

// HTTP is the console, the API and HTTP media.
type HTTP struct {
	Listen string  `yaml:"listen"` // host:port, default 0.0.0.0:8080
	TLS    HTTPTLS `yaml:"tls"`
}

// HTTPTLS serves HTTPS when both files are named, or with certificates of our own.
type HTTPTLS struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// Auto serves HTTPS with certificates of an own authority, whose root is made at
	// the first start, kept in the data folder and had at /tls/root.crt; plain HTTP on
	// the same port is led to it. Default false.
	Auto bool `yaml:"auto"`
	// Names are host names and addresses to be known by with Auto, besides those of
	// this machine and sip.advertise.
	Names []string `yaml:"names"`
}

// Auth is who may sign in.
type Auth struct {
	// AdminPassword is the first administrator's. Absent: random at the first
	// start, printed once, kept in <data_dir>/admin-password.
	AdminPassword *string `yaml:"admin_password"`
}

// Media is the media engine.
type Media struct {
	// Listen is the single-port RTP receiver, UDP and TCP. Default 0.0.0.0:10000.
	Listen string `yaml:"listen"`
	// Ports is the range for sessions with a port of their own, "first-last".
	Ports PortRange `yaml:"ports"`
	// Mode is single or range; a device may have its own. Range costs a port pair
	// and a socket each stream and tolerates devices with a wrong SSRC.
	Mode string `yaml:"mode"`
	// Transport is how media is asked for unless the device or the caller says
	// otherwise: udp, tcp-passive (the device connects) or tcp-active. Default udp.
	Transport string `yaml:"transport"`
	// Advertise is the address put into SDP; default as sip.advertise.
	Advertise string `yaml:"advertise"`
	// IdleClose is how long a live stream stays without a viewer. Range 1s to 1h; default 30s.
	IdleClose time.Duration `yaml:"idle_close"`
	// AnswerTimeout bounds the wait for a device's answer to INVITE. Range 2s to 60s; default 15s.
	AnswerTimeout time.Duration `yaml:"answer_timeout"`
	// PacketTimeout bounds the wait for media after ACK. Range 1s to 60s; default 10s.
	PacketTimeout time.Duration `yaml:"packet_timeout"`
	// WebRTCListen is the one port of all WebRTC, UDP and TCP; empty = off. Default 0.0.0.0:8189.
	WebRTCListen string `yaml:"webrtc_listen"`
}

// Play is how recordings are played.
type Play struct {
	// Slots is how many recordings a device plays or gives for download at a time;
	// 0 = as many as it takes, learnt from its refusals. Range 0 to 1000; default 0.
	Slots int `yaml:"slots"`
	// Silence without RTP ends a recording that is not paused, half of it near its
	// end. Range 2s to 5m; default 20s. Devices that never say that all is sent
	// hold their slot for so long.
	Silence time.Duration `yaml:"silence"`
}

// Downloads are recordings of devices kept in files, in the folder downloads of
// the data folder.
type Downloads struct {
	// Space is what all files may take together. Range 16MiB to 1PiB; default
	// 20GiB. When it is full nothing is begun and what runs is cut.
	Space Size `yaml:"space"`
	// Keep is how long a download is kept after its end. Range 1h to 87600h;
	// default 168h.
	Keep time.Duration `yaml:"keep"`
	// Running is how many run at a time. Range 1 to 1000; default 16. Each may
	// hold 16 MiB of frames while the disk is busy.
	Running int `yaml:"running"`
}

// Keepalive judges silent devices.
type Keepalive struct {
	// Interval between keepalives. Range 5s to 1h; default 60s.
	Interval time.Duration `yaml:"interval"`
	// Missed keepalives until offline. Range 1 to 255; default 3. Fewer finds dead
	// devices sooner and flaps on lossy links.
	Missed int `yaml:"missed"`
}

// Subscribe is what devices are subscribed to when they register, besides their
// catalogs. An operator's choice for a device goes before it.
type Subscribe struct {
	// Alarm asks for alarms. Default false: many devices report them unasked.
	Alarm bool `yaml:"alarm"`
	// Position asks for the positions of mobile devices. Default false: it costs
	// each device a message every Interval.
	Position bool `yaml:"position"`
	// Interval between two positions. Range 1s to 24h; default 5s.
	Interval time.Duration `yaml:"interval"`
}

// Retention says what is kept of what devices report.
type Retention struct {
	// Keep is for how long. Range 1h to 87600h; default 720h for alarms, 168h for positions.
	Keep time.Duration `yaml:"keep"`
	// Rows is how many at most, the newest; a row takes about 300 bytes on disk.
	// Range 1000 to 100000000; default 1000000 alarms, 5000000 positions.
	Rows int `yaml:"rows"`
}

// Snapshots says what is kept of the pictures that devices upload.
type Snapshots struct {
	// Keep is for how long. Range 1h to 87600h; default 168h.
	Keep time.Duration `yaml:"keep"`
	// Size bounds all pictures, the oldest go first. Range 16MiB to 1024GiB; default 1GiB.
	Size Size `yaml:"size"`
	// UploadURL is where devices reach http.listen, as "http://gb.example.org:8080".
	// Default: the address by which a device reaches SIP, with the port of http.listen.
	UploadURL string `yaml:"upload_url"`
}

// Journal says what is kept of what happened: devices' states, alarms, catalogs,
// streams. It is a file in the data folder.
type Journal struct {
	// Keep is for how long. Range 1h to 87600h; default 744h (31 days).
	Keep time.Duration `yaml:"keep"`
	// Size bounds the events, the oldest go first; one takes some 500 bytes. Range
	// 1MiB to 1024GiB; default 1GiB. The file may be twice as large, and never shrinks.
	Size Size `yaml:"size"`
}

// Memory bounds the process.
type Memory struct {
	// Limit is given to the runtime; 0 = 75 % of the cgroup's or machine's memory.
	Limit Size `yaml:"limit"`
}

// Cluster holds what instances share.
type Cluster struct {
	// Secret signs nonces and tokens and encrypts stored passwords. Empty:
	// random, kept in the data folder.
	Secret string `yaml:"secret"`
	// Instance names this process; default the host name.
	Instance string `yaml:"instance"`
}

// Store is where durable records are.
type Store struct {
	// URL is empty (SQLite in the data folder) or sqlite:<path>.
	URL string `yaml:"url"`
}

// Quirks says which devices behave otherwise than the standard says.
type Quirks struct {
	// File has rules in the form of [BuiltinQuirks], which come after these and go
	// before them. Empty: quirks.yaml in the data folder, if it is there. SIGHUP
	// reads it again.
	File string `yaml:"file"`
}

// Time is the clock told to devices.
type Time struct {
	// Zone is an IANA name; default Asia/Shanghai, as the standard has it.
	Zone string `yaml:"zone"`
}

// Trace is the ring of SIP messages.
type Trace struct {
	Memory Size          `yaml:"memory"` // range 1MiB to 4GiB, default 64MiB
	Keep   time.Duration `yaml:"keep"`   // range 1m to 24h, default 15m
}

// Audit is the record of who did what.
type Audit struct {
	// Keep is how long. Range 24h to 87600h (ten years), default 8760h (a year). A
	// row takes some 400 bytes on disk.
	Keep time.Duration `yaml:"keep"`
}

// Log is what the process writes to standard error.
type Log struct {
	Level  string `yaml:"level"`  // trace, debug, info, warn, error; default info
	Format string `yaml:"format"` // console, json or auto (console on a terminal); default auto
}

// Telemetry is what the process records of itself.
type Telemetry struct {
	// FlightRecorder is how much of the runtime's execution trace is kept in
	// memory (16 MiB at most), for GET /api/v1/system/flight. 0 = off; range 1s to
	// 1m. Default 0: recorded, an exchange over TCP takes about a fifth more
	// processor time.
	FlightRecorder time.Duration `yaml:"flight_recorder"`
}

// Default is a configuration that works with no file at all.
func Default() Config {
	return Config{
		DataDir:         "./data",
		ShutdownTimeout: 10 * time.Second,
		SIP: SIP{
			ID:               "34020000002000000001",
			Listen:           "0.0.0.0:5060",
			DigestAlgorithms: []string{"MD5"},
			QOP:              "off",
			QueryRate:        300,
			Follow:           "probe",
			MaxBody:          8 << 20,
			Guard: SIPGuard{
				Rate: 1000, Burst: 10_000, PerDevice: 5, Failures: 500, Ban: 10 * time.Minute, Bodies: 64 << 20,
				Allow:      []string{"127.0.0.0/8", "::1/128"},
				DenyAgents: []string{"friendly-scanner", "sipvicious", "sundayddr", "sip-scan", "pplsip"},
			},
			Note: SIPNote{Mode: "off", Window: 10 * time.Minute},
		},
		HTTP: HTTP{Listen: "0.0.0.0:8080"},
		Media: Media{
			Listen:        "0.0.0.0:10000",
			Ports:         PortRange{First: 30000, Last: 30499},
			Mode:          "single",
			Transport:     "udp",
			IdleClose:     30 * time.Second,
			AnswerTimeout: 15 * time.Second,
			PacketTimeout: 10 * time.Second,
			WebRTCListen:  "0.0.0.0:8189",
		},
		Play:      Play{Silence: 20 * time.Second},
		Downloads: Downloads{Space: 20 << 30, Keep: 7 * 24 * time.Hour, Running: 16},
		Keepalive: Keepalive{Interval: time.Minute, Missed: 3},
		Subscribe: Subscribe{Interval: 5 * time.Second},
		Alarms:    Retention{Keep: 30 * 24 * time.Hour, Rows: 1_000_000},
		Positions: Retention{Keep: 7 * 24 * time.Hour, Rows: 5_000_000},
		Snapshots: Snapshots{Keep: 7 * 24 * time.Hour, Size: 1 << 30},
		Journal:   Journal{Keep: 31 * 24 * time.Hour, Size: 1 << 30},
		Time:      Time{Zone: "Asia/Shanghai"},
		Trace:     Trace{Memory: 64 << 20, Keep: 15 * time.Minute},
		Audit:     Audit{Keep: 365 * 24 * time.Hour},
		Log:       Log{Level: "info", Format: "auto"},
	}
}

// Networks are the networks of a list, addresses too. Validate has seen to it
// that they can be read.
func Networks(list []string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		if p, err := parseNetwork(s); err == nil {
			out = append(out, p)
		}
	}
	return out
}

func parseNetwork(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return p.Masked(), nil
}

// SIPDomain is Domain, or the first ten digits of ID.
func (s *SIP) SIPDomain() string {
	if s.Domain != "" || len(s.ID) < 10 {
		return s.Domain
	}
	return s.ID[:10]
}
