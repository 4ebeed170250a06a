package manscdp_test

import (
	"strings"
	"testing"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
	"fengsui/test/conformance"
)

// Quirk: 49
func TestWhatTheServerSendsIsStrict(t *testing.T) {
	for _, f := range conformance.Load(t, "testdata/conformance") {
		m, err := manscdp.Decode(f.Body)
		if err != nil || f.From != "server" {
			continue
		}
		for _, e := range f.Editions {
			if err := m.Strict(e); err != nil {
				t.Errorf("%s of %s: %v", f.Name(), e, err)
			}
		}
	}
}

func TestAStrictReaderNamesTheDifference(t *testing.T) {
	const head = "<CmdType>DeviceControl</CmdType><SN>1</SN><DeviceID>34020000001320000001</DeviceID>"
	for _, c := range []struct{ body, want string }{
		{"<Control><SN>1</SN><CmdType>DeviceControl</CmdType><DeviceID>34020000001320000001</DeviceID><TeleBoot>Boot</TeleBoot></Control>",
			"want <CmdType>DeviceControl, have <SN>1"},
		{"<Control>" + head + "<teleboot>Boot</teleboot></Control>", "want <TeleBoot>Boot, have <teleboot>Boot"},
		{"<Control>" + head + "<TeleBoot>boot</TeleBoot></Control>", "want <TeleBoot>Boot, have <TeleBoot>boot"},
		{"<Control>" + head + "<RecordCmd>Record</RecordCmd></Control>", "<Control> ends where <StreamNumber> is wanted"},
		{"<Control>" + head + "<GuardCmd>SetGuard</GuardCmd><Extra/></Control>", "<Control> has a <Extra> too many"},
		{"<Control>" + head + "<FormatSDCard>-1</FormatSDCard></Control>", "FormatSDCard is -1"},
		{"<Control>" + head + "<Nonsense/></Control>", "no known sub-command"},
		{"<Query><CmdType>catalog</CmdType><SN>1</SN><DeviceID>34020000001320000001</DeviceID></Query>", "want <CmdType>Catalog, have <CmdType>catalog"},
		{"<Query><CmdType>NewInAnEdition</CmdType></Query>", ""},
	} {
		m, err := manscdp.Decode([]byte(c.body))
		if err != nil {
			t.Fatal(err)
		}
		err = m.Strict(gb28181.Edition2022)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s\n%v, want %q", c.body, err, c.want)
		}
	}
	m, _ := manscdp.Decode([]byte("<Control>" + head + "<FormatSDCard>1</FormatSDCard></Control>"))
	if err := m.Strict(gb28181.Edition2016); err == nil || !strings.Contains(err.Error(), "it came with 2022") {
		t.Error(err)
	}
}
