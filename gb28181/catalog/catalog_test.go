package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"fengsui/gb28181"
	"fengsui/gb28181/catalog"
	"fengsui/gb28181/manscdp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	nvr  = gb28181.ID("34020000001180000001")
	self = gb28181.ID("34020000002000000001")
)

// bench is a catalog with a device that answers by script and a keeper that notes.
type bench struct {
	*catalog.Catalog
	reg *prometheus.Registry

	mu      sync.Mutex
	asked   []time.Time
	sns     []int
	answers []func(sn int) error // one per query; the last for all further ones
	saved   map[gb28181.ID]gb28181.Channel
	full    bool // the keeper has no room
	diffs   []catalog.Diff
}

func (b *bench) Ask(_ context.Context, device gb28181.ID, target string, sn int) error {
	b.mu.Lock()
	b.asked = append(b.asked, time.Now())
	b.sns = append(b.sns, sn)
	n := min(len(b.asked), len(b.answers))
	b.mu.Unlock()
	if n == 0 || target != string(device) {
		return nil
	}
	return b.answers[n-1](sn)
}

func (b *bench) queries() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.asked)
}

func (b *bench) room() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.full
}

func (b *bench) fill(full bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.full = full
}

func (b *bench) ReplaceChannels(device gb28181.ID, channels []gb28181.Channel) bool {
	if !b.room() {
		return false
	}
	clear(b.saved)
	return b.SaveChannels(device, channels)
}

func (b *bench) SaveChannels(_ gb28181.ID, channels []gb28181.Channel) bool {
	if !b.room() {
		return false
	}
	for _, ch := range channels {
		b.saved[ch.ID] = ch
	}
	return true
}

func (b *bench) DropChannels(_ gb28181.ID, ids []gb28181.ID) bool {
	if !b.room() {
		return false
	}
	for _, id := range ids {
		delete(b.saved, id)
	}
	return true
}

func start(t *testing.T, cfg catalog.Config, answers ...func(sn int) error) *bench {
	t.Helper()
	b := &bench{reg: prometheus.NewRegistry(), answers: answers, saved: make(map[gb28181.ID]gb28181.Channel)}
	cfg.Self = self
	b.Catalog = catalog.New(cfg, b, b, zerolog.Nop(), b.reg)
	b.OnChange(func(device gb28181.ID, d catalog.Diff) {
		if device == nvr {
			b.diffs = append(b.diffs, d)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *bench) sync(t *testing.T) catalog.Job {
	t.Helper()
	if _, err := b.Sync(t.Context(), nvr); err != nil {
		t.Fatal(err)
	}
	j, err := b.Wait(t.Context(), nvr)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return j
}

func (b *bench) ids() []string {
	var out []string
	for _, ch := range b.Channels(nvr) {
		out = append(out, string(ch.ID))
	}
	return out
}

func camera(n int) manscdp.CatalogItem {
	return manscdp.CatalogItem{DeviceID: gb28181.ID(fmt.Sprintf("3402000000132%07d", n)), Name: fmt.Sprintf("通道%d", n),
		Manufacturer: "ACME", Model: "C1", CivilCode: "340200", ParentID: string(nvr), Parental: "0", Status: "ON"}
}

func cameras(from, to int) []manscdp.CatalogItem {
	var out []manscdp.CatalogItem
	for n := from; n <= to; n++ {
		out = append(out, camera(n))
	}
	return out
}

func names(from, to int) []string {
	var out []string
	for n := from; n <= to; n++ {
		out = append(out, string(camera(n).DeviceID))
	}
	return out
}

// send gives the catalog one part.
func (b *bench) send(sn, sum int, items ...manscdp.CatalogItem) {
	body := manscdp.CatalogResponse{SN: sn, DeviceID: nvr, SumNum: sum, Items: items}.Append(nil, gb28181.Edition2022, "")
	b.raw(string(body))
}

func (b *bench) raw(body string) {
	m, err := manscdp.Decode([]byte(body))
	if err != nil {
		panic(err)
	}
	b.Response(nvr, m)
}

func (b *bench) notify(items ...manscdp.CatalogItem) {
	m, err := manscdp.Decode(manscdp.CatalogNotify{SN: 1, DeviceID: nvr, Items: items}.Append(nil, gb28181.Edition2022, ""))
	if err != nil {
		panic(err)
	}
	b.Notify(nvr, m)
}

// whole answers with all items, one part each.
func (b *bench) whole(items ...manscdp.CatalogItem) func(int) error {
	return func(sn int) error {
		for _, it := range items {
			b.send(sn, len(items), it)
		}
		return nil
	}
}

// script runs one scenario in virtual time.
func script(t *testing.T, f func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, start(t, catalog.Config{})) })
}

// Quirk: 19
func TestPartsInAnyOrderAndTwiceMakeOneCatalog(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		b.answers = []func(int) error{func(sn int) error {
			for _, n := range []int{3, 1, 3, 4, 1, 2} { // signalling.md 3.6 steps 1 and 5, section 9 row 19
				b.send(sn, 4, camera(n))
			}
			return nil
		}}
		j := b.sync(t)
		if j.State != catalog.Complete || j.Attempt != 1 || j.Result.Received != 4 || !j.Result.Complete {
			t.Errorf("job %+v", j)
		}
		if d := cmp.Diff(names(1, 4), b.ids()); d != "" || len(b.saved) != 4 || len(b.diffs) != 1 || len(b.diffs[0].Added) != 4 {
			t.Error(d, len(b.saved), b.diffs)
		}
		if n, on := b.Counts(nvr); n != 4 || on != 4 {
			t.Errorf("counts %d, %d", n, on)
		}
	})
}

func TestDeviceThatNeverStopsSendingEndsTheJob(t *testing.T) {
	for name, part := range map[string]func(b *bench, sn, n int){
		"the same part": func(b *bench, sn, _ int) { b.send(sn, 100, camera(1)) },
		"no items":      func(b *bench, sn, _ int) { b.send(sn, 100) },
		"unusable items": func(b *bench, sn, n int) {
			b.raw(fmt.Sprintf(`<Response><CmdType>Catalog</CmdType><SN>%d</SN><DeviceID>%s</DeviceID>
<SumNum>999999</SumNum><DeviceList Num="1"><Item><Name>%d</Name></Item></DeviceList></Response>`, sn, nvr, n))
		},
		"the same items, named anew": func(b *bench, sn, n int) {
			it := camera(1)
			it.Name = fmt.Sprint(n)
			b.send(sn, 999_999, it)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, catalog.Config{MaxItems: 50})
				if _, err := b.Sync(t.Context(), nvr); err != nil {
					t.Fatal(err)
				}
				for n := range 2000 {
					time.Sleep(2 * time.Second)
					if j, _ := b.Job(nvr); j.State != catalog.Running {
						return
					}
					b.mu.Lock()
					sn := b.sns[len(b.sns)-1]
					b.mu.Unlock()
					part(b, sn, n)
				}
				t.Error("still running after an hour")
			})
		})
	}
}

func TestPartsMayArriveAtOnce(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		b.answers = []func(int) error{func(sn int) error {
			var wg sync.WaitGroup
			for _, it := range cameras(1, 200) {
				wg.Go(func() { b.send(sn, 200, it) })
			}
			wg.Wait()
			return nil
		}}
		if j := b.sync(t); j.State != catalog.Complete || len(b.ids()) != 200 {
			t.Errorf("job %+v, %d channels", j, len(b.ids()))
		}
	})
}

// Quirk: 39
func TestMissingPartsAreAskedForAgainAndAddUp(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		lossy := func(kept ...int) func(int) error { // section 9 row 39
			return func(sn int) error {
				for _, n := range kept {
					b.send(sn, 4, camera(n))
				}
				return nil
			}
		}
		b.answers = []func(int) error{lossy(1, 2), lossy(2, 3), lossy(2, 4)}
		if _, err := b.Sync(t.Context(), nvr); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if c := b.Completeness(nvr); c.Expected != 4 || c.Received != 2 || c.Complete {
			t.Errorf("while running: %+v", c)
		}
		j, _ := b.Wait(t.Context(), nvr)
		synctest.Wait()
		if j.State != catalog.Complete || j.Attempt != 3 || len(b.ids()) != 4 {
			t.Errorf("job %+v, channels %v", j, b.ids())
		}
		for i := 1; i < 3; i++ {
			if gap := b.asked[i].Sub(b.asked[i-1]); gap < 11*time.Second || gap > 12*time.Second {
				t.Errorf("query %d came %v after the one before, want 10 s of silence and 1-2 s", i+1, gap)
			}
		}
	})
}

func TestPartialAnswerNeverRemovesAChannel(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		b.answers = []func(int) error{b.whole(cameras(1, 5)...), func(sn int) error {
			b.send(sn, 5, camera(1), camera(9))
			return nil
		}}
		b.sync(t)
		j := b.sync(t)
		if j.State != catalog.Partial || j.Err == "" || b.queries() != 3 { // the same answer twice is all there is
			t.Errorf("job %+v after %d queries", j, b.queries())
		}
		if d := cmp.Diff(append(names(1, 5), names(9, 9)...), b.ids()); d != "" {
			t.Error(d)
		}
	})
}

func TestCompleteAnswerRemovesWhatIsGone(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		renamed := camera(2)
		renamed.Name = "新名"
		b.answers = []func(int) error{b.whole(cameras(1, 3)...), b.whole(camera(1), renamed, camera(4))}
		b.sync(t)
		b.sync(t)
		d := b.diffs[len(b.diffs)-1]
		if len(d.Added) != 1 || len(d.Updated) != 1 || d.Updated[0].Name != "新名" || len(d.Removed) != 1 || d.Removed[0] != camera(3).DeviceID || d.Channels != 3 {
			t.Errorf("%+v", d)
		}
		if _, kept := b.saved[camera(3).DeviceID]; kept || len(b.saved) != 3 {
			t.Errorf("kept: %v", b.saved)
		}
	})
}

func TestSilentDeviceIsAskedInStagesAndThenLeft(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		j := b.sync(t)
		if j.State != catalog.Failed || j.Attempt != 4 || !strings.Contains(j.Err, "did not answer") {
			t.Errorf("job %+v", j)
		}
		b.answers = []func(int) error{func(int) error { return fmt.Errorf("way to it: %w", gb28181.ErrOffline) }}
		if j := b.sync(t); j.State != catalog.Failed || j.Attempt != 1 {
			t.Errorf("offline: %+v", j)
		}
		if n := gauge(t, b, "fengsui_catalog_running_jobs"); n != 0 {
			t.Errorf("%v jobs still count as running", n)
		}
	})
}

// Quirk: 18
func TestEqualIDsInOneAnswerCountAsRawItems(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		other := camera(1)
		other.Name = "again" // section 9 row 18
		b.answers = []func(int) error{func(sn int) error { b.send(sn, 3, camera(1), other, camera(2)); return nil }}
		if j := b.sync(t); j.State != catalog.Complete || j.Attempt != 1 || len(b.ids()) != 2 {
			t.Errorf("job %+v, %v", j, b.ids())
		}
		// Word for word the same, in parts of their own: only a second answer
		// tells them from parts that were sent twice.
		b.answers = []func(int) error{b.whole(camera(1), camera(1), camera(3))}
		if j := b.sync(t); j.State != catalog.Complete || j.Attempt != 2 || len(b.ids()) != 2 {
			t.Errorf("job %+v, %v", j, b.ids())
		}
	})
}

// Quirk: 21
func TestBadItemsCostOnlyThemselves(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		b.answers = []func(int) error{b.whole(cameras(1, 3)...), func(sn int) error {
			b.raw(fmt.Sprintf(`<Response><CmdType>Catalog</CmdType><SN>%d</SN><DeviceID>%s</DeviceID><SumNum>3</SumNum><DeviceList>
<Item><Name>no ID</Name></Item><Item><DeviceID>34020000001320000001</DeviceID><Name>a</Name></Item>
<Item><DeviceID>340200000013200000AB</DeviceID><Name>opaque</Name></Item></DeviceList></Response>`, sn, nvr))
			return nil
		}}
		b.sync(t)
		j := b.sync(t) // section 3.6 step 7, section 9 rows 13 and 21
		if j.State != catalog.Complete || j.Result.Skipped != 1 {
			t.Errorf("job %+v", j)
		}
		if len(b.ids()) != 4 { // nothing is removed: the bad one may be any of them
			t.Errorf("%v", b.ids())
		}
		if ch, ok := b.Channel(nvr, "340200000013200000AB"); !ok || ch.Invitable() {
			t.Errorf("opaque ID: %+v, %v", ch, ok)
		}
	})
}

func TestEmptyCatalogIsBelievedTheSecondTime(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		b.answers = []func(int) error{b.whole(cameras(1, 2)...), func(sn int) error { b.send(sn, 0); return nil }}
		b.sync(t)
		b.sync(t) // section 3.6 step 3: recorders answer so while they start
		if ch, _ := b.Channel(nvr, camera(1).DeviceID); ch.On || ch.OffReason != catalog.Absent {
			t.Errorf("after the first: %+v", ch)
		}
		time.Sleep(2 * time.Minute)
		if n := b.queries(); n != 3 || len(b.ids()) != 0 || len(b.saved) != 0 {
			t.Errorf("after %d queries: %v", n, b.ids())
		}
		if c := b.Completeness(nvr); !c.Complete {
			t.Errorf("%+v", c)
		}
	})
}

func TestRecorderThatWasStartingGetsItsChannelsBack(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		b.answers = []func(int) error{b.whole(cameras(1, 2)...), func(sn int) error { b.send(sn, 0); return nil }, b.whole(cameras(1, 2)...)}
		b.sync(t)
		b.sync(t)
		time.Sleep(2 * time.Minute)
		if n, on := b.Counts(nvr); n != 2 || on != 2 || b.queries() != 3 {
			t.Errorf("%d channels, %d on", n, on)
		}
	})
}

// Quirk: 20
func TestUnsolicitedAnswerOnlyAddsAndUpdates(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		b.answers = []func(int) error{b.whole(cameras(1, 3)...)}
		b.sync(t)
		off := camera(2) // section 9 row 20
		off.Status, off.Name = "OFF", ""
		b.send(999999, 1, off)
		ch, _ := b.Channel(nvr, off.DeviceID)
		if ch.On || ch.Name != "通道2" || len(b.ids()) != 3 {
			t.Errorf("%+v, %v", ch, b.ids())
		}
	})
}

func TestReportUnderForeignSNDuringAJobIsNotTakenForTheAnswer(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		b.answers = []func(int) error{b.whole(cameras(1, 3)...), func(sn int) error {
			b.send(777777, 1, camera(7))
			b.whole(cameras(1, 3)...)(sn)
			return nil
		}}
		b.sync(t)
		if j := b.sync(t); j.State != catalog.Complete || j.Result.Expected != 3 || len(b.ids()) != 4 {
			t.Errorf("job %+v, %v", j, b.ids())
		}
	})
}

// Quirk: 19
func TestWrongSNIsTaken(t *testing.T) {
	for _, c := range []struct {
		what     string
		sn       func(sn int) int
		attempts int
	}{
		{"zero", func(int) int { return 0 }, 1}, // section 3.2
		{"the one before", func(sn int) int { return sn - 1 }, 1},
		{"made up", func(int) int { return 5_000_000 }, 2},
	} {
		t.Run(c.what, func(t *testing.T) {
			script(t, func(t *testing.T, b *bench) {
				b.answers = []func(int) error{b.whole(cameras(1, 3)...), func(sn int) error { return b.whole(cameras(1, 2)...)(c.sn(sn)) }}
				b.sync(t)
				if j := b.sync(t); j.State != catalog.Complete || j.Attempt != c.attempts {
					t.Errorf("job %+v", j)
				}
				if want := 2 + c.attempts - 1; len(b.ids()) != want { // a made-up SN removes nothing
					t.Errorf("%v, want %d", b.ids(), want)
				}
			})
		})
	}
}

// Conformance: server Notify/Catalog 2016 2022
func TestEventsOfNotify(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		b.answers = []func(int) error{b.whole(cameras(1, 4)...)}
		b.sync(t)
		event := func(n int, ev string) manscdp.CatalogItem { it := camera(n); it.Event = ev; return it }
		renamed := event(4, "ADD") // of an item that is known: as UPDATE
		renamed.Name = "新名"
		b.notify(event(1, "OFF"), event(2, "VLOST"), event(3, "DEL"), renamed, event(5, "UPDATE"), event(6, "OFF"))
		var got []string
		for _, ch := range b.Channels(nvr) {
			got = append(got, fmt.Sprintf("%s %v %s %s", ch.ID[16:], ch.On, ch.OffReason, ch.Name))
		}
		want := []string{"0001 false OFF 通道1", "0002 false VLOST 通道2", "0004 true  新名", "0005 true  通道5"}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		d := b.diffs[len(b.diffs)-1]
		if len(d.Added) != 1 || len(d.Updated) != 3 || len(d.Removed) != 1 || d.Online != 2 {
			t.Errorf("%+v", d)
		}
		b.notify(event(1, "ON"))
		if ch, _ := b.Channel(nvr, camera(1).DeviceID); !ch.On || ch.OffReason != "" {
			t.Errorf("%+v", ch)
		}
		if b.queries() != 1 {
			t.Errorf("%d queries", b.queries())
		}
	})
}

func TestUnknownChannelGoingOnHasTheCatalogAskedOnceAMinute(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		b.answers = []func(int) error{b.whole(camera(1))}
		b.sync(t)
		on := camera(8)
		on.Event = "ON"
		for range 20 {
			b.notify(on)
			time.Sleep(10 * time.Second)
		}
		time.Sleep(time.Minute)
		if n := b.queries(); n < 4 || n > 6 {
			t.Errorf("%d queries in four minutes, want one a minute", n)
		}
	})
}

func TestReportsDuringAJobAreAppliedAfterIt(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		off := camera(1)
		off.Event = "OFF"
		b.answers = []func(int) error{func(sn int) error {
			b.send(sn, 2, camera(1))
			b.notify(off)
			b.send(sn, 2, camera(2))
			return nil
		}}
		b.sync(t)
		if ch, _ := b.Channel(nvr, off.DeviceID); ch.On {
			t.Errorf("the older answer won: %+v", ch)
		}
	})
}

func TestPeerOf2011ReportsWithResponseRoot(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		b.answers = []func(int) error{b.whole(cameras(1, 2)...)}
		b.sync(t)
		b.raw(`<Response><CmdType>Catalog</CmdType><SN>9</SN><DeviceID>34020000001180000001</DeviceID><SumNum>1</SumNum><DeviceList Num="1">
<Item><DeviceID>34020000001320000001</DeviceID><Event>DEFECT</Event></Item></DeviceList></Response>`) // section 5.4
		if ch, _ := b.Channel(nvr, camera(1).DeviceID); ch.On || ch.OffReason != "DEFECT" || len(b.ids()) != 2 {
			t.Errorf("%+v", ch)
		}
	})
}

// Quirk: 17
func TestDeviceThatListsItselfIsNoExtraChannel(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		recorder := manscdp.CatalogItem{DeviceID: nvr, Name: "NVR", Status: "ON"} // section 9 row 17
		b.answers = []func(int) error{b.whole(recorder, camera(1))}
		if j := b.sync(t); j.State != catalog.Complete || !slices.Equal(b.ids(), names(1, 1)) {
			t.Errorf("%+v, %v", j, b.ids())
		}
		ipc := camera(77)
		m, _ := manscdp.Decode(manscdp.CatalogResponse{SN: 1, SumNum: 1, Items: []manscdp.CatalogItem{ipc}}.Append(nil, 0, ""))
		b.Response(ipc.DeviceID, m)
		if n, _ := b.Counts(ipc.DeviceID); n != 0 { // a report about itself alone
			t.Errorf("%d", n)
		}
	})
}

// Quirk: 18
func TestCameraWhoseChannelHasItsOwnIDIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ipc := camera(1) // section 9 row 18
		b := start(t, catalog.Config{})
		b.answers = []func(int) error{func(sn int) error {
			m, _ := manscdp.Decode(manscdp.CatalogResponse{SN: sn, SumNum: 1, Items: []manscdp.CatalogItem{ipc}}.Append(nil, 0, ""))
			b.Response(ipc.DeviceID, m)
			return nil
		}}
		_, _ = b.Sync(t.Context(), ipc.DeviceID)
		if j, _ := b.Wait(t.Context(), ipc.DeviceID); j.State != catalog.Complete {
			t.Errorf("%+v", j)
		}
		if n, _ := b.Counts(ipc.DeviceID); n != 1 {
			t.Errorf("%d channels", n)
		}
	})
}

func TestItemsOfOneDeviceAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, catalog.Config{MaxItems: 3})
		b.answers = []func(int) error{b.whole(cameras(1, 5)...)}
		b.sync(t)
		add := camera(9)
		add.Event = "ADD"
		b.notify(add)
		if len(b.ids()) != 3 {
			t.Errorf("%v", b.ids())
		}
	})
}

func TestOneJobAtATimeAndCancel(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		b.answers = []func(int) error{func(sn int) error { b.send(sn, 9, camera(1)); return nil }}
		a, _ := b.Sync(t.Context(), nvr)
		again, _ := b.Sync(t.Context(), nvr)
		if a.ID != again.ID || a.State != catalog.Running {
			t.Errorf("%+v and %+v", a, again)
		}
		synctest.Wait()
		b.Cancel(nvr, "device is offline")
		j, ok := b.Job(nvr)
		if !ok || j.State != catalog.Partial || j.Err != "device is offline" || len(b.ids()) != 1 {
			t.Errorf("%+v, %v", j, b.ids())
		}
		time.Sleep(5 * time.Minute)
		if b.queries() != 1 {
			t.Errorf("%d queries after the end", b.queries())
		}
	})
}

func TestRestoreAndForget(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		ch := camera(1)
		row := ch.Channel(nvr)
		if err := b.Restore([]gb28181.Channel{row}); err != nil {
			t.Fatal(err)
		}
		got, ok := b.Channel(nvr, row.ID)
		if d := cmp.Diff(row, got); !ok || d != "" {
			t.Error(d)
		}
		b.answers = []func(int) error{b.whole(camera(1))}
		b.sync(t)
		if d := b.diffs[0]; len(d.Added)+len(d.Updated)+len(d.Removed) != 0 {
			t.Errorf("an equal answer changed %+v", d)
		}
		b.Forget(nvr)
		if len(b.ids()) != 0 || len(b.Devices()) != 0 {
			t.Error("still there")
		}
		if _, err := b.Wait(t.Context(), nvr); !errors.Is(err, gb28181.ErrUnknownDevice) {
			t.Error(err)
		}
	})
}

// Quirk: 22 46
func TestTreeLevels(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		item := func(id, parent, group string) gb28181.Channel {
			return gb28181.Channel{Device: nvr, ID: gb28181.ID(id), ParentID: parent, BusinessGroup: gb28181.ID(group)}
		}
		const group, org, sub = "34020000002150000001", "34020000002160000001", "34020000002160000002"
		ch := func(n int) string { return string(camera(n).DeviceID) }
		rows := []gb28181.Channel{ // section 1.6
			item("3402", "", ""), item("340200", "", ""),
			item(group, string(nvr), ""), item(org, "", group), item(sub, org, group),
			item(ch(1), string(nvr)+"/"+sub, ""), item(ch(2), string(nvr)+"/"+org+"/"+sub, ""), item(ch(3), "null", group),
			item(ch(4), string(self), ""), item(ch(5), "34020000001180000099", ""),
			item(ch(6), ch(7), ""), item(ch(7), ch(6), ""), // a ring
		}
		for i := range rows {
			if i >= 8 {
				rows[i].CivilCode = "99"
			}
		}
		if err := b.Restore(rows); err != nil {
			t.Fatal(err)
		}
		level := func(root string) []string {
			var out []string
			for _, n := range b.Children(root) {
				_, id, _ := strings.Cut(n.Root, "/")
				if id == "" {
					id = n.Root
				}
				out = append(out, fmt.Sprintf("%s %s %d", n.Kind, id, n.Children))
			}
			return out
		}
		for root, want := range map[string][]string{
			"":                        {"device " + string(nvr) + " 6"},
			string(nvr):               {"region 3402 1", "channel " + ch(4) + " 0", "channel " + ch(5) + " 0", "channel " + ch(6) + " 1", "group " + group + " 2", ""},
			string(nvr) + "/" + group: {"channel " + ch(3) + " 0", "organisation " + org + " 2"},
			string(nvr) + "/" + org:   {"channel " + ch(2) + " 0", "organisation " + sub + " 2"},
			string(nvr) + "/" + sub:   {"channel " + ch(1) + " 0", "channel " + ch(2) + " 0"},
			string(nvr) + "/" + ch(6): {"channel " + ch(7) + " 0"},
			string(nvr) + "/3402":     {"region 340200 0"},
			"nobody":                  nil,
		} {
			if root == "" {
				want = []string{"device " + string(nvr) + " 5"}
			}
			want = slices.DeleteFunc(want, func(s string) bool { return s == "" })
			if d := cmp.Diff(want, level(root)); d != "" {
				t.Errorf("%q: %s", root, d)
			}
		}
		// The parent that was missing arrives.
		parent := camera(0)
		parent.DeviceID, parent.Event, parent.CivilCode = "34020000001180000099", "ADD", ""
		b.notify(parent)
		if got := level(string(nvr) + "/34020000001180000099"); !slices.Equal(got, []string{"channel " + ch(5) + " 0"}) {
			t.Errorf("re-linked: %v", got)
		}
	})
}

// The database is slow or its disk full: what could not be kept is, as soon as
// there is room.
func TestWhatCouldNotBeKeptIsKeptLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, catalog.Config{})
		b.answers = append(b.answers, b.whole(camera(0), camera(1), camera(2)))
		b.sync(t)
		if len(b.saved) != 3 {
			t.Fatalf("kept %v", b.saved)
		}
		b.fill(true)
		gone, renamed, added := camera(0), camera(1), camera(7)
		gone.Event, renamed.Event, added.Event = "DEL", "UPDATE", "ADD"
		renamed.Name = "新名"
		b.notify(gone, renamed, added)
		time.Sleep(time.Minute)
		if _, there := b.saved[gone.DeviceID]; !there {
			t.Fatal("the keeper was full and kept a change")
		}
		b.fill(false)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		want := map[gb28181.ID]string{renamed.DeviceID: "新名", camera(2).DeviceID: camera(2).Name, added.DeviceID: added.Name}
		got := map[gb28181.ID]string{}
		for id, ch := range b.saved {
			got[id] = ch.Name
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

func TestChannelsStaySmall(t *testing.T) {
	for _, of := range []struct{ devices, channels int }{{2000, 4}, {20, 1000}} {
		t.Run(fmt.Sprintf("%d devices of %d channels", of.devices, of.channels), func(t *testing.T) {
			c := catalog.New(catalog.Config{}, nil, nil, zerolog.Nop(), nil)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			for d := range of.devices {
				id := gb28181.ID(fmt.Sprintf("3402000000118%07d", d))
				r := manscdp.CatalogResponse{SN: 1, DeviceID: id, SumNum: of.channels}
				for n := range of.channels {
					it := camera(d*of.channels + n)
					it.ParentID, it.Address = string(id), fmt.Sprintf("安徽省芜湖市镜湖区%d号", d)
					r.Items = append(r.Items, it)
				}
				m, err := manscdp.Decode(r.Append(nil, gb28181.Edition2022, ""))
				if err != nil {
					t.Fatal(err)
				}
				c.Response(id, m)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			per := (after.HeapAlloc - before.HeapAlloc) / uint64(of.devices*of.channels)
			t.Logf("%d bytes a channel", per)
			if per > 300 {
				t.Errorf("%d bytes a channel, want at most 300", per)
			}
			if n, _ := c.Counts("34020000001180000001"); n != of.channels {
				t.Errorf("%d channels", n)
			}
			runtime.KeepAlive(c)
		})
	}
}

func gauge(t *testing.T, b *bench, name string) float64 {
	t.Helper()
	families, err := b.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// dropped is what was counted as left out.
func (b *bench) dropped(t *testing.T, what string) (n float64) {
	t.Helper()
	families, err := b.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "fengsui_catalog_dropped_total" && m.GetLabel()[0].GetValue() == what {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

func TestDevicesBeyondTheBoundAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, catalog.Config{MaxDevices: 1})
		b.answers = []func(int) error{b.whole(cameras(1, 5)...)}
		b.sync(t)
		if _, err := b.Sync(t.Context(), "34020000001180000002"); !errors.Is(err, catalog.ErrFull) {
			t.Errorf("Sync = %v, want ErrFull", err)
		}
		if n := b.dropped(t, "devices"); n != 1 {
			t.Errorf("%v counted, want 1", n)
		}
	})
}

func TestReportsThatWaitForAJobAreBounded(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		b.answers = []func(int) error{func(sn int) error { b.send(sn, 2, camera(1)); return nil }} // it never ends
		if _, err := b.Sync(t.Context(), nvr); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for n := 0; n < 10_500; n += 500 {
			items := cameras(n+1, n+500)
			for i := range items {
				items[i].Event = "OFF"
			}
			b.notify(items...)
		}
		if n := b.dropped(t, "changes"); n != 500 {
			t.Errorf("%v counted, want 500", n)
		}
	})
}
