package manscdp

import (
	"fmt"
	"strconv"
	"strings"

	"fengsui/gb28181"
)

// ErrEdition is something that the peer's edition does not have. Nothing was written.
type ErrEdition struct {
	What    string          // "DeviceControl/TargetTrack", "RecordCmd/StreamNumber"
	Edition gb28181.Edition // the peer's, as taken for effective
	Since   gb28181.Edition // the first that has it
}

func (e ErrEdition) Error() string {
	return fmt.Sprintf("%s is not in GB/T 28181-%s, which the device speaks: it came with %s", e.What, e.Edition, e.Since)
}

// ErrValue is a value that a message cannot carry. Nothing was written.
type ErrValue struct {
	Field string // "HomePosition/PresetIndex"
	Value any    // int, float64 or string; a long string is cut
	Want  string // "0 to 255"
}

func (e ErrValue) Error() string {
	if s, ok := e.Value.(string); ok {
		return fmt.Sprintf("%s is %q: want %s", e.Field, s, e.Want)
	}
	return fmt.Sprintf("%s is %v: want %s", e.Field, e.Value, e.Want)
}

// check keeps the first thing wrong with a message that is to be written.
type check struct {
	edition gb28181.Edition // effective
	err     error           // ErrEdition or ErrValue
}

func (c *check) fail(field string, value any, want string) {
	if c.err != nil {
		return
	}
	if s, ok := value.(string); ok {
		value = clip(s)
	}
	c.err = ErrValue{field, value, want}
}

// done is n, or what is wrong.
func (c *check) done(n *Node) (*Node, error) {
	if c.err != nil {
		return nil, c.err
	}
	return n, nil
}

// since demands an edition.
func (c *check) since(what string, e gb28181.Edition) {
	if c.edition < e && c.err == nil {
		c.err = ErrEdition{what, c.edition, e}
	}
}

func (c *check) within(field string, v, low, high int) {
	if v < low || v > high {
		c.fail(field, v, strconv.Itoa(low)+" to "+strconv.Itoa(high))
	}
}

// atLeast is within, without an upper bound but that of the type integer in most parsers.
func (c *check) atLeast(field string, v, low int) {
	if v < low || v > maxInt {
		c.fail(field, v, strconv.Itoa(low)+" or more, in 31 bits")
	}
}

func (c *check) number(field string, v, low, high float64) {
	if !(v >= low && v <= high) { // NaN too
		c.fail(field, v, decimal(low)+" to "+decimal(high))
	}
}

// optional is number of a value that may be absent.
func (c *check) optional(field string, v *float64, low, high float64) {
	if v != nil {
		c.number(field, *v, low, high)
	}
}

func (c *check) oneOf(field, v string, of ...string) {
	for _, o := range of {
		if v == o {
			return
		}
	}
	c.fail(field, v, strings.Join(of, ", "))
}

// bytes bounds a text by its length in GB 18030, in which two bytes are a
// common Chinese character.
func (c *check) bytes(field, v string, low, high int) {
	enc := encoder{charset: GB18030}
	if n := len(enc.append(nil, v)); n < low || n > high {
		c.fail(field, v, fmt.Sprintf("%d to %d bytes", low, high))
	}
}

func (c *check) id(field string, id gb28181.ID) {
	if !usableID(id) {
		c.fail(field, string(id), "a code of 20 digits")
	}
}

// head is what all messages but Broadcast begin with.
func (c *check) head(sn int, id gb28181.ID) {
	c.atLeast("SN", sn, 1)
	c.id("DeviceID", id)
}

// time demands the dateTime of the standard; an optional one may be "".
func (c *check) time(field, v string, must bool) {
	if v == "" && !must {
		return
	}
	if !strictTime(v) {
		c.fail(field, v, "a time as 2006-01-02T15:04:05")
	}
}

// extra bounds the ExtraInfo of the 2022 edition.
func (c *check) extra(list []string) {
	if len(list) > 0 {
		c.since("ExtraInfo", gb28181.Edition2022)
	}
	for _, s := range list {
		if len([]rune(s)) > maxExtra {
			c.fail("ExtraInfo", s, "at most "+strconv.Itoa(maxExtra)+" characters")
		}
	}
}

// session demands a session's name (2022 A.2.3.1.12, A.2.3.2.12).
func (c *check) session(field, v string) {
	ok := len(v) >= 32 && len(v) <= 128
	for i := 0; ok && i < len(v); i++ {
		b := v[i]
		ok = b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '-'
	}
	if !ok {
		c.fail(field, v, "32 to 128 letters, digits and dashes")
	}
}

const (
	maxInt   = 1<<31 - 1
	maxExtra = 1024 // characters of one ExtraInfo
)
