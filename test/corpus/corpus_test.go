package corpus_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fengsui/gb28181"
	"fengsui/sip/flow"
	"fengsui/sip/intake"
	"fengsui/sip/siptest"
)

const folder = "testdata/rfc4475"

// raw is a message as the RFC's archive has it.
func raw(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(folder, name+".dat"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Git, an editor or a tool may change a line end, which is what many of the
// messages are about.
func TestFilesAreTheArchivesBytes(t *testing.T) {
	sums, err := os.ReadFile(filepath.Join(folder, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for line := range strings.Lines(string(sums)) {
		want, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		named[name] = true
		sum := sha256.Sum256(raw(t, strings.TrimSuffix(name, ".dat")))
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("%s has SHA-256 %s, want %s", name, got, want)
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.dat"))
	if err != nil || len(files) != 50 || len(named) != 50 || len(table) != 50 {
		t.Errorf("%d files, %d sums, %d rows, want 50 of each: %v", len(files), len(named), len(table), err)
	}
	for _, w := range table {
		if !named[w.name+".dat"] {
			t.Errorf("no file of %s", w.name)
		}
	}
}

func TestMessageIsReadAsWhatItIs(t *testing.T) {
	for _, w := range table {
		t.Run(w.name, func(t *testing.T) {
			in := raw(t, w.name)
			read, quirks := understood(t, in)
			if read != w.read {
				t.Errorf("read as\n%s, want\n%s", read, w.read)
			}
			if quirks != w.quirks {
				t.Errorf("set right: %s, want %s", quirks, w.quirks)
			}
			if !bytes.Equal(in, raw(t, w.name)) {
				t.Error("the message was changed")
			}
		})
	}
}

// understood says what intake makes of a message, alone and repaired.
func understood(t *testing.T, in []byte) (read, quirks string) {
	t.Helper()
	out, q, err := intake.Repair(nil, in)
	var bad intake.ErrMalformed
	if err != nil {
		if _, scanned := intake.Scan(in); !errors.As(err, &bad) || scanned == nil || scanned.Error() != err.Error() {
			t.Errorf("Repair: %v, Scan: %v", err, scanned)
		}
		return err.Error(), ""
	}
	if again, left, err := intake.Repair(nil, out); err != nil || left != 0 || !bytes.Equal(again, out) {
		t.Errorf("repairing again: %v, %s\n%s", err, left, again)
	}
	if bytes.HasPrefix(in, []byte("SIP/2.0 ")) {
		m, err := siptest.ParseMessage(out)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("answer %d %q to %s, %d Via, body %d", m.Status, m.Reason, m.Get("CSeq"), len(m.All("Via")), len(m.Body)), q.String()
	}
	var lines []string
	for _, message := range [][]byte{in, out} {
		r, err := intake.Scan(message)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(in, r.Body) {
			t.Errorf("body %q is none of the message's", r.Body)
		}
		lines = append(lines, fmt.Sprintf("%s %s from %s@%s [%s] to %s@%s [%s], %d %s, %d Via, contact [%s] %d, body %d",
			r.Method, r.URI, short(r.From.User), r.From.Host, short(r.From.Tag), r.To.User, r.To.Host, r.To.Tag,
			r.CSeq, short(r.CallID), len(r.Vias), short(r.Contact), r.Expires, len(r.Body)))
	}
	if lines[0] != lines[1] {
		t.Errorf("repaired, it is read as\n%s, before as\n%s", lines[1], lines[0])
	}
	return lines[0], q.String()
}

// short is a text, or its length where that is what it is about.
func short(b []byte) string {
	if len(b) > 100 {
		return fmt.Sprintf("%s… %d", b[:8], len(b))
	}
	return string(b)
}

func TestSenderHearsWhatItMust(t *testing.T) {
	for _, w := range table {
		for _, transport := range []string{flow.UDP, flow.TCP} {
			t.Run(w.name+"/"+transport, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { hears(t, &w, transport) })
			})
		}
	}
}

// hears sends one message between others that are good.
func hears(t *testing.T, w *want, transport string) {
	h := open(t)
	camera := h.peer(cameraID, transport, camera)
	camera.register()
	before, counts := h.devices(), h.counters()

	in := raw(t, w.name)
	p := h.peer("34020000001320000009", transport, stranger)
	if transport == flow.TCP { // as segments cut it
		for part := range slices.Chunk(in, 97) {
			p.Send(part)
			time.Sleep(10 * time.Millisecond)
		}
	} else {
		p.Send(in)
	}
	time.Sleep(3 * time.Second)
	heard := p.take()
	p.Send(p.Request("OPTIONS", "").Bytes())
	time.Sleep(3 * time.Second)
	after := p.take()

	answer, then := w.answer, "200"
	if transport == flow.TCP && w.tcp != "" {
		answer = w.tcp
		if late, is := strings.CutPrefix(w.tcp, "late "); is {
			answer, then = "", "200 "+late
		}
	}
	if got := statuses(heard); got != answer {
		t.Errorf("answered %q, want %q", got, answer)
	}
	if got := statuses(after); got != then {
		t.Errorf("a good OPTIONS after it was answered %q, want %q", got, then)
	}
	for _, m := range heard {
		fits(t, in, m)
	}
	for counter, n := range h.counters() {
		expected := 0.0
		switch {
		case counter == "resync" && transport == flow.TCP && (w.residue || w.counted == "junk"):
			expected = 1
		case counter == "junk" && transport == flow.TCP: // a stream skips it as bytes between messages
		case counter == w.counted:
			expected = 1
		}
		if n -= counts[counter]; n != expected {
			t.Errorf("%s is counted %v times, want %v", counter, n, expected)
		}
	}

	// nothing has changed for anybody, and nothing stays open
	if got := h.devices(); got != before {
		t.Errorf("devices are\n%s, were\n%s", got, before)
	}
	other := h.peer("34020000001320000002", transport, second)
	other.register()
	camera.register()
	if _, ok := h.table.Device(gb28181.ID("34020000001320000002")); !ok {
		t.Error("a good REGISTER from elsewhere had no effect")
	}
	if c := h.Counts(); c.Dialogs+c.Transactions+c.Handlers+c.Queued != 0 {
		t.Errorf("open: %+v", c)
	}
}

// fits checks that an answer is one to the message.
func fits(t *testing.T, in []byte, m *siptest.Message) {
	t.Helper()
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		if m.Get(name) == "" {
			t.Errorf("no %s in\n%s", name, m.Raw)
		}
	}
	if !bytes.Contains(in, []byte(m.Get("Call-ID"))) || m.Param("To", "tag") == "" {
		t.Errorf("not an answer to it:\n%s", m.Raw)
	}
	if !strings.Contains(m.Get("Via"), "received=203.0.113.7") {
		t.Errorf("Via %q does not say where it came from", m.Get("Via"))
	}
	switch m.Status {
	case 405, 501:
		if !strings.Contains(m.Get("Allow"), "REGISTER") {
			t.Errorf("%d without Allow", m.Status)
		}
	case 420:
		if m.Get("Unsupported") != "nothingSupportsThis, nothingSupportsThisEither" {
			t.Errorf("420 with Unsupported %q", m.Get("Unsupported"))
		}
	}
}

// RFC 4475 section 3.2.1: a branch of the cookie alone tells no requests apart.
func TestBranchOfTheCookieAloneIsNoIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		p := h.peer("34020000001320000009", flow.UDP, stranger)
		in := raw(t, "badbranch")
		p.Send(in)
		p.Send(bytes.Replace(in, []byte("Call-ID: badbranch"), []byte("Call-ID: another"), 1))
		time.Sleep(3 * time.Second)
		if got := statuses(p.take()); got != "200 200" {
			t.Errorf("answered %q, want two", got)
		}
	})
}

// RFC 4475 section 3.3.5: what a camera requires does not keep it out.
func TestRequireDoesNotKeepACameraOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		p := h.peer(cameraID, flow.UDP, camera)
		p.Send(p.Request("REGISTER", "", siptest.Header{Name: "Require", Value: "nothingSupportsThis"}).Bytes())
		time.Sleep(time.Second)
		if got := statuses(p.take()); got != "200" {
			t.Errorf("answered %q", got)
		}
	})
}
