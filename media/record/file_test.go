package record_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fengsui/media"
	"fengsui/media/mediatest"
	"fengsui/media/ps"
	"fengsui/media/record"
)

// shown are the frames of a file.
func shown(t *testing.T, path string, upTo int64) (frames []*media.Frame) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := ps.NewDemuxer(func(f *media.Frame) { frames = append(frames, f) })
	d.Write(b[:upTo], 0, false, time.Time{})
	d.Flush(time.Time{})
	return frames
}

func write(t *testing.T, f *record.File, frames []*media.Frame) record.Mark {
	t.Helper()
	for _, fr := range frames {
		if err := f.Write(fr); err != nil {
			t.Fatal(err)
		}
	}
	m, err := f.Flush()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func counts(t *testing.T, frames []*media.Frame) (pictures, sounds int) {
	t.Helper()
	last := int64(-1)
	for _, f := range frames {
		switch {
		case f.Damaged:
			t.Error("a damaged frame")
		case !f.Track.Codec.Video():
			sounds++
		default:
			if f.DTS <= last {
				t.Errorf("picture %d at %d, after one at %d", pictures, f.DTS, last)
			}
			last = f.DTS
			pictures++
		}
	}
	return pictures, sounds
}

func TestAFileIsWholeWhereverItIsMarked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.ps")
	f, err := record.Open(path, record.Mark{})
	if err != nil {
		t.Fatal(err)
	}
	all := mediatest.Woven(mediatest.H265(), mediatest.G711(media.PCMA, 75))
	half := write(t, f, all[:len(all)/2])
	if b, err := os.ReadFile(path); err != nil || string(b[:4]) != "IMKH" || string(b[40:44]) != "\x00\x00\x01\xBA" {
		t.Errorf("it begins with % x, %v", b[:44], err)
	}
	pictures, sounds := counts(t, shown(t, path, half.Bytes))
	if int64(pictures) != half.Frames || pictures+sounds != len(all)/2 {
		t.Errorf("half of it shows %d pictures and %d sounds, the mark is %+v", pictures, sounds, half)
	}
	write(t, f, all[len(all)/2:])
	if got := f.Covered().Round(10 * time.Millisecond); got != 2960*time.Millisecond {
		t.Errorf("covers %v", got)
	}
	whole, err := f.Close()
	if err != nil {
		t.Fatal(err)
	}
	if pictures, sounds = counts(t, shown(t, path, whole.Bytes)); pictures != 75 || sounds != 75 {
		t.Errorf("%d pictures, %d sounds", pictures, sounds)
	}
}

// What is continued begins where the mark is, whatever stands behind it, and its
// time goes on though the new frames begin anywhere.
func TestAFileIsContinuedAtItsMark(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.ps")
	mark := record.Mark{}
	for round := range 3 {
		f, err := record.Open(path, mark)
		if err != nil {
			t.Fatal(err)
		}
		frames := mediatest.H264()
		for _, fr := range frames {
			fr.PTS += int64(5-round) * 1_000_000
			fr.DTS += int64(5-round) * 1_000_000
		}
		mark = write(t, f, frames)
		write(t, f, frames[:3]) // lost, as no mark says that it is there
		if _, err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if pictures, _ := counts(t, shown(t, path, mark.Bytes)); pictures != 225 || mark.Frames != 225 {
		t.Errorf("%d pictures, %+v", pictures, mark)
	}
	if _, err := record.Open(path, record.Mark{Bytes: 1 << 40}); !errors.Is(err, record.ErrShort) {
		t.Errorf("Open of a file that lost its end = %v", err)
	}
}

// Sound that begins after the first pictures is in the map of the first, which
// players read once.
func TestLateSoundIsInTheFirstMap(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.ps")
	f, err := record.Open(path, record.Mark{})
	if err != nil {
		t.Fatal(err)
	}
	pictures, sound := mediatest.H264(), mediatest.AAC()
	for _, fr := range sound {
		fr.PTS, fr.DTS = fr.PTS+pictures[10].PTS, fr.DTS+pictures[10].PTS
	}
	write(t, f, pictures[:10])
	write(t, f, mediatest.Woven(pictures[10:], sound))
	m, err := f.Close()
	if err != nil {
		t.Fatal(err)
	}
	frames := shown(t, path, m.Bytes)
	if n, sounds := counts(t, frames); n != 75 || sounds != len(sound) {
		t.Errorf("%d pictures, %d sounds of %d", n, sounds, len(sound))
	}
}
