package catalog

import (
	"encoding/binary"
	"strings"
	"unique"

	"fengsui/gb28181"
)

// row is a channel as it is kept: in 40 bytes and one string. A row never
// changes: it is replaced. Rows of one device are equal (==) when their channels are.
type row struct {
	// text is a byte, 1 when the parent is the device itself, then ID, name,
	// address and parent, each behind its length (uvarint).
	text     string
	common   unique.Handle[common]
	lon, lat float64 // degrees
}

// common is what many channels have alike.
type common struct {
	manufacturer, model, civilCode string
	businessGroup                  gb28181.ID
	offReason, streams             string
	ptzType                        int
	on, parental, secrecy          bool
}

// pack makes a row of a channel of a device. It keeps nothing of its strings.
func pack(device gb28181.ID, ch *gb28181.Channel) row {
	parent, own := ch.ParentID, byte(0)
	if parent == string(device) {
		parent, own = "", 1
	}
	fields := [...]string{string(ch.ID), ch.Name, ch.Address, parent}
	var b strings.Builder
	size := 1
	for _, f := range fields {
		size += len(f) + 1 + len(f)>>7
	}
	b.Grow(size)
	_ = b.WriteByte(own)
	var space [binary.MaxVarintLen64]byte
	for _, f := range fields {
		_, _ = b.Write(binary.AppendUvarint(space[:0], uint64(len(f))))
		_, _ = b.WriteString(f)
	}
	return row{
		text: b.String(), lon: ch.Longitude, lat: ch.Latitude,
		common: unique.Make(common{
			manufacturer: ch.Manufacturer, model: ch.Model, civilCode: ch.CivilCode, businessGroup: ch.BusinessGroup,
			offReason: ch.OffReason, streams: ch.Streams, ptzType: ch.PTZType, on: ch.On, parental: ch.Parental, secrecy: ch.Secrecy,
		}),
	}
}

// channel is the channel of a row of a device. Its strings are the row's.
func (r *row) channel(device gb28181.ID) gb28181.Channel {
	id, rest := field(r.text[1:])
	name, rest := field(rest)
	address, rest := field(rest)
	parent, _ := field(rest)
	if r.text[0] == 1 {
		parent = string(device)
	}
	c := r.common.Value()
	return gb28181.Channel{
		Device: device, ID: gb28181.ID(id), Name: name, Address: address, ParentID: parent,
		Manufacturer: c.manufacturer, Model: c.model, CivilCode: c.civilCode, BusinessGroup: c.businessGroup,
		OffReason: c.offReason, Streams: c.streams, PTZType: c.ptzType, On: c.on, Parental: c.parental, Secrecy: c.secrecy,
		Longitude: r.lon, Latitude: r.lat,
	}
}

// id is the channel's ID.
func (r *row) id() gb28181.ID {
	id, _ := field(r.text[1:])
	return gb28181.ID(id)
}

func (r *row) on() bool { return r.common.Value().on }

// field splits off the first field of a row's text.
func field(text string) (f, rest string) {
	if n := int(text[0]); n < 0x80 { // the length is one byte
		return text[1 : 1+n], text[1+n:]
	}
	n, size := binary.Uvarint([]byte(text[:min(len(text), binary.MaxVarintLen64)]))
	return text[size : size+int(n)], text[size+int(n):]
}

func byID(a, b row) int { return strings.Compare(string(a.id()), string(b.id())) }
