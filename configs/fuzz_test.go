package configs_test

import (
	"errors"
	"os"
	"testing"

	"fengsui/configs"
	"fengsui/test/fuzz/bound"
)

// FuzzLoad: a file is taken as a configuration that is valid, or every fault is
// named by a key; neither costs much.
func FuzzLoad(f *testing.F) {
	sample, err := os.ReadFile("fengsui.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	f.Add([]byte("sip:\n  id: 34020000002000000001\n  listen: [1, {a: b}]\n"))
	f.Add([]byte("a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n"))
	f.Add([]byte("sip: {listeners: [{transport: udp, address: ':0'}], password: ~}\nmedia.ports: 1-0\n? [x]\n: y"))
	f.Fuzz(func(t *testing.T, file []byte) {
		var c configs.Config
		var err error
		bound.Bytes(t, 4<<20+1024*len(file), func() { c, err = configs.Load(configs.Source{File: file}) })
		if err == nil {
			if bad := c.Validate(); len(bad) > 0 {
				t.Fatalf("taken although %v", bad)
			}
			return
		}
		var faults configs.Faults
		if !errors.As(err, &faults) || len(faults) == 0 {
			t.Fatalf("%v", err)
		}
		for _, fault := range faults {
			if fault.Reason == "" {
				t.Fatalf("%q is wrong for no reason", fault.Key)
			}
		}
	})
}

// FuzzValues: what is written is read again as the same.
func FuzzValues(f *testing.F) {
	f.Add("64MiB")
	f.Add("30000-30499")
	f.Add("9223372036854775807B")
	f.Fuzz(func(t *testing.T, text string) {
		var s, again configs.Size
		if s.UnmarshalText([]byte(text)) == nil {
			if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s || s < 0 {
				t.Fatalf("%q is %d, written %s and read as %d, %v", text, s, s, again, err)
			}
		}
		var p, q configs.PortRange
		if p.UnmarshalText([]byte(text)) == nil {
			if err := q.UnmarshalText([]byte(p.String())); p.First >= 0 && p.Last >= 0 && (err != nil || q != p) {
				t.Fatalf("%q is %v, read as %v, %v", text, p, q, err)
			}
		}
	})
}
