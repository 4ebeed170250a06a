package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestABackupOfARunningServerStartsAnother(t *testing.T) {
	t.Parallel()
	const device = "34020000001320000001"
	s := start(t)
	want[any](t, s.call(t, "POST", "/api/v1/devices", map[string]any{"id": device, "password": "kept-word-1"}), 201)
	file := filepath.Join(t.TempDir(), "one.tar.gz")
	if code, out := program(t, "backup", file, "--set", "data_dir="+s.data); code != 0 || !strings.Contains(out, file) {
		t.Fatalf("backup: %d\n%s", code, out)
	}
	if code, out := program(t, "backup", file, "--set", "data_dir="+s.data); code != 1 || !strings.Contains(out, "exists") {
		t.Errorf("backup over a file: %d\n%s", code, out)
	}
	if code, out := program(t, "restore", file, "--set", "data_dir="+s.data); code != 1 || !strings.Contains(out, "in use by process") {
		t.Errorf("restore under a running server: %d\n%s", code, out)
	}
	if code, out := program(t, "serve", "--set", "data_dir="+s.data); code != 1 || !strings.Contains(out, "in use by process") {
		t.Errorf("a second server in the same folder: %d\n%s", code, out)
	}

	data := filepath.Join(t.TempDir(), "data")
	if code, out := program(t, "restore", "--check", file, "--set", "data_dir="+data); code != 0 || !strings.Contains(out, "checked") {
		t.Errorf("restore --check: %d\n%s", code, out)
	}
	if code, out := program(t, "restore", file, "--set", "data_dir="+data); code != 0 || !strings.Contains(out, "fengsui serve") {
		t.Fatalf("restore: %d\n%s", code, out)
	}
	other := start(t, "data_dir="+data)
	if d := want[struct{ ID string }](t, other.call(t, "GET", "/api/v1/devices/"+device, nil), 200); d.ID != device {
		t.Errorf("the device is %+v", d)
	}
	p := dial(t, other, "udp", device)
	challenge := p.ask(t, p.register("kept", 3600))
	if answer := p.ask(t, p.register("kept", 3600, p.credentials(challenge, "kept-word-1"))); statusOf(answer) != 200 {
		t.Errorf("with the password from the backup it was answered\n%s", answer)
	}

	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	whole[len(whole)/2] ^= 1
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := program(t, "restore", "--check", file, "--set", "data_dir="+data); code != 1 || !strings.Contains(out, "damaged") {
		t.Errorf("a damaged backup: %d\n%s", code, out)
	}
}
