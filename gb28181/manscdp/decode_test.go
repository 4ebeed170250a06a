package manscdp_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/test/fuzz/bound"
)

func decode(t *testing.T, file string) *manscdp.Message {
	t.Helper()
	m, err := manscdp.Decode(read(t, file))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return m
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Quirk: 14
func TestCharsetIsDecidedByBytesNotByLabel(t *testing.T) {
	for _, c := range []struct{ file, charset, name string }{
		{"catalog_gb2312.xml", manscdp.GB2312, "大门"},
		{"catalog_utf8_labelled_gb2312.xml", manscdp.UTF8, "东门球机"},
		{"catalog_gbk_labelled_utf8.xml", manscdp.GB2312, "东门球机"},
		{"catalog_gb18030_four_bytes.xml", manscdp.GB18030, "\U00020087村口"},
	} {
		m := decode(t, c.file)
		r, err := m.AsCatalogResponse()
		if err != nil || len(r.Items) != 1 || r.Items[0].Name != c.name || m.Charset != c.charset {
			t.Errorf("%s: charset %q, %+v, %v; want %q, name %q", c.file, m.Charset, r.Items, err, c.charset, c.name)
		}
	}
}

func TestCharsetOfDoubtfulText(t *testing.T) {
	for _, c := range []struct{ what, decl, name, charset, want string }{
		{"GBK whose bytes are valid two-byte UTF-8", "GB2312", "\xcd\xa8", manscdp.GB2312, "通"},
		{"the same without a declaration", "", "\xcd\xa8", manscdp.GB2312, "通"},
		{"two-byte UTF-8, declared so", "UTF-8", "\u00e9", manscdp.UTF8, "\u00e9"},
		{"UTF-8 cut at a fixed length", "UTF-8", "东门球\xe6\x9c", manscdp.UTF8, "东门球\uFFFD"},
		{"no character at all", "UTF-8", "gate", "", "gate"},
	} {
		body := "<Notify><CmdType>X</CmdType><Name>" + c.name + "</Name></Notify>"
		if c.decl != "" {
			body = `<?xml version="1.0" encoding='` + c.decl + `' ?>` + body
		}
		m, err := manscdp.Decode([]byte(body))
		if err != nil || m.Charset != c.charset || m.Node.Value("Name") != c.want || m.Declared != c.decl {
			t.Errorf("%s: %+v, %v; want %q in %q", c.what, m, err, c.want, c.charset)
		}
	}
}

// Quirk: 13
func TestBadFieldCostsOnlyItself(t *testing.T) {
	r, err := decode(t, "catalog_hikvision_address.xml").AsCatalogResponse()
	if err != nil || len(r.Items) != 3 || r.Skipped != 1 {
		t.Fatalf("%d items, %d skipped, %v; want 3 and 1", len(r.Items), r.Skipped, err)
	}
	if it := r.Items[0]; it.Name != "A&B" || it.Address != "1<2号楼&<" {
		t.Errorf("item 1: %+v", it)
	}
	if it := r.Items[1]; it.Name != "仓库\uFFFD" || it.Address != "<a href" {
		t.Errorf("item 2: %+v", it)
	}
	if on, known := r.Items[1].On(); !on || !known {
		t.Errorf("status ok = %v, %v", on, known)
	}
	if on, known := r.Items[2].On(); on || !known || r.Items[2].Address != "" {
		t.Errorf("item 3: %+v", r.Items[2])
	}
}

func TestTruncatedBodyKeepsWhatIsWhole(t *testing.T) {
	m := decode(t, "catalog_truncated.xml")
	r, err := m.AsCatalogResponse()
	if err != nil || len(r.Items) != 2 || r.Skipped != 1 || r.SumNum != 3 || !m.Cut {
		t.Fatalf("%+v, cut %v, %v", r, m.Cut, err)
	}
}

// Quirk: 15 16
func TestCatalogItemForms(t *testing.T) {
	m := decode(t, "catalog_gb2312.xml")
	r, _ := m.AsCatalogResponse()
	got := r.Items[0].Channel("34020000001180000001")
	want := gb28181.Channel{
		Device: "34020000001180000001", ID: "34020000001320000001", Name: "大门", Manufacturer: "ACME", Model: "C1",
		CivilCode: "340200", Address: "1号楼", ParentID: "34020000001180000001", BusinessGroup: "34020000002150000001",
		On: true, PTZType: 1, Longitude: 118.36, Latitude: 31.33, Streams: "0/1",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	m = decode(t, "catalog_2011_style.xml")
	r, _ = m.AsCatalogResponse()
	ch := r.Items[0].Channel("34020000001180000001")
	if !ch.Parental || ch.CivilCode != "" || ch.PTZType != 1 || !ch.On || m.SN != 5 {
		t.Errorf("2011 style: %+v, SN %d", ch, m.SN)
	}
	if r.Items[0].InfoValue("Password") != "" {
		t.Error("a password was kept")
	}
	r, _ = decode(t, "catalog_2016_info_group.xml").AsCatalogResponse()
	if r.Items[0].BusinessGroup != "34020000002150000001" {
		t.Errorf("2016 group: %+v", r.Items[0])
	}
}

func TestCatalogNotifyInfersMissingEvents(t *testing.T) {
	n, err := decode(t, "notify_catalog.xml").AsCatalogNotify()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, it := range n.Items {
		got = append(got, string(it.DeviceID[16:])+" "+it.Event)
	}
	want := []string{"0001 OFF", "0009 ADD", "0010 UPDATE", "0011 OFF"}
	if d := cmp.Diff(want, got); d != "" || n.Skipped != 1 {
		t.Errorf("%s skipped %d", d, n.Skipped)
	}
	n, err = decode(t, "notify_catalog_2011.xml").AsCatalogNotify()
	if err != nil || len(n.Items) != 1 || n.Items[0].Event != "VLOST" {
		t.Errorf("2011: %+v, %v", n, err)
	}
}

func TestDeviceAnswers(t *testing.T) {
	i, err := decode(t, "deviceinfo_hikvision.xml").AsDeviceInfo()
	want := manscdp.DeviceInfo{SN: 11, DeviceID: "34020000001320000001", Name: "网络摄像机", OK: true,
		Manufacturer: "ACME", Model: "C1", Firmware: "V5.7.1", Channels: 4, DeviceType: "IPC"}
	if d := cmp.Diff(want, i); d != "" || err != nil {
		t.Error(d, err)
	}
	s, err := decode(t, "devicestatus_free_order.xml").AsDeviceStatus()
	wantS := manscdp.DeviceStatus{SN: 12, DeviceID: "34020000001180000001", OK: true, Online: true, Works: true,
		Encode: "ON", Record: "OFF", Time: "2024-05-01T10:20:30",
		Alarms: []manscdp.Duty{{"34020000001340000001", "ONDUTY"}, {"34020000001340000002", "ALARM"}}}
	if d := cmp.Diff(wantS, s); d != "" || err != nil {
		t.Error(d, err)
	}
	if _, err := decode(t, "keepalive.xml").AsDeviceInfo(); err == nil {
		t.Error("a keepalive was read as DeviceInfo")
	}
}

func TestKeepaliveIsRecognisedCheaplyAndWhole(t *testing.T) {
	for _, c := range []struct {
		file, id, status string
		ok               bool
		faulty           int
	}{
		{"keepalive.xml", "34020000001180000001", "OK", true, 1},
		{"keepalive_bom_nodecl.xml", "34020000001320000001", "", true, 0},
		{"keepalive_attributes.xml", "34020000001320000001", "ERROR", false, 0},
		{"doctype.xml", "34020000001320000001", "&x;", true, 0},
	} {
		id, is, status := manscdp.IsKeepalive(read(t, c.file))
		if !is || id != c.id || status != c.status {
			t.Errorf("%s: IsKeepalive = %q, %v, %q", c.file, id, is, status)
		}
		k, err := decode(t, c.file).AsKeepalive()
		if err != nil || k.OK != c.ok || string(k.DeviceID) != c.id || len(k.Faulty) != c.faulty {
			t.Errorf("%s: %+v, %v", c.file, k, err)
		}
	}
	for _, body := range []string{
		"", "<", "<Notify", "<Notify/>", "<Notify><CmdType>Alarm</CmdType><DeviceID>1</DeviceID></Notify>",
		"<Response><CmdType>Keepalive</CmdType><DeviceID>1</DeviceID></Response>",
		"<Notify><CmdType>Alarm</CmdType><Info><CmdType>Keepalive</CmdType><DeviceID>1</DeviceID></Info></Notify>",
		"<Notify><Info><DeviceID>1</DeviceID></Info><CmdType>Keepalive</CmdType></Notify>",
	} {
		if id, is, _ := manscdp.IsKeepalive([]byte(body)); is {
			t.Errorf("%q is taken for a keepalive of %q", body, id)
		}
	}
	body := read(t, "keepalive.xml")
	if n := testing.AllocsPerRun(100, func() { manscdp.IsKeepalive(body) }); n > 2 {
		t.Errorf("IsKeepalive allocates %v times, want its two results", n)
	}
}

func TestDecodeRefusesWhatIsNoMessage(t *testing.T) {
	for body, want := range map[string]error{
		"": manscdp.ErrEmpty, " \r\n\x00": manscdp.ErrEmpty, "hello": manscdp.ErrRoot,
		"<html></html>": manscdp.ErrRoot, "<<<": manscdp.ErrRoot,
	} {
		if _, err := manscdp.Decode([]byte(body)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", body, err, want)
		}
	}
}

func TestMisspeltAndMissingEndTags(t *testing.T) {
	m, err := manscdp.Decode([]byte("<Notify><CmdType>Keepalive</CmdTyp><SN>1</sn><DeviceID>34</DeviceID></Notify>"))
	if err != nil || m.CmdType != "Keepalive" || m.SN != 1 || m.DeviceID != "34" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestDepthAndMixedTextAreBounded(t *testing.T) {
	m, err := manscdp.Decode([]byte("<Notify>" + strings.Repeat("<a>", 5000) + strings.Repeat("</a>", 5000) + "<SN>4</SN></Notify>"))
	if err != nil || !m.Cut || m.SN != 4 {
		t.Errorf("%+v, %v", m, err)
	}
	start := time.Now()
	m, err = manscdp.Decode([]byte("<Notify>" + strings.Repeat("x<a/>", 200_000) + "</Notify>"))
	if err != nil || len(m.Node.Text) != 200_000 {
		t.Errorf("%d, %v", len(m.Node.Text), err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("mixed text took %v", took)
	}
}

func TestParseTimeTakesWhatDevicesSend(t *testing.T) {
	zone := time.FixedZone("CST", 8*3600)
	want := time.Date(2024, 1, 2, 3, 4, 5, 0, zone)
	for _, s := range []string{"2024-01-02T03:04:05", "2024-1-2T3:4:5", "2024-01-02 03:04:05", "2024-01-02T03:04:05.000",
		"2024-01-01T19:04:05Z", "2024-01-02T03:04:05+08:00"} {
		if got, ok := manscdp.ParseTime(s, zone); !ok || !got.Equal(want) {
			t.Errorf("%q = %v, %v", s, got, ok)
		}
	}
	if manscdp.FormatTime(want) != "2024-01-02T03:04:05" {
		t.Error(manscdp.FormatTime(want))
	}
}

func FuzzDecode(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.xml")
	for _, name := range files {
		f.Add(read(f, filepath.Base(name)))
	}
	f.Add([]byte("<Notify a=b c='d'><![CDATA[<x>]]>&#x41;&#1;&amp;<x:1y>z</x:1y></Notify>"))
	f.Fuzz(func(t *testing.T, in []byte) {
		id, is, _ := manscdp.IsKeepalive(in)
		var m *manscdp.Message
		var err error
		bound.Bytes(t, 256<<10+128*len(in), func() { m, err = manscdp.Decode(in) }) // an element is as short as <a/>
		if err != nil {
			return
		}
		if is && (m.Root != manscdp.Notify || m.Charset == "" && m.DeviceID != id && !strings.Contains(id, "&")) {
			t.Fatalf("IsKeepalive = %q, Decode = %s/%s %q", id, m.Root, m.CmdType, m.DeviceID)
		}
		again, err := manscdp.Decode(manscdp.Encode(m.Node, manscdp.UTF8))
		if err != nil || !m.Node.Equal(again.Node) {
			t.Fatalf("%q\nencodes as %q\n%v", in, manscdp.Encode(m.Node, manscdp.UTF8), err)
		}
		_, _ = m.AsCatalogResponse()
		_, _ = m.AsCatalogNotify()
		_, _ = m.AsDeviceStatus()
	})
}

func FuzzTime(f *testing.F) {
	f.Add("2024-01-02T03:04:05.678")
	f.Add(" 2024-1-2 3:4:5+08:00 ")
	f.Add("0000-00-00T00:00:00")
	f.Fuzz(func(t *testing.T, text string) {
		at, ok := manscdp.ParseTime(text, time.UTC)
		if !ok {
			return
		}
		again, ok := manscdp.ParseTime(manscdp.FormatTime(at.UTC()), time.UTC)
		if year := at.UTC().Year(); year < 0 || year > 9999 { // a zone may move it out of four digits
			return
		}
		if !ok || !again.Equal(at.Truncate(time.Second)) {
			t.Fatalf("%q is %v, written %s and read as %v, %v", text, at, manscdp.FormatTime(at.UTC()), again, ok)
		}
	})
}
