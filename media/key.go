package media

import (
	"fmt"
	"strings"
)

// Profile is which of a camera's encodings is meant.
type Profile string

// The profiles.
const (
	Main Profile = "main"
	Sub  Profile = "sub"
)

// Key names a stream. Live streams have a fixed one, so that play addresses
// never change: "live/<device>_<channel>" and "live/<device>_<channel>_sub".
type Key string

// LiveKey is the key of a channel's live stream.
func LiveKey(device, channel string, p Profile) Key {
	k := "live/" + device + "_" + channel
	if p == Sub {
		k += "_sub"
	}
	return Key(k)
}

// PlaybackKey is the key of a recording that is played; the ID is its session's.
func PlaybackKey(id string) Key { return Key("playback/" + id) }

// DownloadKey is the key of a recording that is downloaded.
func DownloadKey(id string) Key { return Key("download/" + id) }

// ParseLive splits a live key, with or without its "live/". It reports an error
// that names the value and the wanted form.
func ParseLive(s string) (device, channel string, p Profile, err error) {
	name := strings.TrimPrefix(s, "live/")
	p = Main
	if rest, ok := strings.CutSuffix(name, "_sub"); ok {
		name, p = rest, Sub
	}
	device, channel, ok := strings.Cut(name, "_")
	if !ok || device == "" || channel == "" || strings.ContainsAny(channel, "_/") {
		return "", "", "", fmt.Errorf("bad live address %q: want <device>_<channel> or <device>_<channel>_sub", s)
	}
	return device, channel, p, nil
}
