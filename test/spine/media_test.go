package spine_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"fengsui/configs"
	"fengsui/internal/sim"
	"fengsui/media"
)

func TestAPictureGoesOnThroughLoss(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.run(sim.Config{Loss: 0.05})
	stream := h.plays(camera, camera, "udp")
	v := h.watch(stream)
	defer v.close()
	if err := v.shows(media.H264, media.PCMA); err != nil {
		t.Fatal(err)
	}
	pictures, keys, err := v.goesOn(6 * time.Second)
	if err != nil || keys == 0 {
		t.Errorf("%d pictures, %d of them key frames: %v", pictures, keys, err)
	}
	st := h.stream(stream.ID).Stats
	if share := float64(st.Lost) / float64(st.Packets+st.Lost); share < 0.02 || share > 0.10 {
		t.Errorf("%d of %d packets are shown as lost", st.Lost, st.Packets+st.Lost)
	}
	if st.LossRate <= 0 || st.LossRate > 0.3 || st.Readers != 1 || st.FPS <= 0 {
		t.Errorf("stats %+v", st)
	}
}

// User pain 9: two cameras behind one address that send the same SSRC do not
// show each other's picture.
func TestPicturesWithOneSSRCDoNotCross(t *testing.T) {
	t.Parallel()
	for _, quirk := range []string{"ssrc-zero", "rtp-ssrc", "own-ssrc", "no-y"} {
		t.Run(quirk, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			codecs := []media.Codec{media.H264, media.H265, media.H264, media.H265}
			var work sync.WaitGroup
			for i, codec := range codecs {
				h.run(sim.Config{FirstID: number(camera, 10*i+10), Video: codec, Quirks: []string{quirk}})
			}
			for i, codec := range codecs {
				id := number(camera, 10*i+10)
				work.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					s, p, err := h.play(ctx, id, id, "udp")
					if p != nil || err != nil {
						t.Errorf("play %s: %+v, %v", id, p, err)
						return
					}
					v := h.watch(s)
					defer v.close()
					if err := v.shows(codec, media.PCMA); err != nil {
						t.Errorf("%s: %v", id, err)
					}
					for range 50 {
						u, err := v.flv.NextUnit()
						if err != nil || u.Form != forms[codec] && u.Form != forms[media.PCMA] {
							t.Errorf("%s shows %s: %v", id, u.Form, err)
							return
						}
					}
				})
			}
			work.Wait()
		})
	}
}

func TestOneInviteForManyCallers(t *testing.T) {
	t.Parallel()
	h := open(t)
	s := h.run(sim.Config{AnswerDelay: 300 * time.Millisecond})
	var work sync.WaitGroup
	for range 30 {
		work.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if _, p, err := h.play(ctx, camera, camera, ""); p != nil || err != nil {
				t.Errorf("play: %+v, %v", p, err)
			}
		})
	}
	work.Wait()
	if st := s.Stats(); st.Invites != 1 || st.Streaming != 1 {
		t.Errorf("%d INVITEs, %d streams", st.Invites, st.Streaming)
	}
}

// User pain 8: the last viewer leaves, the camera stops sending.
func TestAStreamEndsWhenItsLastViewerLeaves(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *configs.Config) { c.Media.IdleClose = time.Second })
	s := h.run(sim.Config{})
	stream := h.plays(camera, camera, "")
	first, second := h.watch(stream), h.watch(stream)
	first.close()
	if _, _, err := second.goesOn(3 * time.Second); err != nil { // one is enough to keep it
		t.Errorf("it ended under a viewer: %v", err)
	}
	second.close()
	eventually(t, "a BYE", func() bool { return s.Stats().Byes == 1 && s.Device(0).Streams == 0 })
	eventually(t, "all leases back", func() bool { l := h.leases(); return l.Dialogs+l.SSRCs+l.Receivers+l.Ports == 0 })
}

// A play address starts the stream by itself.
func TestAPlayAddressStartsItsStream(t *testing.T) {
	t.Parallel()
	h := open(t)
	s := h.run(sim.Config{})
	stream := h.plays(camera, camera, "")
	h.stop(stream)
	eventually(t, "the end at the device", func() bool { return s.Device(0).Streams == 0 })
	h.picture(stream, media.H264, media.PCMA)
	if n := s.Stats().Invites; n != 2 {
		t.Errorf("%d INVITEs", n)
	}
}

// User pain 5: BYE goes to where the device is now, not where it was invited.
func TestByeFollowsTheDevice(t *testing.T) {
	t.Parallel()
	h := open(t)
	s := h.run(sim.Config{})
	h.complete(camera, 1)
	stream := h.plays(camera, camera, "udp")
	if err := s.Move(0); err != nil { // the old port is deaf; a keepalive comes from the new one
		t.Fatal(err)
	}
	eventually(t, "the device at its new port", func() bool { return h.device(camera).Remote == s.Device(0).Addr.String() })
	h.stop(stream)
	eventually(t, "the end at the device", func() bool { return s.Stats().Byes == 1 && s.Device(0).Streams == 0 })
	h.picture(h.plays(camera, camera, "udp"), media.H264, media.PCMA)
}

// User pain 8: RTP that goes on after its session gets another BYE.
func TestRTPWithoutASessionGetsAnotherBye(t *testing.T) {
	t.Parallel()
	for _, quirks := range [][]string{{"deaf-bye"}, {"deaf-bye", "own-ssrc"}, {"deaf-bye", "rtp-ssrc"}} {
		t.Run(quirks[len(quirks)-1], func(t *testing.T) {
			t.Parallel()
			h := open(t)
			s := h.run(sim.Config{Quirks: quirks})
			h.stop(h.plays(camera, camera, "udp"))
			eventually(t, "the first BYE", func() bool { return s.Stats().Byes == 1 })
			time.Sleep(1500 * time.Millisecond) // what was on the way does not count
			if s.Device(0).Streams != 1 {
				t.Fatal("the device obeyed the first BYE")
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			eventually(t, "the second BYE", func() bool {
				h.app.Reconcile(ctx) // as each minute does: it judges what came since the last one
				return s.Stats().Byes >= 2 && s.Device(0).Streams == 0
			})
		})
	}
}

// The end does not wait for those who hold on: viewers, watchers of events, a
// device that does not answer BYE.
func TestTheEndOfTheServerEndsItsStreams(t *testing.T) {
	t.Parallel()
	h := open(t)
	s := h.run(sim.Config{Devices: 2})
	for d := range 2 {
		v := h.watch(h.plays(s.Device(d).ID, s.Device(d).ID, ""))
		defer v.close()
	}
	r, err := http.NewRequest("GET", h.base+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.token)
	events, err := h.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	if err := s.Drop(1); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	h.close()
	if took := time.Since(began); took > h.cfg.ShutdownTimeout-time.Second {
		t.Errorf("it took %v", took)
	}
	if st := s.Stats(); st.Byes != 1 || st.Streaming != 0 {
		t.Errorf("%d BYEs, %d streams go on", st.Byes, st.Streaming)
	}
}

func TestMainAndSubStreamPlayBesideEachOther(t *testing.T) {
	t.Parallel()
	h := open(t)
	s := h.run(sim.Config{})
	h.complete(camera, 1)
	var streams [2]streamView
	for i, profile := range []string{"main", "sub"} {
		h.must("POST", "/api/v1/streams", map[string]any{"device": camera, "channel": camera, "profile": profile}, &streams[i])
		h.picture(streams[i], media.H264, media.PCMA)
	}
	if streams[0].ID == streams[1].ID || streams[0].SSRC == streams[1].SSRC || s.Stats().Streaming != 2 {
		t.Errorf("streams %+v", streams)
	}
}

func TestARecorderPlaysManyChannelsAtOnce(t *testing.T) {
	t.Parallel()
	for _, quirks := range [][]string{nil, {"ssrc-zero"}} {
		t.Run(strings.Join(quirks, ""), func(t *testing.T) {
			t.Parallel()
			h := open(t)
			s := h.run(sim.Config{Channels: 16, PartSize: 16, Transport: sim.TCP, Quirks: quirks})
			h.complete(recorder, 16)
			var work sync.WaitGroup
			for _, channel := range s.Device(0).Channels {
				work.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					stream, p, err := h.play(ctx, recorder, channel, "udp")
					if p != nil || err != nil {
						t.Errorf("play %s: %+v, %v", channel, p, err)
						return
					}
					v := h.watch(stream)
					defer v.close()
					if err := v.shows(media.H264, media.PCMA); err != nil {
						t.Errorf("%s: %v", channel, err)
					}
				})
			}
			work.Wait()
		})
	}
}
