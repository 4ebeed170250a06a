package talk

import (
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/play"
	"fengsui/media"
	"fengsui/media/voice"
)

// Way is how a device is brought to listen.
type Way string

// The ways.
const (
	Broadcast Way = "broadcast" // it is told, and invites us
	TwoWay    Way = "talk"      // we invite it with s=Talk, which 2022 has no more
)

// Begin is when a device is sent the first sound (signalling.md section 9 row 35).
type Begin string

// The beginnings.
const (
	BeginAuto     Begin = ""    // after its ACK, or half a second later without it
	BeginAfterACK Begin = "ack" // never before its ACK
	BeginAfterOK  Begin = "200" // at once after our 200
)

// Request asks to speak to a channel.
type Request struct {
	Device, Channel gb28181.ID
	// Way is the only one to try; "": the device's setting, else what worked last,
	// else Broadcast and, where that is refused or not answered, TwoWay.
	Way Way
	// Transport of a talk both ways: play.UDP, play.TCPPassive or play.TCPActive;
	// "" is the device's. Of a broadcast the device decides.
	Transport string
	Edition   gb28181.Edition // to speak in place of the device's; unknown: its own
	By        string          // who speaks, for whoever finds the channel taken
	Kind      string          // of the source: file or microphone
	// Sound makes the source when it is known in which law the device listens.
	Sound func(law media.Codec) voice.Source
	// OnEnd, if not nil, is told once how a talk that began ended.
	OnEnd func(Talk)
}

// State is where a talk is in its life.
type State string

// The states of a talk.
const (
	Starting State = "starting"
	Talking  State = "talking"
	Ended    State = "ended"
)

// Talk is one as it stands at a moment: a value, safe to keep.
type Talk struct {
	ID        string
	Request   Request
	State     State
	Way       Way
	Target    gb28181.ID // the loudspeaker
	Law       media.Codec
	Packing   string // PCMA, PCMU or PS: what the packets hold
	Transport string // udp, tcp-passive, tcp-active: our role
	SSRC      string // ten digits
	CallID    string
	Remote    string // where the sound goes
	Warning   play.Words
	Stages    []play.Stage
	StartedAt time.Time
	TalkingAt time.Time // zero before
	EndedAt   time.Time // zero before
	Reason    string    // ended: why
	Trace     string

	Packets, Bytes uint64 // sent
	Late           uint64 // delays of ours of more than three packets
	Heard          uint64 // packets that came back, of a talk both ways
}

// Names of the stages, in their order; a talk both ways has offer where a
// broadcast has notice and invite.
const (
	StageDevice  = "device"  // found, online, and which of its loudspeakers
	StageNotice  = "notice"  // MESSAGE Broadcast sent and answered
	StageInvite  = "invite"  // the device's INVITE; Detail is its SDP
	StageOffer   = "offer"   // our INVITE sent; Detail is the SDP
	StageAnswer  = "answer"  // the 200; Detail is its SDP
	StageACK     = "ack"     // the device's ACK
	StageConnect = "connect" // media connection, TCP only
)
