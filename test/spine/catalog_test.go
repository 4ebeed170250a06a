package spine_test

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"fengsui/internal/sim"
	"fengsui/sip/siptest"
)

// User pain 6 and section 9 rows 19 and 39: however a catalog is cut and
// whatever the network loses, it is complete in the end.
//
// Conformance: server Query/Catalog 2016
// Conformance: server Response/Catalog 2016
func TestACatalogIsCompleteOverALossyNetwork(t *testing.T) {
	t.Parallel()
	const channels = 1000
	h := open(t)
	for _, size := range []int{1, 3, 7} {
		t.Run(fmt.Sprintf("parts of %d", size), func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			id := number(recorder, 1000*size)
			s := h.run(sim.Config{
				FirstID: id, Channels: channels, PartSize: size, SIPLoss: 0.2, T1: 8 * time.Millisecond,
				PartInterval: time.Millisecond, Retry: time.Second,
			})
			// A thousand exchanges, each lost every third time, take long on a busy machine.
			within(t, 2*patience, "complete catalog", func() bool { return h.device(id).Catalog.Complete })
			d := h.complete(id, channels)
			if d.Catalog.Expected != channels || d.Catalog.Received != channels || d.Catalog.Skipped != 0 {
				t.Errorf("catalog %+v", d.Catalog)
			}
			want := s.Device(0).Channels
			slices.Sort(want)
			for i, ch := range h.channels(id) {
				if ch.ID != string(want[i]) || ch.State != "online" || !strings.HasSuffix(ch.Name, ch.ID[len(ch.ID)-2:]) {
					t.Fatalf("channel %d is %+v, want %s", i, ch, want[i])
				}
			}
		})
	}
}

// A catalog as the standard prints it (2022 Annex J): region, business group,
// organisations one in the other, and channels in each of the ways to name a
// parent (section 1.6).
const annexJ = `<Item><DeviceID>340200</DeviceID><Name>芜湖市</Name></Item>
<Item><DeviceID>34020000002150000001</DeviceID><Name>业务分组1</Name><CivilCode>340200</CivilCode><ParentID>34020000001180000001</ParentID></Item>
<Item><DeviceID>34020000002160000001</DeviceID><Name>组织1</Name><BusinessGroupID>34020000002150000001</BusinessGroupID></Item>
<Item><DeviceID>34020000002160000002</DeviceID><Name>组织1-1</Name><ParentID>34020000002160000001</ParentID><BusinessGroupID>34020000002150000001</BusinessGroupID></Item>
<Item><DeviceID>34020000001320000011</DeviceID><Name>大门</Name><CivilCode>340200</CivilCode><ParentID>34020000001180000001/34020000002160000002</ParentID><Status>ON</Status></Item>
<Item><DeviceID>34020000001320000012</DeviceID><Name>两处</Name><CivilCode>340200</CivilCode><ParentID>34020000001180000001/34020000002160000001/34020000002160000002</ParentID><Status>ON</Status></Item>
<Item><DeviceID>34020000001320000013</DeviceID><Name>街道</Name><CivilCode>340200</CivilCode><ParentID>34020000001180000001</ParentID><Status>ON</Status></Item>
<Item><DeviceID>34020000001320000014</DeviceID><Name>孤儿</Name><CivilCode>510100</CivilCode><ParentID>34020000001180000099</ParentID><Status>OFF</Status></Item>`

func TestTheTreeHasTheLevelsOfTheCatalog(t *testing.T) {
	t.Parallel()
	h := open(t)
	d := h.camera(siptest.Config{ID: string(recorder)})
	register(d)
	between := func(body []byte, name string) string {
		_, rest, _ := strings.Cut(string(body), "<"+name+">")
		value, _, _ := strings.Cut(rest, "</"+name+">")
		return value
	}
	sn := ""
	for sn == "" { // DeviceInfo and DeviceStatus come first
		q := d.Expect("MESSAGE")
		d.Answer(q, 200, "OK", "")
		if cmd := between(q.Body, "CmdType"); cmd != "Catalog" {
			d.Send(d.Request("MESSAGE", "<?xml version=\"1.0\"?><Response><CmdType>"+cmd+"</CmdType><SN>"+between(q.Body, "SN")+
				"</SN><DeviceID>"+d.ID()+"</DeviceID><Result>OK</Result></Response>").Bytes())
			continue
		}
		sn = between(q.Body, "SN")
	}
	m := d.Request("MESSAGE", `<?xml version="1.0" encoding="UTF-8"?><Response><CmdType>Catalog</CmdType><SN>`+sn+
		`</SN><DeviceID>`+string(recorder)+`</DeviceID><SumNum>8</SumNum><DeviceList Num="8">`+annexJ+`</DeviceList></Response>`)
	d.Send(m.Bytes())
	if status := d.ExpectAnswer(m).Status; status != 200 {
		t.Fatalf("catalog answered %d", status)
	}
	h.complete(recorder, 4) // what is no camera is no channel

	got := map[string]string{} // name: kind and path
	var walk func(root, path string)
	walk = func(root, path string) {
		var level struct {
			Items []struct {
				Root     string `json:"root"`
				Name     string `json:"name"`
				Kind     string `json:"kind"`
				State    string `json:"state"`
				Children int    `json:"children"`
			} `json:"items"`
		}
		h.get("/api/v1/tree?root="+url.QueryEscape(root), &level)
		for _, n := range level.Items {
			if n.Kind == "device" {
				n.Name = "录像机"
			}
			got[path+"/"+n.Name] = n.Kind + " " + n.State
			if n.Children > 0 {
				walk(n.Root, path+"/"+n.Name)
			}
		}
	}
	walk("", "")
	want := map[string]string{
		"/录像机":                        "device online",
		"/录像机/芜湖市":                    "region online",
		"/录像机/芜湖市/业务分组1":              "group online",
		"/录像机/芜湖市/业务分组1/组织1":          "organisation online",
		"/录像机/芜湖市/业务分组1/组织1/两处":       "channel online",
		"/录像机/芜湖市/业务分组1/组织1/组织1-1":    "organisation online",
		"/录像机/芜湖市/业务分组1/组织1/组织1-1/大门": "channel online",
		"/录像机/芜湖市/业务分组1/组织1/组织1-1/两处": "channel online",
		"/录像机/芜湖市/街道":                 "channel online",
		"/录像机/孤儿":                     "channel offline",
	}
	if !maps.Equal(got, want) {
		t.Errorf("tree %q\nwant %q", got, want)
	}
}

// Section 9 row 20: a report of one item is not a catalog of one item.
//
// Quirk: 20
func TestAnUnsolicitedItemRemovesNothing(t *testing.T) {
	t.Parallel()
	h := open(t)
	s := h.run(sim.Config{Channels: 20, PartSize: 20})
	h.complete(recorder, 20)
	d := h.camera(siptest.Config{ID: string(recorder)}) // another socket of the same machine
	m := d.Request("MESSAGE", `<?xml version="1.0"?><Response><CmdType>Catalog</CmdType><SN>99</SN><DeviceID>`+string(recorder)+
		`</DeviceID><SumNum>1</SumNum><DeviceList Num="1"><Item><DeviceID>`+string(s.Device(0).Channels[4])+
		`</DeviceID><Name>renamed</Name><Status>ON</Status></Item></DeviceList></Response>`)
	d.Send(m.Bytes())
	if status := d.ExpectAnswer(m).Status; status != 200 {
		t.Errorf("answered %d", status)
	}
	eventually(t, "the new name", func() bool { return h.channels(recorder)[4].Name == "renamed" })
	if n := len(h.channels(recorder)); n != 20 {
		t.Errorf("%d channels are left", n)
	}
}

// Parts as large as a datagram, and far beyond one over TCP.
func TestACatalogComesInLargeParts(t *testing.T) {
	t.Parallel()
	h := open(t)
	for i, c := range []sim.Config{{PartSize: 80}, {PartSize: 3000, Transport: sim.TCP}} {
		c.FirstID, c.Channels = number(recorder, 10000*(i+1)), 3000
		s := h.run(c)
		h.complete(c.FirstID, 3000)
		if list := h.channels(c.FirstID); len(list) != 3000 || list[2999].Name == "" {
			t.Errorf("%d channels", len(list))
		}
		if st := s.Stats(); len(st.Errors) > 0 {
			t.Errorf("%s", st)
		}
	}
}
