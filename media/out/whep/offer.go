package whep

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/webrtc/v4"

	"fengsui/media"
)

// offered is one payload type of an offer.
type offered struct {
	name     string // of the rtpmap, upper case
	clock    uint32
	channels uint16
	payload  webrtc.PayloadType
	fmtp     string
	feedback []webrtc.RTCPFeedback
}

// params is the offered codec as we answer it: with the same payload type and
// the same parameters.
func (o offered) params(mime string) webrtc.RTPCodecParameters {
	return webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: mime, ClockRate: o.clock, Channels: o.channels, SDPFmtpLine: o.fmtp, RTCPFeedback: o.feedback,
		},
		PayloadType: o.payload,
	}
}

// param is the value of a parameter of the fmtp, "" if it has none.
func (o offered) param(name string) string {
	for p := range strings.SplitSeq(o.fmtp, ";") {
		if k, v, ok := strings.Cut(strings.TrimSpace(p), "="); ok && strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// parseOffer returns the payload types of the receiving video and audio
// sections, in the browser's order of preference.
func parseOffer(text string) (video, audio []offered, err error) {
	d := webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: text}
	parsed, err := d.Unmarshal()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrOffer, err)
	}
	for _, m := range parsed.MediaDescriptions {
		var into *[]offered
		switch m.MediaName.Media {
		case "video":
			into = &video
		case "audio":
			into = &audio
		default:
			continue
		}
		at := map[string]int{}
		for _, f := range m.MediaName.Formats {
			pt, err := strconv.ParseUint(f, 10, 7)
			if err != nil {
				return nil, nil, fmt.Errorf("%w: payload type %q", ErrOffer, f)
			}
			o := offered{payload: webrtc.PayloadType(pt)}
			switch pt { // static, RFC 3551
			case 0:
				o.name, o.clock = "PCMU", 8000
			case 8:
				o.name, o.clock = "PCMA", 8000
			}
			at[f] = len(*into)
			*into = append(*into, o)
		}
		for _, a := range m.Attributes {
			pt, value, _ := strings.Cut(a.Value, " ")
			if a.Key == "rtcp-fb" && pt == "*" {
				for i := range *into {
					(*into)[i].learn(a.Key, value)
				}
			}
			if i, ok := at[pt]; ok {
				(*into)[i].learn(a.Key, value)
			}
		}
	}
	if len(video)+len(audio) == 0 {
		return nil, nil, fmt.Errorf("%w: neither video nor audio", ErrOffer)
	}
	return video, audio, nil
}

// learn takes an attribute of the payload type.
func (o *offered) learn(key, value string) {
	switch key {
	case "rtpmap":
		parts := strings.Split(value, "/")
		o.name = strings.ToUpper(parts[0])
		if len(parts) > 1 {
			clock, _ := strconv.ParseUint(parts[1], 10, 32)
			o.clock = uint32(clock)
		}
		if len(parts) > 2 {
			channels, _ := strconv.ParseUint(parts[2], 10, 16)
			o.channels = uint16(channels)
		}
	case "fmtp":
		o.fmtp = strings.TrimSpace(value)
	case "rtcp-fb":
		kind, param, _ := strings.Cut(value, " ")
		switch kind + " " + param {
		case "nack ", "nack pli", "ccm fir":
			o.feedback = append(o.feedback, webrtc.RTCPFeedback{Type: kind, Parameter: param})
		}
	}
}

// chooseVideo picks the offered codec for a video track.
func chooseVideo(t *media.Track, all []offered) (webrtc.RTPCodecParameters, error) {
	if t.Codec == media.H265 {
		i := slices.IndexFunc(all, func(o offered) bool { return o.name == "H265" })
		if i < 0 {
			return webrtc.RTPCodecParameters{}, &CodecError{t.Codec, noH265}
		}
		return all[i].params(webrtc.MimeTypeH265), nil
	}
	profile := "42" // of the SPS; baseline is what everybody has
	if len(t.Params) > 0 && len(t.Params[0]) > 1 {
		profile = hex.EncodeToString(t.Params[0][1:2])
	}
	best, rank := -1, 0
	for i, o := range all {
		if o.name != "H264" || o.param("packetization-mode") != "1" {
			continue
		}
		r := 1
		switch level := strings.ToLower(o.param("profile-level-id")); {
		case strings.HasPrefix(level, profile):
			r = 3
		case strings.HasPrefix(level, "42"):
			r = 2 // decoders take more than this one says
		}
		if r > rank {
			best, rank = i, r
		}
	}
	if best < 0 {
		return webrtc.RTPCodecParameters{}, &CodecError{t.Codec, noH264}
	}
	return all[best].params(webrtc.MimeTypeH264), nil
}

// chooseAudio picks the offered codec for an audio track; ok is false if it is
// left out.
func chooseAudio(t *media.Track, all []offered) (p webrtc.RTPCodecParameters, ok bool) {
	mime := webrtc.MimeTypePCMA
	switch t.Codec {
	case media.PCMA:
	case media.PCMU:
		mime = webrtc.MimeTypePCMU
	default:
		return p, false
	}
	i := slices.IndexFunc(all, func(o offered) bool { return o.name == string(t.Codec) && o.clock == 8000 })
	if i < 0 {
		return p, false
	}
	return all[i].params(mime), true
}
