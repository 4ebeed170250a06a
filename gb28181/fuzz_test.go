package gb28181_test

import (
	"errors"
	"testing"

	"fengsui/gb28181"
)

// FuzzID: an ID that is taken is the text, and its parts are parts of it; one that
// is not names its fault.
func FuzzID(f *testing.F) {
	f.Add("34020000001320000001")
	f.Add("340200000013200001")
	f.Add("3402000000132000000a")
	f.Add("３４０２００")
	f.Fuzz(func(t *testing.T, text string) {
		raw := gb28181.ID(text) // as a catalog has it
		_, _, _ = raw.Center()+raw.Domain()+raw.SSRCDomain(), raw.Type(), raw.Region()
		id, err := gb28181.ParseID(text)
		if err != nil {
			if !errors.Is(err, gb28181.ErrBadID) || id != "" || len(err.Error()) > 400 {
				t.Fatalf("%q: %q, %v", text, id, err)
			}
			return
		}
		if string(id) != text || id.Domain() != text[:10] || id.Full() != (len(text) == 20) {
			t.Fatalf("%q is read as %q", text, id)
		}
	})
}
