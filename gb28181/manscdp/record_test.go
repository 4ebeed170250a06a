package manscdp_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// Some recorders answer nothing without Type (signalling.md section 9 row 24).
//
// Quirk: 24
func TestARecordQueryAlwaysSaysAType(t *testing.T) {
	q := manscdp.RecordQuery{SN: 1, DeviceID: camera, StartTime: "2024-05-01T00:00:00", EndTime: "2024-05-01T00:00:00"}
	got, err := manscdp.AppendBody(nil, q, gb28181.Edition2011, "")
	if err != nil || !strings.Contains(string(got), "<Secrecy>0</Secrecy><Type>all</Type><IndistinctQuery>0</IndistinctQuery></Query>") {
		t.Errorf("%s, %v", got, err)
	}
}

func TestARecordQueryIsRefusedBeforeItIsSent(t *testing.T) {
	good := manscdp.RecordQuery{SN: 1, DeviceID: camera, StartTime: "2024-05-01T00:00:00", EndTime: "2024-05-02T00:00:00"}
	stream, method, kind, backward, odd, zone := good, good, good, good, good, good
	stream.Stream, method.AlarmMethod, kind.AlarmType = ptr(1), "5", "2"
	backward.EndTime, odd.Type, zone.StartTime = "2024-04-30T00:00:00", "motion", "2024-05-01T00:00:00Z"
	for what, q := range map[string]manscdp.RecordQuery{"RecordInfo/StreamNumber": stream, "RecordInfo/AlarmMethod": method, "RecordInfo/AlarmType": kind} {
		_, err := q.Node(gb28181.Edition2016)
		var edition manscdp.ErrEdition
		if !errors.As(err, &edition) || edition.What != what {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := q.Node(gb28181.Edition2022); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for want, q := range map[string]manscdp.RecordQuery{
		`EndTime is "2024-04-30T00:00:00": want not before`: backward, `Type is "motion": want time, alarm, manual, all`: odd,
		`StartTime is "2024-05-01T00:00:00Z": want a time as`: zone,
	} {
		if _, err := q.Node(gb28181.Edition2022); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestRecordListsOfOthersAreReadLeniently(t *testing.T) {
	m, err := manscdp.Decode([]byte(`<response><CmdType>RecordInfo</CmdType><SN>3</SN><deviceid>` + string(camera) + `</deviceid><sumnum> 3 </sumnum>
<recordlist><item><deviceid> ` + string(camera) + ` </deviceid><starttime>2024-5-1 8:0:0.250</starttime><filesize>big</filesize><secrecy></secrecy></item>
<item><StartTime>2024-05-01T08:00:00Z</StartTime><EndTime>nonsense</EndTime><FileSize>12</FileSize><StreamNumber>1</StreamNumber></item><item><StartTime>2024`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.AsRecordResponse()
	want := manscdp.RecordResponse{SN: 3, DeviceID: camera, SumNum: 3, Skipped: 1, Items: []manscdp.RecordItem{
		{DeviceID: camera, StartTime: "2024-5-1 8:0:0.250", FileSize: "big"},
		{StartTime: "2024-05-01T08:00:00Z", EndTime: "nonsense", FileSize: "12", Stream: ptr(1)},
	}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%s%v", d, err)
	}
	if got.Items[0].Size() != 0 || got.Items[1].Size() != 12 {
		t.Errorf("sizes %d, %d", got.Items[0].Size(), got.Items[1].Size())
	}
}
