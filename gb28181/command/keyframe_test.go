package command_test

import (
	"errors"
	"testing"

	"fengsui/gb28181"
	"fengsui/gb28181/command"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/quirk"
	"fengsui/sip"
)

// Conformance: server Control/DeviceControl/IFameCmd 2016
// Conformance: server Control/DeviceControl/IFrameCmd 2022
func TestKeyFrameRequestHasTheSpellingOfThePeersEdition(t *testing.T) {
	for edition, wantBoth := range map[gb28181.Edition]bool{gb28181.EditionUnknown: false, gb28181.Edition2016: false, gb28181.Edition2022: true} {
		script(t, command.Config{}, func(t *testing.T, b *bench) {
			b.devices[camera].Edition = edition
			if err := b.RequestKeyFrame(t.Context(), camera, "34020000001320000009"); err != nil {
				t.Fatal(err)
			}
			m, err := manscdp.Decode(b.bodies[0])
			if err != nil || m.Root != manscdp.Control || m.DeviceID != "34020000001320000009" || m.Node.Value("IFameCmd") != "Send" {
				t.Errorf("%s: %s, %v", edition, b.bodies[0], err)
			}
			if both := m.Node.Value("IFrameCmd") == "Send"; both != wantBoth {
				t.Errorf("%s: IFrameCmd present %v, want %v", edition, both, wantBoth)
			}
		})
	}
}

// Quirk: 50
func TestKeyFrameRequestHasTheSpellingThatThePeerKnows(t *testing.T) {
	for name, want := range map[quirk.Name][2]string{quirk.KeyFrameIFame: {"Send", ""}, quirk.KeyFrameIFrame: {"", "Send"}} {
		cfg := command.Config{Quirks: func(gb28181.ID) quirk.Set { return quirk.Set(0).With(name) }}
		script(t, cfg, func(t *testing.T, b *bench) {
			b.devices[camera].Edition = gb28181.Edition2022
			if err := b.RequestKeyFrame(t.Context(), camera, camera); err != nil {
				t.Fatal(err)
			}
			m, err := manscdp.Decode(b.bodies[0])
			if err != nil {
				t.Fatal(err)
			}
			if got := [2]string{m.Node.Value("IFameCmd"), m.Node.Value("IFrameCmd")}; got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		})
	}
}

func TestKeyFrameRequestTellsWhenItWasRefused(t *testing.T) {
	script(t, command.Config{}, func(t *testing.T, b *bench) {
		b.receive = func(*bench, gb28181.ID, string, *manscdp.Message) (*sip.Response, error) {
			return &sip.Response{Status: 404}, nil
		}
		if err := b.RequestKeyFrame(t.Context(), camera, camera); !errors.Is(err, gb28181.ErrRefused) {
			t.Errorf("RequestKeyFrame = %v, want ErrRefused", err)
		}
		b.offline(camera)
		if err := b.RequestKeyFrame(t.Context(), camera, camera); !errors.Is(err, gb28181.ErrOffline) {
			t.Errorf("RequestKeyFrame = %v, want ErrOffline", err)
		}
	})
}
