package device

import "net/netip"

// settle tells [Config.Moved] when the address of the device's registration is
// another one than it was told last. The row is locked.
func (t *Table) settle(r *row) {
	if t.cfg.Moved == nil {
		return
	}
	var at netip.Addr
	if r.bound {
		at = r.flow.Remote.Addr()
	}
	if at != r.site {
		t.cfg.Moved(r.site, at)
		r.site = at
	}
}
