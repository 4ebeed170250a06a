package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/internal/sim"
	"fengsui/media"
)

// shots is the folder for what the browser showed.
func shots(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("FENGSUI_SCREENSHOTS")
	if dir == "" {
		dir = filepath.Join(shared.work, "screenshots")
	} else if !filepath.IsAbs(dir) {
		dir = filepath.Join(shared.root, dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Logf("screenshots are in %s", dir)
	return dir
}

func TestConsoleShowsDevicesAndMovingPictures(t *testing.T) {
	t.Parallel()
	s := start(t, "media.packet_timeout=2s")
	h264 := simulate(t, s, sim.Config{FirstID: series(1), Devices: 2})
	h265 := simulate(t, s, sim.Config{FirstID: series(2), Video: media.H265, Edition: gb28181.Edition2022})
	silent := simulate(t, s, sim.Config{FirstID: series(3), Quirks: []string{"silent"}})
	simulate(t, s, sim.Config{Channels: 4, Transport: sim.TCP, Audio: media.AAC})
	wrong := dial(t, s, "udp", "34020000001320000909")
	challenge := wrong.ask(t, wrong.register("wrong", 3600))
	if got := wrong.ask(t, wrong.register("wrong", 3600, wrong.credentials(challenge, "no word of ours"))); statusOf(got) != 403 {
		t.Fatalf("a wrong password was answered\n%s", got)
	}

	browse(t, s, "console.mjs", 15, map[string]any{
		"cameras": []string{h264.id(0), h264.id(1), h265.id(0), silent.id(0)},
		"h264":    h264.id(0), "h265": h265.id(0), "silent": silent.id(0), "refused": wrong.id,
	}, map[string]func() error{"reboot": func() error { return h264.Reboot(0) }})
}

// browse runs a script that uses the console in Chromium: each step that it tells
// of is a test. What it asks for is done to the devices.
func browse(t *testing.T, s *server, script string, least int, given map[string]any, asks map[string]func() error) {
	t.Helper()
	node, chromium := tool(t, "node"), tool(t, "chromium")
	modules := filepath.Join(shared.root, "web", "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "playwright-core")); err != nil {
		t.Fatalf("this test needs playwright-core: run make build, or npm ci in web (%v)", err)
	}
	if a := s.call(t, "GET", "/", nil); !bytes.Contains(a.body, []byte("<script")) || !bytes.Contains(a.body, []byte("/assets/")) {
		t.Fatalf("the binary holds no console: run make build, which builds web/dist, and build it again\n%s", a.body)
	}
	maps.Copy(given, map[string]any{"base": s.base, "user": "admin", "password": adminPassword, "chromium": chromium, "modules": modules, "shots": shots(t)})
	facts, err := json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, filepath.Join(shared.root, "test", "e2e", script))
	cmd.Env = append(cleanEnv(), "FENGSUI_CONSOLE="+string(facts), "NO_PROXY=127.0.0.1,localhost")
	cmd.WaitDelay = 5 * time.Second
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	steps := 0
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var step struct {
			Step, Why, Ask string
			OK             bool
			MS             int
			Notes          []string
		}
		if err := json.Unmarshal(lines.Bytes(), &step); err != nil {
			t.Errorf("%s said %q", script, lines.Text())
			continue
		}
		if do := asks[step.Ask]; do != nil {
			if err := do(); err != nil {
				t.Error(err)
			}
			continue
		}
		steps++
		t.Run(step.Step, func(t *testing.T) {
			t.Logf("%d ms %s", step.MS, strings.Join(step.Notes, "\n"))
			if !step.OK {
				t.Error(step.Why)
			}
		})
	}
	if err := cmd.Wait(); err != nil || steps < least {
		t.Errorf("%s ended after %d steps with %v\n%s", script, steps, err, complaint.Bytes())
	}
}
