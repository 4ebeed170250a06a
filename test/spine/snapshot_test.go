package spine_test

import (
	"bytes"
	"context"
	"image/jpeg"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"fengsui/internal/sim"
	"fengsui/sip/siptest"
)

// A camera takes pictures and uploads them to us by HTTP.
//
// Conformance: server Control/DeviceConfig/SnapShotConfig 2022
// Conformance: simulator Control/DeviceConfig/SnapShotConfig 2022
// Conformance: server Notify/UploadSnapShotFinished 2022
// Conformance: simulator Notify/UploadSnapShotFinished 2022
func TestACameraUploadsPictures(t *testing.T) {
	everyWay(t, func(t *testing.T, h *house, c sim.Config) {
		c.Quirks = []string{"strict"}
		s := h.run(c)
		d := s.Device(0)
		h.complete(d.ID, 1)
		url := channelURL(d) + "/snapshots"
		if !h.the2022(c, "POST", url, map[string]any{"count": 2}) {
			return
		}
		var v struct {
			ID, State string
			Pictures  []struct{ Name, URL string }
		}
		h.must("POST", url, map[string]any{"count": 2}, &v)
		eventually(t, "the pictures", func() bool { h.get("/api/v1/snapshots/"+v.ID, &v); return v.State == "done" })
		if len(v.Pictures) != 2 || !strings.HasPrefix(v.Pictures[0].Name, string(d.Channels[0])+"02") {
			t.Fatalf("%+v", v)
		}
		var seen [][]byte
		for _, p := range v.Pictures {
			b := h.file(p.URL)
			img, err := jpeg.Decode(bytes.NewReader(b))
			if err != nil || img.Bounds().Dx() != 320 {
				t.Errorf("%s: %v", p.Name, err)
			}
			seen = append(seen, b)
		}
		if bytes.Equal(seen[0], seen[1]) {
			t.Error("it is the same picture twice")
		}
		if told := types(h.events(d.ID)); !slices.Contains(told, "snapshot.ended") {
			t.Errorf("events %v", told)
		}
		h.refused(174001, "POST", url, map[string]any{"count": 11})
		h.must("DELETE", "/api/v1/snapshots/"+v.ID, nil, nil)
		h.refused(174004, "GET", "/api/v1/snapshots/"+v.ID, nil)
	})
}

// file is what the API serves at a path.
func (h *house) file(path string) []byte {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", h.base+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.token)
	res, err := h.http.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		h.t.Fatalf("GET %s: %s, %v", path, res.Status, err)
	}
	return b
}

// A device that has pictures to show says so, and where it is.
//
// Conformance: server Notify/VideoUploadNotify 2022
func TestAnOfferOfLivePicturesIsTold(t *testing.T) {
	t.Parallel()
	h := open(t)
	d := h.camera(siptest.Config{ID: string(recorder), Server: netip.MustParseAddrPort(h.cfg.SIP.Listen)})
	register(d)
	d.Send(d.Request("MESSAGE", `<Notify><CmdType>VideoUploadNotify</CmdType><SN>52</SN><DeviceID>34020000001320000001</DeviceID>`+
		`<Time>2024-05-01T10:20:30</Time><Longitude>118.36</Longitude><Latitude>31.33</Latitude></Notify>`).Bytes())
	var kept struct{ Total int }
	eventually(t, "the position", func() bool {
		h.get("/api/v1/positions?channel=34020000001320000001&device="+string(recorder), &kept)
		return kept.Total == 1
	})
	for _, e := range h.events(recorder) {
		if e.Type == "video.offered" && e.Data["at"] == time.Date(2024, 5, 1, 2, 20, 30, 0, time.UTC).Format(time.RFC3339) {
			return
		}
	}
	t.Error("no event")
}
