package sim

import (
	"fmt"
	"strconv"

	"fengsui/gb28181"
)

// numbering maps devices and channels to IDs and back without a table.
type numbering struct {
	devices, channels int
	device, channel   series
	same              bool // a camera is its own channel
}

// series are IDs with one prefix of 13 digits and numbers from first on. The digit
// of the network counts on when the six of the sequence are used up.
type series struct {
	prefix string
	first  int
}

func newNumbering(c *Config) (numbering, error) {
	prefix, seq := string(c.FirstID[:13]), string(c.FirstID[13:])
	first, err := strconv.Atoi(seq)
	if err != nil {
		return numbering{}, fmt.Errorf("first ID %q: %w", c.FirstID, err)
	}
	n := numbering{devices: c.Devices, channels: c.Channels, same: c.Channels == 1}
	n.device = series{prefix, first}
	n.channel = n.device
	if !n.same {
		kind := "132"
		if c.FirstID.Type() == gb28181.TypeIPC {
			kind = "131"
		}
		n.channel.prefix = prefix[:10] + kind
	}
	if last := first + c.Devices*c.Channels - 1; last > 9_999_999 {
		return numbering{}, fmt.Errorf("first ID %q with %d devices of %d channels: number %d has more than seven digits",
			c.FirstID, c.Devices, c.Channels, last)
	}
	return n, nil
}

func (s series) id(n int) string {
	digits := strconv.Itoa(10_000_000 + s.first + n)
	return s.prefix + digits[1:]
}

func (s series) find(id string, count int) (int, bool) {
	if len(id) != 20 || id[:13] != s.prefix {
		return 0, false
	}
	n, err := strconv.Atoi(id[13:])
	if err != nil || n < s.first || n >= s.first+count {
		return 0, false
	}
	return n - s.first, true
}

func (n *numbering) deviceID(i int) string { return n.device.id(i) }

func (n *numbering) channelID(i, ch int) string { return n.channel.id(i*n.channels + ch) }

// find is the device an ID belongs to and its channel, -1 for a recorder itself.
func (n *numbering) find(id string) (i, ch int, ok bool) {
	if i, ok := n.device.find(id, n.devices); ok {
		if n.same {
			return i, 0, true
		}
		return i, -1, true
	}
	c, ok := n.channel.find(id, n.devices*n.channels)
	return c / n.channels, c % n.channels, ok
}

// channelName is what the catalog calls a channel: a place and its number,
// which is the sequence of its ID.
func (n *numbering) channelName(i, ch int) string {
	places := [...]string{"前门", "后门", "大厅", "车库", "走廊", "电梯", "仓库", "围墙", "停车场", "食堂"}
	number := n.channel.first + i*n.channels + ch
	return fmt.Sprintf("%s %02d", places[(number+len(places)-1)%len(places)], number)
}

func (n *numbering) deviceName(i int) string {
	if n.same {
		return n.channelName(i, 0)
	}
	return fmt.Sprintf("录像机 %02d", n.device.first+i)
}
