package command_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/command"
	"fengsui/gb28181/manscdp"
	"fengsui/sip"
)

// questions ask one of each typed query and say in words what came.
var questions = map[string]func(context.Context, *bench) (string, error){
	"PresetQuery": func(ctx context.Context, b *bench) (string, error) {
		l, err := b.Presets(ctx, camera, camera, 0)
		return words(l), err
	},
	"CruiseTrackListQuery": func(ctx context.Context, b *bench) (string, error) {
		l, err := b.CruiseTracks(ctx, camera, camera, 0)
		return words(l), err
	},
	"CruiseTrackQuery": func(ctx context.Context, b *bench) (string, error) {
		t, err := b.CruiseTrack(ctx, camera, camera, 3, 0)
		return words(command.List[manscdp.CruisePoint]{Items: t.Points, Complete: t.Complete}), err
	},
	"HomePositionQuery": func(ctx context.Context, b *bench) (string, error) {
		h, err := b.HomePosition(ctx, camera, camera, 0)
		if h != nil {
			return "one", err
		}
		return "none", err
	},
	"PTZPosition": func(ctx context.Context, b *bench) (string, error) {
		p, err := b.PTZPosition(ctx, camera, camera, 0)
		if p.Pan != nil {
			return "one", err
		}
		return "none", err
	},
	"SDCardStatus": func(ctx context.Context, b *bench) (string, error) {
		l, err := b.SDCards(ctx, camera, camera, 0)
		return words(l), err
	},
	"DeviceStatus": func(ctx context.Context, b *bench) (string, error) {
		s, err := b.Status(ctx, camera, camera)
		return s.Record, err
	},
}

func words[T any](l command.List[T]) string {
	text := strings.Repeat("x", len(l.Items))
	if l.Complete {
		text += " all"
	}
	return text
}

const (
	twoPresets = "<SumNum>2</SumNum><PresetList Num=\"1\"><Item><PresetID>1</PresetID><PresetName>a</PresetName></Item></PresetList>"
	point      = "<Number>3</Number><SumNum>2</SumNum><CruisePointList Num=\"1\"><CruisePoint><PresetIndex>1</PresetIndex><StayTime>5</StayTime><Speed>8</Speed></CruisePoint></CruisePointList>"
)

func TestTypedQueriesAreAnsweredAskedAgainAndGivenInPart(t *testing.T) {
	for _, c := range []struct {
		cmd    string
		bodies []string
		want   string
		err    error
		asked  int
		took   time.Duration
	}{
		{"PresetQuery", []string{twoPresets, strings.Replace(twoPresets, ">1<", ">2<", 1)}, "xx all", nil, 1, 2 * time.Second},
		{"PresetQuery", []string{twoPresets}, "x", nil, 2, 14 * time.Second}, // the other never comes
		{"PresetQuery", nil, "", gb28181.ErrTimeout, 2, 12 * time.Second},
		{"CruiseTrackListQuery", []string{"<SumNum>0</SumNum>"}, " all", nil, 1, time.Second},
		{"CruiseTrackQuery", []string{point, point}, "xx all", nil, 1, 2 * time.Second}, // one preset twice is two points
		{"CruiseTrackQuery", []string{point}, "x", nil, 2, 14 * time.Second},            // those of both tries are not added up
		{"HomePositionQuery", []string{"<HomePosition><Enabled>0</Enabled></HomePosition>"}, "one", nil, 1, time.Second},
		{"HomePositionQuery", []string{""}, "none", nil, 1, time.Second},
		{"PTZPosition", []string{"<Pan>1.5</Pan>"}, "one", nil, 1, time.Second},
		{"PTZPosition", []string{"<Result>ERROR</Result>"}, "none", gb28181.ErrRefused, 1, time.Second},
		{"SDCardStatus", []string{`<SumNum>1</SumNum><SDCardStatusInfo Num="1"><Item><ID>1</ID><HddName>a</HddName><Status>ok</Status></Item></SDCardStatusInfo>`}, "x all", nil, 1, time.Second},
		{"DeviceStatus", []string{"<Result>OK</Result><Online>ONLINE</Online><Status>OK</Status><Record>ON</Record>"}, "ON", nil, 1, time.Second},
		{"DeviceStatus", nil, "", gb28181.ErrTimeout, 2, 12 * time.Second},
	} {
		script(t, command.Config{}, func(t *testing.T, b *bench) {
			b.devices[camera].Edition = gb28181.Edition2022
			b.receive = respond(c.bodies...)
			start := time.Now()
			got, err := questions[c.cmd](t.Context(), b)
			if took := time.Since(start); got != c.want || !errors.Is(err, c.err) || b.asked(c.cmd) != c.asked || took != c.took {
				t.Errorf("%s %q: %q, %v, asked %d times in %v", c.cmd, c.bodies, got, err, b.asked(c.cmd), took)
			}
		})
	}
}

func TestQueriesThatAnEditionHasNotAreNotSent(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) {
		b.devices[camera].Edition = gb28181.Edition2016
		for cmd, ask := range questions {
			if cmd == "PresetQuery" || cmd == "DeviceStatus" {
				continue
			}
			var edition manscdp.ErrEdition
			if _, err := ask(t.Context(), b); !errors.As(err, &edition) {
				t.Errorf("%s: %v", cmd, err)
			}
		}
		if len(b.sent) != 0 {
			t.Errorf("sent %v", b.sent)
		}
	})
}

// A position is told by a notification, under a number of the device's own.
func TestAPositionThatWasAskedForComesAsANotification(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) {
		b.receive = func(b *bench, id gb28181.ID, _ string, m *manscdp.Message) (*sip.Response, error) {
			go func() {
				ok, _ := manscdp.Decode(manscdp.ResultBody(m.CmdType, m.SN, id, true, ""))
				b.Response(id, ok)
				time.Sleep(time.Second)
				told, err := manscdp.Decode([]byte("<Notify><CmdType>MobilePosition</CmdType><SN>900</SN><DeviceID>" + string(id) +
					"</DeviceID><Time>2024-05-01T10:20:30</Time><Longitude>118.36</Longitude><Latitude>31.33</Latitude></Notify>"))
				if err != nil {
					panic(err)
				}
				b.Reported(id, told)
			}()
			return taken, nil
		}
		p, err := b.Position(t.Context(), camera, camera, 0)
		if err != nil || len(p.Positions) != 1 || p.Positions[0].Longitude != 118.36 {
			t.Errorf("%+v, %v", p, err)
		}
		if n := b.asked("MobilePosition"); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestAQuestionForAlarmsNeedsNoAnswer(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) {
		b.receive = respond("<Result>OK</Result>")
		if o, err := b.Alarms(t.Context(), camera, manscdp.AlarmQuery{DeviceID: camera, Methods: []int{2}}, 0); err != nil || !o.Answered {
			t.Errorf("answered: %+v, %v", o, err)
		}
		b.receive = quiet
		if o, err := b.Alarms(t.Context(), camera, manscdp.AlarmQuery{DeviceID: camera}, 0); err != nil || o.Answered || !o.Due {
			t.Errorf("not answered: %+v, %v", o, err)
		}
		if n := b.asked("Alarm"); n != 2 {
			t.Errorf("asked %d times: what it reports twice is two alarms", n)
		}
	})
}
