// Package quirks makes docs/quirks.md: what becomes of each row of signalling.md
// section 9, and which tests show it. A test says which rows it shows in a line of
// its comment:
//
//	// Quirk: 17 18
//	func TestDeviceThatListsItselfIsNoExtraChannel(t *testing.T) {
//
// Then run `make docs`: a test fails while the page is stale, where a row that is
// handled has no test, and where a test names a row that there is not.
package quirks

// row is one row of section 9.
type row struct {
	quirk string
	with  string // seen with
	does  string // what every device is given, "" = nothing but what a name gives
	not   string // why it is not handled, or what of it
}

// rows are those of section 9; the first is row 1.
var rows = [...]row{
	{"Wrong realm or user name in Authorization", "old IPCs, phones", "any user name whose password is right", ""},
	{"REGISTER or 200 without Contact", "small vendors", "the Contact is made from ID and source, and always in the 200", ""},
	{"Expires missing or only in Contact", "apps, gateways", "the Contact's counts, else an hour", ""},
	{"Via without rport, private Contact behind NAT", "most", "answers and requests go where the packet came from", ""},
	{"Address changes without REGISTER", "4G cameras, home routers", "a keepalive moves the binding as sip.follow says", ""},
	{"Keepalive without REGISTER after a restart or expiry", "Dahua, Huawei NVRs", "while the registration lasts it is restored; after that 403, upon which the device registers", ""},
	{"Never registers again, only keepalives", "Huawei NVRs", "", ""},
	{"Keepalive interval 0 or absurd", "various", "clamped to 5 to 3600 s and 1 to 255", ""},
	{"Registers, but sends no keepalive", "Hikvision DS-2SE", "asked by DeviceStatus and OPTIONS before it is called offline", ""},
	{"Register storm, tight loop of 401", "devices with a wrong password", "growing pauses for each ID and address, then a ban", ""},
	{"100 Trying to another request than INVITE confuses", "Dahua", "never sent", ""},
	{"100 and 101 to INVITE", "Hikvision, Dahua", "taken as provisional", ""},
	{"Unescaped & and <, control bytes, cut GBK", "Hikvision", "read, and only the field itself is lost", ""},
	{"Charset label wrong", "all", "the bytes decide, not the label; the device is written to as it writes", ""},
	{"Parental 65535, placeholders in CivilCode and Owner", "Hikvision", "read as what they mean", ""},
	{"Status ONLINE, ok, numbers", "Hikvision DS-7716, others", "normalised", ""},
	{"Catalog lists the device itself, or our ID as parent", "Hikvision IPCs", "no channel of its own, top level", ""},
	{"Same ID twice in a catalog; device is its own channel", "IPCs", "the later counts; allowed", ""},
	{"SumNum is not the count, parts lost or beside each other", "many", "parts add up, what lacks is asked for again", ""},
	{"Catalog of one item under an SN of its own", "Tiandy NVRs", "adds and updates, removes nothing", ""},
	{"IDs of 15 or 18 digits or none at all in a catalog", "apps, private platforms", "kept as they are, not invitable", ""},
	{"ParentID absent, null, or several by /", "many", "each token is placed by its kind", ""},
	{"Channels of other types than 131 and 132", "Uniview, NVRs", "", ""},
	{"Type=all wanted in RecordInfo", "Dahua NVRs", "always sent", ""},
	{"RecordInfo twice, too large a SumNum, stalls", "Hikvision, Dahua", "duplicates dropped, gaps asked for again, the rest shown as missing", ""},
	{"UTC times", "overseas firmware, phones", "a time with a zone counts in it", "no offset is guessed from DeviceTime: the conformance tester shows it, a person gives the quirk"},
	{"DeviceConfig wants the device's ID; registers instead of answering", "Dahua; Uniview", "a registration within 30 s is an answer", ""},
	{"ConfigDownload's element is not its type", "Uniview", "known by what it holds", ""},
	{"MediaStatus from another ID or Call-ID", "Hikvision", "matched by Call-ID, then by device", ""},
	{"SSRC of its own, or only in RTP, no y=", "Hikvision platforms, small vendors", "bound by y=, then by source address", ""},
	{"ACK and BYE must not go where Via or Contact point", "Huawei, NAT", "they go to the learnt address", ""},
	{"BYE answered 481, BYE of the device after its own time-out", "Hikvision", "taken as the end", ""},
	{"487 or 400 where the NVR's own codes are wrong", "Hikvision NVRs", "the remedy says where to look in the device", ""},
	{"Only one INVITE a channel", "cheap IPCs, phones", "one INVITE however many watch", ""},
	{"RTP of a broadcast after ACK or after 200", "Hikvision, Dahua", "", "belongs to talk"},
	{"INVITE of a device without Subject", "several", "", "belongs to talk"},
	{"CSeq and Call-ID used again", "eXosip", "transactions are known by branch and method alone", ""},
	{"Content-Length wrong or absent, several messages at once", "various", "framed again, see the quirks of package sip/intake", ""},
	{"UDP fragments lost", "Internet paths", "what lacks is asked for again", ""},
	{"MESSAGE with an empty body", "cloud paths", "a keepalive, if its sender is bound to that address", ""},
	{"Keepalive of an upper platform", "some platforms", "left to whoever is that platform's", "nobody is yet: there is no cascading"},
	{"NOTIFY without dialog, Event or Subscription-State", "many", "matched by dialog, then by device and content", ""},
	{"Position without a channel", "body-worn, vehicles", "of the device, and of its channels where these are few", ""},
	{"X-GB-Ver is not the edition that is spoken", "firmware between editions", "PATCH {\"edition\"}, and ?edition= of a command", ""},
	{"UTF-8, short Expires, changing ports, suspension", "phones", "as rows 5 and 14", ""},
	{"Region-like nodes found by the beginning of IDs", "LiveGBS as upper", "as upper: placed by ParentID, not by the beginning of an ID", "as lower: there is no cascading yet"},
	{"Channels shown only under a 215 or 216 node", "some upper platforms", "", "there is no cascading yet"},
	{"Catalog from another local address is ignored", "all", "sent from the socket that the device registered at", ""},
	{"Other declarations than GB2312, CmdType by bytes, fixed order", "a camera, a platform", "GB2312 is declared while the text fits it, elements in the order of the schema", ""},
	{"Only IFameCmd understood", "a camera, a simulator", "both spellings to peers of 2022", ""},
	{"Two m=audio lines; TCP answer without a=setup", "Dahua; eXosip", "the role that was not offered is taken for its", "two m=audio lines belong to talk"},
	{"BasicParam tells the SIP password", "Hikvision", "dropped while it is read, hidden in traces", ""},
}
