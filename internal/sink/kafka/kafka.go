// Package kafka produces events to a Kafka topic, keyed by device.
package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"fengsui/internal/sink"
)

// Batch is how many messages are produced at a time.
const Batch = 256

const timeout = 10 * time.Second

// Config says where the topic is.
type Config struct {
	Brokers            []string // host:port
	Topic              string
	SASL               string // plain, scram-sha-256, scram-sha-512; used with a Username
	Username, Password string
	TLS                *tls.Config // nil = none
}

// Sender produces to one topic.
type Sender struct {
	options []kgo.Opt
	client  *kgo.Client
}

// New makes a sender. It connects when it sends.
func New(c Config) (*Sender, error) {
	options := []kgo.Opt{
		// An idempotent producer does not let go of what it has tried to send, however
		// long no broker is there. The outbox tries again, and the key tells.
		kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1),
		kgo.SeedBrokers(c.Brokers...), kgo.DefaultProduceTopic(c.Topic), kgo.ClientID("fengsui"),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0), kgo.RecordDeliveryTimeout(timeout), kgo.DialTimeout(timeout / 2),
		kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(3),
	}
	if c.TLS != nil {
		options = append(options, kgo.DialTLSConfig(c.TLS))
	}
	if c.Username != "" {
		options = append(options, kgo.SASL(mechanism(&c)))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return &Sender{options, client}, nil
}

func mechanism(c *Config) sasl.Mechanism {
	auth := scram.Auth{User: c.Username, Pass: c.Password}
	switch c.SASL {
	case "scram-sha-256":
		return auth.AsSha256Mechanism()
	case "scram-sha-512":
		return auth.AsSha512Mechanism()
	}
	return plain.Auth{User: c.Username, Pass: c.Password}.AsMechanism()
}

// Send implements [sink.Sender]. When a message of a partition fails, so do those
// behind it.
func (s *Sender) Send(ctx context.Context, messages []sink.Message) []error {
	results := make([]error, len(messages))
	records := make([]*kgo.Record, len(messages))
	at := make(map[*kgo.Record]int, len(messages))
	for i := range messages {
		m := &messages[i]
		records[i] = &kgo.Record{ // without a time of its own: the library gives up records by it, and events may have waited
			Key: []byte(m.Device), Value: m.Body,
			Headers: []kgo.RecordHeader{{Key: "key", Value: []byte(m.Key)}, {Key: "type", Value: []byte(m.Type)}},
		}
		at[records[i]] = i
	}
	for _, r := range s.client.ProduceSync(ctx, records...) {
		results[at[r.Record]] = reason(r.Err)
	}
	if slices.ContainsFunc(results, lost) {
		s.anew()
	}
	return results
}

// lost reports whether the brokers were not reached.
func lost(err error) bool {
	var refusal *sink.Refusal
	return err != nil && !errors.As(err, &refusal)
}

// anew begins with a client that knows of no broken brokers: the next try asks
// those of the configuration at once.
func (s *Sender) anew() {
	client, err := kgo.NewClient(s.options...)
	if err != nil {
		return // the options were good once
	}
	s.client.Close()
	s.client = client
}

// reason tells what is wrong with a message from what is wrong with the way to
// the broker.
func reason(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.InvalidRecord), errors.Is(err, kerr.RecordListTooLarge):
		return &sink.Refusal{Reason: err.Error()}
	}
	return fmt.Errorf("kafka: %w", err)
}

// Close implements [sink.Sender].
func (s *Sender) Close() error {
	s.client.Close()
	return nil
}
