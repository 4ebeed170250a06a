// Package redis adds events to a Redis stream, each once.
package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	client "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"fengsui/internal/sink"
)

// Batch is how many messages are added at a time.
const Batch = 128

const timeout = 5 * time.Second

// seen is for how long a message that was added is not added again. It was
// acknowledged to nobody if the connection broke, or we did, at that moment.
const seen = 10 * time.Minute

// add appends messages that were not added before: key, type, device and body of each.
var add = client.NewScript(`for i = 3, #ARGV, 4 do
  if redis.call('SET', KEYS[2] .. ARGV[i], 1, 'NX', 'EX', ARGV[2]) then
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'key', ARGV[i], 'type', ARGV[i+1], 'device', ARGV[i+2], 'event', ARGV[i+3])
  end
end
return 1`)

// Config says where the stream is.
type Config struct {
	URL      string // redis:// or rediss://
	Password string // unless the URL has it
	Username string
	Stream   string
	Length   int // of the stream, about
	TLS      *tls.Config
}

// Sender adds to one stream.
type Sender struct {
	client *client.Client
	cfg    Config
}

// New makes a sender. It connects when it sends.
func New(c Config) (*Sender, error) {
	o, err := client.ParseURL(c.URL)
	if err != nil {
		return nil, errors.New("url: want redis://[user:password@]host:port[/database] or rediss://…")
	}
	if c.Username != "" {
		o.Username = c.Username
	}
	if c.Password != "" {
		o.Password = c.Password
	}
	if o.TLSConfig != nil && c.TLS != nil {
		name := o.TLSConfig.ServerName
		o.TLSConfig = c.TLS.Clone()
		o.TLSConfig.ServerName = name
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = timeout, timeout, timeout, timeout
	o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled, o.PoolSize = -1, 1, true, 2
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return &Sender{client.NewClient(o), c}, nil
}

// Send implements [sink.Sender]. All messages are added at once, or none.
func (s *Sender) Send(ctx context.Context, messages []sink.Message) []error {
	results := make([]error, len(messages))
	args := make([]any, 0, 2+4*len(messages))
	args = append(args, s.cfg.Length, int(seen.Seconds()))
	for i := range messages {
		m := &messages[i]
		args = append(args, m.Key, m.Type, m.Device, m.Body)
	}
	// Both keys have to be in one slot of a cluster.
	err := add.Run(ctx, s.client, []string{s.cfg.Stream, "{" + s.cfg.Stream + "}:seen:"}, args...).Err()
	for i := range results {
		results[i] = err
	}
	return results
}

// Close implements [sink.Sender].
func (s *Sender) Close() error { return s.client.Close() }
