package sim_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/internal/sim"
	"fengsui/test/conformance"
)

// Every query and control that a server of an edition may send is taken, and
// answered when the standard has an answer, in a form that a strict reader of
// that edition accepts.
//
// Conformance: simulator Query/Catalog 2016 2022
// Conformance: simulator Query/DeviceInfo 2016 2022
// Conformance: simulator Query/DeviceStatus 2016 2022
// Conformance: simulator Query/PresetQuery 2016 2022
// Conformance: simulator Query/HomePositionQuery 2022
// Conformance: simulator Query/CruiseTrackListQuery 2022
// Conformance: simulator Query/CruiseTrackQuery 2022
// Conformance: simulator Query/PTZPosition 2022
// Conformance: simulator Query/SDCardStatus 2022
// Conformance: simulator Response/Catalog 2016 2022
// Conformance: simulator Response/DeviceInfo 2016 2022
// Conformance: simulator Response/DeviceStatus 2016 2022
// Conformance: simulator Response/PresetQuery 2016 2022
// Conformance: simulator Response/HomePositionQuery 2022
// Conformance: simulator Response/CruiseTrackListQuery 2022
// Conformance: simulator Response/CruiseTrackQuery 2022
// Conformance: simulator Response/PTZPosition 2022
// Conformance: simulator Response/SDCardStatus 2022
// Conformance: simulator Response/DeviceControl 2016 2022
// Conformance: simulator Response/DeviceConfig 2022
func TestRequestsAreAnsweredInTheEdition(t *testing.T) {
	t.Parallel()
	files := conformance.Load(t, "../../gb28181/manscdp/testdata/conformance")
	slices.SortStableFunc(files, func(a, b conformance.File) int { return registersAnew(a) - registersAnew(b) })
	for _, edition := range []gb28181.Edition{gb28181.Edition2016, gb28181.Edition2022} {
		s := newServer(t)
		s.start(sim.Config{Channels: 2, Edition: edition, Keepalive: time.Hour, Quirks: []string{"strict"}, Records: 1, RecordPart: 50})
		for _, f := range files {
			if !slices.Contains(f.Editions, edition) || f.From != "server" {
				continue
			}
			m, err := manscdp.Decode(f.Body)
			if err != nil || m.Root != manscdp.Query && m.Root != manscdp.Control {
				continue
			}
			if r := s.request("MESSAGE", recorder, "", "", nil, f.Body); r.Status != 200 || len(r.Body) != 0 {
				t.Errorf("%s of %s answered %d %q", f.Name(), edition, r.Status, r.Body)
			}
			if !answered(m) {
				continue
			}
			if m.CmdType == manscdp.CmdMobilePosition { // is answered by a report
				if _, report := s.message("MESSAGE", manscdp.Notify, m.CmdType); report.Strict(edition) != nil {
					t.Errorf("%s of %s: %v", f.Name(), edition, report.Strict(edition))
				}
				continue
			}
			_, body := s.message("MESSAGE", manscdp.Response, m.CmdType)
			if body.SN != m.SN || body.DeviceID != m.DeviceID {
				t.Errorf("%s: SN %d of %s", f.Name(), body.SN, body.DeviceID)
			}
			answer, err := answerTo(body)
			if err == nil {
				_, err = answer.Node(edition)
			}
			if err != nil {
				t.Errorf("%s of %s is answered with what it has not: %v", f.Name(), edition, err)
			}
		}
		careless := []byte("<Query><SN>1</SN><CmdType>DeviceInfo</CmdType><DeviceID>" + recorder + "</DeviceID></Query>")
		if r := s.request("MESSAGE", recorder, "", "", nil, careless); r.Status != 400 {
			t.Errorf("a query out of order is answered %d by a strict device", r.Status)
		}
		late := func(r received) bool {
			return r.Method == "MESSAGE" && bytes.Contains(r.Body, []byte("<CmdType>DeviceControl</CmdType>"))
		}
		if n := s.has(late); n != 0 {
			t.Errorf("%d Responses to controls that have none", n)
		}
	}
}

// registersAnew is above 0 for what makes a device leave, which is sent last.
func registersAnew(f conformance.File) int {
	switch f.Message {
	case "Control/DeviceControl/DeviceUpgrade":
		return 1
	case "Control/DeviceControl/TeleBoot":
		return 2
	}
	return 0
}

// answered reports whether the standard has a Response to m.
func answered(m *manscdp.Message) bool {
	d, err := m.AsDeviceControl()
	return err != nil || d.Command.Answered()
}

// answerTo reads a Response as the type of its CmdType.
func answerTo(m *manscdp.Message) (manscdp.Body, error) {
	switch m.CmdType {
	case manscdp.CmdCatalog:
		return m.AsCatalogResponse()
	case manscdp.CmdDeviceInfo:
		return m.AsDeviceInfo()
	case manscdp.CmdDeviceStatus:
		return m.AsDeviceStatus()
	case manscdp.CmdPresetQuery:
		return m.AsPresetList()
	case manscdp.CmdHomePosition:
		return m.AsHomePosition()
	case manscdp.CmdCruiseTrackList:
		return m.AsCruiseTrackList()
	case manscdp.CmdCruiseTrack:
		return m.AsCruiseTrack()
	case manscdp.CmdPTZPosition:
		return m.AsPTZPosition()
	case manscdp.CmdSDCardStatus:
		return m.AsSDCards()
	}
	return m.AsAnswer()
}
