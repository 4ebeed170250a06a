package upgrade_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/upgrade"
	"fengsui/shadow/journal"
)

const camera = gb28181.ID("34020000001320000001")

// bench is a table, its one device and the journal.
type bench struct {
	*upgrade.Table
	refuse  error
	ordered manscdp.DeviceUpgrade

	mu       sync.Mutex // guards all below
	firmware string
	told     []string // states
}

func (b *bench) runs(firmware string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.firmware = firmware
}

func (b *bench) states() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return fmt.Sprint(b.told)
}

func (b *bench) Device(id gb28181.ID) (gb28181.Device, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return gb28181.Device{ID: id, Firmware: b.firmware}, true
}

func (b *bench) Append(e journal.Event) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, fmt.Sprint(e.Data["state"]))
	return 0
}

func (b *bench) result(session, inner string) {
	m, err := manscdp.Decode([]byte("<Notify><CmdType>DeviceUpgradeResult</CmdType><SN>53</SN><DeviceID>" + string(camera) + "</DeviceID><SessionID>" + session + "</SessionID>" + inner + "</Notify>"))
	if err != nil {
		panic(err)
	}
	b.Result(camera, m)
}

func (b *bench) begin(t *testing.T) upgrade.Upgrade {
	t.Helper()
	u, err := b.Start(t.Context(), camera, upgrade.Request{Firmware: "V2", URL: "http://x/", Manufacturer: "ACME"})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func script(t *testing.T, do func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{firmware: "V1"}
		b.Table = upgrade.New(b, func(_ context.Context, _ gb28181.ID, cmd manscdp.DeviceUpgrade, _ gb28181.Edition) error {
			b.ordered = cmd
			return b.refuse
		}, b, zerolog.Nop(), nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = b.Run(ctx) }()
		do(t, b)
		cancel()
		<-done
	})
}

const ok, corrupt = "<UpgradeResult>OK</UpgradeResult><Firmware>V2</Firmware>", "<UpgradeResult>ERROR</UpgradeResult><Firmware>V1</Firmware><UpgradeFailedReason>02</UpgradeFailedReason>"

func TestAnUpgradeIsFollowedAcrossTheRegistration(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(b *bench, id string)
		want upgrade.State
		told string
	}{
		"as the standard has it":  {func(b *bench, id string) { b.Registered(camera); b.result(id, ok) }, upgrade.Done, "[accepted rejoined done]"},
		"failed without a reboot": {func(b *bench, id string) { b.result(id, corrupt) }, upgrade.Failed, "[accepted failed]"},
		"told twice":              {func(b *bench, id string) { b.result(id, ok); b.result(id, corrupt) }, upgrade.Done, "[accepted done]"},
		"another session":         {func(b *bench, _ string) { b.result("", ok) }, upgrade.Done, "[accepted done]"},
		"with progress": {func(b *bench, id string) { b.result(id, "<Result>0</Result><Percent>40</Percent>"); b.result(id, ok) }, upgrade.Done,
			"[accepted accepted done]"},
		"silent, but it runs": {func(b *bench, _ string) { b.Registered(camera); b.runs("V2"); time.Sleep(31 * time.Minute) }, upgrade.Done, "[accepted rejoined done]"},
		"silent":              {func(*bench, string) { time.Sleep(31 * time.Minute) }, upgrade.Expired, "[accepted expired]"},
		"told too late": {func(b *bench, id string) { time.Sleep(31 * time.Minute); b.result(id, ok) }, upgrade.Done,
			"[accepted expired done]"},
	} {
		t.Run(name, func(t *testing.T) {
			script(t, func(t *testing.T, b *bench) {
				u := b.begin(t)
				if u.State != upgrade.Accepted || b.ordered.SessionID != u.ID || len(u.ID) != 32 {
					t.Fatalf("%+v, ordered %+v", u, b.ordered)
				}
				c.do(b, u.ID)
				synctest.Wait()
				got, _ := b.Upgrade(u.ID)
				if got.State != c.want || b.states() != c.told || got.Before != "V1" || (got.State == upgrade.Failed) != (got.Reason == "the package is corrupt") {
					t.Errorf("%+v, told %s", got, b.states())
				}
				if c.want != upgrade.Done && got.Reason == "" {
					t.Error("no reason")
				}
				b.begin(t) // the next may begin
			})
		})
	}
}

func TestARefusedUpgradeLeavesNothing(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		b.refuse = gb28181.ErrRefused
		if _, err := b.Start(t.Context(), camera, upgrade.Request{}); !errors.Is(err, gb28181.ErrRefused) {
			t.Error(err)
		}
		b.refuse = nil
		if list := b.Upgrades(camera); len(list) != 0 || b.states() != "[]" {
			t.Errorf("%+v, told %s", list, b.states())
		}
		u := b.begin(t)
		if _, err := b.Start(t.Context(), camera, upgrade.Request{}); !errors.Is(err, upgrade.ErrRunning) {
			t.Errorf("a second one: %v", err)
		}
		if list := b.Upgrades(camera); len(list) != 1 || list[0].ID != u.ID {
			t.Errorf("%+v", list)
		}
	})
}

// An upgrade that an earlier process began is kept as far as the device tells it.
func TestAResultThatNobodyWaitsForIsKept(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		b.result("0b9f3a52d3c14a6b8d11c7e5f2a49e60", corrupt)
		if u, known := b.Upgrade("0b9f3a52d3c14a6b8d11c7e5f2a49e60"); !known || u.State != upgrade.Failed || u.Runs != "V1" || u.By != "" {
			t.Errorf("%+v", u)
		}
	})
}

func TestUpgradesAreBounded(t *testing.T) {
	script(t, func(t *testing.T, b *bench) {
		var err error
		for i := range 501 {
			_, err = b.Start(t.Context(), gb28181.ID(fmt.Sprintf("3402000000132%07d", i)), upgrade.Request{})
		}
		if !errors.Is(err, upgrade.ErrFull) {
			t.Error(err)
		}
		for i := range 3000 {
			b.result(fmt.Sprint("s", i), ok)
		}
		if n := len(b.Upgrades(camera)); n > 1501 || n < 1000 {
			t.Errorf("%d are kept", n)
		}
	})
}
