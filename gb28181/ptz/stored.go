package ptz

// Command bytes of what a camera keeps: presets, cruises, scans; and of its
// switches.
const (
	codeSetPreset    = 0x81
	codeGotoPreset   = 0x82
	codeDeletePreset = 0x83
	codeAddPoint     = 0x84
	codeDeletePoint  = 0x85
	codeCruiseSpeed  = 0x86
	codeDwell        = 0x87
	codeStartCruise  = 0x88
	codeScan         = 0x89 // data 2: 0 start, 1 left limit, 2 right limit
	codeScanSpeed    = 0x8A
	codeOn           = 0x8C
	codeOff          = 0x8D
)

// Greatest values of what a camera keeps.
const (
	MaxPreset = 255 // the least is 1: 0 is reserved
	MaxGroup  = 255 // of cruises and of scans; the least is 0
	MaxLong   = 0xFFF
)

// PresetVerb is what is done with a preset.
type PresetVerb uint8

const (
	SetPreset    PresetVerb = iota // at the present position
	GotoPreset                     // turn to it
	DeletePreset                   // forget it
)

// Preset is a position the camera keeps.
type Preset struct {
	Do     PresetVerb
	Number int // 1 to MaxPreset
}

func (p Preset) frame() (code, data1, data2, data3 byte, err error) {
	if err = inRange("preset verb", int(p.Do), int(SetPreset), int(DeletePreset)); err == nil {
		err = inRange("preset", p.Number, 1, MaxPreset)
	}
	return codeSetPreset + byte(p.Do), 0, byte(p.Number), 0, err
}

func decodePreset(code, data2 byte) (Action, error) {
	if err := inRange("preset", int(data2), 1, MaxPreset); err != nil {
		return nil, err
	}
	return Preset{PresetVerb(code - codeSetPreset), int(data2)}, nil
}

// CruiseVerb is what is done with a cruise.
type CruiseVerb uint8

const (
	AddPoint     CruiseVerb = iota // Value is the preset, 1 to MaxPreset
	DeletePoint                    // likewise
	DeleteCruise                   // all points of the group
	CruiseSpeed                    // Value is the speed, 0 to MaxLong
	Dwell                          // Value is the time at each point, seconds, 0 to MaxLong
	StartCruise                    // the zero Move ends it
)

// Cruise is a round of presets.
type Cruise struct {
	Do    CruiseVerb
	Group int // 0 to MaxGroup
	Value int // as the verb says; else 0
}

func (c Cruise) frame() (code, data1, data2, data3 byte, err error) {
	if err = inRange("cruise group", c.Group, 0, MaxGroup); err != nil {
		return 0, 0, 0, 0, err
	}
	data1, data2, data3 = byte(c.Group), byte(c.Value), byte(c.Value>>8)
	switch c.Do {
	case AddPoint:
		return codeAddPoint, data1, data2, 0, inRange("preset", c.Value, 1, MaxPreset)
	case DeletePoint:
		return codeDeletePoint, data1, data2, 0, inRange("preset", c.Value, 1, MaxPreset)
	case DeleteCruise:
		return codeDeletePoint, data1, 0, 0, inRange("value of a cruise's deletion", c.Value, 0, 0)
	case CruiseSpeed:
		return codeCruiseSpeed, data1, data2, data3, inRange("cruise speed", c.Value, 0, MaxLong)
	case Dwell:
		return codeDwell, data1, data2, data3, inRange("cruise dwell", c.Value, 0, MaxLong)
	case StartCruise:
		return codeStartCruise, data1, 0, 0, inRange("value of a cruise's start", c.Value, 0, 0)
	}
	return 0, 0, 0, 0, inRange("cruise verb", int(c.Do), int(AddPoint), int(StartCruise))
}

func decodeCruise(code, data1, data2, data3 byte) (Action, error) {
	c := Cruise{Group: int(data1)}
	switch code {
	case codeAddPoint:
		c.Do, c.Value = AddPoint, int(data2)
		return c, inRange("preset", c.Value, 1, MaxPreset)
	case codeDeletePoint:
		if c.Do, c.Value = DeletePoint, int(data2); data2 == 0 {
			c.Do = DeleteCruise
		}
	case codeCruiseSpeed:
		c.Do, c.Value = CruiseSpeed, long(data2, data3)
	case codeDwell:
		c.Do, c.Value = Dwell, long(data2, data3)
	default:
		c.Do = StartCruise
	}
	return c, nil
}

// ScanVerb is what is done with a scan.
type ScanVerb uint8

const (
	StartScan ScanVerb = iota // the zero Move ends it
	LeftLimit                 // at the present position
	RightLimit
	ScanSpeed // Speed is set
)

// Scan is a sweep between two limits.
type Scan struct {
	Do    ScanVerb
	Group int // 0 to MaxGroup
	Speed int // of ScanSpeed, 0 to MaxLong; else 0
}

func (s Scan) frame() (code, data1, data2, data3 byte, err error) {
	if err = inRange("scan verb", int(s.Do), int(StartScan), int(ScanSpeed)); err == nil {
		err = inRange("scan group", s.Group, 0, MaxGroup)
	}
	if s.Do == ScanSpeed {
		if err == nil {
			err = inRange("scan speed", s.Speed, 0, MaxLong)
		}
		return codeScanSpeed, byte(s.Group), byte(s.Speed), byte(s.Speed >> 8), err
	}
	if err == nil {
		err = inRange("speed of a scan's start or limit", s.Speed, 0, 0)
	}
	return codeScan, byte(s.Group), byte(s.Do), 0, err
}

func decodeScan(code, data1, data2, data3 byte) (Action, error) {
	if code == codeScanSpeed {
		return Scan{ScanSpeed, int(data1), long(data2, data3)}, nil
	}
	if err := inRange("scan instruction", int(data2), int(StartScan), int(RightLimit)); err != nil {
		return nil, err
	}
	return Scan{Do: ScanVerb(data2), Group: int(data1)}, nil
}

// Numbers of auxiliary switches. Only the wiper is the standard's; the others
// are of some makers.
const (
	Wiper        = 1
	InfraredLamp = 2
	Heater       = 3
	Defogger     = 4
	Cooler       = 5
)

// Auxiliary turns a switch on or off; one of several steps goes up or down by
// one.
type Auxiliary struct {
	Number int // 0 to 255
	On     bool
}

func (a Auxiliary) frame() (code, data1, data2, data3 byte, err error) {
	code = codeOff
	if a.On {
		code = codeOn
	}
	return code, byte(a.Number), 0, 0, inRange("auxiliary switch", a.Number, 0, 255)
}

// long is a value of twelve bits.
func long(data2, data3 byte) int { return int(data3)<<8 | int(data2) }
