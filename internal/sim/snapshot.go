package sim

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"mime/multipart"
	"net/http"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/setting"
)

// A picture is small, and its upload is given up after a while.
const (
	pictureWidth, pictureHeight = 320, 180
	uploadTimeout               = 10 * time.Second
)

// snap takes the pictures that SnapShotConfig asks for, uploads them, and tells which
// are there (2022 9.14).
func (d *device) snap(target string, v setting.Values) {
	count, _ := v["snap_num"].(int)
	interval, _ := v["interval"].(int)
	url, _ := v["upload_url"].(string)
	session, _ := v["session_id"].(string)
	id := gb28181.ID(target)
	d.sim.work(func() {
		var sent []string
		for i := range count {
			if i > 0 {
				select {
				case <-time.After(time.Duration(interval) * time.Second):
				case <-d.sim.ctx.Done():
					return
				}
			}
			name := manscdp.SnapShotFile(id, time.Now().In(beijing()), i+1)
			if err := post(d.sim.ctx, url, name+".jpg", drawn(d.index, i)); err != nil {
				d.sim.counters.fail(d.id, "upload a picture: "+plain(err))
				continue
			}
			sent = append(sent, name)
		}
		d.shard.do(d, func(now instant) {
			d.sn++
			d.enqueue(now, job{next: once(d.say(manscdp.UploadSnapShotFinished{SN: int(d.sn), DeviceID: id, SessionID: session, Files: sent}))})
		})
	})
}

// drawn is a picture that differs with its device and number.
func drawn(device, n int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, pictureWidth, pictureHeight))
	for y := range pictureHeight {
		for x := range pictureWidth {
			img.Set(x, y, color.RGBA{uint8(x + 40*n), uint8(y + 16*device), 128, 255})
		}
	}
	var b bytes.Buffer
	_ = jpeg.Encode(&b, img, nil) // a Buffer does not fail
	return b.Bytes()
}

// post uploads a picture as devices in the field do: as a file of a form.
func post(ctx context.Context, url, name string, picture []byte) error {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		return err
	}
	_, _ = part.Write(picture) // a Buffer does not fail
	if err := form.Close(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, uploadTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, &body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("answered %s", res.Status)
	}
	return nil
}
