package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"fengsui/gb28181"
	"fengsui/gb28181/upgrade"
	"fengsui/internal/api/fault"
	"fengsui/internal/rights"
)

// Upgrades is what the face asks of the devices' software; upgrade.Table has it.
type Upgrades interface {
	Start(ctx context.Context, device gb28181.ID, r upgrade.Request) (upgrade.Upgrade, error)
	Upgrade(id string) (upgrade.Upgrade, bool)
	Upgrades(device gb28181.ID) []upgrade.Upgrade
}

type upgradeView struct {
	ID           string `json:"id" doc:"the session that the device names"`
	Device       string `json:"device"`
	State        string `json:"state" enum:"ordered,accepted,rejoined,done,failed,expired" doc:"accepted: it fetches and installs; rejoined: it has registered anew; expired: half an hour passed and it told nothing"`
	Reason       string `json:"reason,omitempty"`
	Progress     *int   `json:"progress,omitempty" doc:"percent, of devices that tell it"`
	Firmware     string `json:"firmware"`
	URL          string `json:"url" doc:"without its query"`
	Manufacturer string `json:"manufacturer"`
	Before       string `json:"before" doc:"firmware that ran when it began"`
	Runs         string `json:"runs" doc:"firmware that the device said at the end"`
	By           string `json:"by" doc:"who asked for it; empty = it began before the server's last start"`
	StartedAt    stamp  `json:"started_at"`
	ChangedAt    stamp  `json:"changed_at"`
}

type upgradeInput struct {
	DevicePath
	SpeakAs
	Body struct {
		Firmware     string `json:"firmware" minLength:"1" maxLength:"256" doc:"version to install"`
		URL          string `json:"url" minLength:"1" maxLength:"1000" doc:"http:// or https:// address where the device fetches it"`
		Manufacturer string `json:"manufacturer,omitempty" maxLength:"256" doc:"absent = what the device says"`
	}
}

type upgradeOutput struct {
	Location string `header:"Location"`
	Body     upgradeView
}

type upgradePath struct {
	DevicePath
	Upgrade string `path:"upgrade" maxLength:"128"`
}

type upgradeList struct {
	Body struct {
		Items []upgradeView `json:"items" doc:"the newest first"`
		Total int           `json:"total"`
	}
}

func (s *Server) addUpgrades() {
	const path = "/api/v1/devices/{device}/upgrades"
	tags := []string{"configuration"}
	op(s, access{act: rights.Configure}, huma.Operation{OperationID: "start-upgrade", Method: http.MethodPost, Path: path, DefaultStatus: http.StatusAccepted, Tags: tags,
		Summary: "Have a device install software (2022 only)", Description: "Answers when the device has accepted it. It then fetches the file, restarts, registers anew and tells how it went: events upgrade.changed. "}, s.startUpgrade)
	op(s, access{act: rights.Configure}, huma.Operation{OperationID: "list-upgrades", Method: http.MethodGet, Path: path, Tags: tags, Summary: "Upgrades of a device since the server's start"}, s.listUpgrades)
	op(s, access{act: rights.Configure}, huma.Operation{OperationID: "get-upgrade", Method: http.MethodGet, Path: path + "/{upgrade}", Tags: tags, Summary: "How far an upgrade is"}, s.getUpgrade)
}

func viewUpgrade(u upgrade.Upgrade) upgradeView {
	v := upgradeView{
		ID: u.ID, Device: string(u.Device), State: string(u.State), Reason: u.Reason, Firmware: u.Firmware, Manufacturer: u.Manufacturer,
		Before: u.Before, Runs: u.Runs, By: u.By, StartedAt: stamp(u.StartedAt), ChangedAt: stamp(u.ChangedAt),
	}
	if u.Progress >= 0 {
		v.Progress = &u.Progress
	}
	if a, err := url.Parse(u.URL); err == nil {
		a.RawQuery, a.User = "", nil
		v.URL = a.String()
	}
	return v
}

func (s *Server) upgraded(text string) (Upgrades, gb28181.ID, error) {
	if s.svc.Upgrades == nil {
		return nil, "", fault.New(fault.NotBuiltIn, "upgrades are off")
	}
	d, err := s.device(text)
	return s.svc.Upgrades, d.live.ID, err
}

func (s *Server) startUpgrade(ctx context.Context, in *upgradeInput) (*upgradeOutput, error) {
	table, device, err := s.upgraded(in.Device)
	if err != nil {
		return nil, err
	}
	if a, err := url.Parse(in.Body.URL); err != nil || a.Host == "" || a.Scheme != "http" && a.Scheme != "https" {
		return nil, fault.Invalid("body.url", in.Body.URL, "want an http:// or https:// address")
	}
	r := upgrade.Request{Firmware: in.Body.Firmware, URL: in.Body.URL, Manufacturer: in.Body.Manufacturer, By: callOf(ctx).who.name, Edition: in.edition()}
	if d, _ := s.svc.Devices.Device(device); r.Manufacturer == "" {
		r.Manufacturer = d.Manufacturer
	}
	u, err := table.Start(ctx, device, r)
	if err != nil {
		return nil, err
	}
	return &upgradeOutput{"/api/v1/devices/" + string(device) + "/upgrades/" + u.ID, viewUpgrade(u)}, nil
}

func (s *Server) listUpgrades(_ context.Context, in *DevicePath) (*upgradeList, error) {
	table, device, err := s.upgraded(in.Device)
	if err != nil {
		return nil, err
	}
	out := &upgradeList{}
	out.Body.Items = []upgradeView{}
	for _, u := range table.Upgrades(device) {
		out.Body.Items = append(out.Body.Items, viewUpgrade(u))
	}
	out.Body.Total = len(out.Body.Items)
	return out, nil
}

func (s *Server) getUpgrade(_ context.Context, in *upgradePath) (*upgradeOutput, error) {
	table, device, err := s.upgraded(in.Device)
	if err != nil {
		return nil, err
	}
	u, ok := table.Upgrade(in.Upgrade)
	if !ok || u.Device != device {
		return nil, fault.New(fault.UnknownUpgrade, "upgrade %q of device %s", in.Upgrade, device)
	}
	return &upgradeOutput{Body: viewUpgrade(u)}, nil
}
