package api

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/netip"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181"
	"fengsui/gb28181/quirk"
	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
	"fengsui/internal/store"
	"fengsui/shadow"
)

type gbID = gb28181.ID

// Devices is what the face asks of the device table; device.Table has it.
type Devices interface {
	Device(id gb28181.ID) (gb28181.Device, bool)
	All() iter.Seq[gb28181.Device]
	Provision(id gb28181.ID, name string) error
	Remove(id gb28181.ID)
}

type deviceView struct {
	ID                string      `json:"id"`
	Name              string      `json:"name"`
	Kind              string      `json:"kind" enum:"gb28181,hiksdk"`
	State             string      `json:"state" enum:"online,offline,unknown"`
	StateReason       string      `json:"state_reason" doc:"why, in words"`
	StateEvidence     string      `json:"state_evidence" doc:"what it rests on: register, keepalive, rtp, probe, silence …"`
	StateAt           *stamp      `json:"state_at,omitempty" doc:"time of that evidence"`
	StateSince        *stamp      `json:"state_since,omitempty"`
	Transport         string      `json:"transport" doc:"udp, tcp or tls; empty before the first REGISTER"`
	Remote            string      `json:"remote" doc:"address:port it speaks from"`
	RegisteredAt      *stamp      `json:"registered_at,omitempty"`
	ExpiresAt         *stamp      `json:"expires_at,omitempty" doc:"end of the registration"`
	KeepaliveAt       *stamp      `json:"keepalive_at,omitempty"`
	Manufacturer      string      `json:"manufacturer"`
	Model             string      `json:"model"`
	Firmware          string      `json:"firmware"`
	UserAgent         string      `json:"user_agent"`
	Edition           string      `json:"edition" doc:"year; empty while the device has not said"`
	Charset           string      `json:"charset" doc:"as it was last seen to write"`
	Channels          int         `json:"channels"`
	OnlineChannels    int         `json:"online_channels"`
	Catalog           CatalogView `json:"catalog"`
	Owner             string      `json:"owner" doc:"instance that holds it"`
	Provisioned       bool        `json:"provisioned" doc:"added by a person"`
	Approved          bool        `json:"approved" doc:"may register"`
	Auth              string      `json:"auth" doc:"digest or none"`
	PasswordSet       bool        `json:"password_set" doc:"has its own password, not the common one"`
	Allow             []string    `json:"allow,omitempty" doc:"networks it may register from"`
	RequiredTransport string      `json:"required_transport,omitempty" doc:"the one it must register by"`
	MediaTransport    string      `json:"media_transport,omitempty"`
	MediaMode         string      `json:"media_mode,omitempty"`
	Algorithms        []string    `json:"algorithms,omitempty"`
	Follow            string      `json:"follow,omitempty"`
	Tenant            string      `json:"tenant,omitempty"`
	Quirks            []quirkOf   `json:"quirks,omitempty" doc:"how it is treated otherwise than the standard says, and why"`
	Note              string      `json:"note,omitempty" doc:"digests over its requests: off, log, enforce; absent as configured"`
	NoteAlgorithm     string      `json:"note_algorithm,omitempty"`
	NoteSeedSet       bool        `json:"note_seed_set,omitempty" doc:"has a secret of its own for them"`
	QuirksByHand      []string    `json:"quirks_by_hand,omitempty" doc:"as set; - before one that it is not to have"`
	Vendor            []vendorOf  `json:"vendor,omitempty" doc:"what it says beyond the standard: header fields, Info and ExtraInfo"`
}

// CatalogView is how much of a catalog has arrived.
type CatalogView struct {
	Expected int    `json:"expected" doc:"items announced; 0 before the first answer"`
	Received int    `json:"received"`
	Complete bool   `json:"complete"`
	Skipped  int    `json:"skipped" doc:"items that could not be read"`
	At       *stamp `json:"at,omitempty" doc:"last part"`
}

func viewCatalog(c gb28181.Completeness) CatalogView {
	return CatalogView{c.Expected, c.Received, c.Complete, c.Skipped, at(c.At)}
}

// device joins what people decided and what the device shows.
type deviceRow struct {
	live        gb28181.Device
	kept        store.Device
	provisioned bool
}

func (s *Server) viewDevice(d deviceRow) deviceView {
	v := deviceView{
		ID: string(d.live.ID), Name: d.live.Name, Kind: string(d.live.Kind),
		State: d.live.Presence.State.String(), StateReason: d.live.Presence.Reason, StateEvidence: string(d.live.Presence.Evidence),
		StateAt: at(d.live.Presence.At), StateSince: at(d.live.Presence.Since),
		Transport: d.live.Transport, Remote: d.live.Remote,
		RegisteredAt: at(d.live.RegisteredAt), ExpiresAt: at(d.live.ExpiresAt), KeepaliveAt: at(d.live.KeepaliveAt),
		Manufacturer: d.live.Manufacturer, Model: d.live.Model, Firmware: d.live.Firmware, UserAgent: d.live.UserAgent,
		Edition: d.live.Edition.String(), Charset: d.live.Charset,
		Channels: d.live.Channels, OnlineChannels: d.live.OnlineChannels, Catalog: viewCatalog(d.live.Catalog),
		Owner: s.cfg.Instance, Approved: true, Auth: store.AuthDigest,
	}
	if v.Kind == "" {
		v.Kind = string(gb28181.KindGB28181)
	}
	s.viewTraits(&v, &d.live)
	if !d.provisioned {
		return v
	}
	k := d.kept
	v.QuirksByHand, v.Note, v.NoteAlgorithm, v.NoteSeedSet = k.Quirks, k.Note, k.NoteAlgorithm, k.NoteSeed != ""
	if k.Name != "" {
		v.Name = k.Name
	}
	if v.Edition == "" {
		v.Edition = k.Edition.String()
	}
	v.Provisioned, v.Approved, v.Auth, v.PasswordSet = true, k.Approved, k.Auth, k.Password != ""
	v.RequiredTransport, v.MediaTransport, v.MediaMode, v.Algorithms, v.Follow, v.Tenant = k.Transport, k.MediaTransport, k.MediaMode, k.Algorithms, k.Follow, k.Tenant
	for _, p := range k.Allow {
		v.Allow = append(v.Allow, p.String())
	}
	return v
}

type deviceOutput struct{ Body deviceView }

// DevicePath names a device in a path.
type DevicePath struct {
	Device string `path:"device" maxLength:"64" doc:"20 digits" example:"34020000001320000001"`
}

type deviceInput struct {
	Body struct {
		ID string `json:"id" maxLength:"64" doc:"20 digits" example:"34020000001320000001"`
		DeviceWords
		Kind     string `json:"kind,omitempty" enum:"gb28181" default:"gb28181"`
		Auth     string `json:"auth,omitempty" enum:"digest,none" default:"digest" doc:"none only with allow"`
		Approved *bool  `json:"approved,omitempty" doc:"default true"`
	}
}

// DeviceWords are the choices of POST that PATCH takes too; absent = as configured.
type DeviceWords struct {
	Name           *string   `json:"name,omitempty" maxLength:"255"`
	Password       *string   `json:"password,omitempty" maxLength:"128" doc:"empty = the common password; never given back"`
	Allow          *[]string `json:"allow,omitempty" maxItems:"64" doc:"networks it may register from, CIDR or address"`
	Transport      *string   `json:"transport,omitempty" enum:"udp,tcp,tls," doc:"the one it must register by; empty = any"`
	Edition        *string   `json:"edition,omitempty" enum:"2016,2022," doc:"empty = as the device announces"`
	MediaTransport *string   `json:"media_transport,omitempty" enum:"udp,tcp-passive,tcp-active,"`
	MediaMode      *string   `json:"media_mode,omitempty" enum:"single,range,"`
	Algorithms     *[]string `json:"algorithms,omitempty" maxItems:"3" enum:"MD5,SHA-256,SM3" doc:"digest algorithms in the order offered"`
	Follow         *string   `json:"follow,omitempty" enum:"port,probe,any,"`
	Tenant         *string   `json:"tenant,omitempty" maxLength:"64"`
	Note           *string   `json:"note,omitempty" enum:"off,log,enforce," doc:"digests over its requests; empty = as configured"`
	NoteAlgorithm  *string   `json:"note_algorithm,omitempty" enum:"MD5,SHA-1,SHA-256,SM3," doc:"empty = by its edition"`
	NoteSeed       *string   `json:"note_seed,omitempty" maxLength:"128" doc:"secret of the digests; empty = the common one; never given back"`
	Quirks         *[]string `json:"quirks,omitempty" maxItems:"32" doc:"names of GET /api/v1/quirks, before all rules; - before one that it is not to have"`
}

type devicePatch struct {
	DevicePath
	Body struct {
		DeviceWords
		Auth     *string `json:"auth,omitempty" enum:"digest,none"`
		Approved *bool   `json:"approved,omitempty"`
	}
}

type deviceList struct {
	ListInput
	State string `query:"state" enum:"online,offline,unknown"`
	Kind  string `query:"kind" enum:"gb28181,hiksdk"`
}

func (s *Server) addDevices() {
	tags := []string{"devices"}
	op(s, access{act: rights.Look, judged: true}, huma.Operation{OperationID: "list-devices", Method: http.MethodGet, Path: "/api/v1/devices", Tags: tags, Summary: "Devices",
		Description: "Provisioned ones and those that registered. "}, s.listDevices)
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "add-device", Method: http.MethodPost, Path: "/api/v1/devices", DefaultStatus: http.StatusCreated, Tags: tags,
		Summary: "Provision a device", Description: "One that registered by the common password can be provisioned too. "}, s.addDevice)
	op(s, access{act: rights.Look}, huma.Operation{OperationID: "get-device", Method: http.MethodGet, Path: "/api/v1/devices/{device}", Tags: tags, Summary: "One device"}, s.getDevice)
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "change-device", Method: http.MethodPatch, Path: "/api/v1/devices/{device}", Tags: tags,
		Summary: "Change a device", Description: "What is absent stays. One that was not provisioned becomes so. "}, s.changeDevice)
	op(s, access{act: rights.Admin}, huma.Operation{OperationID: "remove-device", Method: http.MethodDelete, Path: "/api/v1/devices/{device}", Tags: tags,
		Summary: "Remove a device", Description: "With its registration and channels. While the common password lets it, it can register again. "}, s.removeDevice)
}

func (s *Server) listDevices(ctx context.Context, in *deviceList) (*listOutput[deviceView], error) {
	rows := make([]deviceRow, 0, 64)
	seen := map[gb28181.ID]bool{}
	see := s.sight(ctx)
	add := func(d deviceRow) {
		if !see.device(d.live.ID) || in.State != "" && d.live.Presence.State.String() != in.State || in.Kind != "" && string(d.live.Kind) != in.Kind {
			return
		}
		rows = append(rows, d)
	}
	for d := range s.svc.Devices.All() {
		seen[d.ID] = true
		add(s.join(d))
	}
	for _, k := range s.svc.Store.Devices() {
		if !seen[k.ID] {
			add(unheard(k))
		}
	}
	name := func(d deviceRow) string {
		if d.kept.Name != "" {
			return d.kept.Name
		}
		return d.live.Name
	}
	return listing[deviceRow, deviceView]{
		words: func(d deviceRow) []string {
			return []string{string(d.live.ID), name(d), d.live.Remote, d.live.Manufacturer, d.live.Model}
		},
		first: "id",
		sorts: map[string]func(deviceRow) string{
			"id":            func(d deviceRow) string { return string(d.live.ID) },
			"name":          name,
			"state":         func(d deviceRow) string { return d.live.Presence.State.String() },
			"manufacturer":  func(d deviceRow) string { return d.live.Manufacturer },
			"model":         func(d deviceRow) string { return d.live.Model },
			"remote":        func(d deviceRow) string { return d.live.Remote },
			"registered_at": func(d deviceRow) string { return sortable(d.live.RegisteredAt) },
			"keepalive_at":  func(d deviceRow) string { return sortable(d.live.KeepaliveAt) },
			"state_since":   func(d deviceRow) string { return sortable(d.live.Presence.Since) },
		},
		id:   func(d deviceRow) string { return string(d.live.ID) },
		view: func(d deviceRow) deviceView { return s.viewDevice(d.seen(see)) },
	}.page(in.ListInput, rows)
}

// seen is the row as a caller sees it.
func (d deviceRow) seen(by *sight) deviceRow {
	d.live = by.counted(d.live)
	return d
}

func (s *Server) join(d gb28181.Device) deviceRow {
	k, ok := s.svc.Store.Provisioned(d.ID)
	return deviceRow{d, k, ok}
}

// unheard is a provisioned device that the table does not hold.
func unheard(k store.Device) deviceRow {
	d := gb28181.Device{ID: k.ID, Name: k.Name, Kind: k.Kind, Edition: k.Edition}
	d.Presence = shadow.Presence{Reason: "never heard", Since: k.CreatedAt}
	return deviceRow{d, k, true}
}

// device finds a device by the ID in a path.
func (s *Server) device(text string) (deviceRow, error) {
	id, err := gb28181.ParseID(text)
	if err != nil {
		return deviceRow{}, err
	}
	if d, ok := s.svc.Devices.Device(id); ok {
		return s.join(d), nil
	}
	if k, ok := s.svc.Store.Provisioned(id); ok {
		return unheard(k), nil
	}
	return deviceRow{}, fault.New(fault.UnknownDevice, "device %s", id)
}

func (s *Server) getDevice(ctx context.Context, in *DevicePath) (*deviceOutput, error) {
	d, err := s.device(in.Device)
	if err != nil {
		return nil, err
	}
	return &deviceOutput{s.viewDevice(d.seen(s.sight(ctx)))}, nil
}

func (s *Server) addDevice(ctx context.Context, in *deviceInput) (*deviceOutput, error) {
	id, err := gb28181.ParseID(in.Body.ID)
	if err != nil {
		return nil, &fault.Error{Code: fault.BadID, Detail: "body.id: " + err.Error(), Fields: []fault.Field{{Location: "body.id", Message: err.Error(), Value: in.Body.ID}}}
	}
	callOf(ctx).target = string(id)
	k := store.Device{ID: id, Kind: gb28181.Kind(in.Body.Kind), Auth: in.Body.Auth, Approved: in.Body.Approved == nil || *in.Body.Approved}
	if err := in.Body.apply(&k); err != nil {
		return nil, err
	}
	if _, err := s.svc.Store.AddDevice(ctx, k); errors.Is(err, store.ErrExists) {
		return nil, fault.New(fault.DeviceExists, "device %s", id)
	} else if err != nil {
		return nil, storeFault(err)
	}
	return s.provisioned(id, k.Name)
}

func (s *Server) changeDevice(ctx context.Context, in *devicePatch) (*deviceOutput, error) {
	d, err := s.device(in.Device)
	if err != nil {
		return nil, err
	}
	k := d.kept
	if !d.provisioned {
		k = store.Device{ID: d.live.ID, Name: d.live.Name, Kind: d.live.Kind, Auth: store.AuthDigest, Approved: true}
	}
	if in.Body.Auth != nil {
		k.Auth = *in.Body.Auth
	}
	if in.Body.Approved != nil {
		k.Approved = *in.Body.Approved
	}
	if err := in.Body.apply(&k); err != nil {
		return nil, err
	}
	if _, err := s.svc.Store.PutDevice(ctx, k); err != nil {
		return nil, storeFault(err)
	}
	return s.provisioned(k.ID, k.Name)
}

// provisioned tells the table of a device that was added or changed and shows it.
func (s *Server) provisioned(id gb28181.ID, name string) (*deviceOutput, error) {
	if err := s.svc.Devices.Provision(id, name); err != nil {
		return nil, err
	}
	if s.svc.Attempts != nil {
		s.svc.Attempts.Forget(string(id))
	}
	if s.svc.Traits != nil {
		s.svc.Traits.Changed(id)
	}
	d, err := s.device(string(id))
	if err != nil {
		return nil, err
	}
	return &deviceOutput{s.viewDevice(d)}, nil
}

// apply writes the choices that were given into the record.
func (w *DeviceWords) apply(k *store.Device) error {
	for _, f := range []struct {
		from *string
		to   *string
	}{
		{w.Name, &k.Name}, {w.Password, &k.Password}, {w.Transport, &k.Transport}, {w.MediaTransport, &k.MediaTransport},
		{w.MediaMode, &k.MediaMode}, {w.Follow, &k.Follow}, {w.Tenant, &k.Tenant},
		{w.Note, &k.Note}, {w.NoteAlgorithm, &k.NoteAlgorithm}, {w.NoteSeed, &k.NoteSeed},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if w.Edition != nil {
		k.Edition = gb28181.ParseEdition(*w.Edition)
	}
	if w.Algorithms != nil {
		k.Algorithms = *w.Algorithms
	}
	if w.Quirks != nil {
		hand, err := quirk.ParseHand(*w.Quirks)
		if err != nil {
			return fault.Invalid("body.quirks", strings.Join(*w.Quirks, " "), "%v", err)
		}
		k.Quirks = hand.Words()
	}
	if w.Allow != nil {
		k.Allow = nil
		for _, text := range *w.Allow {
			p, err := parseNetwork(text)
			if err != nil {
				return fault.Invalid("body.allow", text, "want an address or a network as 192.0.2.0/24")
			}
			k.Allow = append(k.Allow, p)
		}
	}
	if k.Auth == store.AuthNone && len(k.Allow) == 0 {
		return fault.Invalid("body.auth", k.Auth, "none needs allow: the networks that the device may register from")
	}
	return nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}

func (s *Server) removeDevice(ctx context.Context, in *DevicePath) (*struct{}, error) {
	d, err := s.device(in.Device)
	if err != nil {
		return nil, err
	}
	s.svc.Devices.Remove(d.live.ID)
	if err := s.svc.Store.RemoveDevice(ctx, d.live.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, storeFault(err)
	}
	return nil, nil
}
