package sim

import "fengsui/gb28181/manscdp"

// accepts reports whether the device takes a body: all that can be read, or with
// the quirk only what its edition prints.
func (d *device) accepts(body []byte) bool {
	if !d.sim.quirks.has(strict) {
		return true
	}
	m, err := manscdp.Decode(body)
	if err != nil {
		return false
	}
	if m.CmdType == manscdp.CmdConfigDownload || m.CmdType == manscdp.CmdDeviceConfig {
		return strictSettings(m, d.sim.cfg.Edition)
	}
	return m.Strict(d.sim.cfg.Edition) == nil
}
