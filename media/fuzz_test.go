package media_test

import (
	"testing"

	"fengsui/media"
)

// FuzzLive: a play address names a stream, whose key names the same.
func FuzzLive(f *testing.F) {
	f.Add("live/34020000001320000001_34020000001320000002_sub")
	f.Add("a_b")
	f.Add("live/live/_sub_sub")
	f.Fuzz(func(t *testing.T, text string) {
		device, channel, p, err := media.ParseLive(text)
		if err != nil {
			return
		}
		d, c, q, err := media.ParseLive(string(media.LiveKey(device, channel, p)))
		if err != nil || d != device || c != channel || q != p {
			t.Fatalf("%q is %q, %q, %q; its key is read as %q, %q, %q, %v", text, device, channel, p, d, c, q, err)
		}
	})
}
