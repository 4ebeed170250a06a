package gb28181

import "fmt"

// ID is a GB/T 28181 code: decimal digits, normally 20 (2022 Annex E.1):
//
//	1-8    centre (administrative division)
//	9-10   industry
//	11-13  type, see [TypeCode]
//	14     network
//	15-20  sequence
//
// Old devices register with 18 digits (rule B of the 2016 edition); regions
// have 2, 4, 6 or 8. The accessors return "" where the code is too short.
type ID string

// ParseID reads the ID of a device, channel or platform: 18 or 20 decimal
// digits. It reports an error wrapping [ErrBadID] that names the value.
func ParseID(s string) (ID, error) {
	if len(s) != 20 && len(s) != 18 {
		return "", fmt.Errorf("%w: %q has %d characters, want 20 digits", ErrBadID, clip(s), len(s))
	}
	if i := notDigit(s); i >= 0 {
		return "", fmt.Errorf("%w: %q has %q at position %d, want 20 digits", ErrBadID, s, s[i], i+1)
	}
	return ID(s), nil
}

// Full reports whether the ID has the 20 digits of rule A, so that its type
// code can be trusted.
func (id ID) Full() bool { return len(id) == 20 && notDigit(string(id)) < 0 }

// Region reports whether the ID is an administrative division: 2, 4, 6 or 8 digits.
func (id ID) Region() bool {
	switch len(id) {
	case 2, 4, 6, 8:
		return notDigit(string(id)) < 0
	}
	return false
}

// Center is the centre code, digits 1-8.
func (id ID) Center() string { return id.part(0, 8) }

// Domain is the SIP domain, digits 1-10; it is also the Digest realm.
func (id ID) Domain() string { return id.part(0, 10) }

// SSRCDomain is digits 4-8, the middle five digits of every SSRC that the
// domain allots.
func (id ID) SSRCDomain() string { return id.part(3, 8) }

// Type is the type code, digits 11-13, or 0 when the ID is not [ID.Full].
func (id ID) Type() TypeCode {
	if !id.Full() {
		return 0
	}
	return TypeCode(int(id[10]-'0')*100 + int(id[11]-'0')*10 + int(id[12]-'0'))
}

func (id ID) part(from, to int) string {
	if len(id) < to {
		return ""
	}
	return string(id[from:to])
}

// TypeCode says what an ID stands for (2022 Annex E, table E.1).
type TypeCode int

// The type codes this server treats specially.
const (
	TypeDVR           TypeCode = 111
	TypeNVR           TypeCode = 118
	TypeCamera        TypeCode = 131
	TypeIPC           TypeCode = 132
	TypeAlarmInput    TypeCode = 134
	TypeAudioInput    TypeCode = 136
	TypeAudioOutput   TypeCode = 137
	TypePlatform      TypeCode = 200
	TypeBusinessGroup TypeCode = 215
	TypeOrganisation  TypeCode = 216
)

// Invitable reports whether a channel of this type can send pictures:
// 131 and 132 (signalling.md section 1.2).
func (t TypeCode) Invitable() bool { return t == TypeCamera || t == TypeIPC }

// elsewise reports codes that are surely not of a camera: displays, alarm inputs
// and outputs, sound, doors, and all from platforms and tree nodes on.
func (t TypeCode) elsewise() bool { return t >= 133 && t <= 143 || t >= TypePlatform }

// regionDigits is the longest ID of a region.
const regionDigits = 8

// MainDevice reports whether the code is a front-end main device, 111-130.
func (t TypeCode) MainDevice() bool { return t >= 111 && t <= 130 }

func notDigit(s string) int {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return i
		}
	}
	return -1
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}
