package lease

// Kind is what is held open.
type Kind uint8

// The kinds.
const (
	SIPConnection   Kind = iota // a peer's SIP connection, TCP or TLS
	MediaConnection             // an RTP connection, whoever opened it
	MediaReceiver               // an SSRC, with a pair of ports in range mode
	FLVViewer                   // a response of HTTP-FLV
	WebRTCViewer                // a peer connection
	MediaSender                 // a pair of ports that sound is sent from
	WebRTCTalker                // the peer connection of a microphone
	kinds
)

var kindNames = [kinds]string{"sip_connection", "media_connection", "media_receiver", "flv_viewer", "webrtc_viewer", "media_sender", "webrtc_talker"}

func (k Kind) String() string { return kindNames[k] }
