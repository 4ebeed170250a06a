package manscdp

import (
	"bytes"
	"testing"
)

const usual = "<?xml version=\"1.0\" encoding=\"GB2312\"?>\r\n<Notify>\r\n<CmdType>Keepalive</CmdType>\r\n<SN>7</SN>\r\n" +
	"<DeviceID>34020000001320000001</DeviceID>\r\n<Status>OK</Status>\r\n</Notify>\r\n"

func TestTheUsualKeepaliveIsReadTheShortWay(t *testing.T) {
	id, status, ok := usualKeepalive([]byte(usual))
	if !ok || string(id) != "34020000001320000001" || string(status) != "OK" {
		t.Errorf("usualKeepalive = %q, %q, %v", id, status, ok)
	}
}

// What the short way reads, the long one reads alike.
func FuzzUsualKeepalive(f *testing.F) {
	f.Add([]byte(usual))
	for _, change := range [][2]string{
		{"<SN>7", "<SN>\x01<"}, {"<SN>7</SN>", "<SN></SN><SN>8</SN>"}, {"Status>", "status>"}, {"<Status>OK</Status>", "<Status></Status>"},
		{"<Status>OK</Status>", "<Status> </Status><Status>ERROR</Status>"}, {"OK", "O\x02K"}, {"OK", "&lt;"}, {"<Notify>", "<Notify CmdType='Alarm'>"},
		{"<SN>7</SN>", "<x:Status>ERROR</x:Status>"}, {"<SN>7</SN>", "<Status/>"}, {"<SN>7</SN>", "<!-- <Status>no</Status> -->"},
		{"<?xml", "<?xml ?><?xml"}, {"</Notify>", "</Other>"}, {"0001</DeviceID>", "0001</Info>"}, {"<SN>7", "<SN>7 < 8"},
	} {
		f.Add(bytes.Replace([]byte(usual), []byte(change[0]), []byte(change[1]), 1))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		id, status, ok := usualKeepalive(body)
		if !ok {
			return
		}
		if id2, status2, ok := scanKeepalive(body); !ok || !bytes.Equal(id, id2) || !bytes.Equal(status, status2) || (status == nil) != (status2 == nil) {
			t.Errorf("%q\nis read as %q, %q and as %q, %q, %v", body, id, status, id2, status2, ok)
		}
	})
}

func BenchmarkUsualKeepalive(b *testing.B) {
	body := []byte(usual)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := ScanKeepalive(body); !ok {
			b.Fatal("no keepalive")
		}
	}
}
