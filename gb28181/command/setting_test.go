package command_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/command"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/setting"
	"fengsui/shadow"
	"fengsui/sip"
)

func configTypes(t *testing.T, names ...string) (list []*setting.Type) {
	t.Helper()
	for _, name := range names {
		ty, ok := setting.Find(name)
		if !ok {
			t.Fatal(name)
		}
		list = append(list, ty)
	}
	return list
}

// respond has the device answer each message with bodies, a second apart.
func respond(bodies ...string) func(*bench, gb28181.ID, string, *manscdp.Message) (*sip.Response, error) {
	return func(b *bench, id gb28181.ID, _ string, m *manscdp.Message) (*sip.Response, error) {
		go func() {
			for _, body := range bodies {
				time.Sleep(time.Second)
				answer, err := manscdp.Decode([]byte("<Response><CmdType>" + m.CmdType + "</CmdType><SN>" + m.Node.Value("SN") + "</SN><DeviceID>" + string(id) + "</DeviceID>" + body + "</Response>"))
				if err != nil {
					panic(err)
				}
				b.Response(id, answer)
			}
		}()
		return taken, nil
	}
}

func TestSettingsComeInOneAnswerOrInSeveral(t *testing.T) {
	const basic, mirror = "<BasicParam><HeartBeatInterval>30</HeartBeatInterval><HeartBeatCount>4</HeartBeatCount></BasicParam>", "<FrameMirror>1</FrameMirror>"
	for _, c := range []struct {
		bodies []string
		types  int
		took   time.Duration
		err    error
	}{
		{[]string{"<Result>OK</Result>" + mirror + basic}, 2, time.Second, nil},
		{[]string{basic, mirror}, 2, 2 * time.Second, nil},
		{[]string{"<Result>OK</Result>" + basic}, 1, 7 * time.Second, nil},
		{[]string{basic, "<Result>ERROR</Result>"}, 1, 2 * time.Second, nil},
		{[]string{"<Result>ERROR</Result>"}, 0, time.Second, gb28181.ErrRefused},
		{nil, 0, 6 * time.Second, gb28181.ErrTimeout},
	} {
		var told []shadow.Rhythm
		script(t, command.Config{Rhythm: func(id gb28181.ID, r shadow.Rhythm) { told = append(told, r) }}, func(t *testing.T, b *bench) {
			b.receive = respond(c.bodies...)
			start := time.Now()
			list, err := b.Settings(t.Context(), camera, camera, configTypes(t, "BasicParam", "FrameMirror"), gb28181.Edition2022)
			if len(list) != c.types || !errors.Is(err, c.err) || time.Since(start) != c.took {
				t.Errorf("%q: %v, %v after %v", c.bodies, list, err, time.Since(start))
			}
		})
		if c.types > 0 && (len(told) != 1 || told[0] != shadow.Rhythm{Interval: 30 * time.Second, Missed: 4}) {
			t.Errorf("%q: rhythm %v", c.bodies, told)
		}
	}
}

// Some devices register anew instead of answering (signalling.md section 9 row 27).
//
// Quirk: 27
func TestAConfiguredDeviceAnswersOrRegistersAnew(t *testing.T) {
	list := []setting.Setting{{Type: configTypes(t, "BasicParam")[0], Values: setting.Values{"name": "x"}}}
	for _, c := range []struct {
		does     func(b *bench)
		body     string
		answered bool
		err      error
		took     time.Duration
	}{
		{nil, "<Result>OK</Result>", true, nil, time.Second},
		{nil, "<Result>ERROR</Result>", false, gb28181.ErrRefused, time.Second},
		{func(b *bench) { b.devices[camera].RegisteredAt = time.Now() }, "", false, nil, 20 * time.Second},
		{func(*bench) {}, "", false, gb28181.ErrTimeout, 30 * time.Second},
	} {
		script(t, command.Config{}, func(t *testing.T, b *bench) {
			b.receive = respond(c.body)
			if c.does != nil {
				b.receive = func(*bench, gb28181.ID, string, *manscdp.Message) (*sip.Response, error) {
					go func() {
						time.Sleep(20 * time.Second)
						b.mu.Lock()
						defer b.mu.Unlock()
						c.does(b)
					}()
					return taken, nil
				}
			}
			start := time.Now()
			answered, err := b.Configure(t.Context(), camera, camera, list, gb28181.EditionUnknown)
			if took := time.Since(start); answered != c.answered || !errors.Is(err, c.err) || took < c.took || took > c.took+time.Second {
				t.Errorf("%q: %v, %v after %v", c.body, answered, err, took)
			}
		})
	}
}

func TestSettingsThatAnEditionHasNotAreNotSent(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) {
		mirror := configTypes(t, "FrameMirror")
		var edition manscdp.ErrEdition
		if _, err := b.Settings(t.Context(), camera, camera, mirror, gb28181.EditionUnknown); !errors.As(err, &edition) {
			t.Error(err)
		}
		if _, err := b.Configure(t.Context(), camera, camera, []setting.Setting{{Type: mirror[0], Values: setting.Values{"mirror": 9}}}, gb28181.Edition2022); err == nil || !strings.Contains(err.Error(), "mirror is 9") {
			t.Error(err)
		}
		b.offline(camera)
		if _, err := b.Settings(t.Context(), camera, camera, mirror, gb28181.Edition2022); !errors.Is(err, gb28181.ErrOffline) {
			t.Error(err)
		}
		if len(b.sent) != 0 {
			t.Errorf("sent %v", b.sent)
		}
	})
}
