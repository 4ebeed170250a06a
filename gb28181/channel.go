package gb28181

// Channel is one item of a device's catalog (2022 A.2.1, itemType): a camera,
// an alarm input, or a node of the resource tree.
type Channel struct {
	Device ID // device that reported it
	ID     ID // item ID; regions have 2-8 digits, odd devices anything

	Name         string
	Manufacturer string
	Model        string
	CivilCode    string // administrative division, 2-8 digits, "" when unusable
	Address      string
	Parental     bool // has children
	ParentID     string
	// BusinessGroup is the 215 node an organisation (216) belongs to.
	BusinessGroup ID

	// On is the status the device last gave. Whether the channel can be used is
	// On and the device's presence together.
	On        bool
	OffReason string // "OFF", "VLOST", "DEFECT" when not On

	PTZType   int // 1 dome ... 7 split channel; 0 unknown
	Longitude float64
	Latitude  float64
	// Streams are the stream numbers offered, StreamNumberList: "0/1".
	Streams string
	Secrecy bool
	// AnyType says that the device's cameras may have any type code.
	AnyType bool
}

// Invitable reports whether live pictures can be asked of the channel.
func (c *Channel) Invitable() bool {
	return c.ID.Type().Invitable() || c.AnyType && !c.ID.Type().elsewise() && len(c.ID) > regionDigits
}
