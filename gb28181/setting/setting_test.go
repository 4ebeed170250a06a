package setting_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/gb28181/setting"
	"fengsui/test/conformance"
)

const roi = `"roi_param":{"roi_flag":true,"regions":[{"roi_seq":1,"top_left":0,"bottom_right":125,"roi_qp":3}]`

// values are what the files in testdata/conformance say, as the API has it.
var values = map[string]string{
	"set_basicparam":          `{"name":"大门","expiration":3600,"heart_beat_interval":60,"heart_beat_count":3}`,
	"answer_basicparam":       `{"name":"IPC","expiration":3600,"heart_beat_interval":60,"heart_beat_count":3}`,
	"answer_basicparam_2016":  `{"name":"IPC","expiration":3600,"heart_beat_interval":60,"heart_beat_count":3,"position_capability":1,"longitude":118.36,"latitude":31.33}`,
	"answer_basicparam_2011A": `{"name":"IPC","device_id":"34020000001320000001","sip_server_id":"34020000002000000001","sip_server_ip":"192.0.2.1","sip_server_port":5060,"domain_name":"3402000000","expiration":3600,"heart_beat_interval":60,"heart_beat_count":3}`,
	"answer_videoparamopt":    `{"download_speed":["1","2","4"],"resolution":["5","6"]}`,
	"set_svacencode_2016": `{` + roi + `,"background_qp":0,"background_skip_flag":false},"svc_param":{"svc_space_domain_mode":1,"svc_time_domain_mode":2},
		"surveillance_param":{"time_flag":true,"event_flag":true,"alert_flag":false},"encrypt_param":{"encryption_flag":false,"authentication_flag":true},"audio_param":{"audio_recognition_flag":true}}`,
	"set_svacencode_2022": `{` + roi + `},"svc_param":{"svc_space_domain_mode":1,"svc_time_domain_mode":2,"ssvc_ratio_value":"4:1"},"audio_param":{"audio_recognition_flag":true}}`,
	"answer_svacencode_2022": `{` + roi + `},"svc_param":{"svc_space_domain_mode":1,"svc_time_domain_mode":2,"ssvc_ratio_value":"4:1","svc_space_support_mode":3,"svc_time_support_mode":3,"ssvc_ratio_support_list":["4:3","4:1"]},
		"surveillance_param":{"time_flag":true,"osd_flag":false,"ai_flag":true,"gis_flag":false},"audio_param":{"audio_recognition_flag":true}}`,
	"answer_svacencode_2016": `{"svc_param":{"svc_space_domain_mode":1,"svc_time_domain_mode":2,"svc_space_support_mode":3,"svc_time_support_mode":3},"surveillance_param":{"time_flag":true,"event_flag":true,"alert_flag":false}}`,
	"set_svacdecode_2016":    `{"svc_param":{"svc_stm_mode":1},"surveillance_param":{"time_show_flag":true,"event_show_flag":false,"alert_show_flag":true}}`,
	"set_svacdecode_2022":    `{"svc_param":{"svc_stm_mode":1},"surveillance_param":{"time_show_flag":true,"osd_show_flag":false,"ai_show_flag":true,"gis_show_flag":false}}`,
	"answer_svacdecode_2022": `{"svc_param":{"svc_stm_mode":1,"svc_space_support_mode":3,"svc_time_support_mode":2}}`,

	"videoparamattribute_2022": `{"streams":[{"stream_number":0,"video_format":5,"resolution":"6","frame_rate":25,"bit_rate_type":2,"video_bit_rate":4096}]}`,
	"videorecordplan_2022": `{"record_enable":true,"days":[{"week_day_num":1,"times":[{"start_hour":8,"start_min":0,"start_sec":0,"stop_hour":18,"stop_min":0,"stop_sec":0}]}],
		"stream_number":0}`,
	"videoalarmrecord_2022": `{"record_enable":true,"record_time":30,"pre_record_time":5,"stream_number":0}`,
	"picturemask_2022":      `{"on":true,"regions":[{"seq":1,"point":[20,30,50,60]}]}`,
	"picturemask_none_2022": `{"on":false,"regions":[]}`,
	"framemirror_2022":      `{"mirror":1}`,
	"alarmreport_2022":      `{"motion_detection":true,"field_detection":false}`,
	"osdconfig_2022": `{"length":1920,"width":1080,"time_x":10,"time_y":10,"time_enable":true,"time_type":0,"text_enable":true,
		"lines":[{"text":"大门","x":10,"y":1000}]}`,
	"snapshotconfig_2022": `{"snap_num":3,"interval":2,"upload_url":"http://192.0.2.10/snap?a=1&b=2","session_id":"6f1d0c8e-2b7a-4c55-9f0e-5d8a1b2c3d4e"}`,
}

func object(t testing.TB, text string) (v map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func found(t testing.TB, name string) *setting.Type {
	t.Helper()
	ty, ok := setting.Find(name)
	if !ok {
		t.Fatalf("no config type %s", name)
	}
	return ty
}

func TestEachMessageIsWrittenAndReadByteForByte(t *testing.T) {
	used := map[string]bool{}
	for _, f := range conformance.Load(t, "testdata/conformance") {
		m, err := manscdp.Decode(f.Body)
		if err != nil {
			t.Fatalf("%s: %v", f.Path, err)
		}
		name := f.Name()
		if _, ok := values[name]; !ok {
			_, name, _ = strings.Cut(name, "_")
		}
		text, ok := values[name]
		used[name] = true
		var body manscdp.Body
		switch what := strings.Split(f.Message, "/"); {
		case what[0] == manscdp.Query:
			body, err = setting.AsQuery(m)
		case !ok:
			t.Errorf("%s: no value here", f.Path)
			continue
		case what[0] == manscdp.Control:
			v, bad := found(t, what[2]).Check(object(t, text), f.Editions[0])
			if bad != nil {
				t.Errorf("%s: %v", f.Path, bad)
			}
			want := setting.Set{SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), Settings: []setting.Setting{{Type: found(t, what[2]), Values: v}}}
			got, bad := setting.AsSet(m)
			body, err = want, bad
			sameValues(t, f.Path, text, got.Settings)
		default:
			ty := found(t, what[2])
			got, bad := setting.AsAnswer(m, []*setting.Type{ty})
			sameValues(t, f.Path, text, got.Settings)
			body, err = setting.Answer{SN: m.SN, DeviceID: gb28181.ID(m.DeviceID), OK: true, Settings: []setting.Setting{{Type: ty, Values: object(t, text)}}}, bad
		}
		if err != nil {
			t.Errorf("%s: %v", f.Path, err)
		}
		for _, e := range f.Editions {
			wrote, err := manscdp.AppendBody(nil, body, e, m.Declared)
			if d := cmp.Diff(string(f.Body), string(wrote)); d != "" || err != nil {
				t.Errorf("%s is written to a peer of %s as\n%s%v", f.Path, e, d, err)
			}
		}
	}
	for name := range values {
		short := name
		if _, rest, ok := strings.Cut(name, "_"); ok && !used[name] {
			short = rest
		}
		if !used[short] {
			t.Errorf("no file proves %s", name)
		}
	}
}

// sameValues compares what was read with JSON, as the API would give it.
func sameValues(t *testing.T, path, want string, got []setting.Setting) {
	t.Helper()
	if len(got) != 1 {
		t.Errorf("%s is read as %d settings", path, len(got))
		return
	}
	b, err := json.Marshal(got[0].Values)
	if d := cmp.Diff(object(t, want), object(t, string(b))); d != "" || err != nil {
		t.Errorf("%s is read as\n%s%v", path, d, err)
	}
}

func answer(t *testing.T, body string, asked ...string) []setting.Setting {
	t.Helper()
	m, err := manscdp.Decode([]byte("<Response><CmdType>ConfigDownload</CmdType><SN>1</SN><DeviceID>1</DeviceID>" + body + "</Response>"))
	if err != nil {
		t.Fatal(err)
	}
	list := make([]*setting.Type, len(asked))
	for i, name := range asked {
		list[i] = found(t, name)
	}
	a, err := setting.AsAnswer(m, list)
	if err != nil {
		t.Fatal(err)
	}
	return a.Settings
}

// signalling.md section 9 row 28, and the other ways of section 3.12 in which answers deviate.
//
// Quirk: 28
func TestAnswersOfOthersAreReadLeniently(t *testing.T) {
	for body, want := range map[string]string{
		`<BasicInfo><HeartBeatInterval>30</HeartBeatInterval></BasicInfo>`:                                             `BasicParam {"heart_beat_interval":30}`,
		`<basicparam><heartbeatinterval> 30 </heartbeatinterval><Name/></basicparam>`:                                  `BasicParam {"heart_beat_interval":30}`,
		`<BasicParam><HeartBeatInterval>often</HeartBeatInterval></BasicParam>`:                                        `BasicParam {}`,
		`<SnapShot><SnapNum>1</SnapNum></SnapShot>`:                                                                    `SnapShotConfig {"snap_num":1}`,
		`<PictrueMask><On>1</On><RegionList/></PictrueMask>`:                                                           `PictureMask {"on":true,"regions":[]}`,
		`<PictureMask><RegionList><Item><Point>1, 2,3</Point></Item></RegionList></PictureMask>`:                       `PictureMask {"regions":[{}]}`,
		`<Osd><TimeX>1</TimeX><Length>2</Length></Osd>`:                                                                `OSDConfig {"length":2,"time_x":1}`,
		`<SVACEncodeConfig><SurveilanceParam><TimeFlag>1</TimeFlag></SurveilanceParam></SVACEncodeConfig>`:             `SVACEncodeConfig {"surveillance_param":{"time_flag":true}}`,
		`<SVACDecodeConfig><SurveillanceParam><AlertShowFlag>1</AlertShowFlag></SurveillanceParam></SVACDecodeConfig>`: `SVACDecodeConfig {"surveillance_param":{"alert_show_flag":true}}`,
		`<Streams><Item><StreamNumber>1</StreamNumber><FrameRate>200</FrameRate></Item></Streams>`:                     `VideoParamAttribute {"streams":[{"frame_rate":200,"stream_number":1}]}`,
		`<Nonsense><X>1</X></Nonsense>`:                                                                                ``,
	} {
		name, _, _ := strings.Cut(want, " ")
		if name == "" {
			name = "BasicParam"
		}
		got := ""
		for _, s := range answer(t, body, name) {
			b, err := json.Marshal(s.Values)
			if err != nil {
				t.Error(err)
			}
			got = s.Type.Name + " " + string(b)
		}
		if got != want {
			t.Errorf("%s is read as %s, want %s", body, got, want)
		}
	}
}

// Of several types under other names each gets the element that is its.
func TestElementsUnderOtherNamesAreToldApart(t *testing.T) {
	got := answer(t, `<A><TimeX>1</TimeX><Item><Text>x</Text></Item></A><B><RecordEnable>1</RecordEnable><RecordTime>5</RecordTime></B><C><Name>n</Name></C>`,
		"VideoRecordPlan", "VideoAlarmRecord", "OSDConfig", "BasicParam")
	var names []string
	for _, s := range got {
		names = append(names, s.Type.Name)
	}
	if d := cmp.Diff([]string{"VideoAlarmRecord", "OSDConfig", "BasicParam"}, names); d != "" {
		t.Error(d)
	}
}

func TestWhatADeviceCannotTakeIsRefusedByFieldValueAndRange(t *testing.T) {
	for _, c := range []struct {
		name, values string
		edition      gb28181.Edition
		want         string
	}{
		{"BasicParam", `{"heart_beat_interval":0}`, gb28181.Edition2016, "heart_beat_interval is 0: want 5 to 3600"},
		{"BasicParam", `{"heart_beat_interval":60.5}`, gb28181.Edition2016, "heart_beat_interval is 60.5: want 5 to 3600"},
		{"BasicParam", `{"heart_beat_interval":"60"}`, gb28181.Edition2016, `heart_beat_interval is "60": want 5 to 3600`},
		{"BasicParam", `{"name":"a\nb"}`, gb28181.Edition2022, `want 1 to 64 characters on one line`},
		{"BasicParam", `{}`, gb28181.Edition2022, `BasicParam is "": want at least one field`},
		{"BasicParam", `{"password":"x"}`, gb28181.Edition2022, `password is "given": want one of name, device_id`},
		{"BasicParam", `{"position_capability":1}`, gb28181.Edition2016, `position_capability is "given": want nothing: it cannot be set`},
		{"VideoParamOpt", `{"resolution":["6"]}`, gb28181.Edition2022, "want only reading"},
		{"SVACEncodeConfig", `{"svc_param":{"svc_space_domain_mode":4}}`, gb28181.Edition2022, "svc_param.svc_space_domain_mode is 4: want 0, 1, 2, 3; svc_param.svc_time_domain_mode is \"absent\""},
		{"SVACEncodeConfig", `{"surveillance_param":{"time_flag":true}}`, gb28181.Edition2022, "surveillance_param is \"given\": want nothing"},
		{"SVACEncodeConfig", `{"encrypt_param":{}}`, gb28181.Edition2022, "encrypt_param is \"given\": want nothing"},
		{"OSDConfig", `{}`, gb28181.Edition2016, "config type OSDConfig is not in GB/T 28181-2016"},
		{"OSDConfig", `{}`, gb28181.EditionUnknown, "config type OSDConfig is not in GB/T 28181-2016"},
		{"OSDConfig", `{"length":1,"width":1,"time_x":0,"time_y":0,"lines":[{"text":"` + strings.Repeat("字", 33) + `","x":1,"y":1}]}`, gb28181.Edition2022, "lines[0].text is"},
		{"OSDConfig", `{"length":1,"width":1,"time_x":0,"time_y":0,"lines":[{},{},{},{},{},{},{},{},{}]}`, gb28181.Edition2022, "lines is \"[]interface {}\": want 0 to 8 items"},
		{"PictureMask", `{"on":1,"regions":[{"seq":5,"point":[9,9,1,20]}]}`, gb28181.Edition2022, "on is 1: want true or false; regions[0].seq is 5: want 1 to 4; regions[0].point is"},
		{"VideoParamAttribute", `{"streams":[{"stream_number":0,"video_format":5,"resolution":"6","frame_rate":25,"bit_rate_type":1}]}`, gb28181.Edition2022,
			`streams[0].video_bit_rate is "absent": want a value when bit_rate_type is 1`},
		{"FrameMirror", `{"mirror":4}`, gb28181.Edition2022, "mirror is 4: want 0, 1, 2, 3"},
		{"SnapShotConfig", `{"snap_num":1,"interval":1,"upload_url":"u","session_id":"` + strings.Repeat("_", 32) + `"}`, gb28181.Edition2022, "want 32 to 128 letters, digits and dashes"},
	} {
		got, err := found(t, c.name).Check(object(t, c.values), c.edition)
		if err == nil || !strings.Contains(err.Error(), c.want) || got != nil {
			t.Errorf("%s %s: %v, %v, want %s", c.name, c.values, got, err, c.want)
		}
		var invalid setting.Invalid
		var edition manscdp.ErrEdition
		if !errors.As(err, &invalid) && !errors.As(err, &edition) {
			t.Errorf("%s %s: error of type %T", c.name, c.values, err)
		}
	}
}

// The description is what the check does: what it forbids is marked, what it demands required.
func TestTheDescriptionSaysWhatTheCheckDoes(t *testing.T) {
	for _, ty := range setting.Types() {
		for _, e := range []gb28181.Edition{gb28181.Edition2016, gb28181.Edition2022} {
			if e < ty.Since {
				continue
			}
			d := ty.Describe(e, "zh")
			properties, _ := d["properties"].(map[string]any)
			order, _ := d["x-order"].([]string)
			if len(properties) == 0 || len(order) != len(properties) || d["title"] == "" {
				t.Errorf("%s: %v", ty.Name, d)
			}
			required, _ := d["required"].([]string)
			for _, key := range required {
				if _, err := ty.Check(map[string]any{}, e); err == nil || !strings.Contains(err.Error(), key+` is "absent"`) {
					t.Errorf("%s does not demand %s: %v", ty.Name, key, err)
				}
			}
			for _, key := range order {
				p, _ := properties[key].(map[string]any)
				_, err := ty.Check(map[string]any{key: nonsense{}}, e)
				refused := err != nil && strings.Contains(err.Error(), key+` is "given": want nothing`)
				if ty.Settable && refused != (p["readOnly"] == true) || p["title"] == "" {
					t.Errorf("%s.%s in %s: %v, %v", ty.Name, key, e, p, err)
				}
			}
		}
	}
	if d := found(t, "BasicParam").Describe(gb28181.Edition2016, "en"); !cmp.Equal(d["properties"].(map[string]any)["heart_beat_interval"], map[string]any{
		"type": "integer", "title": "Keepalive interval", "minimum": 5, "maximum": 3600, "x-unit": "s"}) {
		t.Errorf("%v", d)
	}
}

type nonsense struct{}

// The password that some firmware tells with its parameters (signalling.md
// section 9 row 52) does not outlive the reading, however it is written.
//
// Quirk: 52
func TestAPasswordIsDroppedWhileItIsRead(t *testing.T) {
	for _, body := range []string{
		"<BasicParam><Name>n</Name><Password>s3cret</Password></BasicParam>",
		"<BasicParam Password=\"s3cret\"><Name>n</Name><password><![CDATA[s3cret]]></password></BasicParam>",
		"<BasicParam><Name>n</Name><SIPUserPwd>s3c<b>s3cret</b>ret</SIPUserPwd></BasicParam>",
		"<BasicParam><Name>n</Name><Password>s3cret",
	} {
		m, err := manscdp.Decode([]byte("<Response><CmdType>ConfigDownload</CmdType><SN>1</SN><DeviceID>1</DeviceID>" + body))
		if err != nil {
			t.Fatal(err)
		}
		if kept := string(manscdp.Encode(m.Node, manscdp.UTF8)); strings.Contains(kept, "s3c") || !strings.Contains(kept, "<Name>n") {
			t.Errorf("%s is kept as %s", body, kept)
		}
	}
}

// What was read of any message and is accepted can be written, and is then read the same.
func FuzzSettings(f *testing.F) {
	for _, file := range conformance.Load(f, "testdata/conformance") {
		f.Add(file.Body)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := manscdp.Decode(in)
		if err != nil {
			return
		}
		a, err := setting.AsAnswer(m, setting.Types())
		if err != nil {
			return
		}
		for _, e := range []gb28181.Edition{gb28181.Edition2016, gb28181.Edition2022} {
			for _, s := range a.Settings {
				one := setting.Answer{SN: 1, DeviceID: "34020000001320000001", OK: true, Settings: []setting.Setting{s}}
				first, err := manscdp.AppendBody(nil, one, e, manscdp.UTF8)
				if err != nil {
					continue
				}
				m, err := manscdp.Decode(first)
				if err != nil {
					t.Fatalf("%s: %v", first, err)
				}
				again, err := setting.AsAnswer(m, []*setting.Type{s.Type})
				if err != nil {
					t.Fatalf("%s: %v", first, err)
				}
				second, err := manscdp.AppendBody(nil, setting.Answer{SN: 1, DeviceID: one.DeviceID, OK: true, Settings: again.Settings}, e, manscdp.UTF8)
				if err != nil || string(second) != string(first) {
					t.Fatalf("%s\nbecomes\n%s\n%v", first, second, err)
				}
			}
		}
	})
}
