package command_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/command"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/ptz"
	"fengsui/sip"
)

// controls are one of each.
var controls = []manscdp.Command{
	manscdp.PTZCmd{}, manscdp.TeleBoot{}, manscdp.RecordCmd{}, manscdp.GuardCmd{}, manscdp.AlarmCmd{}, manscdp.KeyFrame{}, manscdp.DragZoom{},
	manscdp.DragZoom{Out: true}, manscdp.HomePosition{}, manscdp.PTZPreciseCtrl{}, manscdp.DeviceUpgrade{}, manscdp.FormatSDCard{}, manscdp.TargetTrack{},
}

func TestCommandTableAgreesWithTheCodec(t *testing.T) {
	specs := command.Specs()
	for i, c := range controls {
		if i >= len(specs) || specs[i].Name != c.Name() || specs[i].Since != c.Since() || specs[i].Answered != c.Answered() || specs[i].Query {
			t.Errorf("%s: %+v", c.Name(), specs[i])
		}
		if specs[i].Tries != 1 {
			t.Errorf("%s is sent %d times: it may act twice", c.Name(), specs[i].Tries)
		}
	}
}

// answered plays a device that answers a control after d.
func answered(ok bool, d time.Duration, extra ...string) func(*bench, gb28181.ID, string, *manscdp.Message) (*sip.Response, error) {
	return func(b *bench, id gb28181.ID, _ string, m *manscdp.Message) (*sip.Response, error) {
		go func() {
			time.Sleep(d)
			n, err := manscdp.Answer{CmdType: m.CmdType, SN: m.SN, DeviceID: id, OK: ok, ExtraInfo: extra}.Node(gb28181.Edition2022)
			if err != nil {
				panic(err)
			}
			got, err := manscdp.Decode(manscdp.Encode(n, manscdp.UTF8))
			if err != nil {
				panic(err)
			}
			b.Response(id, got)
		}()
		return taken, nil
	}
}

func TestControlWaitsForItsAnswerWhereTheStandardHasOne(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) {
		b.receive = answered(true, 3*time.Second)
		start := time.Now()
		o, err := b.Control(t.Context(), camera, camera, manscdp.GuardCmd{Set: true}, 0)
		if took := time.Since(start); err != nil || !o.Answered || !o.Due || took != 3*time.Second {
			t.Errorf("GuardCmd: %+v, %v after %v", o, err, took)
		}
		start = time.Now()
		o, err = b.Control(t.Context(), camera, camera, manscdp.TeleBoot{}, 0)
		if err != nil || o.Answered || o.Due || time.Since(start) != 0 {
			t.Errorf("TeleBoot: %+v, %v", o, err)
		}
		time.Sleep(5 * time.Second) // its answer, which nobody asked for, harms nobody
	})
}

func TestControlThatWasTakenAndNotAnsweredIsDone(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) {
		b.receive = func(*bench, gb28181.ID, string, *manscdp.Message) (*sip.Response, error) { return taken, nil }
		o, err := b.Control(t.Context(), camera, camera, manscdp.RecordCmd{Start: true}, 0)
		if err != nil || o.Answered || !o.Due {
			t.Errorf("%+v, %v", o, err)
		}
		if n := b.asked("DeviceControl"); n != 1 {
			t.Errorf("sent %d times", n)
		}
	})
}

func TestRefusedControlCarriesTheDevicesWords(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) {
		b.receive = answered(false, time.Second, "no card")
		_, err := b.Control(t.Context(), camera, camera, manscdp.RecordCmd{Start: true}, 0)
		if want := "RecordCmd to " + string(camera) + ": device refused: Result ERROR, ExtraInfo no card"; !errors.Is(err, gb28181.ErrRefused) || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	})
}

// Devices answer controls too that have no answer. Such an answer is not taken
// for one to a later control.
func TestAnswerToAnEarlierControlIsNotTakenForALaterOne(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) {
		b.receive = answered(false, time.Second)
		if _, err := b.Control(t.Context(), camera, camera, manscdp.TeleBoot{}, 0); err != nil {
			t.Fatal(err)
		}
		b.receive = answered(true, 2*time.Second)
		if o, err := b.Control(t.Context(), camera, camera, manscdp.GuardCmd{}, 0); err != nil || !o.Answered {
			t.Errorf("%+v, %v", o, err)
		}
	})
}

func TestNothingIsSentThatIsRefusedHere(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) {
		b.devices[camera].Edition = gb28181.Edition2016
		var edition manscdp.ErrEdition
		if _, err := b.Control(t.Context(), camera, camera, manscdp.TargetTrack{Mode: "Auto"}, 0); !errors.As(err, &edition) || edition.Edition != gb28181.Edition2016 {
			t.Errorf("2022 to a device of 2016: %v", err)
		}
		var value manscdp.ErrValue
		if _, err := b.Control(t.Context(), camera, camera, manscdp.HomePosition{Enabled: true, PresetIndex: new(int(256))}, 0); !errors.As(err, &value) {
			t.Errorf("preset 256: %v", err)
		}
		if err := b.Move(t.Context(), camera, camera, command.Movement{Pan: 1.01}, 0); !errors.As(err, &value) || value.Field != "pan" || value.Want != "-1 to 1" {
			t.Errorf("pan 1.01: %v", err)
		}
		if err := b.Move(t.Context(), camera, camera, command.Movement{Pan: 1, For: command.MaxMove + 1}, 0); !errors.As(err, &value) || value.Field != "duration_ms" {
			t.Errorf("too long: %v", err)
		}
		if _, err := b.Control(t.Context(), "34020000001320000099", camera, manscdp.TeleBoot{}, 0); !errors.Is(err, gb28181.ErrUnknownDevice) {
			t.Errorf("unknown device: %v", err)
		}
		b.offline(camera)
		if _, err := b.Control(t.Context(), camera, camera, manscdp.TeleBoot{}, 0); !errors.Is(err, gb28181.ErrOffline) {
			t.Errorf("offline device: %v", err)
		}
		if err := b.Move(t.Context(), camera, camera, command.Movement{Pan: 1}, 0); !errors.Is(err, gb28181.ErrOffline) {
			t.Errorf("offline device: %v", err)
		}
		time.Sleep(2 * command.MaxMove) // no stop either
		if len(b.sent) != 0 {
			t.Errorf("sent %v", b.sent)
		}
		// By hand, the other edition is spoken.
		b.devices[camera].Presence.State = 0
		if _, err := b.Control(t.Context(), camera, camera, manscdp.TargetTrack{Mode: "Auto"}, gb28181.Edition2022); err != nil || len(b.sent) != 1 {
			t.Errorf("forced: %v, sent %v", err, b.sent)
		}
	})
}

// front is what was sent to front ends so far, with the time since start.
func (b *bench) front(start time.Time) (list []front) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, body := range b.bodies {
		m, err := manscdp.Decode(body)
		if err != nil {
			continue
		}
		if c, err := ptz.Parse(m.Node.Value("PTZCmd")); err == nil {
			list = append(list, front{b.at[i].Sub(start), c.Action})
		}
	}
	return list
}

type front struct {
	at     time.Duration
	action ptz.Action
}

func quiet(*bench, gb28181.ID, string, *manscdp.Message) (*sip.Response, error) { return taken, nil }

// running runs the commander beside do.
func running(t *testing.T, do func(t *testing.T, b *bench)) {
	script(t, command.Config{MaxMoving: 2}, func(t *testing.T, b *bench) {
		b.receive = quiet
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = b.Run(ctx)
		}()
		do(t, b)
		cancel()
		<-done
	})
}

func TestMovementIsStoppedThoughItsCallerLeft(t *testing.T) {
	running(t, func(t *testing.T, b *bench) {
		start := time.Now()
		ctx, leave := context.WithCancel(t.Context())
		if err := b.Move(ctx, camera, camera, command.Movement{Pan: -0.5, Zoom: 1, For: 1500 * time.Millisecond}, 0); err != nil {
			t.Fatal(err)
		}
		leave()
		time.Sleep(time.Minute)
		want := []front{
			{0, ptz.Move{Pan: ptz.Left, Zoom: ptz.ZoomIn, PanSpeed: 128, ZoomSpeed: 15}},
			{1500 * time.Millisecond, ptz.Move{}},
			{1800 * time.Millisecond, ptz.Move{}}, // over UDP
		}
		if got := b.front(start); !reflect.DeepEqual(got, want) {
			t.Errorf("sent %+v", got)
		}
	})
}

func TestALaterMovementPutsOffTheStop(t *testing.T) {
	running(t, func(t *testing.T, b *bench) {
		start := time.Now()
		for _, v := range []command.Movement{
			{Pan: 1, For: time.Second},
			{Focus: 1, For: 2 * time.Second}, // rests turning, as it is not in it
		} {
			if err := b.Move(t.Context(), camera, camera, v, 0); err != nil {
				t.Fatal(err)
			}
			time.Sleep(500 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		want := []front{
			{0, ptz.Move{Pan: ptz.Right, PanSpeed: 255}},
			{500 * time.Millisecond, ptz.Move{}},
			{500 * time.Millisecond, ptz.Lens{Focus: ptz.FocusNear, FocusSpeed: 255}},
			{2500 * time.Millisecond, ptz.Move{}}, {2500 * time.Millisecond, ptz.Lens{}},
			{2800 * time.Millisecond, ptz.Move{}}, {2800 * time.Millisecond, ptz.Lens{}},
		}
		if got := b.front(start); !reflect.DeepEqual(got, want) {
			t.Errorf("sent %+v", got)
		}
	})
}

func TestStopByHandStopsAllAtOnce(t *testing.T) {
	running(t, func(t *testing.T, b *bench) {
		start := time.Now()
		for _, v := range []command.Movement{{Tilt: 1}, {}} {
			if err := b.Move(t.Context(), camera, camera, v, 0); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * command.MaxMove)
		want := []front{{0, ptz.Move{Tilt: ptz.Up, TiltSpeed: 255}}, {0, ptz.Move{}}, {0, ptz.Lens{}}, {300 * time.Millisecond, ptz.Move{}}, {300 * time.Millisecond, ptz.Lens{}}}
		if got := b.front(start); !reflect.DeepEqual(got, want) {
			t.Errorf("sent %+v", got)
		}
	})
}

func TestMovementWithoutADurationEndsAfterAMinute(t *testing.T) {
	running(t, func(t *testing.T, b *bench) {
		start := time.Now()
		if err := b.Move(t.Context(), camera, camera, command.Movement{Iris: -1}, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * command.MaxMove)
		if got := b.front(start); len(got) < 2 || got[1] != (front{command.MaxMove, ptz.Lens{}}) {
			t.Errorf("sent %+v", got)
		}
	})
}

func TestStopThatHadNoAnswerIsSentAgain(t *testing.T) {
	running(t, func(t *testing.T, b *bench) {
		start := time.Now()
		b.receive = func(*bench, gb28181.ID, string, *manscdp.Message) (*sip.Response, error) {
			if at := time.Since(start); at > 900*time.Millisecond && at < 1100*time.Millisecond {
				return nil, sip.ErrTimeout
			}
			return taken, nil
		}
		if err := b.Move(t.Context(), camera, camera, command.Movement{Pan: 1, For: time.Second}, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		got := b.front(start)
		if len(got) != 4 || got[1].action != (ptz.Move{}) || got[2].action != (ptz.Move{}) || got[2].at < 1500*time.Millisecond || got[2].at > 30*time.Second {
			t.Errorf("sent %+v", got)
		}
	})
}

func TestMovingCamerasAreBounded(t *testing.T) {
	running(t, func(t *testing.T, b *bench) {
		var err error
		for _, ch := range []gb28181.ID{"34020000001320000001", "34020000001320000002", "34020000001320000003"} {
			err = b.Move(t.Context(), camera, ch, command.Movement{Pan: 1, For: time.Second}, 0)
		}
		if !errors.Is(err, command.ErrMoving) {
			t.Errorf("the third of two: %v", err)
		}
		if err := b.Move(t.Context(), camera, "34020000001320000003", command.Movement{}, 0); err != nil {
			t.Errorf("a stop is sent all the same: %v", err)
		}
		time.Sleep(time.Minute)
		if err := b.Move(t.Context(), camera, "34020000001320000003", command.Movement{Pan: 1, For: time.Second}, 0); err != nil {
			t.Errorf("after the others were stopped: %v", err)
		}
		time.Sleep(time.Minute)
	})
}

func TestCamerasAreStoppedBeforeTheEnd(t *testing.T) {
	running(t, func(t *testing.T, b *bench) {
		if err := b.Move(t.Context(), camera, camera, command.Movement{Pan: 1}, 0); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		b.StopMoving(ctx)
		synctest.Wait()
		if got := b.front(start); len(got) < 2 || got[1].action != (ptz.Move{}) || got[1].at > time.Second {
			t.Errorf("sent %+v", got)
		}
	})
}
