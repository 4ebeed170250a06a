package app

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"fengsui/configs"
	"fengsui/gb28181"
	"fengsui/internal/sink"
	"fengsui/internal/sink/kafka"
	"fengsui/internal/sink/redis"
	"fengsui/internal/sink/webhook"
)

// buildSinks makes what tells receivers outside.
func (a *App) buildSinks() error {
	a.sinks = sink.New(a.journal, a.registry, a.part("sinks"))
	for i := range a.cfg.Sinks {
		c := &a.cfg.Sinks[i]
		conf := sink.Config{
			Name: c.Name, Kind: c.Kind, Target: c.Target(), Tenant: c.Tenant, Tries: c.Tries, Age: c.Age, Pending: c.Pending,
			Filter: sink.Filter{Events: c.Events, Subtrees: c.Subtrees, Inside: a.inside},
		}
		sender, err := a.sender(c, &conf)
		if err == nil {
			err = a.sinks.Add(conf, sender)
		}
		if err != nil {
			return fmt.Errorf("sink %s: %w", c.Name, err)
		}
	}
	return nil
}

// sender makes the way to one receiver. It connects nowhere yet.
func (a *App) sender(c *configs.Sink, conf *sink.Config) (sink.Sender, error) {
	trust, err := sinkTLS(c)
	if err != nil {
		return nil, err
	}
	switch c.Kind {
	case "kafka":
		if trust == nil && c.Secure() {
			trust = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		conf.Batch = kafka.Batch
		return kafka.New(kafka.Config{Brokers: c.Hosts(), Topic: c.TopicOr(), SASL: c.SASL, Username: c.Username, Password: c.Password, TLS: trust})
	case "redis":
		conf.Batch = redis.Batch
		return redis.New(redis.Config{URL: c.URL, Username: c.Username, Password: c.Password, Stream: c.TopicOr(), Length: c.Length, TLS: trust})
	default:
		conf.Batch, conf.Apart = 4*webhook.Parallel, true
		return webhook.New(c.URL, c.Secret, trust)
	}
}

// sinkTLS is nil where the system's certificates, or no TLS, will do.
func sinkTLS(c *configs.Sink) (*tls.Config, error) {
	if c.CA == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	if !conf.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca: %s holds no PEM certificate", c.CA)
	}
	return conf, nil
}

// inside reports whether a channel lies under one of the items of a device's catalog.
func (a *App) inside(device, channel string, items []string) bool {
	return a.catalog.Part(gb28181.ID(device), items...).Inside[gb28181.ID(channel)]
}
