package gb28181

import (
	"time"

	"fengsui/shadow"
)

// Kind is how a device is reached.
type Kind string

// The kinds.
const (
	KindGB28181 Kind = "gb28181"
	KindHikSDK  Kind = "hiksdk"
)

// Device is what is known of one device: provisioned words, what it said of
// itself, and its presence. It is a value; package device owns the live one.
type Device struct {
	ID   ID
	Name string
	Kind Kind

	Presence shadow.Presence

	Transport    string // "udp", "tcp", "tls"; "" before the first REGISTER
	Remote       string // "address:port" it speaks from
	Contact      string // Contact URI of its REGISTER, for display only
	RegisteredAt time.Time
	ExpiresAt    time.Time // end of the registration
	KeepaliveAt  time.Time // last keepalive

	Manufacturer string
	Model        string
	Firmware     string
	UserAgent    string
	Edition      Edition
	Charset      string // charset it was last seen to write: "GB18030", "UTF-8"; "" unknown

	Channels       int // channels in the catalog
	OnlineChannels int // of these, ON while the device is online
	Catalog        Completeness
}

// Completeness says how much of a device's catalog has arrived.
type Completeness struct {
	Expected int       // largest SumNum announced; 0 before the first answer
	Received int       // distinct items
	Complete bool      // Received reached Expected
	At       time.Time // last part
	Skipped  int       // items that could not be read
}
