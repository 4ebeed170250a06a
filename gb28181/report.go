package gb28181

import "time"

// Alarm is one that a device has reported (2022 A.2.5.3).
type Alarm struct {
	ID          int64 // counts up in the order of receipt
	Device      ID    // who reported it
	Channel     ID    // whose it is, an alarm input or a camera; "" = the device's own
	Priority    int   // 1 (highest) to 4; 0 when not told
	Method      int   // 1 to 7; 0 when not told
	Type        int   // of the method; 0 when not told
	EventType   int   // of an intrusion: 1 entering, 2 leaving; 0 when not told
	Name        string
	At          time.Time // the device's; ReceivedAt when that cannot be
	ReceivedAt  time.Time
	Description string
	Longitude   *float64 // degrees, WGS-84; nil when not told
	Latitude    *float64

	AcknowledgedAt time.Time // zero until somebody has seen to it
	AcknowledgedBy string
}

// Position is where a mobile device was (2022 A.2.5.6).
type Position struct {
	ID         int64     // counts up in the order of receipt
	Device     ID        // who reported it
	Channel    ID        // whose it is; "" = of the device as a whole
	At         time.Time // the device's; ReceivedAt when that cannot be
	ReceivedAt time.Time
	Longitude  float64  // degrees, WGS-84
	Latitude   float64  // degrees, WGS-84
	Speed      *float64 // km/h; nil when not told, as below
	Direction  *float64 // degrees clockwise from north
	Altitude   *float64 // metres above the sea
	Height     *float64 // metres above ground
}
