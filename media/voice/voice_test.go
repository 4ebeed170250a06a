package voice_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"fengsui/media"
	"fengsui/media/voice"
)

// Values of ITU-T G.711 tables 1a to 2b: the ends and the middle of each law.
func TestLawsAgreeWithTheStandard(t *testing.T) {
	for _, c := range []struct {
		law    media.Codec
		code   byte
		linear int16
	}{
		{media.PCMA, 0xD5, 8}, {media.PCMA, 0x55, -8}, {media.PCMA, 0xAA, 32256}, {media.PCMA, 0x2A, -32256},
		{media.PCMU, 0xFF, 0}, {media.PCMU, 0x80, 32124}, {media.PCMU, 0x00, -32124}, {media.PCMU, 0xFE, 8},
	} {
		if got := voice.Decode(c.law, c.code); got != c.linear {
			t.Errorf("%s %#x = %d, want %d", c.law, c.code, got, c.linear)
		}
		if got := voice.Encode(c.law, c.linear); got != c.code {
			t.Errorf("%s %d = %#x, want %#x", c.law, c.linear, got, c.code)
		}
	}
	for _, law := range []media.Codec{media.PCMA, media.PCMU} {
		for i := range 256 {
			b := byte(i)
			if law == media.PCMU && b == 0x7F {
				continue // the other zero
			}
			if got := voice.Encode(law, voice.Decode(law, b)); got != b {
				t.Errorf("%s %#x comes back as %#x", law, b, got)
			}
		}
	}
	for _, s := range []int16{-32768, 32767, -1, 0, 1, 1000, -1000} { // the step of the segment is the largest error
		for _, law := range []media.Codec{media.PCMA, media.PCMU} {
			if d := math.Abs(float64(voice.Decode(law, voice.Encode(law, s))) - float64(s)); d > 16+math.Abs(float64(s))/16 {
				t.Errorf("%s %d is off by %v", law, s, d)
			}
		}
	}
}

// wav writes a file.
func wav(code, channels, rate, bits int, data []byte) []byte {
	var b bytes.Buffer
	b.WriteString("RIFF\x00\x00\x00\x00WAVELIST\x03\x00\x00\x00abc\x00fmt \x10\x00\x00\x00")
	for _, v := range []any{uint16(code), uint16(channels), uint32(rate), uint32(rate * channels * bits / 8), uint16(channels * bits / 8), uint16(bits)} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	b.WriteString("data")
	_ = binary.Write(&b, binary.LittleEndian, uint32(len(data)))
	b.Write(data)
	return b.Bytes()
}

func tone(rate, channels int, d time.Duration) (data []byte) {
	for i := range int(d.Seconds() * float64(rate)) {
		s := int16(10000 * math.Sin(2*math.Pi*440*float64(i)/float64(rate)))
		for range channels {
			data = binary.LittleEndian.AppendUint16(data, uint16(s))
		}
	}
	return data
}

func TestFilesOfAllAcceptedKindsAreTheSameSound(t *testing.T) {
	want := make([]byte, 8000)
	for i := range want {
		want[i] = voice.Encode(media.PCMA, int16(10000*math.Sin(2*math.Pi*440*float64(i)/8000)))
	}
	for _, c := range []struct{ rate, channels int }{{8000, 1}, {8000, 2}, {16000, 1}, {44100, 2}, {48000, 1}} {
		clip, err := voice.ReadWAV(wav(1, c.channels, c.rate, 16, tone(c.rate, c.channels, time.Second)))
		if err != nil {
			t.Fatal(err)
		}
		got := clip.In(media.PCMA)
		if clip.Duration() != time.Second || len(got) != len(want) {
			t.Fatalf("%+v: %v, %d bytes", c, clip.Duration(), len(got))
		}
		if c.rate == 8000 && !bytes.Equal(got, want) {
			t.Errorf("%+v: other bytes", c)
		}
		power, wrong := 0.0, 0.0
		for i := range want {
			a, b := float64(voice.Decode(media.PCMA, want[i])), float64(voice.Decode(media.PCMA, got[i]))
			power, wrong = power+a*a, wrong+(a-b)*(a-b)
		}
		if wrong > power/10 {
			t.Errorf("%+v: the sound is off by %.0f %%", c, 100*wrong/power)
		}
	}
	for code, law := range map[int]media.Codec{6: media.PCMA, 7: media.PCMU} {
		clip, err := voice.ReadWAV(wav(code, 1, 8000, 8, want))
		if err != nil || !bytes.Equal(clip.In(law), want) {
			t.Errorf("%s: %v", law, err)
		}
	}
}

func TestFilesThatCannotBePlayedAreRefusedWithWhatCan(t *testing.T) {
	for name, b := range map[string][]byte{
		"mp3": []byte("ID3\x04 not at all a WAV file"), "8 bits": wav(1, 1, 8000, 8, []byte{1}), "96 kHz": wav(1, 1, 96000, 16, []byte{1, 2}),
		"A-law of 16 kHz": wav(6, 1, 16000, 8, []byte{1}), "float": wav(3, 1, 8000, 32, []byte{1, 2, 3, 4}), "empty": wav(1, 1, 8000, 16, nil),
		"cut": wav(1, 1, 8000, 16, nil)[:30],
	} {
		if _, err := voice.ReadWAV(b); !errors.Is(err, voice.ErrWAV) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := voice.ReadWAV(wav(3, 1, 8000, 32, []byte{1, 2, 3, 4}))
	if want := "not a WAV file that can be played: it has format 3, 32 bits, 1 channels and 8000 Hz: want 16-bit PCM of 8 to 48 kHz, mono or stereo, or G.711 A-law or µ-law of 8 kHz, mono"; err.Error() != want {
		t.Error(err)
	}
}

func FuzzReadWAV(f *testing.F) {
	f.Add(wav(1, 2, 16000, 16, tone(16000, 2, 10*time.Millisecond)))
	f.Add(wav(6, 1, 8000, 8, []byte{1, 2, 3}))
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVEdata\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := voice.ReadWAV(b)
		if err == nil && (len(c.In(media.PCMU)) == 0 && c.Duration() > 0 || len(c.In(media.PCMA)) > len(b)) {
			t.Errorf("%d bytes became %d", len(b), len(c.In(media.PCMA)))
		}
	})
}

func TestSoundLeavesEvenlyAndWithoutDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clip, err := voice.ReadWAV(wav(1, 1, 8000, 16, tone(8000, 1, 10*time.Second)))
		if err != nil {
			t.Fatal(err)
		}
		begin, n, late := time.Now(), 0, time.Duration(0)
		var at []time.Duration
		err = voice.Pace(t.Context(), clip.Play(media.PCMA), func([]byte) error {
			at = append(at, time.Since(begin))
			if n++; n == 100 {
				time.Sleep(50 * time.Millisecond) // made up for
			}
			if n == 200 {
				time.Sleep(500 * time.Millisecond) // skipped: a burst would be lost
			}
			return nil
		}, func(d time.Duration) { late += d })
		if err != nil || n != 525 || late != 480*time.Millisecond {
			t.Errorf("%d frames, %v late, %v", n, late, err)
		}
		for i, d := range at {
			want := time.Duration(i) * 20 * time.Millisecond
			if i >= 200 {
				want += 480 * time.Millisecond
			}
			if over := d - want; over < 0 || over > 30*time.Millisecond || (i < 100 || i > 102 && i < 200 || i > 200) && over != 0 {
				t.Fatalf("frame %d leaves at %v, want %v", i, d, want)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := voice.Pace(ctx, clip.Play(media.PCMA), func([]byte) error { return nil }, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		broken := errors.New("broken")
		if err := voice.Pace(t.Context(), clip.Play(media.PCMA), func([]byte) error { return broken }, nil); !errors.Is(err, broken) {
			t.Error(err)
		}
	})
}

func TestMicrophoneSmoothsWhatTheNetworkBrings(t *testing.T) {
	packet := func(b byte) []byte { return bytes.Repeat([]byte{b}, voice.FrameLength) }
	m := voice.NewMicrophone(media.PCMA)
	var got []byte
	frame := func() byte {
		var f [voice.FrameLength]byte
		if !m.Frame(f[:]) {
			t.Fatal("ended")
		}
		return f[0]
	}
	m.Push(65534, media.PCMA, packet(1))
	m.Push(65535, media.PCMA, packet(2))
	got = append(got, frame()) // 40 ms are too few to begin
	m.Push(65535, media.PCMA, packet(2))
	m.Push(1, media.PCMA, packet(4)) // 0 is lost
	for range 5 {
		got = append(got, frame())
	}
	if want := []byte{0xD5, 1, 2, 0xD5, 4, 0xD5}; !bytes.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for i := range uint16(30) {
		m.Push(2+i, media.PCMU, packet(0xFF))
	}
	if frame() != 0xD5 { // silence in the other law
		t.Error("not converted")
	}
	if dropped, dry := m.Counts(); dropped != 10*voice.FrameLength || dry != 1 {
		t.Errorf("%d bytes dropped, %d frames dry", dropped, dry)
	}
	m.End()
	if m.Frame(make([]byte, voice.FrameLength)) {
		t.Error("goes on after its end")
	}
}
