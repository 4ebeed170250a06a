package manscdp

import (
	"encoding/hex"
	"strings"

	"fengsui/gb28181"
)

// PTZCmd moves a camera, its lens, presets, cruises, scans and switches (2022
// A.2.3.1.2; the code is A.3, package ptz).
type PTZCmd struct {
	Code            string // 16 hexadecimal digits, upper case
	PresetName      string // 2022 only, with the code that sets a preset
	CruiseTrackName string // 2022 only, with the codes of a cruise; up to 32 bytes
}

// Name is the element.
func (PTZCmd) Name() string { return "PTZCmd" }

// Since is the first edition that has it.
func (PTZCmd) Since() gb28181.Edition { return gb28181.Edition2011 }

// Answered reports whether a Response follows.
func (PTZCmd) Answered() bool { return false }

func readPTZCmd(control, el *Node) Command {
	params := control.Child("PTZCmdParams")
	return PTZCmd{
		Code:       strings.ToUpper(strings.Join(strings.Fields(el.Text), "")),
		PresetName: params.Value("PresetName"), CruiseTrackName: params.Value("CruiseTrackName"),
	}
}

func (p PTZCmd) validate(c *check) {
	code, err := hex.DecodeString(p.Code)
	if err != nil || len(code) != 8 || strings.ToUpper(p.Code) != p.Code {
		c.fail("PTZCmd", p.Code, "16 hexadecimal digits in upper case")
		return
	}
	if p.PresetName != "" {
		c.since("PTZCmdParams/PresetName", gb28181.Edition2022)
		if code[3] != 0x81 {
			c.fail("PTZCmdParams/PresetName", p.PresetName, "none but with the code that sets a preset, 81")
		}
	}
	if p.CruiseTrackName != "" {
		c.since("PTZCmdParams/CruiseTrackName", gb28181.Edition2022)
		c.bytes("PTZCmdParams/CruiseTrackName", p.CruiseTrackName, 1, maxCruiseName)
		if code[3] < 0x84 || code[3] > 0x88 {
			c.fail("PTZCmdParams/CruiseTrackName", p.CruiseTrackName, "none but with the codes of a cruise, 84 to 88")
		}
	}
}

func (p PTZCmd) write(n *Node, _ gb28181.Edition) {
	n.Add(Leaf("PTZCmd", p.Code))
	params := New("PTZCmdParams")
	params.addText("PresetName", p.PresetName)
	params.addText("CruiseTrackName", p.CruiseTrackName)
	if len(params.Children) > 0 {
		n.Add(params)
	}
}

// KeyFrame asks for a key frame at once (2022 A.2.3.1.7). The 2016 edition prints
// its element IFameCmd.
type KeyFrame struct{ Spelling Spelling }

// Spelling is how [KeyFrame] is written (signalling.md section 3.15.7).
type Spelling uint8

// Spellings.
const (
	SpellingOfEdition Spelling = iota // IFameCmd, and for peers of 2022 IFrameCmd behind it
	SpellingIFame                     // IFameCmd alone
	SpellingIFrame                    // IFrameCmd alone
)

// Name is the element.
func (KeyFrame) Name() string { return "IFrameCmd" }

// Since is the first edition that has it.
func (KeyFrame) Since() gb28181.Edition { return gb28181.Edition2016 }

// Answered reports whether a Response follows.
func (KeyFrame) Answered() bool { return false }

func readKeyFrame(control, _ *Node) Command {
	switch {
	case control.Child("IFameCmd") == nil:
		return KeyFrame{SpellingIFrame}
	case control.Child("IFrameCmd") == nil:
		return KeyFrame{SpellingIFame}
	}
	return KeyFrame{}
}

func (k KeyFrame) validate(c *check) { c.within("Spelling", int(k.Spelling), 0, int(SpellingIFrame)) }

func (k KeyFrame) write(n *Node, e gb28181.Edition) {
	if k.Spelling != SpellingIFrame {
		n.Add(Leaf("IFameCmd", "Send"))
	}
	if k.Spelling == SpellingIFrame || k.Spelling == SpellingOfEdition && e >= gb28181.Edition2022 {
		n.Add(Leaf("IFrameCmd", "Send"))
	}
}

// Rectangle is a part of the player's window, in pixels from its top left corner.
type Rectangle struct {
	Length, Width        int // of the window: Length is horizontal, Width vertical; 1 or more
	MidPointX, MidPointY int // centre of the rectangle, 0 to Length and 0 to Width
	LengthX, LengthY     int // its size, 1 to Length and 1 to Width
}

func readRectangle(el *Node) Rectangle {
	return Rectangle{
		Length: el.Int("Length", 0), Width: el.Int("Width", 0),
		MidPointX: el.Int("MidPointX", 0), MidPointY: el.Int("MidPointY", 0),
		LengthX: el.Int("LengthX", 0), LengthY: el.Int("LengthY", 0),
	}
}

func (r Rectangle) validate(c *check, of string) {
	c.atLeast(of+"/Length", r.Length, 1)
	c.atLeast(of+"/Width", r.Width, 1)
	c.within(of+"/MidPointX", r.MidPointX, 0, r.Length)
	c.within(of+"/MidPointY", r.MidPointY, 0, r.Width)
	c.within(of+"/LengthX", r.LengthX, 1, r.Length)
	c.within(of+"/LengthY", r.LengthY, 1, r.Width)
}

func (r Rectangle) node(name string) *Node {
	return New(name, LeafInt("Length", r.Length), LeafInt("Width", r.Width), LeafInt("MidPointX", r.MidPointX),
		LeafInt("MidPointY", r.MidPointY), LeafInt("LengthX", r.LengthX), LeafInt("LengthY", r.LengthY))
}

// DragZoom zooms until the rectangle fills the window, or with Out until the
// window fills the rectangle (2022 A.2.3.1.8, A.2.3.1.9).
type DragZoom struct {
	Out bool
	Rectangle
}

// Name is the element.
func (d DragZoom) Name() string {
	if d.Out {
		return "DragZoomOut"
	}
	return "DragZoomIn"
}

// Since is the first edition that has it: the amendment of 2014 (unverified).
func (DragZoom) Since() gb28181.Edition { return gb28181.Edition2011A }

// Answered reports whether a Response follows.
func (DragZoom) Answered() bool { return false }

func (d DragZoom) validate(c *check) { d.Rectangle.validate(c, d.Name()) }

func (d DragZoom) write(n *Node, _ gb28181.Edition) { n.Add(d.node(d.Name())) }

// HomePosition is where a camera returns to when it is left alone (2022
// A.2.3.1.10): a sub-command, and within [HomePositionAnswer] what is set.
type HomePosition struct {
	Enabled     bool
	ResetTime   *int // seconds until it returns, 0 or more; only with Enabled
	PresetIndex *int // 0 to 255; only with Enabled
}

// Name is the element.
func (HomePosition) Name() string { return "HomePosition" }

// Since is the first edition that has it.
func (HomePosition) Since() gb28181.Edition { return gb28181.Edition2016 }

// Answered reports whether a Response follows.
func (HomePosition) Answered() bool { return true }

func readHomePosition(el *Node) HomePosition {
	h := HomePosition{Enabled: el.Int("Enabled", 0) != 0 || strings.EqualFold(el.Value("Enabled"), "true")}
	if h.Enabled {
		h.ResetTime, h.PresetIndex = el.optInt("ResetTime"), el.optInt("PresetIndex")
	}
	return h
}

func (h HomePosition) validate(c *check) {
	if h.ResetTime != nil {
		c.atLeast("HomePosition/ResetTime", *h.ResetTime, 0)
		if !h.Enabled {
			c.fail("HomePosition/ResetTime", *h.ResetTime, "none with Enabled 0")
		}
	}
	if h.PresetIndex != nil {
		c.within("HomePosition/PresetIndex", *h.PresetIndex, 0, 255)
		if !h.Enabled {
			c.fail("HomePosition/PresetIndex", *h.PresetIndex, "none with Enabled 0")
		}
	}
}

func (h HomePosition) write(n *Node, _ gb28181.Edition) { n.Add(h.node()) }

func (h HomePosition) node() *Node {
	n := New("HomePosition", LeafInt("Enabled", number(h.Enabled)))
	n.addInt("ResetTime", h.ResetTime)
	n.addInt("PresetIndex", h.PresetIndex)
	return n
}

// PTZPreciseCtrl turns a camera to given angles (2022 A.2.3.1.11). At least one
// value is given. A device takes the nearest that it can reach.
type PTZPreciseCtrl struct {
	Pan  *float64 // degrees clockwise seen from above, 0 to 360, in hundredths
	Tilt *float64 // degrees below the horizon, -90 to 90, in hundredths; up is negative
	Zoom *float64 // 1 or more, in hundredths; beyond the lens it goes on digitally
}

// Name is the element.
func (PTZPreciseCtrl) Name() string { return "PTZPreciseCtrl" }

// Since is the first edition that has it.
func (PTZPreciseCtrl) Since() gb28181.Edition { return gb28181.Edition2022 }

// Answered reports whether a Response follows.
func (PTZPreciseCtrl) Answered() bool { return false }

func readPTZPreciseCtrl(_, el *Node) Command {
	return PTZPreciseCtrl{el.optFloat("Pan"), el.optFloat("Tilt"), el.optFloat("Zoom")}
}

func (p PTZPreciseCtrl) validate(c *check) {
	if p.Pan == nil && p.Tilt == nil && p.Zoom == nil {
		c.fail("PTZPreciseCtrl", "", "Pan, Tilt or Zoom")
	}
	c.optional("PTZPreciseCtrl/Pan", p.Pan, 0, 360)
	c.optional("PTZPreciseCtrl/Tilt", p.Tilt, -90, 90)
	c.optional("PTZPreciseCtrl/Zoom", p.Zoom, 1, maxZoom)
}

func (p PTZPreciseCtrl) write(n *Node, _ gb28181.Edition) {
	el := New("PTZPreciseCtrl")
	el.addNumber("Pan", p.Pan, hundredths)
	el.addNumber("Tilt", p.Tilt, hundredths)
	el.addNumber("Zoom", p.Zoom, hundredths)
	n.Add(el)
}

// TargetTrack lets the PTZ channel of a panoramic camera follow what the
// panoramic channel sees (2022 A.2.3.1.14).
type TargetTrack struct {
	Mode     string     // Auto, Manual or Stop
	Panorama gb28181.ID // DeviceID2, the panoramic channel; may be ""
	Area     *Rectangle // in the panoramic picture; needed with Manual, none with Stop
}

// Name is the element.
func (TargetTrack) Name() string { return "TargetTrack" }

// Since is the first edition that has it.
func (TargetTrack) Since() gb28181.Edition { return gb28181.Edition2022 }

// Answered reports whether a Response follows.
func (TargetTrack) Answered() bool { return false }

func readTargetTrack(control, el *Node) Command {
	t := TargetTrack{Mode: spelt(el.Text, "Auto", "Manual", "Stop"), Panorama: gb28181.ID(control.Value("DeviceID2"))}
	if area := control.Child("TargetArea"); area != nil {
		r := readRectangle(area)
		t.Area = &r
	}
	return t
}

func (t TargetTrack) validate(c *check) {
	c.oneOf("TargetTrack", t.Mode, "Auto", "Manual", "Stop")
	if t.Panorama != "" {
		c.id("DeviceID2", t.Panorama)
	}
	switch {
	case t.Area == nil && t.Mode == "Manual":
		c.fail("TargetArea", "", "an area with Manual")
	case t.Area != nil && t.Mode == "Stop":
		c.fail("TargetArea", "given", "none with Stop")
	case t.Area != nil:
		t.Area.validate(c, "TargetArea")
	}
}

func (t TargetTrack) write(n *Node, _ gb28181.Edition) {
	n.Add(Leaf("TargetTrack", t.Mode))
	n.addText("DeviceID2", string(t.Panorama))
	if t.Area != nil {
		n.Add(t.Area.node("TargetArea"))
	}
}

const (
	maxCruiseName = 32 // bytes
	maxZoom       = 1000
)

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// spelt is s in the spelling of the one of words that it equals without case,
// else as it is.
func spelt(s string, words ...string) string {
	for _, w := range words {
		if strings.EqualFold(s, w) {
			return w
		}
	}
	return s
}
