package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"fengsui/shadow/journal"
)

// Message is a letter as it travels.
type Message struct {
	Key    string // idempotency key: the same however often it is sent
	Place  uint64 // in the order of this sink, grows; a dead letter that is sent again has a new one
	Type   string // "device.online"
	Device string // ID, "" when no device is concerned
	At     time.Time
	Body   []byte // JSON, see docs/events.md
}

// Sender brings messages to one receiver. One goroutine uses it.
type Sender interface {
	// Send sends messages in order and says of each, at its place, how it ended:
	// nil once the receiver has acknowledged it, a [*Refusal] when the receiver answered
	// but does not take it, any other error when it was not reached. After one that
	// failed no later message of the same device is sent.
	Send(ctx context.Context, messages []Message) []error
	Close() error
}

// Refusal is a receiver's answer that it does not take this message. It counts
// as a try; a receiver that is not reached may take as long as it wants to.
type Refusal struct{ Reason string }

func (r *Refusal) Error() string { return "refused: " + r.Reason }

// ErrNotTried is of a message behind one that failed.
var ErrNotTried = errors.New("not tried: one before it failed")

// body is the schema of docs/events.md.
type body struct {
	Key     string         `json:"key"`
	ID      uint64         `json:"id,omitempty"`
	At      string         `json:"at"`
	Type    string         `json:"type"`
	Tenant  string         `json:"tenant"`
	Device  string         `json:"device,omitempty"`
	Channel string         `json:"channel,omitempty"`
	Trace   string         `json:"trace,omitempty"`
	Data    map[string]any `json:"data,omitempty"`
}

func newMessage(l *journal.Letter, tenant string) (Message, error) {
	e := &l.Event
	b, err := json.Marshal(body{
		l.Key, e.ID, e.At.UTC().Format("2006-01-02T15:04:05.000Z07:00"), e.Type, tenant, e.Device, e.Channel, e.Trace, e.Data,
	})
	if err != nil {
		return Message{}, fmt.Errorf("encode event: %w", err)
	}
	return Message{l.Key, l.Seq, e.Type, e.Device, e.At, b}, nil
}

// plain is an error in words without the address it was about, which may hold a secret.
func plain(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}
