package app

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"

	"fengsui/gb28181"
	"fengsui/gb28181/quirk"
	"fengsui/gb28181/registrar"
	"fengsui/gb28181/traits"
	"fengsui/internal/store"
)

// accounts shows the provisioned devices to the registrar.
type accounts struct {
	store *store.Store
	key   []byte // of what strangers are offered
	// open reports whether there is a common password, by which every ID may
	// register: then there is nothing to hide, and new cameras must get what
	// they can compute.
	open   func() bool
	traits *traits.Book
}

func (a *App) accounts() accounts {
	return accounts{a.store, a.secrets.cluster, func() bool { return a.SIPPassword() != "" }, a.traits}
}

// Account is what is provisioned for an ID. An ID that is not known is offered
// the algorithms that a known one in its place might have.
func (a accounts) Account(id gb28181.ID) (registrar.Account, bool) {
	d, ok := a.store.Provisioned(id)
	q := a.traits.Of(id)
	switch {
	case !ok && !a.open():
		d.Algorithms = a.pretended(id)
	case !ok && q == 0:
		return registrar.Account{}, false
	}
	algorithms, _ := parseAlgorithms(d.Algorithms) // checked when they were stored
	return registrar.Account{
		Password: d.Password, Auth: d.Auth, Allow: d.Allow, Algorithms: algorithms,
		Follow: followOf(&d, q), Approved: d.Approved, Transport: d.Transport, Edition: editionOf(&d, q),
		KeepaliveExtends: q.Has(quirk.KeepaliveExtends),
	}, ok
}

// pretended are algorithms for an ID that is not provisioned: as many IDs have
// some as provisioned devices have, and each always the same. Else a scanner
// would see from its challenge that an ID is known.
func (a accounts) pretended(id gb28181.ID) []string {
	own, devices := a.store.OwnAlgorithms()
	if len(own) == 0 {
		return nil
	}
	sum := sha256.Sum256(append(append(make([]byte, 0, 128), a.key...), id...))
	place := int(binary.BigEndian.Uint64(sum[:8]) % uint64(devices))
	for _, o := range own {
		if place -= o.Devices; place < 0 {
			return strings.Fields(o.Names)
		}
	}
	return nil
}
