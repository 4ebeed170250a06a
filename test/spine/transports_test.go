package spine_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"fengsui/configs"
	"fengsui/internal/sim"
	"fengsui/media"
)

// ways are settings in which each pair of values of two columns stands at least
// once.
var ways = []struct {
	media string
	audio media.Codec
	sip   string
	mode  string
	video media.Codec
}{
	{"udp", media.PCMA, sim.UDP, "single", media.H264},
	{"udp", media.PCMU, sim.TCP, "range", media.H265},
	{"udp", media.AAC, sim.UDP, "range", media.H265},
	{"udp", sim.NoAudio, sim.TCP, "single", media.H264},
	{"tcp-passive", media.PCMA, sim.TCP, "range", media.H265},
	{"tcp-passive", media.PCMU, sim.UDP, "single", media.H264},
	{"tcp-passive", media.AAC, sim.TCP, "single", media.H264},
	{"tcp-passive", sim.NoAudio, sim.UDP, "range", media.H265},
	{"tcp-active", media.PCMA, sim.TCP, "single", media.H265},
	{"tcp-active", media.PCMU, sim.UDP, "range", media.H264},
	{"tcp-active", media.AAC, sim.UDP, "single", media.H265},
	{"tcp-active", sim.NoAudio, sim.TCP, "range", media.H264},
}

func TestWaysHoldEachPair(t *testing.T) {
	pairs, values := map[string]bool{}, [5][]string{}
	for _, w := range ways {
		row := [5]string{w.media, string(w.audio), w.sip, w.mode, string(w.video)}
		for i, v := range row {
			if !slices.Contains(values[i], v) {
				values[i] = append(values[i], v)
			}
			for j := range i {
				pairs[fmt.Sprint(i, v, j, row[j])] = true
			}
		}
	}
	for i := range values {
		for j := range i {
			for _, a := range values[i] {
				for _, b := range values[j] {
					if !pairs[fmt.Sprint(i, a, j, b)] {
						t.Errorf("%s never stands with %s", a, b)
					}
				}
			}
		}
	}
}

func TestPicturesPlayOverEveryWay(t *testing.T) {
	t.Parallel()
	h := open(t)
	for i, w := range ways {
		t.Run(fmt.Sprintf("%s by %s %s %s %s", w.media, w.sip, w.mode, w.video, w.audio), func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			s := h.run(sim.Config{
				FirstID: number("34020000001320000000", 10*(i+1)), Transport: w.sip, Video: w.video, Audio: w.audio,
			})
			id := s.Device(0).ID
			h.must("PATCH", "/api/v1/devices/"+string(id), map[string]any{"media_mode": w.mode}, nil)
			stream := h.plays(id, id, w.media)
			if stream.Transport != w.media || stream.Codec != string(w.video) || h.device(id).Transport != w.sip {
				t.Errorf("plays %s over %s, wanted %s over %s", stream.Codec, stream.Transport, w.video, w.media)
			}
			sound := w.audio
			if sound == sim.NoAudio {
				sound = ""
			}
			h.picture(stream, w.video, sound)
			if held := h.leases(); w.mode == "range" && held.Ports == 0 || held.SSRCs == 0 || held.Dialogs == 0 {
				t.Errorf("leases %+v while it plays", held)
			}
			h.stop(stream)
			eventually(t, "the end at the device", func() bool { return s.Device(0).Streams == 0 })
		})
	}
}

func TestPicturesPlayOverALossySIPPath(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *configs.Config) { c.Media.AnswerTimeout, c.Media.PacketTimeout = patience, patience })
	const devices = 24
	s := h.run(sim.Config{Devices: devices, SIPLoss: 0.15, Retry: time.Second})
	var work sync.WaitGroup
	for d := range devices {
		id := s.Device(d).ID
		work.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			defer cancel()
			stream, p, err := h.play(ctx, id, id, "udp")
			if p != nil || err != nil {
				t.Errorf("play %s: %+v, %v", id, p, err)
				return
			}
			if p, err := h.call(ctx, "DELETE", "/api/v1/streams/"+stream.ID, nil, nil); p != nil || err != nil {
				t.Errorf("stop %s: %+v, %v", id, p, err)
			}
		})
	}
	work.Wait()
	eventually(t, "the end of all streams", func() bool { return s.Stats().Streaming == 0 })
	eventually(t, "all leases back", func() bool { l := h.leases(); return l.Dialogs+l.SSRCs+l.Receivers+l.Ports == 0 })
	if n := s.Stats().Invites; n < devices {
		t.Errorf("%d INVITEs", n)
	}
}
