package play

import (
	"time"

	"fengsui/gb28181"
	"fengsui/media"
)

// Media transports, as seen from the platform.
const (
	UDP        = "udp"
	TCPPassive = "tcp-passive" // the device connects to us
	TCPActive  = "tcp-active"  // we connect to the device
)

// Request asks for a channel's live picture.
type Request struct {
	Device  gb28181.ID
	Channel gb28181.ID
	Profile media.Profile // "" is media.Main
	// Transport is UDP, TCPPassive or TCPActive; "" leaves it to the device's
	// setting, and then tries tcp-passive once where UDP brought no packet.
	Transport string
}

// Key is the key of the stream the request is for.
func (r Request) Key() media.Key {
	return media.LiveKey(string(r.Device), string(r.Channel), r.Profile)
}

// State is where a session is in its life.
type State string

// The states of a session.
const (
	Starting State = "starting"
	Playing  State = "playing"
	Ended    State = "ended"
)

// Session is a stream as it stands at one moment: a value, safe to keep.
type Session struct {
	ID        string // stable while the stream lives; also names it in events
	Request   Request
	Key       media.Key
	State     State
	CallID    string
	SSRC      string // ten digits, as agreed
	Transport string // the transport that worked
	Tracks    []*media.Track
	Stages    []Stage
	StartedAt time.Time
	Trace     string // trace ID of the call that started it
}

// Names of the stages, in their order.
const (
	StageDevice   = "device"       // found, online, and how it is reached
	StageReceiver = "receiver"     // port and SSRC leased
	StageOffer    = "offer"        // INVITE sent; Detail is the SDP
	StageAnswer   = "answer"       // 200 received; Detail is the SDP
	StageConnect  = "connect"      // media connection, TCP active only
	StagePacket   = "first_packet" // source, bytes, payload type
	StageKeyFrame = "key_frame"    // codec and size
)

// Stage is one step of a start.
type Stage struct {
	Name    string
	At      time.Time     // when it began
	Took    time.Duration // how long it lasted
	Detail  string        // what was offered, answered, received
	Failed  bool
	Attempt int    // 1, or 2 for the second try over TCP
	Trace   string // trace ID of the start
}
