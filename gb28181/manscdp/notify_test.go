package manscdp_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// readAs makes a view of a body that has root and CmdType of like.
func readAs(t *testing.T, like manscdp.Body, root, cmd, inner string) manscdp.Body {
	t.Helper()
	m, err := manscdp.Decode([]byte("<" + root + "><CmdType>" + cmd + "</CmdType><SN>1</SN><DeviceID>" + string(camera) + "</DeviceID>" +
		inner + "</" + root + ">"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := view(m, like)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAlarmsOfTheFieldAreRead(t *testing.T) {
	for inner, want := range map[string]manscdp.AlarmNotify{
		`<AlarmPriority>9</AlarmPriority><AlarmMethod>5</AlarmMethod><AlarmTime></AlarmTime><AlarmType>2</AlarmType>`: {Method: 5, Type: 2},
		`<AlarmMethod>2</AlarmMethod><info><alarmtype>3</alarmtype></info>`:                                           {Method: 2, Type: 3},
		`<AlarmMethod>5</AlarmMethod><Info>lane 3</Info><Info><AlarmType>6</AlarmType><AlarmTypeParam><EventType>2</EventType></AlarmTypeParam><Plate>A1</Plate></Info>`: {
			Method: 5, Type: 6, EventType: 2, Extra: []string{"lane 3"}, Vendor: []manscdp.Attr{{"Plate", "A1"}},
		},
		`<AlarmMethod>x</AlarmMethod><Longitude>118.36E</Longitude><Latitude>31.33S</Latitude>`: {Longitude: ptr(118.36), Latitude: ptr(-31.33)},
		`<Longitude>nan</Longitude><Latitude>91</Latitude>`:                                     {},
	} {
		want.SN, want.DeviceID = 1, camera
		if d := cmp.Diff(manscdp.Body(want), readAs(t, want, "Notify", "Alarm", inner)); d != "" {
			t.Errorf("%s\n%s", inner, d)
		}
	}
	got := readAs(t, manscdp.AlarmQuery{}, "Query", "Alarm",
		"<StartAlarmPrority>1</StartAlarmPrority><AlarmMethod>all</AlarmMethod><AlarmType>all</AlarmType><StartTime>x</StartTime>")
	if d := cmp.Diff(manscdp.Body(manscdp.AlarmQuery{SN: 1, DeviceID: camera, StartPriority: 1, Methods: []int{0}, Start: "x"}), got); d != "" {
		t.Error(d)
	}
	if manscdp.AlarmName(5, 2) != "motion" || manscdp.AlarmName(5, 14) != "" || manscdp.AlarmName(2, 0) != "" || manscdp.AlarmName(1, 1) != "" {
		t.Error("alarm names")
	}
}

func TestPositionsOfTheFieldAreRead(t *testing.T) {
	const place = "<Longitude>118.36</Longitude><Latitude>31.33</Latitude>"
	flat := readAs(t, manscdp.PositionNotify{}, "Notify", "MobilePosition", "<Time>t</Time>"+place+"<Speed></Speed>").(manscdp.PositionNotify)
	want := []manscdp.Position{{DeviceID: camera, Time: "t", Longitude: 118.36, Latitude: 31.33}}
	if d := cmp.Diff(want, flat.Positions); d != "" || flat.SumNum != -1 || flat.Skipped != 0 {
		t.Error(d, flat)
	}
	list := readAs(t, manscdp.PositionNotify{}, "Notify", "MobilePosition", "<Time>t</Time><DeviceList><Item>"+place+
		"</Item><Item><Longitude></Longitude></Item><Item><DeviceID>7</DeviceID><CaptureTime>u</CaptureTime>"+place+"</Item></DeviceList>").(manscdp.PositionNotify)
	want = append(want, manscdp.Position{DeviceID: "7", Time: "u", Longitude: 118.36, Latitude: 31.33})
	if d := cmp.Diff(want, list.Positions); d != "" || list.Skipped != 1 {
		t.Error(d, list.Skipped)
	}
	if p := readAs(t, manscdp.PositionQuery{}, "Query", "MobilePosition", "<Interval>999999</Interval>").(manscdp.PositionQuery); p.Interval != 86400 {
		t.Error(p)
	}
}

func TestAnswersOfTheFieldAreRead(t *testing.T) {
	p := readAs(t, manscdp.PresetList{}, "Response", "PresetQuery",
		"<PresetList Num=' 2 '><Item><PresetID>007</PresetID></Item><Item><PresetName>x</PresetName></Item></PresetList>").(manscdp.PresetList)
	if len(p.Presets) != 1 || p.Presets[0].Number() != 7 || p.SumNum != -1 || !p.OK {
		t.Errorf("%+v", p)
	}
	z := readAs(t, manscdp.PTZPosition{}, "Response", "PTZPreciseStatusQuery", "<Pan>1</Pan><Tilt>x</Tilt>").(manscdp.PTZPosition)
	if z.Pan == nil || *z.Pan != 1 || z.Tilt != nil || z.Root != "Response" {
		t.Errorf("%+v", z)
	}
	q := readAs(t, manscdp.Inquiry{}, "Query", "ptzprecisestatusquery", "").(manscdp.Inquiry)
	if q.CmdType != manscdp.CmdPTZPosition {
		t.Errorf("%+v", q)
	}
	s := readAs(t, manscdp.SDCards{}, "Response", "SDCardStatus", "<SDCardStatusInfo><Item><ID>1</ID><Status>OK</Status><Capacity>-1</Capacity></Item>"+
		strings.Repeat("<Item><ID>2</ID></Item>", 20)+"</SDCardStatusInfo>").(manscdp.SDCards)
	if len(s.Cards) != 8 || s.Cards[0].Status != "ok" || s.Cards[0].Capacity != 0 {
		t.Errorf("%+v", s)
	}
	h := readAs(t, manscdp.HomePositionAnswer{}, "Response", "HomePositionQuery", "<Result>ERROR</Result>").(manscdp.HomePositionAnswer)
	if h.OK || h.Home != nil {
		t.Errorf("%+v", h)
	}
	r := readAs(t, manscdp.DeviceUpgradeResult{}, "Notify", "DeviceUpgradeResult",
		"<UpgradeResult>error</UpgradeResult><UpgradeFailedReason>1</UpgradeFailedReason>").(manscdp.DeviceUpgradeResult)
	if r.OK || r.Reason != 1 {
		t.Errorf("%+v", r)
	}
	r = readAs(t, r, "Notify", "DeviceUpgradeResult", "<UpgradeResult>FAIL</UpgradeResult>").(manscdp.DeviceUpgradeResult)
	if r.OK || r.Reason != 99 {
		t.Errorf("%+v", r)
	}
}

func TestPicturesAreNamedByDeviceAndTime(t *testing.T) {
	at := time.Date(2024, 5, 1, 10, 20, 30, 123456789, time.UTC)
	if got := manscdp.SnapShotFile(camera, at, 1); got != "34020000001320000001022024050110203012301" || len(got) != 41 {
		t.Error(got)
	}
}

func TestNoticesOutOfRangeAreNamed(t *testing.T) {
	alarm := messages["notify_alarm"].(manscdp.AlarmNotify)
	with := func(change func(*manscdp.AlarmNotify)) manscdp.AlarmNotify {
		a := alarm
		change(&a)
		return a
	}
	far := manscdp.PositionNotify{SN: 1, DeviceID: camera, Time: moment, Positions: []manscdp.Position{{DeviceID: camera, Time: moment, Longitude: 181}}}
	for want, b := range map[string]manscdp.Body{
		`AlarmPriority is 5: want 1 to 4`:                        with(func(a *manscdp.AlarmNotify) { a.Priority = 5 }),
		`AlarmMethod is 0: want 1 to 7`:                          with(func(a *manscdp.AlarmNotify) { a.Method = 0 }),
		`AlarmTime is "yesterday": want a time as 2006-01-02T15`: with(func(a *manscdp.AlarmNotify) { a.Time = "yesterday" }),
		`Info/AlarmType is 14: want one of the types of`:         with(func(a *manscdp.AlarmNotify) { a.Type = 14 }),
		`Info/AlarmTypeParam/EventType is 1: want none but for`:  with(func(a *manscdp.AlarmNotify) { a.Type = 2 }),
		`Latitude is 91: want -90 to 90`:                         with(func(a *manscdp.AlarmNotify) { a.Latitude = ptr(91.0) }),
		`StartAlarmPriority is 5: want 0 to 4`:                   manscdp.AlarmQuery{SN: 1, DeviceID: camera, StartPriority: 5},
		`EndAlarmTime is "x"`:                                    manscdp.AlarmQuery{SN: 1, DeviceID: camera, End: "x"},
		`Interval is 86401: want 0 to 86400`:                     manscdp.PositionQuery{SN: 1, DeviceID: camera, Interval: 86401},
		`Longitude is 181: want -180 to 180`:                     far,
		`SumNum is 0: want 1 to 1024`:                            manscdp.PositionNotify{SN: 1, DeviceID: camera, Time: moment},
		`NotifyType is 1: want 121 to 121`:                       manscdp.MediaStatus{SN: 1, DeviceID: camera, Type: 1},
		`UpgradeFailedReason is 0: want 1 to 3`:                  manscdp.DeviceUpgradeResult{SN: 1, DeviceID: camera, SessionID: session, Firmware: "f"},
		`UpgradeFailedReason is 1: want 0 with UpgradeResult OK`: manscdp.DeviceUpgradeResult{SN: 1, DeviceID: camera, SessionID: session, Firmware: "f", OK: true, Reason: 1},
		`SnapShotList is 11: want 0 to 10`:                       manscdp.UploadSnapShotFinished{SN: 1, DeviceID: camera, SessionID: session, Files: make([]string, 11)},
		`TargetID is ""`:                                         manscdp.Broadcast{SN: 1, SourceID: camera},
		`CmdType is "Nonsense": want a query without conditions`: manscdp.Inquiry{CmdType: "Nonsense", SN: 1, DeviceID: camera},
		`Number is 256: want 0 to 255`:                           manscdp.Inquiry{CmdType: manscdp.CmdCruiseTrack, SN: 1, DeviceID: camera, Number: 256},
		`Number is 1: want 0 but with CruiseTrackQuery`:          manscdp.Inquiry{CmdType: manscdp.CmdCatalog, SN: 1, DeviceID: camera, Number: 1},
		`SumNum is 0: want 1 to`:                                 manscdp.PresetList{SN: 1, DeviceID: camera, Presets: []manscdp.Preset{{ID: "1"}}, OK: true},
		`CruisePoint/Speed is 16: want 1 to 15`:                  manscdp.CruiseTrackAnswer{SN: 1, DeviceID: camera, OK: true, SumNum: 1, Points: []manscdp.CruisePoint{{Speed: 16}}},
		`Status is "busy": want ok, formatting`:                  manscdp.SDCards{SN: 1, DeviceID: camera, OK: true, SumNum: 1, Cards: []manscdp.SDCard{{ID: 1, Status: "busy"}}},
		`FreeSpace is 2: want 0 to 1`:                            manscdp.SDCards{SN: 1, DeviceID: camera, OK: true, SumNum: 1, Cards: []manscdp.SDCard{{ID: 1, Status: "ok", Capacity: 1, FreeSpace: 2}}},
		`Root is "Query": want Response, Notify`:                 manscdp.PTZPosition{Root: "Query", SN: 1, DeviceID: camera, OK: true},
		`Tilt is -90.5: want -90 to 90`:                          manscdp.PTZPosition{Root: "Notify", SN: 1, DeviceID: camera, OK: true, Tilt: ptr(-90.5)},
		`Alarmstatus/DutyStatus is "": want ONDUTY`:              manscdp.DeviceStatus{SN: 1, DeviceID: camera, Alarms: []manscdp.Duty{{DeviceID: camera}}},
		`Encode or Record is "YES": want ON, OFF`:                manscdp.DeviceStatus{SN: 1, DeviceID: camera, Encode: "YES"},
		`SumNum is 1: want 2 to`:                                 manscdp.CatalogResponse{SN: 1, DeviceID: camera, SumNum: 1, Items: make([]manscdp.CatalogItem, 2)},
	} {
		n, err := b.Node(gb28181.Edition2022)
		var value manscdp.ErrValue
		if !errors.As(err, &value) || !strings.HasPrefix(err.Error(), want) || n != nil {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestNoticesAndQueriesOf2022AreRefusedTo2016(t *testing.T) {
	occluded := messages["notify_alarm_plain"].(manscdp.AlarmNotify)
	occluded.Method, occluded.Type = manscdp.ByVideo, 13
	list := messages["notify_position_2022"].(manscdp.PositionNotify)
	for what, b := range map[string]manscdp.Body{
		"Alarm/Info/AlarmType 13": occluded, "MobilePosition/Height": list,
		"UploadSnapShotFinished": messages["notify_snapshotfinished_2022"],
		"VideoUploadNotify":      messages["notify_videoupload_2022"],
		"DeviceUpgradeResult":    messages["notify_upgraderesult_2022"],
		"PTZPosition":            messages["query_ptzposition_2022"],
		"SDCardStatus":           messages["answer_sdcardstatus_2022"],
		"HomePositionQuery":      messages["query_homeposition_2022"],
		"CruiseTrackListQuery":   messages["answer_cruisetracklist_2022"],
		"CruiseTrackQuery":       messages["query_cruisetrack_2022"],
		"ExtraInfo":              messages["answer_deviceinfo_2022"],
	} {
		_, err := b.Node(gb28181.Edition2016)
		want := manscdp.ErrEdition{What: what, Edition: gb28181.Edition2016, Since: gb28181.Edition2022}
		var edition manscdp.ErrEdition
		if !errors.As(err, &edition) || edition != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	two := messages["notify_position_2016"].(manscdp.PositionNotify)
	two.Positions = append(two.Positions, two.Positions[0])
	if _, err := two.Node(gb28181.Edition2016); err == nil || !strings.Contains(err.Error(), "SumNum is 2: want 1 to 1") {
		t.Error(err)
	}
}
