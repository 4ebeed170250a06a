package snapshot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/snapshot"
	"fengsui/shadow/journal"
)

const camera = gb28181.ID("34020000001320000001")

var jpeg = "\xff\xd8\xff\xe0 a picture"

// bench is an album, and what its device was told.
type bench struct {
	*snapshot.Album
	dir    string
	refuse error
	during func()            // while the device is being told
	told   map[string]string // token by session
	ends   int
}

func (b *bench) Append(e journal.Event) uint64 {
	if e.Type == "snapshot.ended" {
		b.ends++
	}
	return 0
}

func (b *bench) order(_ context.Context, _ snapshot.Request, session, url string) error {
	b.told[session] = strings.TrimPrefix(url, "http://here/upload/")
	if b.during != nil {
		b.during()
	}
	return b.refuse
}

func (b *bench) open(t *testing.T, c snapshot.Config) {
	t.Helper()
	c.Dir, c.Base = b.dir, func(gb28181.ID) (string, error) { return "http://here/upload/", nil }
	var err error
	if b.Album, err = snapshot.New(c, b.order, b, zerolog.Nop(), nil); err != nil {
		t.Fatal(err)
	}
}

func script(t *testing.T, c snapshot.Config, do func(t *testing.T, b *bench)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{dir: dir, told: map[string]string{}}
		b.open(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		first := b.Album
		go func() { defer close(done); _ = first.Run(ctx) }()
		do(t, b)
		cancel()
		<-done
	})
}

func (b *bench) take(t *testing.T, count int) (id, token string) {
	t.Helper()
	s, err := b.Take(t.Context(), snapshot.Request{Device: camera, Channel: camera, Count: count, Interval: time.Second, By: "me"})
	if err != nil {
		t.Fatal(err)
	}
	return s.ID, b.told[s.ID]
}

func (b *bench) is(t *testing.T, id string, state snapshot.State, pictures int) {
	t.Helper()
	synctest.Wait()
	if s, _ := b.Snapshot(id); s.State != state || len(s.Pictures) != pictures {
		t.Errorf("%+v, want %s with %d", s, state, pictures)
	}
}

func (b *bench) finished(session string, files int) {
	m, err := manscdp.Decode([]byte("<Notify><CmdType>UploadSnapShotFinished</CmdType><SN>51</SN><DeviceID>" + string(camera) + "</DeviceID><SessionID>" + session +
		"</SessionID><SnapShotList>" + strings.Repeat("<SnapShotFileID>x</SnapShotFileID>", files) + "</SnapShotList></Notify>"))
	if err != nil {
		panic(err)
	}
	b.Finished(camera, m)
}

func (b *bench) upload(token, body string) error {
	return b.Upload(token, "a.jpg", strings.NewReader(body))
}

func TestPicturesAreTakenUntilAllAreThere(t *testing.T) {
	script(t, snapshot.Config{}, func(t *testing.T, b *bench) {
		id, token := b.take(t, 2)
		b.is(t, id, snapshot.Taking, 0)
		for _, body := range []string{jpeg + "1", jpeg + "2"} {
			if err := b.upload(token, body); err != nil {
				t.Fatal(err)
			}
		}
		b.is(t, id, snapshot.Done, 2)
		if err := b.upload(token, jpeg); !errors.Is(err, snapshot.ErrToken) {
			t.Errorf("a third of two: %v", err)
		}
		f, p, err := b.Open(id, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got, _ := io.ReadAll(f); string(got) != jpeg+"2" || p.Name != "a.jpg" || p.Bytes != int64(len(got)) {
			t.Errorf("%q, %+v", got, p)
		}
		b.finished(id, 2)
		if b.ends != 1 {
			t.Errorf("told %d times", b.ends)
		}
		if _, _, err := b.Open(id, 2); !errors.Is(err, snapshot.ErrUnknown) {
			t.Error(err)
		}
	})
}

func TestASnapshotEndsWithWhatCame(t *testing.T) {
	for name, c := range map[string]struct {
		do       func(b *bench, id, token string)
		state    snapshot.State
		pictures int
	}{
		"fewer are told":          {func(b *bench, id, token string) { _ = b.upload(token, jpeg); b.finished(id, 1) }, snapshot.Partial, 1},
		"none are told":           {func(b *bench, id, _ string) { b.finished(id, 0) }, snapshot.Failed, 0},
		"the device is silent":    {func(*bench, string, string) { time.Sleep(3 * time.Minute) }, snapshot.Failed, 0},
		"one comes, then silence": {func(b *bench, _, token string) { _ = b.upload(token, jpeg); time.Sleep(3 * time.Minute) }, snapshot.Partial, 1},
		"told before one comes": {func(b *bench, id, token string) {
			b.finished(id, 2)
			_ = b.upload(token, jpeg)
			_ = b.upload(token, jpeg)
		}, snapshot.Done, 2},
		"told, but it never comes": {func(b *bench, id, token string) {
			_ = b.upload(token, jpeg)
			b.finished(id, 2)
			time.Sleep(20 * time.Second)
		}, snapshot.Partial, 1},
		"another session is over": {func(b *bench, _, _ string) { b.finished("0b9f3a52d3c14a6b8d11c7e5f2a49e60", 2) }, snapshot.Taking, 0},
		"it uploads what is no JPEG": {func(b *bench, id, token string) {
			_ = b.upload(token, "<html>")
			b.finished(id, 1)
			time.Sleep(20 * time.Second)
		}, snapshot.Failed, 0},
	} {
		t.Run(name, func(t *testing.T) {
			script(t, snapshot.Config{}, func(t *testing.T, b *bench) {
				id, token := b.take(t, 2)
				c.do(b, id, token)
				b.is(t, id, c.state, c.pictures)
				err := b.upload(token, jpeg)
				if c.state.Ended() != errors.Is(err, snapshot.ErrToken) {
					t.Errorf("an upload after it: %v", err)
				}
			})
		})
	}
}

func TestWhatIsNoPictureIsRefusedAndLeavesNothing(t *testing.T) {
	script(t, snapshot.Config{}, func(t *testing.T, b *bench) {
		id, token := b.take(t, 1)
		for body, want := range map[string]error{
			"": snapshot.ErrPicture, "GIF89a": snapshot.ErrPicture, "\xff\xd8": snapshot.ErrPicture,
			jpeg + strings.Repeat("x", snapshot.MaxPicture): snapshot.ErrLarge,
		} {
			if err := b.upload(token, body); !errors.Is(err, want) {
				t.Errorf("%d bytes: %v", len(body), err)
			}
		}
		broken := io.MultiReader(strings.NewReader(jpeg), &cut{})
		if err := b.Upload(token, "", broken); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("broken off: %v", err)
		}
		for _, token := range []string{"", "x", strings.Repeat("0", 32)} {
			if err := b.upload(token, jpeg); !errors.Is(err, snapshot.ErrToken) {
				t.Errorf("token %q: %v", token, err)
			}
		}
		b.is(t, id, snapshot.Taking, 0)
		if left, _ := filepath.Glob(filepath.Join(b.dir, "*", "*")); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
		if err := b.Upload(token, "../../\"x\"\n.jpg", bytes.NewReader([]byte(jpeg))); err != nil {
			t.Error(err)
		}
		if s, _ := b.Snapshot(id); s.Pictures[0].Name != "....x.jpg" {
			t.Errorf("named %q", s.Pictures[0].Name)
		}
	})
}

// cut breaks a body off.
type cut struct{}

func (*cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestARefusedSnapshotLeavesNothingButAPictureIsAnAnswer(t *testing.T) {
	script(t, snapshot.Config{}, func(t *testing.T, b *bench) {
		b.refuse = gb28181.ErrRefused
		r := snapshot.Request{Device: camera, Channel: camera, Count: 2, Interval: time.Second}
		if _, err := b.Take(t.Context(), r); !errors.Is(err, gb28181.ErrRefused) || len(b.Snapshots()) != 0 {
			t.Errorf("%v, %d are left", err, len(b.Snapshots()))
		}
		b.during = func() {
			for _, token := range b.told {
				_ = b.upload(token, jpeg)
			}
		}
		b.refuse = gb28181.ErrTimeout
		if s, err := b.Take(t.Context(), r); err != nil || len(s.Pictures) != 1 || s.State != snapshot.Taking {
			t.Errorf("%+v, %v", s, err)
		}
		for _, bad := range []snapshot.Request{{Count: 0, Interval: time.Second}, {Count: 11, Interval: time.Second}, {Count: 1}, {Count: 1, Interval: 11 * time.Minute}, {Count: 1, Interval: 1500 * time.Millisecond}} {
			if _, err := b.Take(t.Context(), bad); !errors.Is(err, snapshot.ErrRange) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
	})
}

func TestSnapshotsOutliveTheProcess(t *testing.T) {
	script(t, snapshot.Config{}, func(t *testing.T, b *bench) {
		id, token := b.take(t, 1)
		if err := b.upload(token, jpeg); err != nil {
			t.Fatal(err)
		}
		lost, token := b.take(t, 2)
		if err := b.upload(token, jpeg); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(b.dir, "notes"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		b.open(t, snapshot.Config{})
		b.is(t, id, snapshot.Done, 1)
		if s, _ := b.Snapshot(id); s.By != "me" || s.Channel != camera {
			t.Errorf("%+v", s)
		}
		if _, known := b.Snapshot(lost); known {
			t.Error("one that had not ended is there")
		}
		if f, _, err := b.Open(id, 0); err != nil {
			t.Error(err)
		} else {
			f.Close()
		}
		if err := b.Delete(id); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(b.dir); len(left) != 0 || !errors.Is(b.Delete(id), snapshot.ErrUnknown) {
			t.Errorf("left behind: %v", left)
		}
	})
}

func TestOldSnapshotsGiveWay(t *testing.T) {
	script(t, snapshot.Config{Keep: time.Hour, Bytes: 100}, func(t *testing.T, b *bench) {
		var ids []string
		for i := range 3 {
			id, token := b.take(t, 1)
			if err := b.upload(token, jpeg+strings.Repeat("x", 30)); err != nil {
				t.Fatal(i, err)
			}
			ids = append(ids, id)
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Second)
		if _, known := b.Snapshot(ids[0]); known || len(b.Snapshots()) != 2 {
			t.Errorf("%d are kept of more than may be", len(b.Snapshots()))
		}
		time.Sleep(2 * time.Hour)
		if n := len(b.Snapshots()); n != 0 {
			t.Errorf("%d are kept that are too old", n)
		}
		if left, _ := os.ReadDir(b.dir); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

func TestSnapshotsThatWaitAreBounded(t *testing.T) {
	script(t, snapshot.Config{}, func(t *testing.T, b *bench) {
		var err error
		for i := range 501 {
			_, err = b.Take(t.Context(), snapshot.Request{Device: gb28181.ID(fmt.Sprint(i)), Channel: camera, Count: 1, Interval: time.Second})
		}
		if !errors.Is(err, snapshot.ErrFull) {
			t.Error(err)
		}
	})
}
