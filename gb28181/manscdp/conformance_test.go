package manscdp_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/test/conformance"
)

const (
	camera   = gb28181.ID("34020000001320000001")
	dome     = gb28181.ID("34020000001320000002")
	sensor   = gb28181.ID("34020000001340000001")
	recorder = gb28181.ID("34020000001180000001")
	speaker  = gb28181.ID("34020000001370000001")
	moment   = "2024-05-01T10:20:30"
	session  = "0b9f3a52d3c14a6b8d11c7e5f2a49e60"
)

func ptr[T any](v T) *T { return &v }

func control(sn int, cmd manscdp.Command) manscdp.DeviceControl {
	return manscdp.DeviceControl{SN: sn, DeviceID: camera, Command: cmd}
}

// messages are the values of the files in testdata/conformance, by their names
// with the edition cut off where both editions say the same.
var messages = map[string]manscdp.Body{
	"control_ptzcmd_2016":            manscdp.DeviceControl{SN: 60, DeviceID: camera, Command: manscdp.PTZCmd{Code: "A50F0101200000D6"}, Priority: 5},
	"control_ptzcmd_2022":            control(60, manscdp.PTZCmd{Code: "A50F0101200000D6"}),
	"control_ptzcmd_presetname_2022": control(61, manscdp.PTZCmd{Code: "A50F018100010037", PresetName: "门口"}),
	"control_ptzcmd_cruisename_2022": control(62, manscdp.PTZCmd{Code: "A50F01840103003D", CruiseTrackName: "夜间"}),
	"control_teleboot":               control(63, manscdp.TeleBoot{}),
	"control_recordcmd_start_2016":   control(64, manscdp.RecordCmd{Start: true}),
	"control_recordcmd_start_2022":   control(64, manscdp.RecordCmd{Start: true, Stream: 1}),
	"control_recordcmd_stop":         control(65, manscdp.RecordCmd{}),
	"control_guardcmd_set":           manscdp.DeviceControl{SN: 66, DeviceID: sensor, Command: manscdp.GuardCmd{Set: true}},
	"control_guardcmd_reset":         manscdp.DeviceControl{SN: 67, DeviceID: sensor, Command: manscdp.GuardCmd{}},
	"control_alarmcmd":               manscdp.DeviceControl{SN: 61, DeviceID: sensor, Command: manscdp.AlarmCmd{Methods: []int{2}, Types: []int{1}}},
	"control_alarmcmd_all":           manscdp.DeviceControl{SN: 68, DeviceID: sensor, Command: manscdp.AlarmCmd{}},
	"control_dragzoomin":             control(62, manscdp.DragZoom{Rectangle: manscdp.Rectangle{1920, 1080, 600, 400, 300, 200}}),
	"control_dragzoomout":            control(62, manscdp.DragZoom{Out: true, Rectangle: manscdp.Rectangle{1920, 1080, 600, 400, 300, 200}}),
	"control_homeposition":           control(69, manscdp.HomePosition{Enabled: true, ResetTime: ptr(30), PresetIndex: ptr(1)}),
	"control_homeposition_off":       control(70, manscdp.HomePosition{}),
	"control_iframecmd_2016":         control(71, manscdp.KeyFrame{Spelling: manscdp.SpellingIFame}),
	"control_iframecmd_2022":         control(71, manscdp.KeyFrame{}),
	"control_iframecmd_alone_2022":   control(72, manscdp.KeyFrame{Spelling: manscdp.SpellingIFrame}),
	"control_iframecmd_old_2022":     control(73, manscdp.KeyFrame{Spelling: manscdp.SpellingIFame}),
	"control_ptzprecisectrl_2022":    control(74, manscdp.PTZPreciseCtrl{Pan: ptr(123.45), Tilt: ptr(-15.0), Zoom: ptr(3.5)}),
	"control_deviceupgrade_2022": control(63, manscdp.DeviceUpgrade{
		Firmware: "V1.0.4", FileURL: "http://192.0.2.10/fw/ipc-1.0.4.bin?a=1&b=2", Manufacturer: "ACME", SessionID: session,
	}),
	"control_formatsdcard_2022": control(75, manscdp.FormatSDCard{Card: 1}),
	"control_targettrack_manual_2022": manscdp.DeviceControl{SN: 64, DeviceID: dome, Command: manscdp.TargetTrack{
		Mode: "Manual", Panorama: camera, Area: &manscdp.Rectangle{1920, 1080, 960, 500, 100, 200},
	}},
	"control_targettrack_auto_2022": manscdp.DeviceControl{SN: 76, DeviceID: dome, Command: manscdp.TargetTrack{Mode: "Auto"}},
	"control_targettrack_stop_2022": manscdp.DeviceControl{SN: 77, DeviceID: dome, Command: manscdp.TargetTrack{Mode: "Stop"}, ExtraInfo: []string{"shift 3"}},
	"config_snapshot_2022": manscdp.SnapShotConfig{
		SN: 71, DeviceID: camera, SnapNum: 2, Interval: 1,
		UploadURL: "http://192.0.2.10/snap", SessionID: "6f1d0c8e-2b7a-4c55-9f0e-5d8a1b2c3d4e",
	},
	"query_recordinfo_2016": manscdp.RecordQuery{
		SN: 17, DeviceID: camera, StartTime: "2024-05-01T00:00:00", EndTime: "2024-05-01T23:59:59", Type: "all",
	},
	"query_recordinfo_full_2016": manscdp.RecordQuery{
		SN: 18, DeviceID: camera, StartTime: "2024-05-01T00:00:00", EndTime: "2024-05-01T23:59:59", FilePath: "/rec", Address: "A",
		Secrecy: 1, Type: "alarm", RecorderID: "34020000003000000001", Indistinct: true,
	},
	"query_recordinfo_2022": manscdp.RecordQuery{
		SN: 17, DeviceID: camera, StartTime: "2024-05-01T00:00:00", EndTime: "2024-05-01T23:59:59", Type: "all",
		Stream: ptr(0), AlarmMethod: "5", AlarmType: "2",
	},
	"response_recordinfo_2016": manscdp.RecordResponse{SN: 17, DeviceID: camera, Name: "大门", SumNum: 1, Items: []manscdp.RecordItem{{
		DeviceID: camera, Name: "大门", FilePath: "/rec/1.ps", Address: "A", StartTime: "2024-05-01T08:00:00", EndTime: "2024-05-01T09:00:00",
		Type: "time", RecorderID: "34020000003000000001", FileSize: "104857600",
	}}},
	"response_recordinfo_2022": manscdp.RecordResponse{SN: 17, DeviceID: camera, Name: "大门", SumNum: 2, Items: []manscdp.RecordItem{{
		DeviceID: camera, Name: "大门", FilePath: "/rec/1.ps", Address: "A", StartTime: "2024-05-01T08:00:00", EndTime: "2024-05-01T09:00:00",
		Type: "time", RecorderID: "34020000003000000001", FileSize: "104857600", Location: "34020000001180000001", Stream: ptr(0),
	}}, ExtraInfo: []string{"disk 1"}},
	"response_recordinfo_none": manscdp.RecordResponse{SN: 17, DeviceID: camera, Name: "大门"},
	"answer_devicecontrol":     manscdp.Answer{CmdType: manscdp.CmdDeviceControl, SN: 64, DeviceID: camera, OK: true},
	"answer_deviceconfig":      manscdp.Answer{CmdType: manscdp.CmdDeviceConfig, SN: 71, DeviceID: camera, OK: true},
	"answer_refused":           manscdp.Answer{CmdType: manscdp.CmdDeviceControl, SN: 64, DeviceID: camera},
	"answer_alarm":             manscdp.Answer{CmdType: manscdp.CmdAlarm, SN: 5, DeviceID: sensor, OK: true},
	"answer_broadcast":         manscdp.Answer{CmdType: manscdp.CmdBroadcast, SN: 992, DeviceID: speaker, OK: true},

	"notify_alarm": manscdp.AlarmNotify{
		SN: 5, DeviceID: sensor, Priority: 1, Method: manscdp.ByVideo, Time: moment, Description: "越界",
		Longitude: ptr(118.36), Latitude: ptr(31.33), Type: 6, EventType: 1, Extra: []string{"lane 3"},
	},
	"notify_alarm_plain": manscdp.AlarmNotify{SN: 6, DeviceID: sensor, Priority: 4, Method: manscdp.ByDevice, Time: moment},
	"query_alarm": manscdp.AlarmQuery{
		SN: 40, DeviceID: recorder, StartPriority: 1, EndPriority: 4, Methods: []int{2, 5}, Types: []int{1, 2},
		Start: "2024-05-01T00:00:00", End: "2024-05-02T00:00:00",
	},
	"query_alarm_all":      manscdp.AlarmQuery{SN: 41, DeviceID: recorder},
	"notify_mediastatus":   manscdp.MediaStatus{SN: 8, DeviceID: camera, Type: manscdp.SentWhole},
	"notify_broadcast":     manscdp.Broadcast{SN: 992, SourceID: "34020000002000000001", TargetID: speaker},
	"query_mobileposition": manscdp.PositionQuery{SN: 42, DeviceID: camera, Interval: 5},
	"notify_keepalive":     manscdp.Keepalive{SN: 43, DeviceID: recorder, OK: true, Faulty: []gb28181.ID{"34020000001320000003"}},
	"notify_position_2016": manscdp.PositionNotify{SN: 7, DeviceID: camera, Time: moment, SumNum: -1, Positions: []manscdp.Position{{
		DeviceID: camera, Time: moment, Longitude: 118.36, Latitude: 31.33, Speed: ptr(36.5), Direction: ptr(90.0), Altitude: ptr(12.0),
	}}},
	"notify_position_2022": manscdp.PositionNotify{SN: 8, DeviceID: camera, Time: moment, SumNum: 1, Positions: []manscdp.Position{{
		DeviceID: "34020000001380000001", Time: "2024-05-01T10:20:29", Longitude: 118.36, Latitude: 31.33,
		Speed: ptr(36.5), Direction: ptr(90.0), Altitude: ptr(12.0), Height: ptr(1.5),
	}}},
	"notify_snapshotfinished_2022": manscdp.UploadSnapShotFinished{
		SN: 51, DeviceID: camera, SessionID: "6f1d0c8e-2b7a-4c55-9f0e-5d8a1b2c3d4e",
		Files: []string{"34020000001320000001022024050110203012301"},
	},
	"notify_snapshotfinished_none_2022": manscdp.UploadSnapShotFinished{
		SN: 54, DeviceID: camera, SessionID: "6f1d0c8e-2b7a-4c55-9f0e-5d8a1b2c3d4e",
	},
	"notify_videoupload_2022":      manscdp.VideoUpload{SN: 52, DeviceID: camera, Time: moment, Longitude: ptr(118.36), Latitude: ptr(31.33)},
	"notify_upgraderesult_2022":    manscdp.DeviceUpgradeResult{SN: 53, DeviceID: camera, SessionID: session, Firmware: "V1.0.3", Reason: 1},
	"notify_upgraderesult_ok_2022": manscdp.DeviceUpgradeResult{SN: 55, DeviceID: camera, SessionID: session, OK: true, Firmware: "V1.0.4"},
	"notify_ptzposition_2022": manscdp.PTZPosition{
		Root: manscdp.Notify, SN: 56, DeviceID: camera, OK: true, Pan: ptr(123.45), Tilt: ptr(-15.0), Zoom: ptr(3.5),
		HorizontalFieldAngle: ptr(60.0), VerticalFieldAngle: ptr(34.0), MaxViewDistance: ptr(120.0),
	},
	"notify_catalog": manscdp.CatalogNotify{SN: 9, DeviceID: recorder, Items: []manscdp.CatalogItem{{DeviceID: camera, Event: "OFF"}}},

	"query_catalog":              manscdp.Inquiry{CmdType: manscdp.CmdCatalog, SN: 248, DeviceID: recorder},
	"query_deviceinfo":           manscdp.Inquiry{CmdType: manscdp.CmdDeviceInfo, SN: 11, DeviceID: camera},
	"query_devicestatus":         manscdp.Inquiry{CmdType: manscdp.CmdDeviceStatus, SN: 12, DeviceID: recorder},
	"query_preset":               manscdp.Inquiry{CmdType: manscdp.CmdPresetQuery, SN: 30, DeviceID: camera},
	"query_homeposition_2022":    manscdp.Inquiry{CmdType: manscdp.CmdHomePosition, SN: 31, DeviceID: camera},
	"query_cruisetracklist_2022": manscdp.Inquiry{CmdType: manscdp.CmdCruiseTrackList, SN: 32, DeviceID: camera},
	"query_cruisetrack_2022":     manscdp.Inquiry{CmdType: manscdp.CmdCruiseTrack, SN: 33, DeviceID: camera},
	"query_ptzposition_2022":     manscdp.Inquiry{CmdType: manscdp.CmdPTZPosition, SN: 34, DeviceID: camera},
	"query_sdcardstatus_2022":    manscdp.Inquiry{CmdType: manscdp.CmdSDCardStatus, SN: 35, DeviceID: camera},

	"answer_catalog_2016": manscdp.CatalogResponse{SN: 248, DeviceID: recorder, SumNum: 2, Items: []manscdp.CatalogItem{{
		DeviceID: camera, Name: "大门", Manufacturer: "ACME", Model: "C1", Owner: "O", CivilCode: "340200", Address: "1号楼",
		Parental: "0", ParentID: string(recorder), SafetyWay: "0", RegisterWay: "1", Secrecy: "0", Status: "ON",
		Longitude: "118.36", Latitude: "31.33", BusinessGroup: "34020000002150000001",
		Info: []manscdp.Attr{{"CertNum", "7"}, {"Certifiable", "1"}, {"ErrCode", "0"}, {"EndTime", "2030-01-01T00:00:00"}, {"PTZType", "1"}},
	}}},
	"answer_catalog_2022": manscdp.CatalogResponse{SN: 248, DeviceID: recorder, SumNum: 2, Items: []manscdp.CatalogItem{{
		DeviceID: camera, Name: "大门", Manufacturer: "ACME", Model: "C1", CivilCode: "340200", Address: "1号楼",
		Parental: "0", ParentID: string(recorder), RegisterWay: "1", Secrecy: "0", Status: "ON",
		Longitude: "118.36", Latitude: "31.33", BusinessGroup: "34020000002150000001",
		Info: []manscdp.Attr{
			{"SecurityLevelCode", "A"}, {"PTZType", "1"}, {"SupplyLightType", "2"}, {"StreamNumberList", "0/1"},
			{"GrassrootsCode", "000000"}, {"PointType", "3"},
		},
	}}},
	"answer_deviceinfo_2016": manscdp.DeviceInfo{
		SN: 11, DeviceID: camera, Name: "大门", OK: true, Manufacturer: "ACME", Model: "C1", Firmware: "V5.7.1", Channels: 1,
	},
	"answer_deviceinfo_2022": manscdp.DeviceInfo{
		SN: 11, DeviceID: camera, Name: "大门", OK: true, Manufacturer: "ACME", Model: "C1", Firmware: "V5.7.1", Channels: 1,
		ExtraInfo: []string{"rack 7"},
	},
	"answer_devicestatus_2016": status(nil),
	"answer_devicestatus_2022": status([]string{"rack 7"}),
	"answer_preset": manscdp.PresetList{
		SN: 30, DeviceID: camera, SumNum: 1, Presets: []manscdp.Preset{{ID: "1", Name: "门口"}}, OK: true,
	},
	"answer_preset_none": manscdp.PresetList{SN: 31, DeviceID: camera, OK: true},
	"answer_homeposition_2022": manscdp.HomePositionAnswer{
		SN: 31, DeviceID: camera, OK: true, Home: &manscdp.HomePosition{Enabled: true, ResetTime: ptr(30), PresetIndex: ptr(1)},
	},
	"answer_cruisetracklist_2022": manscdp.CruiseTrackList{
		SN: 32, DeviceID: camera, SumNum: 1, Tracks: []manscdp.CruiseTrack{{Number: 0, Name: "夜间"}}, OK: true,
	},
	"answer_cruisetrack_2022": manscdp.CruiseTrackAnswer{
		SN: 33, DeviceID: camera, CruiseTrack: manscdp.CruiseTrack{Name: "夜间"}, SumNum: 1,
		Points: []manscdp.CruisePoint{{Preset: 1, Stay: 15, Speed: 8}}, OK: true,
	},
	"answer_ptzposition_2022": manscdp.PTZPosition{
		Root: manscdp.Response, SN: 34, DeviceID: camera, OK: true, Pan: ptr(123.45), Tilt: ptr(-15.0), Zoom: ptr(3.5),
	},
	"answer_sdcardstatus_2022": manscdp.SDCards{SN: 35, DeviceID: camera, SumNum: 2, OK: true, Cards: []manscdp.SDCard{
		{ID: 1, Name: "SD1", Status: "ok", Capacity: 122880, FreeSpace: 40960},
		{ID: 2, Name: "SD2", Status: "formatting", FormatProgress: ptr(40), Capacity: 61440},
	}},
	"answer_error_2022": manscdp.SDCards{SN: 36, DeviceID: camera, SumNum: -1},
}

func status(extra []string) manscdp.DeviceStatus {
	return manscdp.DeviceStatus{
		SN: 12, DeviceID: recorder, OK: true, Online: true, Reason: "disk", Encode: "ON", Record: "OFF", Time: moment,
		Alarms: []manscdp.Duty{{DeviceID: sensor, Status: "ONDUTY"}}, ExtraInfo: extra,
	}
}

// view reads m as the type of like.
func view(m *manscdp.Message, like manscdp.Body) (manscdp.Body, error) {
	switch like.(type) {
	case manscdp.DeviceControl:
		return m.AsDeviceControl()
	case manscdp.SnapShotConfig:
		return m.AsSnapShotConfig()
	case manscdp.RecordQuery:
		return m.AsRecordQuery()
	case manscdp.RecordResponse:
		return m.AsRecordResponse()
	case manscdp.Answer:
		return m.AsAnswer()
	case manscdp.AlarmNotify:
		return m.AsAlarmNotify()
	case manscdp.AlarmQuery:
		return m.AsAlarmQuery()
	case manscdp.PositionNotify:
		return m.AsPositionNotify()
	case manscdp.PositionQuery:
		return m.AsPositionQuery()
	case manscdp.MediaStatus:
		return m.AsMediaStatus()
	case manscdp.VideoUpload:
		return m.AsVideoUpload()
	case manscdp.DeviceUpgradeResult:
		return m.AsDeviceUpgradeResult()
	case manscdp.UploadSnapShotFinished:
		return m.AsUploadSnapShotFinished()
	case manscdp.Broadcast:
		return m.AsBroadcast()
	case manscdp.Keepalive:
		return m.AsKeepalive()
	case manscdp.Inquiry:
		return m.AsInquiry()
	case manscdp.CatalogResponse:
		return m.AsCatalogResponse()
	case manscdp.CatalogNotify:
		return m.AsCatalogNotify()
	case manscdp.DeviceInfo:
		return m.AsDeviceInfo()
	case manscdp.DeviceStatus:
		return m.AsDeviceStatus()
	case manscdp.PresetList:
		return m.AsPresetList()
	case manscdp.HomePositionAnswer:
		return m.AsHomePosition()
	case manscdp.CruiseTrackList:
		return m.AsCruiseTrackList()
	case manscdp.CruiseTrackAnswer:
		return m.AsCruiseTrack()
	case manscdp.PTZPosition:
		return m.AsPTZPosition()
	case manscdp.SDCards:
		return m.AsSDCards()
	}
	return nil, fmt.Errorf("no view of %T", like)
}

func TestEachMessageIsWrittenAndReadByteForByte(t *testing.T) {
	used := map[string]bool{}
	for _, f := range conformance.Load(t, "testdata/conformance") {
		name := f.Name()
		if _, ok := messages[name]; !ok {
			name = name[:strings.LastIndexByte(name, '_')]
		}
		want, ok := messages[name]
		if !ok {
			t.Errorf("%s: no value here", f.Path)
			continue
		}
		used[name] = true
		m, err := manscdp.Decode(f.Body)
		if err != nil {
			t.Errorf("%s: %v", f.Path, err)
			continue
		}
		if root, rest, _ := strings.Cut(f.Message, "/"); root != m.Root || strings.Split(rest, "/")[0] != m.CmdType {
			t.Errorf("%s: head says %s, body %s/%s", f.Path, f.Message, m.Root, m.CmdType)
		}
		got, err := view(m, want)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s is read as\n%s%v", f.Path, d, err)
		}
		for _, e := range f.Editions {
			wrote, err := manscdp.AppendBody(nil, want, e, m.Declared)
			if d := cmp.Diff(string(f.Body), string(wrote)); d != "" || err != nil {
				t.Errorf("%s is written to a peer of %s as\n%s%v", f.Path, e, d, err)
			}
		}
	}
	for name := range messages {
		if !used[name] {
			t.Errorf("no file proves %s", name)
		}
	}
}

func TestKeyFrameIsSpeltForTheEdition(t *testing.T) {
	for e, want := range map[gb28181.Edition]string{
		gb28181.EditionUnknown: "<IFameCmd>Send</IFameCmd></Control>",
		gb28181.Edition2016:    "<IFameCmd>Send</IFameCmd></Control>",
		gb28181.Edition2022:    "<IFameCmd>Send</IFameCmd><IFrameCmd>Send</IFrameCmd></Control>",
	} {
		got, err := manscdp.AppendBody(nil, control(1, manscdp.KeyFrame{}), e, "")
		if err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%v: %s, %v", e, got, err)
		}
	}
}

func TestWhatAnEditionHasNotIsRefused(t *testing.T) {
	for what, b := range map[string]manscdp.Body{
		"DeviceControl/PTZPreciseCtrl": messages["control_ptzprecisectrl_2022"],
		"DeviceControl/DeviceUpgrade":  messages["control_deviceupgrade_2022"],
		"DeviceControl/FormatSDCard":   messages["control_formatsdcard_2022"],
		"DeviceControl/TargetTrack":    messages["control_targettrack_auto_2022"],
		"DeviceConfig/SnapShotConfig":  messages["config_snapshot_2022"],
		"RecordCmd/StreamNumber":       messages["control_recordcmd_start_2022"],
		"PTZCmdParams/PresetName":      messages["control_ptzcmd_presetname_2022"],
		"PTZCmdParams/CruiseTrackName": messages["control_ptzcmd_cruisename_2022"],
		"ExtraInfo":                    manscdp.DeviceControl{SN: 1, DeviceID: camera, Command: manscdp.TeleBoot{}, ExtraInfo: []string{"x"}},
	} {
		for _, e := range []gb28181.Edition{gb28181.Edition2016, gb28181.EditionUnknown} {
			before := []byte("before")
			got, err := manscdp.AppendBody(before, b, e, "")
			want := manscdp.ErrEdition{What: what, Edition: gb28181.Edition2016, Since: gb28181.Edition2022}
			var edition manscdp.ErrEdition
			if !errors.As(err, &edition) || edition != want || string(got) != "before" {
				t.Errorf("%s: %q, %v", what, got, err)
			}
		}
		if _, err := b.Node(gb28181.Edition2022); err != nil {
			t.Errorf("%s to a peer of 2022: %v", what, err)
		}
	}
	_, err := control(1, manscdp.KeyFrame{}).Node(gb28181.Edition2011)
	if err == nil || !strings.Contains(err.Error(), "IFrameCmd is not in GB/T 28181-2011, which the device speaks: it came with 2016") {
		t.Error(err)
	}
}

func TestAValueOutOfRangeIsNamed(t *testing.T) {
	box := manscdp.Rectangle{1920, 1080, 600, 400, 300, 200}
	wide := box
	wide.MidPointX = 1921
	flat := box
	flat.LengthY = 0
	for want, b := range map[string]manscdp.Body{
		`SN is 0: want 1 or more`:                      control(0, manscdp.TeleBoot{}),
		`DeviceID is "a b"`:                            manscdp.DeviceControl{SN: 1, DeviceID: "a b", Command: manscdp.TeleBoot{}},
		`Command is ""`:                                control(1, nil),
		`PTZCmd is "A50F": want 16 hexadecimal digits`: control(1, manscdp.PTZCmd{Code: "A50F"}),
		`PTZCmd is "a50f0101200000d6"`:                 control(1, manscdp.PTZCmd{Code: "a50f0101200000d6"}),
		`PTZCmdParams/PresetName is "x": want none but with the code that sets`:  control(1, manscdp.PTZCmd{Code: "A50F018200010038", PresetName: "x"}),
		`PTZCmdParams/CruiseTrackName is "中中中中中中中中中中中中中`:                         control(1, manscdp.PTZCmd{Code: "A50F01840103003D", CruiseTrackName: strings.Repeat("中", 17)}),
		`PTZCmdParams/CruiseTrackName is "x": want none but with the codes of a`: control(1, manscdp.PTZCmd{Code: "A50F018100010037", CruiseTrackName: "x"}),
		`Spelling is 9: want 0 to 2`:                                                 control(1, manscdp.KeyFrame{Spelling: 9}),
		`StreamNumber is -1: want 0 to 15`:                                           control(1, manscdp.RecordCmd{Stream: -1}),
		`AlarmMethod is 8: want 0 to 7`:                                              control(1, manscdp.AlarmCmd{Methods: []int{8}}),
		`AlarmType is 0: want 1 or more`:                                             control(1, manscdp.AlarmCmd{Types: []int{0}}),
		`DragZoomIn/Length is 0`:                                                     control(1, manscdp.DragZoom{}),
		`DragZoomIn/MidPointX is 1921: want 0 to 1920`:                               control(1, manscdp.DragZoom{Rectangle: wide}),
		`DragZoomOut/LengthY is 0: want 1 to 1080`:                                   control(1, manscdp.DragZoom{Out: true, Rectangle: flat}),
		`HomePosition/PresetIndex is 256: want 0 to 255`:                             control(1, manscdp.HomePosition{Enabled: true, PresetIndex: ptr(256)}),
		`HomePosition/ResetTime is -1`:                                               control(1, manscdp.HomePosition{Enabled: true, ResetTime: ptr(-1)}),
		`HomePosition/ResetTime is 5: want none with Enabled 0`:                      control(1, manscdp.HomePosition{ResetTime: ptr(5)}),
		`PTZPreciseCtrl is "": want Pan, Tilt or Zoom`:                               control(1, manscdp.PTZPreciseCtrl{}),
		`PTZPreciseCtrl/Pan is 360.5: want 0 to 360`:                                 control(1, manscdp.PTZPreciseCtrl{Pan: ptr(360.5)}),
		`PTZPreciseCtrl/Tilt is -91: want -90 to 90`:                                 control(1, manscdp.PTZPreciseCtrl{Tilt: ptr(-91.0)}),
		`PTZPreciseCtrl/Zoom is 0.5: want 1 to`:                                      control(1, manscdp.PTZPreciseCtrl{Zoom: ptr(0.5)}),
		`DeviceUpgrade/Firmware is "": want 1 to`:                                    control(1, manscdp.DeviceUpgrade{FileURL: "u", Manufacturer: "m", SessionID: session}),
		`DeviceUpgrade/SessionID is "short": want 32 to 128 letters`:                 control(1, manscdp.DeviceUpgrade{Firmware: "f", FileURL: "u", Manufacturer: "m", SessionID: "short"}),
		`FormatSDCard is -1: want 0 or more`:                                         control(1, manscdp.FormatSDCard{Card: -1}),
		`TargetTrack is "auto": want Auto, Manual, Stop`:                             control(1, manscdp.TargetTrack{Mode: "auto"}),
		`TargetArea is "": want an area with Manual`:                                 control(1, manscdp.TargetTrack{Mode: "Manual"}),
		`TargetArea is "given": want none with Stop`:                                 control(1, manscdp.TargetTrack{Mode: "Stop", Area: &box}),
		`DeviceID2 is "?"`:                                                           control(1, manscdp.TargetTrack{Mode: "Auto", Panorama: "?"}),
		`SnapShotConfig/SnapNum is 11: want 1 to 10`:                                 manscdp.SnapShotConfig{SN: 1, DeviceID: camera, SnapNum: 11, Interval: 1, UploadURL: "u", SessionID: session},
		`SnapShotConfig/Interval is 0: want 1 or more`:                               manscdp.SnapShotConfig{SN: 1, DeviceID: camera, SnapNum: 1, UploadURL: "u", SessionID: session},
		`ControlPriority is -1`:                                                      manscdp.DeviceControl{SN: 1, DeviceID: camera, Command: manscdp.TeleBoot{}, Priority: -1},
		`CmdType is ""`:                                                              manscdp.Answer{SN: 1, DeviceID: camera},
		`ExtraInfo is "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...": want at most 1`: manscdp.Answer{CmdType: "Alarm", DeviceID: camera, ExtraInfo: []string{strings.Repeat("x", 1025)}},
	} {
		n, err := b.Node(gb28181.Edition2022)
		var value manscdp.ErrValue
		if !errors.As(err, &value) || !strings.HasPrefix(err.Error(), want) || n != nil {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestControlsOfOthersAreReadLeniently(t *testing.T) {
	for body, want := range map[string]manscdp.Command{
		`<ptzcmd> a5 0f 01 01 20 00 00 d6 </ptzcmd>`:                                 manscdp.PTZCmd{Code: "A50F0101200000D6"},
		`<RecordCmd>stoprecord</RecordCmd><StreamNumber>x</StreamNumber>`:            manscdp.RecordCmd{},
		`<GuardCmd>RESETGUARD</GuardCmd>`:                                            manscdp.GuardCmd{},
		`<AlarmCmd>ResetAlarm</AlarmCmd><info><AlarmMethod>12</AlarmMethod></info>`:  manscdp.AlarmCmd{Methods: []int{1, 2}},
		`<AlarmCmd>ResetAlarm</AlarmCmd><Info><AlarmMethod>all</AlarmMethod></Info>`: manscdp.AlarmCmd{Methods: []int{0}},
		`<IFrameCmd/>`: manscdp.KeyFrame{Spelling: manscdp.SpellingIFrame},
		`<HomePosition><Enabled>true</Enabled><ResetTime/></HomePosition>`:           manscdp.HomePosition{Enabled: true},
		`<HomePosition><Enabled>0</Enabled><ResetTime>30</ResetTime></HomePosition>`: manscdp.HomePosition{},
		`<PTZPreciseCtrl><Pan>NaN</Pan><Zoom> 2 </Zoom></PTZPreciseCtrl>`:            manscdp.PTZPreciseCtrl{Zoom: ptr(2.0)},
		`<TargetTrack>AUTO</TargetTrack>`:                                            manscdp.TargetTrack{Mode: "Auto"},
		`<Info><TeleBoot>Boot</TeleBoot></Info><GuardCmd>SetGuard</GuardCmd>`:        manscdp.GuardCmd{Set: true},
	} {
		m, err := manscdp.Decode([]byte("<Control><CmdType>DeviceControl</CmdType><SN>1</SN><DeviceID>1</DeviceID>" + body + "</Control>"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.AsDeviceControl()
		if d := cmp.Diff(want, got.Command); d != "" || err != nil {
			t.Errorf("%s\n%s%v", body, d, err)
		}
	}
	m, _ := manscdp.Decode([]byte("<Control><CmdType>DeviceControl</CmdType><Nonsense/></Control>"))
	if _, err := m.AsDeviceControl(); err == nil || !strings.Contains(err.Error(), "Nonsense") {
		t.Error(err)
	}
}

// What a view took from any message can be written, and is then read the same.
func FuzzViews(f *testing.F) {
	for _, file := range conformance.Load(f, "testdata/conformance") {
		f.Add(file.Body)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := manscdp.Decode(in)
		if err != nil {
			return
		}
		for name, like := range messages {
			for _, e := range []gb28181.Edition{gb28181.Edition2016, gb28181.Edition2022} {
				b, err := view(m, like)
				if err != nil {
					break
				}
				first, err := manscdp.AppendBody(nil, b, e, manscdp.UTF8)
				if err != nil {
					continue
				}
				m2, err := manscdp.Decode(first)
				if err != nil {
					t.Fatalf("%s: %s: %v", name, first, err)
				}
				b2, err := view(m2, like)
				if err != nil {
					t.Fatalf("%s: %s: %v", name, first, err)
				}
				second, err := manscdp.AppendBody(nil, b2, e, manscdp.UTF8)
				if err != nil || string(second) != string(first) {
					t.Fatalf("%s: %s\nbecomes\n%s\n%v", name, first, second, err)
				}
			}
		}
	})
}
