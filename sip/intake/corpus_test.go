package intake_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the wanted output in testdata")

// sample is one file of testdata/repair: where it comes from, a message as a
// peer sent it, what it is repaired to and the quirks found.
//
// Lines end in CRLF unless the file says otherwise. \xNN is a byte, \r and \n
// are the bytes alone where an odd line end matters, \e at the end of the
// message takes away the last line end.
type sample struct {
	name, path string
	in, out    []byte
	quirks     string
	file       string // up to the wanted output
}

func samples(t testing.TB) []sample {
	t.Helper()
	paths, err := filepath.Glob("testdata/repair/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	var all []sample
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := sample{name: strings.TrimSuffix(filepath.Base(path), ".txt"), path: path}
		var wanted string
		s.file, wanted, _ = strings.Cut(string(data), "-- quirks --\n")
		origin, in, ok := strings.Cut(s.file, "-- in --\n")
		if !ok || !strings.HasPrefix(origin, "# ") {
			t.Fatalf("%s: want an origin and -- in --", path)
		}
		quirks, out, _ := strings.Cut(wanted, "-- out --\n")
		s.quirks = strings.TrimSpace(quirks)
		s.in = decode(t, in, strings.Contains(origin, "line ends: lf"))
		s.out = decode(t, out, false)
		all = append(all, s)
	}
	return all
}

func decode(t testing.TB, text string, lf bool) []byte {
	t.Helper()
	text = strings.TrimSuffix(text, "\\e\n")
	if !lf {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	var b []byte
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b = append(b, text[i])
			continue
		}
		switch i++; text[i] {
		case 'r':
			b = append(b, '\r')
		case 'n':
			b = append(b, '\n')
		case 'x':
			n, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			b = append(b, byte(n))
			i += 2
		default:
			t.Fatalf("unknown escape \\%c", text[i])
		}
	}
	return b
}

// encode is what decode reads, for a message whose lines end in CRLF.
func encode(message []byte) string {
	var b strings.Builder
	for _, c := range bytes.ReplaceAll(message, []byte("\r\n"), []byte("\n")) {
		if c == '\n' || c >= ' ' && c < 0x7f {
			b.WriteByte(c)
		} else {
			b.WriteString("\\x" + string("0123456789abcdef"[c>>4]) + string("0123456789abcdef"[c&15]))
		}
	}
	return b.String()
}
