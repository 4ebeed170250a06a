package e2e_test

import (
	"testing"

	"fengsui/gb28181"
	"fengsui/internal/sim"
)

func TestConsoleOperatesDevices(t *testing.T) {
	t.Parallel()
	s := start(t)
	camera := simulate(t, s, sim.Config{FirstID: series(1), Edition: gb28181.Edition2022})
	recorder := simulate(t, s, sim.Config{Channels: 2, Edition: gb28181.Edition2016, Transport: sim.TCP, MaxStreams: 1})
	browse(t, s, "operator.mjs", 15, map[string]any{
		"camera": camera.id(0), "recorder": recorder.id(0), "channel": string(recorder.Device(0).Channels[0]),
	}, map[string]func() error{"alarm": func() error { return camera.Alarm(0, 0, 6) }})
}
