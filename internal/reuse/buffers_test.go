package reuse_test

import (
	"bytes"
	"strings"
	"testing"

	"fengsui/internal/reuse"
)

func TestBufferComesFromTheSmallestClassThatHoldsIt(t *testing.T) {
	b := reuse.NewBuffers(nil, "t")
	for n, want := range map[int]int{0: 2 << 10, 2 << 10: 2 << 10, 2<<10 + 1: 8 << 10, 65507: 64 << 10, 64<<10 + 1: 64<<10 + 1} {
		if x := b.Get(n); cap(x.B) != want || len(x.B) != 0 {
			t.Errorf("Get(%d): %d of %d bytes, want 0 of %d", n, len(x.B), cap(x.B), want)
		}
	}
}

func TestBufferGrowsThroughTheClasses(t *testing.T) {
	k := reuse.NewKeeper(1 << 30)
	b := reuse.NewBuffers(k, "t")
	var x *reuse.Buffer
	var want []byte
	for i := range 300 {
		piece := bytes.Repeat([]byte{byte(i)}, 500)
		want = append(want, piece...)
		x = b.Append(x, piece)
	}
	if !bytes.Equal(x.B, want) {
		t.Fatal("bytes lost on the way")
	}
	b.Put(x)
	for _, r := range k.State().Kept {
		if r.Counts.Out() != 0 {
			t.Errorf("%s: %d not returned", r.Name, r.Counts.Out())
		}
		if kept := r.Counts.Returned - r.Counts.Dropped; r.Free != 1 || kept != 1 {
			t.Errorf("%s: %d free of %+v", r.Name, r.Free, r.Counts)
		}
	}
}

func TestBufferBeyondTheLargestClassIsCountedAndNotKept(t *testing.T) {
	k := reuse.NewKeeper(1 << 30)
	b := reuse.NewBuffers(k, "t")
	x := b.Get(1 << 20)
	b.Put(x)
	said := panics(func() { b.Put(x) })
	if poisoned != strings.Contains(said, "returned twice") {
		t.Errorf("panic = %q", said)
	}
	if r := k.State().Kept[2]; r.Free != 0 || r.Counts != (reuse.Counts{Taken: 1, Missed: 1, Returned: 1, Dropped: 1, Twice: 1}) {
		t.Errorf("row = %+v", r)
	}
	b.Put(nil)
}

func TestBytesOfAReturnedBufferAreNotThoseOfTheNext(t *testing.T) {
	b := reuse.NewBuffers(nil, "t")
	x := b.Append(nil, []byte("REGISTER"))
	kept := x.B
	b.Put(x)
	if poisoned && bytes.Contains(kept, []byte("REG")) {
		t.Error("returned bytes can be read")
	}
	kept[0] = 'X'
	if said := panics(func() { b.Get(1) }); poisoned != strings.Contains(said, "bytes of B") {
		t.Errorf("panic = %q", said)
	}
}
