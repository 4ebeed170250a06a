package device

import (
	"fengsui/gb28181"
	"fengsui/sip/flow"
)

// On is a device that is bound to a TCP or TLS connection, the one that was
// first where there are several; false when none is.
func (t *Table) On(f flow.Flow) (gb28181.ID, bool) {
	ids, _ := t.conns.Load(f)
	if len(ids) == 0 {
		return "", false
	}
	return ids[0], true
}
