package sim

import (
	"strconv"
	"time"

	"fengsui/gb28181/manscdp"
)

// What a device has of memory cards.
const (
	cardCount    = 2
	cardCapacity = 122880 // MB
	cardUsed     = 81920  // MB, before it was ever formatted
	formatTime   = 2 * time.Second
)

// card is a memory card. The shard's mutex guards it.
type card struct {
	formatting instant // when that began; 0 is never
}

// format begins to format a card, all for 0. It reports false when there is none.
func (d *device) format(now instant, number int) bool {
	if number < 0 || number > cardCount {
		return false
	}
	for i := range d.cards {
		if number == 0 || number == i+1 {
			d.cards[i].formatting = now
		}
	}
	return true
}

func (d *device) cardList(now instant, q manscdp.Inquiry) manscdp.Body {
	list := manscdp.SDCards{SN: q.SN, DeviceID: q.DeviceID, SumNum: cardCount, OK: true}
	for i, c := range d.cards {
		it := manscdp.SDCard{ID: i + 1, Name: "SD" + strconv.Itoa(i+1), Status: "ok", Capacity: cardCapacity, FreeSpace: cardCapacity}
		switch passed := now - c.formatting; {
		case c.formatting == 0:
			it.FreeSpace -= cardUsed
		case passed < formatTime:
			it.Status, it.FreeSpace = "formatting", 0
			it.FormatProgress = new(int(100 * passed / formatTime))
		}
		list.Cards = append(list.Cards, it)
	}
	return list
}
