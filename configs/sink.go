package configs

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
)

// Sink is a receiver outside that is told what happens. It can only be given in a file.
type Sink struct {
	// Name names the sink in the API and the journal: letters, digits, - and _.
	// Under another name it is another sink, and what the old one had not sent is lost.
	Name string `yaml:"name"`
	// Kind is webhook, kafka or redis.
	Kind string `yaml:"kind"`
	// URL is http:// or https:// for webhooks, redis:// or rediss://, kafka:// or
	// kafkas:// with one or more host:port.
	URL string `yaml:"url"`
	// Secret signs webhooks: whsec_ and 24 to 64 bytes in base64.
	Secret string `yaml:"secret"`
	// Username and Password are for Kafka (SASL) and Redis.
	Username string `yaml:"username"`
	Password string `yaml:"password"`
	// SASL is plain, scram-sha-256 or scram-sha-512, with a Username for Kafka. Default plain.
	SASL string `yaml:"sasl"`
	// CA is a PEM file with the only certificates that are trusted, instead of the system's.
	CA string `yaml:"ca"`
	// Topic is that of Kafka (default fengsui.events), or the stream of Redis
	// (default fengsui:events).
	Topic string `yaml:"topic"`
	// Length is of the stream of Redis, about; older entries are deleted. Range
	// 1000 to 100000000; default 1000000.
	Length int `yaml:"length"`
	// Tenant is in every event. Default default.
	Tenant string `yaml:"tenant"`
	// Events are beginnings of types, as device, device.offline, alarm, position,
	// catalog, stream. None means all.
	Events []string `yaml:"events"`
	// Subtrees are "*", a device's ID, or device/item. None means all.
	Subtrees []string `yaml:"subtrees"`
	// Tries is how often an event may be refused before it is put aside, to be sent
	// again by hand; later events of its device wait so long. Range 1 to 1000; default 10,
	// some three minutes.
	Tries int `yaml:"tries"`
	// Age is how old an event may get, if the receiver is not reached. Range 1m to
	// 8760h; default 72h.
	Age time.Duration `yaml:"age"`
	// Pending is how many events may wait; the oldest are dropped. Range 100 to
	// 10000000; default 100000. One takes some 400 bytes on disk.
	Pending int `yaml:"pending"`
}

// DefaultSink is what an entry of sinks begins with.
func DefaultSink() Sink {
	return Sink{SASL: "plain", Length: 1_000_000, Tenant: "default", Tries: 10, Age: 72 * time.Hour, Pending: 100_000}
}

// TopicOr is Topic, or the kind's default.
func (s *Sink) TopicOr() string {
	switch {
	case s.Topic != "":
		return s.Topic
	case s.Kind == "kafka":
		return "fengsui.events"
	}
	return "fengsui:events"
}

// schemes are those of each kind of sink, the second with TLS.
var schemes = map[string][2]string{
	"webhook": {"http", "https"}, "kafka": {"kafka", "kafkas"}, "redis": {"redis", "rediss"},
}

// Target is where the sink goes, without what may be secret: scheme, hosts and
// the path of a webhook.
func (s *Sink) Target() string {
	scheme, rest, _ := strings.Cut(s.URL, "://")
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		rest = rest[at+1:]
	}
	rest, _, _ = strings.Cut(rest, "?")
	return scheme + "://" + rest
}

// Secure reports whether the sink is reached over TLS.
func (s *Sink) Secure() bool { return strings.HasPrefix(s.URL, schemes[s.Kind][1]+"://") }

// Hosts are the host:port the sink is reached at.
func (s *Sink) Hosts() []string {
	_, rest, _ := strings.Cut(s.Target(), "://")
	rest, _, _ = strings.Cut(rest, "/")
	port := map[string]string{"http": "80", "https": "443", "kafka": "9092", "kafkas": "9093", "redis": "6379", "rediss": "6379"}
	scheme, _, _ := strings.Cut(s.URL, "://")
	var hosts []string
	for h := range strings.SplitSeq(rest, ",") {
		if h = strings.TrimSpace(h); h == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(h); err != nil {
			h = net.JoinHostPort(strings.Trim(h, "[]"), port[scheme])
		}
		hosts = append(hosts, h)
	}
	return hosts
}

var (
	sinkName  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	topicWord = regexp.MustCompile(`^[A-Za-z0-9._:/-]{1,128}$`)
	eventWord = regexp.MustCompile(`^[a-z]+(\.[a-z_]*)*$`)
	subtree   = regexp.MustCompile(`^(\*|[^\s/*]{1,64}(/[^\s/*]{1,64})?)$`)
)

// notShown stands for a secret in what is printed.
const notShown = "(set, not shown)"

func (v *check) sinks(list []Sink) {
	names := map[string]bool{}
	for i := range list {
		v.sink(fmt.Sprintf("sinks[%d].", i), &list[i], names)
	}
}

func (v *check) sink(at string, s *Sink, names map[string]bool) {
	switch {
	case !sinkName.MatchString(s.Name):
		v.add(at+"name", "%q: want 1 to 64 letters, digits, - or _", s.Name)
	case names[s.Name]:
		v.add(at+"name", "%q is the name of another sink", s.Name)
	}
	names[s.Name] = true
	v.oneOf(at+"kind", s.Kind, "webhook", "kafka", "redis")
	if want, ok := schemes[s.Kind]; ok {
		v.sinkURL(at+"url", s, want)
	}
	for key, secret := range map[string]string{"secret": s.Secret, "password": s.Password} {
		if secret == notShown {
			v.add(at+key, "is what `config print` shows in place of a secret: write the secret")
		}
	}
	if s.Kind == "webhook" {
		if b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.Secret, "whsec_")); err != nil || !strings.HasPrefix(s.Secret, "whsec_") || len(b) < 24 || len(b) > 64 {
			v.add(at+"secret", "want whsec_ and 24 to 64 bytes in base64: make one with `echo whsec_$(openssl rand -base64 32)`")
		}
	} else if s.Secret != "" && s.Secret != notShown {
		v.add(at+"secret", "is for webhooks only: a %s takes username and password", s.Kind)
	}
	v.oneOf(at+"sasl", s.SASL, "plain", "scram-sha-256", "scram-sha-512")
	if s.CA != "" {
		if _, err := os.Stat(s.CA); err != nil {
			v.add(at+"ca", "%v", err)
		}
	}
	if s.Topic != "" && !topicWord.MatchString(s.Topic) {
		v.add(at+"topic", "%q: want letters, digits and . _ : / -", s.Topic)
	}
	if !sinkName.MatchString(s.Tenant) {
		v.add(at+"tenant", "%q: want 1 to 64 letters, digits, - or _", s.Tenant)
	}
	for _, e := range s.Events {
		if !eventWord.MatchString(e) {
			v.add(at+"events", "%q: want beginnings of types, as device, device.offline or alarm", e)
		}
	}
	for _, t := range s.Subtrees {
		if !subtree.MatchString(t) {
			v.add(at+"subtrees", `%q: want "*", "<device>" or "<device>/<item>"`, t)
		}
	}
	v.number(at+"length", s.Length, 1000, 100_000_000)
	v.number(at+"tries", s.Tries, 1, 1000)
	v.duration(at+"age", s.Age, time.Minute, 365*24*time.Hour)
	v.number(at+"pending", s.Pending, 100, 10_000_000)
}

func (v *check) sinkURL(key string, s *Sink, want [2]string) {
	scheme, _, ok := strings.Cut(s.URL, "://")
	if !ok || scheme != want[0] && scheme != want[1] {
		v.add(key, "%q: want %s://host or %s://host", s.Target(), want[0], want[1])
		return
	}
	if strings.Contains(s.URL, notShown) {
		v.add(key, "is what `config print` shows in place of a secret: write the whole address")
		return
	}
	if s.Kind != "kafka" { // whose several hosts are none of a URL
		if u, err := url.Parse(s.URL); err != nil || u.Hostname() == "" {
			v.add(key, "%q cannot be read: want %s://host:port", s.Target(), scheme)
			return
		} else if u.User != nil {
			v.add(key, "holds a user: write username and password beside it")
		}
	}
	if len(s.Hosts()) == 0 {
		v.add(key, "names no host")
	}
	for _, h := range s.Hosts() {
		if _, port, err := net.SplitHostPort(h); err != nil || port == "" {
			v.add(key, "%q is not host:port", h)
		}
	}
}
