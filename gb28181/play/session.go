package play

import (
	"strings"
	"sync"
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

// Kind is what pictures are asked for.
type Kind string

// The kinds.
const (
	Live     Kind = "live"
	Playback Kind = "playback" // a recording at the speed of life, or as controlled
	Download Kind = "download" // a recording as fast as the device gives it
)

// Request asks for a channel's pictures.
type Request struct {
	Kind    Kind // "" is Live
	Device  gb28181.ID
	Channel gb28181.ID
	Profile media.Profile // "" is media.Main
	// Transport is UDP, TCPPassive or TCPActive; "" leaves it to the device's
	// setting, and then tries tcp-passive once where UDP brought no packet.
	Transport string

	// Of a recording only.
	Start, End time.Time // whole seconds
	Records    int       // which records: 0 all, 1 manual, 2 alarm, 3 time
	Speed      int       // of a download, 1 to 8
	By         string    // who asks, for whoever finds no slot free
	// OnEnd, if not nil, is told once how a recording that began to play ended.
	OnEnd func(Session)

	tape chan<- media.Reader // of Fetch: takes all frames of the download
}

// Key is the key of the live stream the request is for; a recording's has the
// key of its [Session].
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

	// Of a recording only.
	Duration time.Duration // of the period asked for
	Position time.Duration // in the period: how far it has come
	Paused   bool
	Scale    float64 // speed of a playback, less than 0 backwards
	Pace     float64 // at which a playback really runs, by the times of its pictures
	Speed    int     // of a download, as the device agreed to
	Size     int64   // bytes of a download by the device's word; 0 unknown
	Whole    bool    // ended: everything was sent
	Stopped  bool    // ended: by Stop
	Reason   string  // ended: why
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
	Attempt int    // from 1; more for a try over TCP or at a lower speed
	Trace   string // trace ID of the start
}

// RunStage runs one step and adds it to stages, with what it told or why it
// failed. mu guards stages; it is not held while the step runs.
func RunStage(mu sync.Locker, stages *[]Stage, st Stage, step func() (detail string, err error)) error {
	st.At = time.Now()
	mu.Lock()
	n := len(*stages)
	*stages = append(*stages, st)
	mu.Unlock()
	detail, err := step()
	mu.Lock()
	defer mu.Unlock()
	now := &(*stages)[n]
	now.Took, now.Detail = time.Since(now.At), detail
	if err != nil {
		now.Failed = true
		now.Detail = strings.TrimSpace(err.Error() + "\n\n" + detail)
	}
	return err
}
