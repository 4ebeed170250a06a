package engine

import (
	"fmt"
	"time"

	"fengsui/media"
	"fengsui/media/ps"
	"fengsui/media/rtp"
)

const (
	dropGroupMax = 2 * time.Second // longest that frames are dropped after a damaged one
	flowsMax     = 4               // payload types of one stream
)

// depacketizer turns the RTP payloads of one type into frames.
type depacketizer interface {
	Write(payload []byte, rtpTime uint32, marker bool, arrived time.Time)
	Gap()
	Flush(now time.Time)
}

// flow is one payload type of a stream.
type flow struct {
	pt     uint8
	kind   kind
	proven bool // the payload has shown that it is of the kind
	d      depacketizer
}

// ingest is the sink of the receiver's session. All of it is guarded by the
// session's mutex.
type ingest struct {
	r        *Receiver
	answered map[uint8]string
	flows    []flow
	problem  string // why nothing comes of the packets
	line     timeline
	head     *playhead // of a playback; else nil
	unclean  bool      // frames are dropped until the next key frame

	damaged   uint64    // frames that were lost in part
	dropped   uint64    // frames not published: damaged, or of a damaged group
	dropUntil time.Time // frames of a damaged group are dropped until then or a key frame
}

// First implements [rtp.Sink].
func (in *ingest) First(f rtp.First) { in.r.begin(f) }

// Packet implements [rtp.Sink].
func (in *ingest) Packet(h rtp.Header, payload []byte, at time.Time) {
	if len(payload) == 0 {
		return
	}
	for i := range in.flows {
		if f := &in.flows[i]; f.pt == h.PayloadType {
			if !f.proven {
				in.prove(f, payload)
			}
			if f.d != nil {
				f.d.Write(payload, h.Timestamp, h.Marker, at)
			}
			return
		}
	}
	if len(in.flows) == flowsMax {
		return
	}
	f := flow{pt: h.PayloadType, kind: choose(h.PayloadType, payload, in.answered)}
	if f.kind == unknown {
		in.problem = fmt.Sprintf("payload type %d (%q) is not recognized", h.PayloadType, in.answered[h.PayloadType])
		return
	}
	in.start(&f)
	in.prove(&f, payload)
	in.flows = append(in.flows, f)
	if f.d != nil {
		f.d.Write(payload, h.Timestamp, h.Marker, at)
	}
}

// prove looks whether the payload is what it was taken for, and changes over if
// it is plainly something else.
func (in *ingest) prove(f *flow, payload []byte) {
	if !f.kind.video() {
		f.proven = true
		return
	}
	seen := sniff(payload)
	if seen == unknown || !seen.video() && seen != unsupported {
		return
	}
	if seen == unsupported && f.kind != kindPS {
		return
	}
	if seen != f.kind {
		f.kind = seen
		in.start(f)
	}
	f.proven = true
}

// start makes the depacketizer of a flow.
func (in *ingest) start(f *flow) {
	f.d = nil
	switch f.kind {
	case kindPS:
		f.d = ps.NewDemuxer(in.frame)
	case kindH264:
		f.d = newUnits(media.H264, in.frame)
	case kindH265:
		f.d = newUnits(media.H265, in.frame)
	case kindPCMA:
		f.d = newSamples(media.PCMA, in.frame)
	case kindPCMU:
		f.d = newSamples(media.PCMU, in.frame)
	default:
		in.problem = fmt.Sprintf("payload type %d (%q) is not supported", f.pt, in.answered[f.pt])
		return
	}
	in.problem = ""
}

// Gap implements [rtp.Sink]. Which type was lost is not known.
func (in *ingest) Gap(int) {
	for i := range in.flows {
		if d := in.flows[i].d; d != nil {
			d.Gap()
		}
	}
}

// Restart implements [rtp.Sink]. The time line joins what follows.
func (in *ingest) Restart() {
	for i := range in.flows {
		if d := in.flows[i].d; d != nil {
			d.Flush(time.Time{})
			d.Gap()
		}
	}
}

// Tick implements [rtp.Sink].
func (in *ingest) Tick(now time.Time) {
	for i := range in.flows {
		if d := in.flows[i].d; d != nil {
			d.Flush(now)
		}
	}
}

// frame takes a frame of a depacketizer. A damaged one is dropped; of H.265,
// whose decoders stop at it, and of a damaged key frame the rest of the group is
// dropped too, for two seconds at most: then a wrong picture is better than none.
func (in *ingest) frame(f *media.Frame) {
	video := f.Track.Codec.Video()
	if f.Damaged {
		in.damaged++
		if video && (f.Key || f.Track.Codec == media.H265) && in.dropUntil.IsZero() {
			in.dropUntil = f.Arrived.Add(dropGroupMax)
		}
		in.dropped++
		return
	}
	if video && !in.dropUntil.IsZero() {
		if !f.Key && f.Arrived.Before(in.dropUntil) {
			in.dropped++
			return
		}
		in.dropUntil = time.Time{}
	}
	if in.head != nil && !in.play(f) {
		in.dropped++
		return
	}
	in.line.fix(f)
	in.r.publish(f)
}

// play has a recording's frame move the playhead. It reports whether viewers
// get the frame: sound only at the speed it was made at, pictures after a leap
// from a key frame on.
func (in *ingest) play(f *media.Frame) bool {
	video := f.Track.Codec.Video()
	if !video && in.head.scale != 1 {
		return false
	}
	if in.head.take(f) && !f.Key {
		in.unclean = true
	}
	if in.unclean && (!video || !f.Key) {
		return false
	}
	in.unclean = false
	return true
}

// kind is what a payload type carries.
type kind uint8

const (
	unknown kind = iota
	kindPS
	kindH264
	kindH265
	kindPCMA
	kindPCMU
	unsupported
)

func (k kind) video() bool { return k == kindPS || k == kindH264 || k == kindH265 }

func (k kind) String() string {
	return [...]string{"unknown", "PS", "H264", "H265", "PCMA", "PCMU", "unsupported"}[k]
}

// choose decides about a payload type: by the answer, the usual table, the
// payload.
func choose(pt uint8, payload []byte, answered map[uint8]string) kind {
	switch answered[pt] {
	case "PS", "MP2P":
		return kindPS
	case "H264":
		return kindH264
	case "H265", "HEVC":
		return kindH265
	case "PCMA", "G711A":
		return kindPCMA
	case "PCMU", "G711U":
		return kindPCMU
	case "": // not in the answer
	default: // "HIKVISION", "DAHUA": a private name, perhaps of PS
		return sniff(payload)
	}
	switch pt {
	case 96:
		return kindPS
	case 98:
		return kindH264
	case 99, 100: // 99 is SVAC by the standard and H.265 by the usual offer
		return kindH265
	case 8:
		return kindPCMA
	case 0:
		return kindPCMU
	case 4, 9, 18, 20, 33:
		return unsupported
	}
	return sniff(payload)
}

// sniff tells a payload that can be nothing else: the beginning of a PS pack,
// MPEG-TS, or a NAL unit with a sequence parameter set that makes sense.
func sniff(b []byte) kind {
	if len(b) >= 4 && b[0] == 0 && b[1] == 0 && b[2] == 1 && b[3] >= 0xB9 {
		return kindPS
	}
	if len(b) >= 188 && len(b)%188 == 0 && b[0] == 0x47 {
		return unsupported
	}
	switch {
	case len(b) > 4 && b[0]&0x9F == 7 && saneSPS(media.H264, b):
		return kindH264
	case len(b) > 8 && b[0]&0x9F == 24 && b[3]&0x9F == 7 && saneSPS(media.H264, first16(b[1:])):
		return kindH264
	case len(b) > 4 && b[0]>>1 == 33 && b[1] == 1 && saneSPS(media.H265, b):
		return kindH265
	case len(b) > 8 && b[0]>>1 == 48 && b[4]>>1 == 32 && b[5] == 1:
		return kindH265
	}
	return unknown
}

// first16 is the unit that b begins with after 16 bits of its length.
func first16(b []byte) []byte {
	n := int(b[0])<<8 | int(b[1])
	return b[2:min(2+n, len(b))]
}
