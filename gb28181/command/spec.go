package command

import (
	"fmt"
	"strings"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// Spec is how one command is sent.
type Spec struct {
	Name     string // element of a control, CmdType of a query
	Query    bool
	Since    gb28181.Edition // first that has it
	Answered bool            // a Response follows; else it is done with the 200
	Wait     time.Duration   // for the Response, for each part of it
	Tries    int             // how often it is sent at most, while there is no answer
	Clause   string          // of the 2022 edition
}

const (
	controlWait = 10 * time.Second
	queryWait   = 6 * time.Second
	queryTries  = 2
)

// specs are the commands of [Commander.Control] and the typed queries. What moves
// or changes a device is never sent twice: only SIP repeats it, under one branch,
// and the device knows it again by that. Stops are the exception: see stopTries.
var specs = [...]Spec{
	{"PTZCmd", false, gb28181.Edition2011, false, 0, 1, "A.2.3.1.2"},
	{"TeleBoot", false, gb28181.Edition2011, false, 0, 1, "A.2.3.1.3"},
	{"RecordCmd", false, gb28181.Edition2011, true, controlWait, 1, "A.2.3.1.4"},
	{"GuardCmd", false, gb28181.Edition2011, true, controlWait, 1, "A.2.3.1.5"},
	{"AlarmCmd", false, gb28181.Edition2011, true, controlWait, 1, "A.2.3.1.6"},
	{"IFrameCmd", false, gb28181.Edition2016, false, 0, 1, "A.2.3.1.7"},
	{"DragZoomIn", false, gb28181.Edition2011A, false, 0, 1, "A.2.3.1.8"},
	{"DragZoomOut", false, gb28181.Edition2011A, false, 0, 1, "A.2.3.1.9"},
	{"HomePosition", false, gb28181.Edition2016, true, controlWait, 1, "A.2.3.1.10"},
	{"PTZPreciseCtrl", false, gb28181.Edition2022, false, 0, 1, "A.2.3.1.11"},
	{"DeviceUpgrade", false, gb28181.Edition2022, true, controlWait, 1, "A.2.3.1.12"},
	{"FormatSDCard", false, gb28181.Edition2022, false, 0, 1, "A.2.3.1.13"},
	{"TargetTrack", false, gb28181.Edition2022, false, 0, 1, "A.2.3.1.14"},
	{"DeviceStatus", true, gb28181.Edition2011, true, queryWait, queryTries, "A.2.4.2"},
	{"Alarm", true, gb28181.Edition2011, true, queryWait, 1, "A.2.4.6"},
	{"PresetQuery", true, gb28181.Edition2011A, true, queryWait, queryTries, "A.2.4.8"},
	{"MobilePosition", true, gb28181.Edition2016, true, queryWait, queryTries, "A.2.4.9"},
	{"HomePositionQuery", true, gb28181.Edition2022, true, queryWait, queryTries, "A.2.4.10"},
	{"CruiseTrackListQuery", true, gb28181.Edition2022, true, queryWait, queryTries, "A.2.4.11"},
	{"CruiseTrackQuery", true, gb28181.Edition2022, true, queryWait, queryTries, "A.2.4.12"},
	{"PTZPosition", true, gb28181.Edition2022, true, queryWait, queryTries, "A.2.4.13"},
	{"SDCardStatus", true, gb28181.Edition2022, true, queryWait, queryTries, "A.2.4.14"},
	{"ConfigDownload", true, gb28181.Edition2011A, true, settingsWait, 1, "A.2.4.7"},
	{"DeviceConfig", false, gb28181.Edition2011A, true, configureWait, 1, "A.2.3.2"},
}

func specOf(name string) (Spec, bool) {
	for _, s := range specs {
		if s.Name == name {
			return s, true
		}
	}
	return Spec{}, false
}

// Specs lists the commands in the order of the standard.
func Specs() []Spec { return append([]Spec(nil), specs[:]...) }

// Markdown is the section of docs/conformance.md that says how each is sent.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`
## How each is sent

A command that the edition of the device does not have is refused before anything is sent. Where the standard has no answer,
the 200 to the MESSAGE ends it. An answer that does not come fails a query; of a list, what came before the device fell
silent is given, marked as not complete. A control, and a question for alarms, that was taken with 200 counts as done without an answer,
because many devices send none. Below this, SIP over UDP repeats each message for up to 32 s under one branch: a device does not act twice on that.
The wait is for each part of an answer.

| command | kind | since | clause (2022) | answer | waits | sent at most |
|---|---|---|---|---|---|---|
`)
	for _, s := range specs {
		kind, answer, wait := "control", "none", "-"
		if s.Query {
			kind = "query"
		}
		if s.Answered {
			answer, wait = "Response", s.Wait.String()
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", s.Name, kind, s.Since, s.Clause, answer, wait, times(s.Tries))
	}
	fmt.Fprintf(&b, "| stop of a movement | control | %s | A.3 | none | - | %s |\n", gb28181.Edition2011, times(stopTries))
	fmt.Fprintf(&b, `
MobilePosition is answered by a notification. A DeviceConfig counts as done too when the device registers anew instead of answering. Catalog, DeviceInfo and
RecordInfo are asked by what keeps their answers: Catalog up to four times while parts are missing, DeviceInfo up to four times
after a registration, RecordInfo again for each gap.

A stop over UDP is sent once more %v later, because a camera that goes on turning is worse than a second stop. A movement for
which no duration was given ends after %v; a cruise or scan goes on until it is stopped, unless a duration was given.
`, stopAgain, MaxMove)
	return b.String()
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// controlSpec is never of a control that the table lacks: a test compares it with
// what manscdp has.
func controlSpec(cmd manscdp.Command) Spec {
	s, _ := specOf(cmd.Name())
	return s
}
