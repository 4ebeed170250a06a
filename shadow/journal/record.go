package journal

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
)

// record is an event in the file.
type record struct {
	ID      uint64         `json:"id,omitempty"`
	At      int64          `json:"at"` // Unix time in milliseconds
	Type    string         `json:"type"`
	Device  string         `json:"device,omitempty"`
	Channel string         `json:"channel,omitempty"`
	Trace   string         `json:"trace,omitempty"`
	Data    map[string]any `json:"data,omitempty"`
}

func encode(e Event) ([]byte, error) {
	return json.Marshal(record{e.ID, e.At.UnixMilli(), e.Type, e.Device, e.Channel, e.Trace, e.Data})
}

func decode(b []byte) (Event, error) {
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return Event{}, fmt.Errorf("event in the journal cannot be read: %w", err)
	}
	return Event{r.ID, time.UnixMilli(r.At), r.Type, r.Device, r.Channel, r.Trace, r.Data}, nil
}

// eventKey is device, NUL, milliseconds, ID: the events of a device lie together
// in the order of their times.
func eventKey(e Event) []byte {
	return binary.BigEndian.AppendUint64(timeKey(e.Device, e.At), e.ID)
}

// timeKey is where the events of a device from a time on begin.
func timeKey(device string, at time.Time) []byte {
	b := make([]byte, 0, len(device)+17)
	b = append(append(b, device...), 0)
	return binary.BigEndian.AppendUint64(b, uint64(max(at.UnixMilli(), 0)))
}

// keyTime is the time in a key that eventKey made.
func keyTime(key []byte) time.Time {
	if len(key) < 17 {
		return time.Time{}
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(key[len(key)-16:])))
}
