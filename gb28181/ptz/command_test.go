package ptz_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"fengsui/gb28181/ptz"
)

// examples are those of signalling.md section 4.5.
var examples = []struct {
	what   string
	text   string
	action ptz.Action
}{
	{"stop all", "A50F0100000000B5", ptz.Move{}},
	{"right, speed 20H", "A50F0101200000D6", ptz.Move{Pan: ptz.Right, PanSpeed: 0x20}},
	{"left, speed 20H", "A50F0102200000D7", ptz.Move{Pan: ptz.Left, PanSpeed: 0x20}},
	{"down, speed 20H", "A50F0104002000D9", ptz.Move{Tilt: ptz.Down, TiltSpeed: 0x20}},
	{"up, speed 20H", "A50F0108002000DD", ptz.Move{Tilt: ptz.Up, TiltSpeed: 0x20}},
	{"right, speed FAH", "A50F0101FA0000B0", ptz.Move{Pan: ptz.Right, PanSpeed: 0xFA}},
	{"up, speed FAH", "A50F010800FA00B7", ptz.Move{Tilt: ptz.Up, TiltSpeed: 0xFA}},
	{"down, speed FAH", "A50F010400FA00B3", ptz.Move{Tilt: ptz.Down, TiltSpeed: 0xFA}},
	{"up-left 80H", "A50F010A808000BF", ptz.Move{Pan: ptz.Left, Tilt: ptz.Up, PanSpeed: 0x80, TiltSpeed: 0x80}},
	{"up-right 80H", "A50F0109808000BE", ptz.Move{Pan: ptz.Right, Tilt: ptz.Up, PanSpeed: 0x80, TiltSpeed: 0x80}},
	{"down-left 80H", "A50F0106808000BB", ptz.Move{Pan: ptz.Left, Tilt: ptz.Down, PanSpeed: 0x80, TiltSpeed: 0x80}},
	{"down-right 80H", "A50F0105808000BA", ptz.Move{Pan: ptz.Right, Tilt: ptz.Down, PanSpeed: 0x80, TiltSpeed: 0x80}},
	{"zoom in, speed 1", "A50F0110000010D5", ptz.Move{Zoom: ptz.ZoomIn, ZoomSpeed: 1}},
	{"zoom in, speed F", "A50F01100000F0B5", ptz.Move{Zoom: ptz.ZoomIn, ZoomSpeed: 0xF}},
	{"zoom out, speed 1", "A50F0120000010E5", ptz.Move{Zoom: ptz.ZoomOut, ZoomSpeed: 1}},
	{"zoom out, speed A", "A50F01200000A075", ptz.Move{Zoom: ptz.ZoomOut, ZoomSpeed: 0xA}},
	{"right, up and zoom out", "A50F0129404080DE", ptz.Move{
		Pan: ptz.Right, Tilt: ptz.Up, Zoom: ptz.ZoomOut, PanSpeed: 0x40, TiltSpeed: 0x40, ZoomSpeed: 8,
	}},
	{"lens stop", "A50F0140000000F5", ptz.Lens{}},
	{"focus far 80H", "A50F014180000076", ptz.Lens{Focus: ptz.FocusFar, FocusSpeed: 0x80}},
	{"focus near 80H", "A50F014280000077", ptz.Lens{Focus: ptz.FocusNear, FocusSpeed: 0x80}},
	{"iris open 80H", "A50F014400800079", ptz.Lens{Iris: ptz.IrisOpen, IrisSpeed: 0x80}},
	{"iris close 80H", "A50F01480080007D", ptz.Lens{Iris: ptz.IrisClose, IrisSpeed: 0x80}},
	{"iris close and focus far", "A50F0149808000FE", ptz.Lens{
		Focus: ptz.FocusFar, Iris: ptz.IrisClose, FocusSpeed: 0x80, IrisSpeed: 0x80,
	}},
	{"set preset 1", "A50F018100010037", ptz.Preset{Do: ptz.SetPreset, Number: 1}},
	{"goto preset 1", "A50F018200010038", ptz.Preset{Do: ptz.GotoPreset, Number: 1}},
	{"delete preset 1", "A50F018300010039", ptz.Preset{Do: ptz.DeletePreset, Number: 1}},
	{"goto preset 255", "A50F018200FF0036", ptz.Preset{Do: ptz.GotoPreset, Number: 255}},
	{"cruise 1: add preset 3", "A50F01840103003D", ptz.Cruise{Do: ptz.AddPoint, Group: 1, Value: 3}},
	{"cruise 1: delete preset 3", "A50F01850103003E", ptz.Cruise{Do: ptz.DeletePoint, Group: 1, Value: 3}},
	{"delete cruise 1", "A50F01850100003B", ptz.Cruise{Do: ptz.DeleteCruise, Group: 1}},
	{"cruise 1: speed 10", "A50F0186010A0046", ptz.Cruise{Do: ptz.CruiseSpeed, Group: 1, Value: 10}},
	{"cruise 1: speed 300", "A50F0186012C1078", ptz.Cruise{Do: ptz.CruiseSpeed, Group: 1, Value: 300}},
	{"cruise 1: dwell 15 s", "A50F0187010F004C", ptz.Cruise{Do: ptz.Dwell, Group: 1, Value: 15}},
	{"cruise 1: dwell 300 s", "A50F0187012C1079", ptz.Cruise{Do: ptz.Dwell, Group: 1, Value: 300}},
	{"start cruise 1", "A50F01880100003E", ptz.Cruise{Do: ptz.StartCruise, Group: 1}},
	{"start scan 1", "A50F01890100003F", ptz.Scan{Do: ptz.StartScan, Group: 1}},
	{"scan 1: left limit", "A50F018901010040", ptz.Scan{Do: ptz.LeftLimit, Group: 1}},
	{"scan 1: right limit", "A50F018901020041", ptz.Scan{Do: ptz.RightLimit, Group: 1}},
	{"scan 1: speed 50", "A50F018A01320072", ptz.Scan{Do: ptz.ScanSpeed, Group: 1, Speed: 50}},
	{"scan 1: speed 123H", "A50F018A01231073", ptz.Scan{Do: ptz.ScanSpeed, Group: 1, Speed: 0x123}},
	{"wiper on", "A50F018C01000042", ptz.Auxiliary{Number: ptz.Wiper, On: true}},
	{"wiper off", "A50F018D01000043", ptz.Auxiliary{Number: ptz.Wiper}},
	{"infrared lamp on", "A50F018C02000043", ptz.Auxiliary{Number: ptz.InfraredLamp, On: true}},
	{"address 0: right 20H", "A50F0001200000D5", ptz.Move{Pan: ptz.Right, PanSpeed: 0x20}},
	{"address 123H: right 20H", "A50F2301200001F9", ptz.Move{Pan: ptz.Right, PanSpeed: 0x20}},
	{"address 4DH: zoom in, speed 1", "A50F4D1000001021", ptz.Move{Zoom: ptz.ZoomIn, ZoomSpeed: 1}},
}

// address of an example, which its text begins with.
func address(what string) int {
	switch {
	case strings.HasPrefix(what, "address 0:"):
		return 0
	case strings.HasPrefix(what, "address 123H:"):
		return 0x123
	case strings.HasPrefix(what, "address 4DH:"):
		return 0x4D
	}
	return ptz.DefaultAddress
}

func TestWorkedExamples(t *testing.T) {
	if len(examples) != 46 {
		t.Fatalf("%d examples, want 46", len(examples))
	}
	for _, e := range examples {
		c := ptz.Command{Address: address(e.what), Action: e.action}
		if text, err := c.Text(); text != e.text || err != nil {
			t.Errorf("%s: written %s, %v, want %s", e.what, text, err, e.text)
		}
		if got, err := ptz.Parse(e.text); got != c || err != nil {
			t.Errorf("%s: %s is read as %+v, %v, want %+v", e.what, e.text, got, err, c)
		}
	}
}

func TestTextIsReadInAnyCaseWithBlanks(t *testing.T) {
	want := ptz.Command{Address: 1, Action: ptz.Move{Tilt: ptz.Up, TiltSpeed: 0xFA}}
	for _, text := range []string{"a50f010800fa00b7", " A50F010800FA00B7\r\n", "A5 0F 01 08 00 FA 00 B7"} {
		if got, err := ptz.Parse(text); got != want || err != nil {
			t.Errorf("%q is read as %+v, %v", text, got, err)
		}
	}
}

func TestWrongSumComesWithTheCommand(t *testing.T) {
	got, err := ptz.Parse("A50F010120000000")
	if want := (ptz.Command{Address: 1, Action: ptz.Move{Pan: ptz.Right, PanSpeed: 0x20}}); !errors.Is(err, ptz.ErrChecksum) || got != want {
		t.Fatalf("%+v, %v", got, err)
	}
	if want := "the last byte is not the sum of the others: 00 instead of D6"; err.Error() != want {
		t.Fatalf("%q, want %q", err, want)
	}
}

func TestBadTextIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "not a front-end command of version 1.0: 0 bytes instead of 8",
		"A50F0101200000":        "not a front-end command of version 1.0: 7 bytes instead of 8",
		"A50F0101200000D6D6":    "not a front-end command of version 1.0: 18 digits instead of 16",
		"A50F0101200000D":       "not a front-end command of version 1.0: encoding/hex: odd length hex string",
		"A50F01012000O0D6":      "not a front-end command of version 1.0: encoding/hex: invalid byte: U+004F 'O'",
		"FF0F0101200000D6":      "not a front-end command of version 1.0: it begins with FF 0F instead of A5 0F",
		"A5100101200000D7":      "not a front-end command of version 1.0: it begins with A5 10 instead of A5 0F",
		"A50F0103202000F8":      "not a front-end command of version 1.0: 03 moves both ways at once",
		"A50F010C20200001":      "not a front-end command of version 1.0: 0C moves both ways at once",
		"A50F013000001000":      "not a front-end command of version 1.0: 30 moves both ways at once",
		"A50F014300000000":      "not a front-end command of version 1.0: 43 moves both ways at once",
		"A50F015000000005":      "unknown instruction: 50",
		"A50F018B00000040":      "unknown instruction: 8B",
		"A50F01FF000000B4":      "unknown instruction: FF",
		"A50F018200000037":      "preset is 0: want 1 to 255",
		"A50F01840100003A":      "preset is 0: want 1 to 255",
		"A50F018901030042":      "scan instruction is 3: want 0 to 2",
		"\x00\x01 not hex at 8": "not a front-end command of version 1.0: encoding/hex: invalid byte: U+0000",
	} {
		c, err := ptz.Parse(text)
		if err == nil || !strings.HasPrefix(err.Error(), want) || c.Action != nil {
			t.Errorf("%q: %+v, %v, want %s", text, c, err, want)
		}
	}
}

func TestValueOutOfRangeIsNamed(t *testing.T) {
	for _, bad := range []struct {
		command ptz.Command
		want    ptz.ErrRange
	}{
		{ptz.Command{Address: 0x1000, Action: ptz.Move{}}, ptz.ErrRange{What: "address", Value: 0x1000, Min: 0, Max: 0xFFF}},
		{ptz.Command{Address: -1, Action: ptz.Move{}}, ptz.ErrRange{What: "address", Value: -1, Min: 0, Max: 0xFFF}},
		{ptz.Command{Action: ptz.Move{Pan: 2}}, ptz.ErrRange{What: "pan", Value: 2, Min: -1, Max: 1}},
		{ptz.Command{Action: ptz.Move{PanSpeed: 256}}, ptz.ErrRange{What: "pan speed", Value: 256, Min: 0, Max: 255}},
		{ptz.Command{Action: ptz.Move{TiltSpeed: -1}}, ptz.ErrRange{What: "tilt speed", Value: -1, Min: 0, Max: 255}},
		{ptz.Command{Action: ptz.Move{ZoomSpeed: 16}}, ptz.ErrRange{What: "zoom speed", Value: 16, Min: 0, Max: 15}},
		{ptz.Command{Action: ptz.Lens{FocusSpeed: 256}}, ptz.ErrRange{What: "focus speed", Value: 256, Min: 0, Max: 255}},
		{ptz.Command{Action: ptz.Lens{Iris: -2}}, ptz.ErrRange{What: "iris", Value: -2, Min: -1, Max: 1}},
		{ptz.Command{Action: ptz.Preset{}}, ptz.ErrRange{What: "preset", Value: 0, Min: 1, Max: 255}},
		{ptz.Command{Action: ptz.Preset{Do: 3, Number: 1}}, ptz.ErrRange{What: "preset verb", Value: 3, Min: 0, Max: 2}},
		{ptz.Command{Action: ptz.Cruise{Group: 256}}, ptz.ErrRange{What: "cruise group", Value: 256, Min: 0, Max: 255}},
		{ptz.Command{Action: ptz.Cruise{Do: ptz.DeletePoint}}, ptz.ErrRange{What: "preset", Value: 0, Min: 1, Max: 255}},
		{ptz.Command{Action: ptz.Cruise{Do: ptz.Dwell, Value: 4096}}, ptz.ErrRange{What: "cruise dwell", Value: 4096, Min: 0, Max: 4095}},
		{ptz.Command{Action: ptz.Cruise{Do: ptz.StartCruise, Value: 1}}, ptz.ErrRange{What: "value of a cruise's start", Value: 1}},
		{ptz.Command{Action: ptz.Cruise{Do: 6}}, ptz.ErrRange{What: "cruise verb", Value: 6, Min: 0, Max: 5}},
		{ptz.Command{Action: ptz.Scan{Do: ptz.ScanSpeed, Speed: 4096}}, ptz.ErrRange{What: "scan speed", Value: 4096, Min: 0, Max: 4095}},
		{ptz.Command{Action: ptz.Scan{Speed: 1}}, ptz.ErrRange{What: "speed of a scan's start or limit", Value: 1}},
		{ptz.Command{Action: ptz.Scan{Do: 4}}, ptz.ErrRange{What: "scan verb", Value: 4, Min: 0, Max: 3}},
		{ptz.Command{Action: ptz.Auxiliary{Number: 256}}, ptz.ErrRange{What: "auxiliary switch", Value: 256, Min: 0, Max: 255}},
	} {
		text, err := bad.command.Text()
		var got ptz.ErrRange
		if !errors.As(err, &got) || got != bad.want || text != "" {
			t.Errorf("%+v: %q, %v, want %v", bad.command, text, err, bad.want)
		}
	}
	if _, err := (ptz.Command{}).Encode(); err == nil {
		t.Error("a command without an action was written")
	}
}

// FuzzDecode: what is read is written and read again as the same.
func FuzzDecode(f *testing.F) {
	for _, e := range examples {
		b, err := hex.DecodeString(e.text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := ptz.Decode(in)
		if err != nil && !errors.Is(err, ptz.ErrChecksum) {
			if c.Action != nil {
				t.Fatalf("% X: %v came with %+v", in, err, c)
			}
			return
		}
		text, err := c.Text()
		if err != nil {
			t.Fatalf("% X is read as %+v, which cannot be written: %v", in, c, err)
		}
		if again, err := ptz.Parse(text); again != c || err != nil {
			t.Fatalf("%+v is written %s and read as %+v, %v", c, text, again, err)
		}
	})
}
