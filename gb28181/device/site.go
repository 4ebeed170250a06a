package device

import "net/netip"

// site is the address of the device's registration, the zero Addr without one.
func (r *row) site() netip.Addr {
	if r.bound {
		return r.flow.Remote.Addr()
	}
	return netip.Addr{}
}

// settle tells [Config.Moved] when the device's site is not what it was. The row
// is locked.
func (t *Table) settle(r *row, was netip.Addr) {
	if at := r.site(); at != was && t.cfg.Moved != nil {
		t.cfg.Moved(was, at)
	}
}
