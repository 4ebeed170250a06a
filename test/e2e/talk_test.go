package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/internal/sim"
	"fengsui/media/voice"
)

// Chromium's made-up microphone beeps; the camera has to hear that.
func TestAPersonIsHeardThroughTheConsole(t *testing.T) {
	t.Parallel()
	node, chromium := tool(t, "node"), tool(t, "chromium")
	s := start(t)
	camera := simulate(t, s, sim.Config{Edition: gb28181.Edition2022})
	given, err := json.Marshal(map[string]any{
		"base": s.base, "user": "admin", "password": adminPassword, "chromium": chromium,
		"modules": filepath.Join(shared.root, "web", "node_modules"), "shots": shots(t), "camera": camera.id(0),
		"args": []string{"--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, filepath.Join(shared.root, "test", "e2e", "talk.mjs"))
	cmd.Env = append(cleanEnv(), "FENGSUI_CONSOLE="+string(given), "NO_PROXY=127.0.0.1,localhost")
	cmd.WaitDelay = 5 * time.Second
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if n := strings.Count(string(out), `"ok":true`); err != nil || n != 3 {
		t.Errorf("talk.mjs ended after %d good steps with %v\n%s%s", n, err, out, complaint.Bytes())
	}
	eventually(t, 10*time.Second, func() string {
		if all := camera.Heard(0); len(all) != 1 || !all[0].Over {
			return "the call is not over"
		}
		return ""
	})
	got := camera.Heard(0)[0]
	loud, frames := 0, len(got.Audio)/voice.FrameLength
	for i := range frames {
		power := 0.0
		for _, b := range got.Audio[i*voice.FrameLength : (i+1)*voice.FrameLength] {
			v := float64(voice.Decode(got.Law, b))
			power += v * v
		}
		if math.Sqrt(power/voice.FrameLength) > 300 {
			loud++
		}
	}
	t.Logf("%d frames heard, %d with sound, longest pause %v, %d late", frames, loud, got.Longest, got.Late)
	if frames < 150 || loud < 5 || loud > frames*9/10 || got.Packing != "PCMA" || got.By != "server" {
		got.Audio = nil
		t.Errorf("the camera heard %+v", got)
	}
}
