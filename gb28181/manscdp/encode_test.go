package manscdp_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

func TestQueryIsWrittenStrictly(t *testing.T) {
	got := string(manscdp.QueryBody(manscdp.CmdCatalog, 248, "34020000001180000001", ""))
	want := "<?xml version=\"1.0\" encoding=\"GB2312\"?>\r\n<Query><CmdType>Catalog</CmdType><SN>248</SN>" +
		"<DeviceID>34020000001180000001</DeviceID></Query>\r\n"
	if got != want {
		t.Errorf("%s", cmp.Diff(want, got))
	}
}

// Quirk: 49
func TestReplyUsesThePeersCharset(t *testing.T) {
	plain, rare := manscdp.Leaf("Name", "大门"), manscdp.New("Item", manscdp.Leaf("Name", "㐂家"))
	for _, c := range []struct {
		edition gb28181.Edition
		seen    string
		node    *manscdp.Node
		want    string
	}{
		{gb28181.EditionUnknown, "", plain, "GB2312"},
		{gb28181.Edition2022, "", plain, "GB2312"},
		{gb28181.Edition2022, "", rare, "GB18030"},
		{gb28181.Edition2016, "", rare, "GB2312"},
		{gb28181.Edition2016, "UTF-8", plain, "UTF-8"},
		{gb28181.Edition2022, "GB18030", plain, "GB18030"},
		{gb28181.Edition2022, "GB2312", plain, "GB2312"},
	} {
		if got := manscdp.ReplyCharset(c.edition, c.seen, c.node); got != c.want {
			t.Errorf("%v %q %v: %q, want %q", c.edition, c.seen, c.node, got, c.want)
		}
	}
}

func TestTextSurvivesEachCharset(t *testing.T) {
	const text = `A & B <"东门"> 1号`
	n := manscdp.New("Notify", manscdp.Leaf("CmdType", "X"), &manscdp.Node{Name: "Name", Text: text, Attrs: []manscdp.Attr{{"a", text}}})
	for _, cs := range []string{manscdp.GB2312, manscdp.GB18030, manscdp.UTF8} {
		m, err := manscdp.Decode(manscdp.Encode(n, cs))
		if err != nil || !m.Node.Equal(n) || m.Charset != cs || m.Declared != cs {
			t.Errorf("%s: %+v, %v", cs, m, err)
		}
	}
	old := manscdp.Encode(manscdp.Leaf("Name", "\U00020087村"), manscdp.GB2312)
	if !bytes.Contains(old, []byte("<Name>?\xb4\xe5</Name>")) {
		t.Errorf("a character outside GBK became %q", old)
	}
	if got := string(manscdp.Encode(manscdp.New("A", manscdp.Leaf("b c", "x"), manscdp.Leaf("d", "\x01y\x1f")), "")); !strings.HasSuffix(got, "<A><d>y</d></A>\r\n") {
		t.Errorf("%q", got)
	}
}

func item(n int) manscdp.CatalogItem {
	return manscdp.CatalogItem{
		DeviceID: gb28181.ID(fmt.Sprintf("3402000000132%07d", n)), Name: "通道", Manufacturer: "ACME", Model: "C1",
		Owner: "O", CivilCode: "340200", Address: "1号楼", Parental: "0", ParentID: "34020000001180000001",
		SafetyWay: "0", RegisterWay: "1", Secrecy: "0", Status: "ON", Longitude: "118.36", Latitude: "31.33",
		BusinessGroup: "34020000002150000001",
		Info:          []manscdp.Attr{{"StreamNumberList", "0/1"}, {"PTZType", "1"}},
	}
}

func TestCatalogIsWrittenInSchemaOrderOfTheEdition(t *testing.T) {
	r := manscdp.CatalogResponse{SN: 1, DeviceID: "34020000001180000001", SumNum: 1, Items: []manscdp.CatalogItem{item(1)}}
	const head = "<DeviceList Num=\"1\"><Item><DeviceID>34020000001320000001</DeviceID><Name>通道</Name><Manufacturer>ACME</Manufacturer><Model>C1</Model>"
	got := string(r.Append(nil, gb28181.Edition2022, manscdp.UTF8))
	want := head + "<CivilCode>340200</CivilCode><Address>1号楼</Address><Parental>0</Parental>" +
		"<ParentID>34020000001180000001</ParentID><RegisterWay>1</RegisterWay><Secrecy>0</Secrecy><Status>ON</Status>" +
		"<Longitude>118.36</Longitude><Latitude>31.33</Latitude><BusinessGroupID>34020000002150000001</BusinessGroupID>" +
		"<Info><PTZType>1</PTZType><StreamNumberList>0/1</StreamNumberList></Info></Item></DeviceList></Response>"
	if !strings.Contains(got, want) {
		t.Errorf("2022:\n%s\nwant\n%s", got, want)
	}
	got = string(r.Append(nil, gb28181.Edition2016, manscdp.UTF8))
	want = head + "<Owner>O</Owner><CivilCode>340200</CivilCode><Address>1号楼</Address><Parental>0</Parental>" +
		"<ParentID>34020000001180000001</ParentID><SafetyWay>0</SafetyWay><RegisterWay>1</RegisterWay><Secrecy>0</Secrecy>" +
		"<Status>ON</Status><Longitude>118.36</Longitude><Latitude>31.33</Latitude>" +
		"<Info><PTZType>1</PTZType><BusinessGroupID>34020000002150000001</BusinessGroupID></Info></Item></DeviceList></Response>"
	if !strings.Contains(got, want) {
		t.Errorf("2016:\n%s\nwant\n%s", got, want)
	}
	empty := string(manscdp.CatalogResponse{SN: 1, DeviceID: "34020000001180000001"}.Append(nil, 0, ""))
	if !strings.Contains(empty, "<SumNum>0</SumNum></Response>") {
		t.Errorf("empty catalog: %s", empty)
	}
}

func TestTypedViewsAreReadBackAsWritten(t *testing.T) {
	check := func(body []byte, want any, read func(m *manscdp.Message) (any, error)) {
		t.Helper()
		m, err := manscdp.Decode(body)
		if err != nil {
			t.Fatal(err)
		}
		got, err := read(m)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s\n%s %v", body, d, err)
		}
	}
	k := manscdp.Keepalive{SN: 3, DeviceID: "34020000001320000001", Faulty: []gb28181.ID{"34020000001320000003"}}
	check(k.Append(nil, ""), k, func(m *manscdp.Message) (any, error) { return m.AsKeepalive() })
	i := manscdp.DeviceInfo{SN: 3, DeviceID: "34020000001320000001", Name: "机", OK: true, Manufacturer: "A", Model: "B", Firmware: "C", Channels: 0}
	check(i.Append(nil, ""), i, func(m *manscdp.Message) (any, error) { return m.AsDeviceInfo() })
	s := manscdp.DeviceStatus{SN: 3, DeviceID: "34020000001320000001", OK: true, Reason: "disk", Time: "2024-01-02T03:04:05",
		Alarms: []manscdp.Duty{{"34020000001340000001", "ALARM"}}}
	check(s.Append(nil, manscdp.GB18030), s, func(m *manscdp.Message) (any, error) { return m.AsDeviceStatus() })
	it := item(1)
	it.Info = []manscdp.Attr{{"PTZType", "1"}, {"StreamNumberList", "0/1"}}
	it.Owner, it.SafetyWay = "", ""
	r := manscdp.CatalogResponse{SN: 3, DeviceID: "34020000001320000001", SumNum: 4, Items: []manscdp.CatalogItem{it}}
	check(r.Append(nil, gb28181.Edition2022, ""), r, func(m *manscdp.Message) (any, error) { return m.AsCatalogResponse() })
	it.Event = "ADD"
	n := manscdp.CatalogNotify{SN: 3, DeviceID: "34020000001320000001", Items: []manscdp.CatalogItem{
		it, {DeviceID: "34020000001320000002", Event: "OFF"}}}
	check(n.Append(nil, gb28181.Edition2022, manscdp.UTF8), n, func(m *manscdp.Message) (any, error) { return m.AsCatalogNotify() })
}

func BenchmarkDecodeCatalogOf10000(b *testing.B) {
	r := manscdp.CatalogResponse{SN: 1, DeviceID: "34020000001180000001", SumNum: 10000}
	for i := range 10000 {
		r.Items = append(r.Items, item(i))
	}
	body := r.Append(nil, gb28181.Edition2022, "")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		m, _ := manscdp.Decode(body)
		if r, err := m.AsCatalogResponse(); err != nil || len(r.Items) != 10000 {
			b.Fatal(len(r.Items), err)
		}
	}
}

func BenchmarkIsKeepalive(b *testing.B) {
	body := read(b, "keepalive.xml")
	b.ReportAllocs()
	for b.Loop() {
		manscdp.IsKeepalive(body)
	}
}
