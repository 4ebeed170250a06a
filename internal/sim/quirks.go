package sim

import (
	"fmt"
	"strings"
)

// Quirk is a way in which devices in the field misbehave.
type Quirk struct {
	Name        string
	Description string
}

// quirks are the quirks of one simulation, a bit for each row of quirkTable.
type quirks uint64

const (
	ownSSRC quirks = 1 << iota
	rtpSSRC
	ssrcZero
	noY
	noSetup
	bareES
	lateKey
	lateAnswer
	busy
	silent
	gbkAsUTF8
	utf8AsGB2312
	catalogLost
	catalogDouble
	selfItem
	onlineWords
	noContact
	noRport
	expiresInContact
	wrongLength
	splitCRLF
	portChange
	noKeepalive
	sameCSeq
	noAnswer
	deafBye
	strict
	recordsDouble
	recordsSum
	recordsStall
	recordsOnce
	recordsEnd
	configPassword
	configRenamed
	configSplit
	configRejoin
	noMediaStatus
	ignoreRange
	statusStray
	statusEarly
	statusInfo
	endByBye
	recordingCut
	oneSpeed
	sizeOdd
	noSpeaker
	broadcastBusy
	broadcastUnheard
	broadcastLate
	broadcastEarly
	broadcastWordless
	psSound
	muLawSound
	noSubject
	soundBeforeACK
	ackBeforeSound
	hangsUp
	noTalk
	talkTwoLines
	ignoreScale
)

// quirkTable is in the order of the bits. Rows name signalling.md section 9 and
// media.md section 1.3 where the quirk comes from.
var quirkTable = [...]Quirk{
	{"own-ssrc", "answers INVITE with an SSRC of its own in y= and uses it"},
	{"rtp-ssrc", "answers with the offered SSRC but sends another in RTP"},
	{"ssrc-zero", "sends RTP with SSRC 0"},
	{"no-y", "leaves y= out of its answer"},
	{"no-setup", "leaves a=setup out of its TCP answer"},
	{"bare-es", "sends bare H.264 or H.265 over RTP instead of PS"},
	{"late-key", "its first key picture comes 3 s late"},
	{"late-answer", "answers INVITE with 180 and, 5 s later, with 200"},
	{"busy", "answers every INVITE with 486"},
	{"silent", "answers INVITE with 200 but sends nothing"},
	{"gbk-as-utf8", "sends GB18030 text declared as UTF-8"},
	{"utf8-as-gb2312", "sends UTF-8 text declared as GB2312"},
	{"catalog-lost", "loses the last part of its first catalog"},
	{"catalog-double", "lists every catalog item twice and counts both"},
	{"self-item", "lists itself as an item of its catalog"},
	{"online-words", "writes the status of channels as ONLINE and OFFLINE"},
	{"no-contact", "sends REGISTER and answers without Contact"},
	{"no-rport", "sends Via without rport"},
	{"expires-in-contact", "names Expires only as a parameter of Contact"},
	{"wrong-length", "counts characters, not bytes, in Content-Length"},
	{"split-crlf", "sends blank lines between messages and, over TCP, cuts messages inside a line end"},
	{"port-change", "speaks from a new port after its second keepalive, without REGISTER"},
	{"no-keepalive", "registers but sends no keepalive"},
	{"same-cseq", "numbers every MESSAGE CSeq 20"},
	{"no-answer", "takes queries with 200 but never answers them"},
	{"deaf-bye", "answers the first BYE of a stream with 200 but goes on sending"},
	{"strict", "answers 400 to a query or control that is not written exactly as its edition prints it"},
	{"records-double", "sends every part of a list of recordings twice"},
	{"records-sum", "announces a tenth more recordings than it lists"},
	{"records-stall", "stops for three seconds in the middle of a list of recordings"},
	{"records-once", "sends each part of a list of recordings once, so that a lost one is lost"},
	{"records-end", "never sends the last part of a list of recordings"},
	{"config-password", "tells its SIP password in BasicParam"},
	{"config-renamed", "names the elements of its configuration otherwise than their types"},
	{"config-split", "answers a question for several config types with a message for each"},
	{"config-rejoin", "takes configuration only under its own ID, and registers anew instead of answering"},
	{"no-media-status", "never says that all of a recording is sent"},
	{"ignore-range", "takes a seek with 200 but plays on where it is"},
	{"status-stray", "says under its own ID and in a call of its own that all of a recording is sent"},
	{"status-early", "says two seconds before the end that all of a recording is sent"},
	{"status-info", "says by INFO that all of a recording is sent"},
	{"end-by-bye", "hangs up at the end of a recording instead of saying so"},
	{"recording-cut", "hangs up in the middle of a recording of more than six seconds"},
	{"one-speed", "answers 488 to a download faster than life"},
	{"size-odd", "announces -1 as the size of a download"},
	{"no-speaker", "answers Broadcast with ERROR"},
	{"broadcast-busy", "answers the MESSAGE of a Broadcast with 486"},
	{"broadcast-unheard", "says OK to Broadcast but never invites"},
	{"broadcast-late", "invites three seconds after it said OK to Broadcast"},
	{"broadcast-early", "invites before it answers Broadcast"},
	{"broadcast-wordless", "invites without answering Broadcast"},
	{"ps-sound", "offers to hear nothing but a program stream"},
	{"mu-law-sound", "offers to hear nothing but µ-law"},
	{"no-subject", "invites without Subject"},
	{"sound-before-ack", "acknowledges the answer to its INVITE only when it hears sound"},
	{"ack-before-sound", "hangs up when sound comes before its ACK, which takes 250 ms"},
	{"hangs-up", "ends every call half a second after it began"},
	{"no-talk", "answers s=Talk with 488"},
	{"talk-two-lines", "answers s=Talk with two audio lines on one port"},
	{"ignore-scale", "takes a speed with 200 but plays on as before"},
}

// Quirks lists what Config.Quirks can name.
func Quirks() []Quirk { return append([]Quirk(nil), quirkTable[:]...) }

func parseQuirks(names []string) (quirks, error) {
	var q quirks
	for _, name := range names {
		bit := quirks(0)
		for i, k := range quirkTable {
			if strings.EqualFold(k.Name, strings.TrimSpace(name)) {
				bit = 1 << i
			}
		}
		if bit == 0 {
			known := make([]string, len(quirkTable))
			for i, k := range quirkTable {
				known[i] = k.Name
			}
			return 0, fmt.Errorf("unknown quirk %q: want one of %s", name, strings.Join(known, ", "))
		}
		q |= bit
	}
	return q, nil
}

func (q quirks) has(bit quirks) bool { return q&bit != 0 }
