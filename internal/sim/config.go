package sim

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"fengsui/gb28181"
	"fengsui/media"
	"fengsui/sip/note"

	"github.com/rs/zerolog"
)

// Transports of SIP.
const (
	UDP = "udp"
	TCP = "tcp"
)

// NoAudio as Config.Audio leaves sound out.
const NoAudio media.Codec = "NONE"

// NoRecords as Config.Records is a device without a disk.
const NoRecords = -1

// Values of Config.Sockets.
const (
	SocketsAuto = 0  // own sockets up to 256 devices, else 16 shared ones
	SocketsOwn  = -1 // each device its own
)

// Config says what is simulated. Zero fields take the default that is named.
type Config struct {
	Server   string     // "host:port" of the server's SIP, required
	ServerID gb28181.ID // default 34020000002000000001
	Domain   string     // SIP domain; default the first ten digits of ServerID
	Password string     // of every device

	Devices  int        // default 1
	Channels int        // of each device; default 1: a camera that is its own channel; more: a recorder (type 118)
	FirstID  gb28181.ID // ID of the first device; the others count up. Default 34020000001320000001 or, of recorders, 34020000001180000001

	Transport string      // UDP (default) or TCP, for SIP
	Video     media.Codec // media.H264 (default) or media.H265
	Audio     media.Codec // media.PCMA (default), media.PCMU, media.AAC or NoAudio
	Bitrate   int         // of the main stream, bit/s; 0 is the clip's own, about 1 Mbit/s; more is made with padding
	Hear      string      // how a device takes the sound of a broadcast: HearUDP (default), HearTCPActive or HearTCPPassive
	Edition   gb28181.Edition
	Quirks    []string // names of [Quirks]

	// Note has devices sign their requests and refuse ones that are not signed:
	// the hash of the digest, with NoteSeed as its secret. Empty: neither.
	Note     note.Algorithm
	NoteSeed string

	Loss    float64 // share of RTP packets over UDP that is lost, 0 to 1
	SIPLoss float64 // share of SIP datagrams that is lost, each way, 0 to 1

	Keepalive    time.Duration // default 60 s
	Expires      time.Duration // of the registration, default 1 h
	Retry        time.Duration // after a failed registration, plus up to half of it; default 60 s
	Rate         int           // first registrations a second, default 1000
	Sockets      int           // UDP: SocketsAuto, SocketsOwn, or how many shared ones
	T1           time.Duration // RFC 3261 T1, default 500 ms
	PartSize     int           // catalog items in one message, default 2
	Records      int           // recordings of each channel and day, default 96, with pauses; NoRecords: none
	RecordPart   int           // recordings in one message, default 2
	PartInterval time.Duration // between two messages of an answer, default 20 ms
	AnswerDelay  time.Duration // between INVITE and 200; default none
	MaxStreams   int           // of each device, more get 486; 0: no limit

	// Expect are things that must have happened, see [Sim.Unmet]:
	// "registered", "keepalive", "catalog", "subscribe", "invite", "stream",
	// each with "=N" for at least N.
	Expect []string

	Log zerolog.Logger // the zero value is silent
}

func (c Config) withDefaults() Config {
	set(&c.ServerID, "34020000002000000001")
	set(&c.Domain, c.ServerID.Domain())
	set(&c.Devices, 1)
	set(&c.Channels, 1)
	if c.Channels > 1 {
		set(&c.FirstID, "34020000001180000001")
	}
	set(&c.FirstID, "34020000001320000001")
	c.Transport = strings.ToLower(c.Transport)
	set(&c.Transport, UDP)
	c.Video = media.Codec(strings.ToUpper(string(c.Video)))
	set(&c.Video, media.H264)
	c.Audio = media.Codec(strings.ToUpper(string(c.Audio)))
	set(&c.Audio, media.PCMA)
	set(&c.Hear, HearUDP)
	c.Edition = c.Edition.Effective()
	set(&c.Keepalive, time.Minute)
	set(&c.Expires, time.Hour)
	set(&c.Retry, time.Minute)
	set(&c.Rate, 1000)
	set(&c.T1, 500*time.Millisecond)
	set(&c.PartSize, 2)
	set(&c.Records, 96)
	set(&c.RecordPart, 2)
	set(&c.PartInterval, 20*time.Millisecond)
	if c.Sockets == SocketsAuto {
		c.Sockets = 16
		if c.Devices <= 256 {
			c.Sockets = SocketsOwn
		}
	}
	return c
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate reports every fault at once. Call it on a config with its defaults.
func (c *Config) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if host, _, err := net.SplitHostPort(c.Server); err != nil || host == "" {
		bad("server %q: want host:port", c.Server)
	}
	if _, err := gb28181.ParseID(string(c.ServerID)); err != nil {
		bad("server ID: %w", err)
	}
	if !c.FirstID.Full() {
		bad("first ID %q: want 20 digits", c.FirstID)
	}
	if c.Devices < 1 || c.Devices > 999999 {
		bad("devices %d: want 1 to 999999", c.Devices)
	}
	if c.Channels < 1 || c.Channels > 10000 {
		bad("channels %d: want 1 to 10000", c.Channels)
	}
	if c.Transport != UDP && c.Transport != TCP {
		bad("transport %q: want udp or tcp", c.Transport)
	}
	if c.Video != media.H264 && c.Video != media.H265 {
		bad("video %q: want h264 or h265", c.Video)
	}
	switch c.Audio {
	case media.PCMA, media.PCMU, media.AAC, NoAudio:
	default:
		bad("audio %q: want pcma, pcmu, aac or none", c.Audio)
	}
	if c.Hear != HearUDP && c.Hear != HearTCPActive && c.Hear != HearTCPPassive {
		bad("hear %q: want udp, tcp-active or tcp-passive", c.Hear)
	}
	for name, share := range map[string]float64{"loss": c.Loss, "SIP loss": c.SIPLoss} {
		if share < 0 || share >= 1 {
			bad("%s %v: want 0 to less than 1", name, share)
		}
	}
	for name, d := range map[string]time.Duration{
		"keepalive": c.Keepalive, "expires": c.Expires, "retry": c.Retry, "T1": c.T1, "part interval": c.PartInterval,
	} {
		if d < 0 {
			bad("%s %v: is negative", name, d)
		}
	}
	if c.Rate < 1 || c.PartSize < 1 || c.Bitrate < 0 || c.MaxStreams < 0 || c.AnswerDelay < 0 || c.Sockets < SocketsOwn {
		bad("rate, part size, bitrate, streams, answer delay and sockets must not be negative")
	}
	if c.Records < NoRecords || c.Records > 40000 || c.RecordPart < 1 {
		bad("records %d by %d: want at most 40000 a day, and 1 or more in a message", c.Records, c.RecordPart)
	}
	if _, err := parseQuirks(c.Quirks); err != nil {
		errs = append(errs, err)
	}
	if _, err := parseExpect(c.Expect, c.Devices); err != nil {
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		if _, err := newNumbering(c); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
