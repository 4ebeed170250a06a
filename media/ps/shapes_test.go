package ps_test

import (
	"bytes"
	"testing"

	"fengsui/media"
)

// Streams as devices write them, each the same clip in another shape; every one
// must give the same frames. The numbers are items of the test checklist.
func TestShapesOfStreamsGiveTheSameFrames(t *testing.T) {
	h264 := clip(media.H264)
	h265 := clip(media.H265)
	plain := func(f *media.Frame) []byte { return pes(0xE0, f.PTS, none, es(f)...) }
	shapes := []struct {
		name   string
		frames []*media.Frame
		shape  func(i int, f *media.Frame) []byte
	}{
		{"own map with zero CRC and private descriptors", h264, func(i int, f *media.Frame) []byte {
			return join(keyHead(f, 0x1B, 0x90), plain(f))
		}},
		{"pes length zero", h264, func(i int, f *media.Frame) []byte {
			return join(keyHead(f, 0x1B, 0), openPES(0xE0, f.PTS, es(f)))
		}},
		{"stuffing zero to seven", h265, func(i int, f *media.Frame) []byte {
			if f.Key {
				return join(pack(i%8), psm(0x24, 0xE0), plain(f))
			}
			return join(pack(i%8), plain(f))
		}},
		{"a pack for every pes and its time stamp repeated", h264, func(i int, f *media.Frame) (b []byte) {
			b = keyHead(f, 0x1B, 0)
			for p := range chunks(es(f), 300) {
				b = append(b, pack(6)...)
				b = append(b, pes(0xE0, f.PTS, none, p...)...)
			}
			return b
		}},
		{"continued in pes without time stamp", h265, func(i int, f *media.Frame) (b []byte) {
			b = keyHead(f, 0x24, 0)
			at := f.PTS
			for p := range chunks(es(f), 100) {
				b = append(b, pes(0xE0, at, none, p...)...)
				at = none
			}
			return b
		}},
		{"private data and padding inside the access unit", h264, func(i int, f *media.Frame) []byte {
			e := es(f)
			return join(keyHead(f, 0x1B, 0), pes(0xE0, f.PTS, none, e[:len(e)/2]...),
				pes(0xBD, f.PTS+77, none, 0, 0, 1, 0xBA, 1, 2, 3), []byte{0, 0, 1, 0xBE, 0, 3, 0xFF, 0xFF, 0xFF},
				[]byte{0, 0, 1, 0xBF, 0, 5, 0, 0, 1, 0xE0, 0}, []byte{0, 0, 1, 0xF0, 0, 0},
				pes(0xE0, none, none, e[len(e)/2:]...))
		}},
		{"program end code and zeros between frames", h264, func(i int, f *media.Frame) []byte {
			return join(keyHead(f, 0x1B, 0), plain(f), []byte{0, 0, 1, 0xB9}, make([]byte, i%5))
		}},
		{"no map, H.264", h264, func(i int, f *media.Frame) []byte { return join(pack(0), plain(f)) }},
		{"no map, H.265", h265, func(i int, f *media.Frame) []byte { return join(pack(0), plain(f)) }},
		{"map that does not fit its length", h264, func(i int, f *media.Frame) []byte {
			return join(pack(0), []byte{0, 0, 1, 0xBC, 0, 12, 0xE1, 0xFF, 0, 0, 0, 200, 0x24, 0xE0, 0, 0, 0, 0}, plain(f))
		}},
		{"units in pes of their own", h264, func(i int, f *media.Frame) (b []byte) {
			b = keyHead(f, 0x1B, 0)
			for _, u := range f.Units {
				b = append(b, pes(0xE0, f.PTS, none, join([]byte{0, 0, 0, 1}, u)...)...)
			}
			return b
		}},
		{"units cut without start codes", h264, func(i int, f *media.Frame) (b []byte) {
			e := es(f)
			cut := len(e) - 1
			return join(keyHead(f, 0x1B, 0), pes(0xE0, f.PTS, none, e[:cut]...), pes(0xE0, f.PTS, none, e[cut:]...))
		}},
		{"parameter sets as an access unit before", h265, func(i int, f *media.Frame) []byte {
			if !f.Key {
				return join(pack(0), plain(f))
			}
			sets := &media.Frame{Units: f.Units[:3]}
			rest := &media.Frame{Units: f.Units[3:]}
			return join(keyHead(f, 0x24, 0), pes(0xE0, f.PTS-1, none, es(sets)...), pack(0), pes(0xE0, f.PTS, none, es(rest)...))
		}},
		{"delimiters, filler and trailing zeros", h264, func(i int, f *media.Frame) []byte {
			e := join([]byte{0, 0, 0, 1, 9, 0xF0}, es(f), []byte{0, 0, 0, 0, 0, 1, 12, 0xFF, 0xFF, 0x80, 0, 0, 0})
			return join(keyHead(f, 0x1B, 0), pes(0xE0, f.PTS, none, e...))
		}},
		{"delimiters of H.265", h265, func(i int, f *media.Frame) []byte {
			e := join([]byte{0, 0, 0, 1, 70, 1, 0x50}, es(f), []byte{0, 0, 1, 76, 1, 0xFF, 0x80})
			return join(keyHead(f, 0x24, 0), pes(0xE0, f.PTS, none, e...))
		}},
		{"mpeg-1 pack and packet headers", h264, func(i int, f *media.Frame) []byte {
			head := []byte{0, 0, 1, 0xBA, 0x21, 0, 1, 0, 1, 0x80, 0, 1}
			if f.Key {
				head = join(head, psm(0x1B, 0xE0))
			}
			body := join(bytes.Repeat([]byte{0xFF}, i%4), []byte{0x60, 0x20}, stamp(2, f.PTS), es(f))
			return join(head, []byte{0, 0, 1, 0xE0, byte(len(body) >> 8), byte(len(body))}, body)
		}},
		{"escr, rate and stuffing in the pes header", h264, func(i int, f *media.Frame) []byte {
			head := join([]byte{0x84, 0xB0, 20}, stamp(2, f.PTS), bytes.Repeat([]byte{0xFF}, 15))
			body := join(head, es(f))
			return join(keyHead(f, 0x1B, 0), []byte{0, 0, 1, 0xE0, byte(len(body) >> 8), byte(len(body))}, body)
		}},
		{"another video stream beside", h264, func(i int, f *media.Frame) []byte {
			return join(keyHead(f, 0x1B, 0), plain(f), pes(0xE1, f.PTS+5, none, 0, 0, 1, 0x65, 0x88))
		}},
	}
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			stream := each(s.frames, s.shape)
			for _, size := range []int{len(stream), 1400, 5, 1} {
				got, d := run(stream, size)
				same(t, got, s.frames)
				if st := d.Stats(); st.Resyncs != 0 || st.Skipped != 0 || st.Damaged != 0 || st.Oversize != 0 {
					t.Fatalf("in pieces of %d: %+v", size, st)
				}
			}
		})
	}
}

func TestSystemHeaderOrGarbageFirstIsPassedOver(t *testing.T) {
	frames := clip(media.H264)
	stream := join([]byte{1, 2, 3, 0, 0, 1, 0x65, 0, 0}, systemHeader(), mux(frames, media.H264, ""))
	got, d := run(stream, 1400)
	same(t, got, frames)
	if s := d.Stats(); s.Resyncs != 0 || s.Skipped != 9 {
		t.Fatalf("%+v", s)
	}
}

func TestFrameOfManyPESPackets(t *testing.T) {
	frames := clip(media.H264)[:3]
	big := bytes.Repeat([]byte{0x5A}, 1<<20+12345)
	big[0] = 0x41
	frames[1].Units = append(frames[1].Units, big)
	got, _ := run(mux(frames, media.H264, ""), 1400)
	same(t, got, frames)
}

func TestAccessUnitOverTheLimitIsDroppedAndCounted(t *testing.T) {
	frames := clip(media.H264)[:4]
	big := bytes.Repeat([]byte{0x5A}, 4<<20)
	big[0] = 0x41
	frames[1].Units = append(frames[1].Units, big)
	for _, shape := range []func(int, *media.Frame) []byte{
		func(_ int, f *media.Frame) []byte { return mux([]*media.Frame{f}, media.H264, "") },
		func(_ int, f *media.Frame) []byte {
			return join(keyHead(f, 0x1B, 0), openPES(0xE0, f.PTS, es(f)))
		},
	} {
		got, d := run(each(frames, shape), 1400)
		var want []*media.Frame
		want = append(append(want, frames[0]), frames[2:]...)
		var whole []*media.Frame
		for _, f := range got {
			if !f.Damaged {
				whole = append(whole, f)
			}
		}
		same(t, whole, want)
		if s := d.Stats(); s.Oversize != 1 {
			t.Fatalf("%+v", s)
		}
	}
}

func TestEncryptedPacketsAreCounted(t *testing.T) {
	frames := clip(media.H264)[:3]
	stream := each(frames, func(_ int, f *media.Frame) []byte {
		b := pes(0xE0, f.PTS, none, es(f)...)
		b[6] |= 0x10
		return join(keyHead(f, 0x1B, 0), b)
	})
	got, d := run(stream, 1400)
	if s := d.Stats(); len(got) != 0 || s.Scrambled != 3 || s.Resyncs != 0 {
		t.Fatalf("%d frames, %+v", len(got), s)
	}
}

func TestUnknownStreamTypeIsReportedAndNotCarried(t *testing.T) {
	frames := clip(media.H264)[:3]
	stream := each(frames, func(_ int, f *media.Frame) []byte {
		return join(keyHead(f, 0x1B, 0x92), pes(0xE0, f.PTS, none, es(f)...), pes(0xC0, f.PTS, none, 1, 2, 3))
	})
	got, d := run(stream, 1400)
	same(t, got, frames)
	if s := d.Stats(); s.StreamType != 0x92 || s.Ignored != 3 {
		t.Fatalf("%+v", s)
	}
}
