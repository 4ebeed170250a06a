package quirk

import (
	"fmt"
	"slices"
	"strings"
)

// Name is one behaviour.
type Name uint8

// The behaviours, in the order of their rows in signalling.md section 9.
const (
	AnyRealm         Name = iota
	FollowAny             // any address
	KeepaliveExtends      // the registration
	WriteUTF8
	WriteGB18030
	InviteAnyChannel
	UTCTime
	ConfigToDevice
	MediaRange
	MediaTCP
	Edition2016
	Edition2022
	KeyFrameIFame
	KeyFrameIFrame
	URIDomain

	names
)

// Behaviour describes a name.
type Behaviour struct {
	Name  Name
	Word  string // as rules and the API have it: "any-realm"
	Does  string // what the server then does
	Rows  []int  // of signalling.md section 9; none = it is described elsewhere
	Where string // the one place in the code that reads it
	group uint8  // of those that exclude each other; 0 = none
}

// Groups of behaviours of which a device can have one.
const (
	charset = iota + 1
	edition
	keyFrame
)

var behaviours = [names]Behaviour{
	{AnyRealm, "any-realm", "takes a Digest response that was computed with another realm than ours", []int{1}, "gb28181/registrar verify", 0},
	{FollowAny, "follow-any", "binds the device to whatever address spoke last for it", []int{5}, "internal/app accounts", 0},
	{KeepaliveExtends, "keepalive-extends", "lets each keepalive renew the registration", []int{7}, "gb28181/device Keepalive", 0},
	{WriteUTF8, "write-utf-8", "writes XML to the device in UTF-8, whatever it writes itself", []int{14, 49}, "gb28181/command Learn", charset},
	{WriteGB18030, "write-gb18030", "writes XML to the device in GB18030, whatever it writes itself", []int{14, 49}, "gb28181/command Learn", charset},
	{InviteAnyChannel, "invite-any-channel", "takes every channel for one that sends pictures, whatever its type code", []int{21, 23}, "gb28181/catalog shown", 0},
	{UTCTime, "utc-time", "reads and writes the device's times as UTC", []int{26}, "internal/app zoneOf", 0},
	{ConfigToDevice, "config-to-device", "sends DeviceConfig under the ID of the device, not of a channel", []int{27}, "gb28181/command Configure", 0},
	{MediaRange, "media-range", "receives each stream at a port of its own, so that a wrong SSRC does not matter", []int{30}, "internal/app playSettings", 0},
	{MediaTCP, "media-tcp", "asks for media over TCP, to a connection that the device opens", []int{39}, "internal/app playSettings", 0},
	{Edition2016, "edition-2016", "speaks the edition of 2016, whatever X-GB-Ver says", []int{44}, "internal/app accounts", edition},
	{Edition2022, "edition-2022", "speaks the edition of 2022, whatever X-GB-Ver says", []int{44}, "internal/app accounts", edition},
	{KeyFrameIFame, "key-frame-ifame", "asks for key frames by IFameCmd alone", []int{50}, "gb28181/command Control", keyFrame},
	{KeyFrameIFrame, "key-frame-iframe", "asks for key frames by IFrameCmd alone", []int{50}, "gb28181/command Control", keyFrame},
	{URIDomain, "uri-domain", "writes the SIP domain, not the address, into Request-URI and To", nil, "sip begin", 0},
}

// All describes every behaviour.
func All() []Behaviour { return slices.Clone(behaviours[:]) }

// Words are all names, in their order.
func Words() []string {
	words := make([]string, len(behaviours))
	for i := range behaviours {
		words[i] = behaviours[i].Word
	}
	return words
}

// String is the word for it.
func (n Name) String() string {
	if n >= names {
		return fmt.Sprintf("quirk(%d)", uint8(n))
	}
	return behaviours[n].Word
}

// ErrUnknown reports a word that names no behaviour.
type ErrUnknown struct{ Word string }

func (e ErrUnknown) Error() string {
	return fmt.Sprintf("unknown quirk %q: want one of %s", e.Word, strings.Join(Words(), ", "))
}

// Parse reads a name in any case. The error is an [ErrUnknown].
func Parse(word string) (Name, error) {
	for i := range behaviours {
		if strings.EqualFold(behaviours[i].Word, strings.TrimSpace(word)) {
			return Name(i), nil
		}
	}
	return 0, ErrUnknown{word}
}

// Set is several names. The zero value is none.
type Set uint32

// Has reports whether n is in the set.
func (s Set) Has(n Name) bool { return s&(1<<n) != 0 }

// With is the set with n and without what n excludes.
func (s Set) With(n Name) Set {
	if g := behaviours[n].group; g != 0 {
		for i := range behaviours {
			if behaviours[i].group == g {
				s = s.Without(Name(i))
			}
		}
	}
	return s | 1<<n
}

// Without is the set without n.
func (s Set) Without(n Name) Set { return s &^ (1 << n) }

// Names are those in the set, in their order.
func (s Set) Names() (list []Name) {
	for n := range names {
		if s.Has(n) {
			list = append(list, n)
		}
	}
	return list
}

// String is the words, separated by commas.
func (s Set) String() string {
	var words []string
	for _, n := range s.Names() {
		words = append(words, n.String())
	}
	return strings.Join(words, ", ")
}
