package app

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/gb28181/traits"
	"fengsui/internal/store"
	"fengsui/sip/digest"
)

func provisionedStore(t *testing.T, devices int, algorithms func(i int) []string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "fengsui.db"), Key: make([]byte, 32)}, nil, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for i := range devices {
		id := gb28181.ID(fmt.Sprintf("3402000000132%07d", i))
		if _, err := s.AddDevice(t.Context(), store.Device{ID: id, Password: "one-word-1", Algorithms: algorithms(i), Approved: true}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// A third of the devices has algorithms of its own, and so has a third of the IDs
// that nobody knows, each always the same.
func TestUnknownIDsAreOfferedWhatKnownOnesAre(t *testing.T) {
	s := provisionedStore(t, 60, func(i int) []string {
		if i%3 == 0 {
			return []string{"SM3", "MD5"}
		}
		return nil
	})
	shut := accounts{s, []byte("key"), func() bool { return false }, traits.New(hands{s}, nil, nil)}
	own := 0
	for i := range 3000 {
		id := gb28181.ID(fmt.Sprintf("3402000000139%07d", i))
		first, known := shut.Account(id)
		if again, _ := shut.Account(id); known || !slices.Equal(first.Algorithms, again.Algorithms) {
			t.Fatalf("%s: known %v, offered %v and then %v", id, known, first.Algorithms, again.Algorithms)
		}
		if len(first.Algorithms) > 0 {
			own++
			if !slices.Equal(first.Algorithms, []digest.Algorithm{digest.SM3, digest.MD5}) {
				t.Fatalf("%s is offered %v, which no device has", id, first.Algorithms)
			}
		}
	}
	if own < 850 || own > 1150 {
		t.Errorf("%d of 3000 unknown IDs are offered what a third of the known ones is", own)
	}

	// With a common password every ID may register, by the common algorithms.
	open := accounts{s, []byte("key"), func() bool { return true }, traits.New(hands{s}, nil, nil)}
	for i := range 100 {
		if a, _ := open.Account(gb28181.ID(fmt.Sprintf("3402000000139%07d", i))); a.Algorithms != nil {
			t.Fatalf("a new camera is offered %v", a.Algorithms)
		}
	}

	// When the last one is gone nobody has any.
	for i := range 60 {
		if err := s.RemoveDevice(t.Context(), gb28181.ID(fmt.Sprintf("3402000000132%07d", i))); err != nil {
			t.Fatal(err)
		}
	}
	if counts, n := s.OwnAlgorithms(); len(counts) != 0 || n != 0 {
		t.Errorf("%v of %d devices left", counts, n)
	}
	if a, _ := shut.Account("34020000001390000001"); a.Algorithms != nil {
		t.Errorf("offered %v", a.Algorithms)
	}
}
