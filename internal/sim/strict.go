package sim

import "fengsui/gb28181/manscdp"

// accepts reports whether the device takes a body: all that can be read, or with
// the quirk only what its edition prints.
func (d *device) accepts(body []byte) bool {
	if !d.sim.quirks.has(strict) {
		return true
	}
	m, err := manscdp.Decode(body)
	return err == nil && m.Strict(d.sim.cfg.Edition) == nil
}
