package corpus_test

// want is what a message must get.
type want struct {
	name, section string // file and section of RFC 4475
	// read is what sip/intake understands of the message, or why it does not.
	read string
	// quirks are the faults set right, as intake names them.
	quirks string
	// answer is what the sender hears, on either transport: the statuses, "" for
	// silence. Over TCP a message that promises more bytes than
	// came is answered when the next one begins: tcp is then "late" and answer.
	answer, tcp string
	// counted is the reason or counter of one that reaches no handler.
	counted string
	// residue says that bytes follow which its Content-Length does not cover.
	residue bool
	// why the answer is right, where the RFC has another or leaves it open.
	why string
}

// A registrar of GB/T 28181 handles REGISTER, MESSAGE and NOTIFY and answers
// OPTIONS; it takes no calls. So every INVITE that is understood is answered
// 405 (RFC 3261, 8.2.1: the method is looked at first), whatever is wrong with
// what only a call would look at. A REGISTER from an ID that is none of GB/T
// 28181 is challenged as any other, before its Contact and Expires are looked at,
// and refused 403 after.
const (
	noCalls = "no calls are taken, and the method is looked at first"
	noID    = "the user is no ID of GB/T 28181, and is challenged all the same: strangers learn of no ID which it is"
	lenient = "cameras do this, so it is set right (signalling reference, section 2.3 and 9 row 38)"
)

var table = []want{
	// 3.1.1 valid
	{
		name: "wsinv", section: "3.1.1.1",
		read:   "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam from jdrosen@example.com [98asjd8] to vivekg@chair-dnrc.example.com [1918181833n], 9 wsinv.ndaksdj@192.0.2.1, 3 Via, contact [sip:jdrosen@example.com] -1, body 150",
		quirks: "folded,cseq,via,address,contact",
		answer: "405",
		why:    noCalls,
	},
	{
		name: "intmeth", section: "3.1.1.2",
		read:   "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com from mundane@example.com [_token~1'+`*%!-.] to 1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com [], 139122385 intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{, 1 Via, contact [] -1, body 0",
		quirks: "address",
		answer: "501",
	},
	{
		name: "esc01", section: "3.1.1.3",
		read:   "INVITE sip:sips%3Auser%40example.com@example.net from I%20have%20spaces@example.net [938] to %75se%72@example.com [], 234234 esc01.239409asdfakjkn23onasd0-3234, 1 Via, contact [sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31] -1, body 150",
		quirks: "folded",
		answer: "405",
		why:    noCalls,
	},
	{
		name: "escnull", section: "3.1.1.4",
		read:   "REGISTER sip:example.com from null-%00-null@example.com [839923423] to null-%00-null@example.com [], 14398234 escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd, 1 Via, contact [sip:%00@host5.example.com] -1, body 0",
		answer: "401",
		why:    noID,
	},
	{
		name: "esc02", section: "3.1.1.5",
		read:   "RE%47IST%45R sip:registrar.example.com from resource@example.com [f232jadfj23] to resource@example.com [], 29344 esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf, 1 Via, contact [sip:alias1@host1.example.com] -1, body 0",
		answer: "501",
		why:    "RE%47IST%45R is not REGISTER",
	},
	{
		name: "lwsdisp", section: "3.1.1.6",
		read:   "OPTIONS sip:user@example.com from caller@example.com [323] to user@example.com [], 60 lwsdisp.1234abcd@funky.example.com, 1 Via, contact [] -1, body 0",
		answer: "200",
	},
	{
		name: "longreq", section: "3.1.1.7",
		read:   "INVITE sip:user@example.com from amazingl… 115@example.net [12982982… 155] to user@example.com [], 3882340 longreq.… 141, 34 Via, contact [sip:amaz… 137] -1, body 150",
		quirks: "via",
		answer: "405",
		why:    noCalls,
	},
	{
		name: "dblreq", section: "3.1.1.8",
		read:   "REGISTER sip:example.com from j.user@example.com [43251j3j324] to j.user@example.com [], 8 dblreq.0ha0isndaksdj99sdfafnl3lk233412, 1 Via, contact [sip:j.user@host.example.com] -1, body 0",
		quirks: "length",
		answer: "401", tcp: "401 405", residue: true,
		why: "a datagram holds one message, a stream both; " + noID,
	},
	{
		name: "semiuri", section: "3.1.1.9",
		read:   "OPTIONS sip:user;par=u%40example.net@example.com from caller@example.org [33242] to j_user@example.com [], 8 semiuri.0ha0isndaksdj, 1 Via, contact [] -1, body 0",
		quirks: "folded",
		answer: "200",
	},
	{
		name: "transports", section: "3.1.1.10",
		read:   "OPTIONS sip:user@example.com from caller@example.com [323] to user@example.com [], 60 transports.kijh4akdnaqjkwendsasfdj, 5 Via, contact [] -1, body 0",
		answer: "200",
	},
	{
		name: "mpart01", section: "3.1.1.11",
		read:   "MESSAGE sip:kumiko@example.org from fluffy@example.com [2fb0dcc9] to kumiko@example.org [], 1 3d9485ad0c49859b@Zmx1ZmZ5LW1hYy0xNi5sb2NhbA.., 1 Via, contact [sip:fluffy@127.0.0.1:5070] -1, body 553",
		answer: "200",
		why:    "a MESSAGE is for its handler, with its binary part as it came",
	},
	{
		name: "unreason", section: "3.1.1.12",
		read:    `answer 200 "= 2**3 * 5**2 но сто девяносто девять - простое" to 35 INVITE, 1 Via, body 154`,
		counted: "stray",
		why:     "it answers no request of ours",
	},
	{
		name: "noreason", section: "3.1.1.13",
		read:    `answer 100 "" to 35 INVITE, 1 Via, body 0`,
		counted: "stray",
		why:     "it answers no request of ours",
	},

	// 3.1.2 invalid
	{
		name: "badinv01", section: "3.1.2.1",
		read:   "malformed message: Via",
		answer: "400", counted: "malformed",
	},
	{
		name: "clerr", section: "3.1.2.2",
		read:   "INVITE sip:user@example.com from caller@example.net [93942939o2] to j.user@example.com [], 8 clerr.0ha0isndaksdjweiafasdk3, 1 Via, contact [sip:caller@hungry.example.net] -1, body 154",
		quirks: "length",
		answer: "405", tcp: "late 405",
		why: lenient + "; a stream waits for the bytes until a start line comes",
	},
	{
		name: "ncl", section: "3.1.2.3",
		read:   "INVITE sip:user@example.com from caller@example.net [32394234] to j.user@example.com [], 0 ncl.0ha0isndaksdj2193423r542w35, 1 Via, contact [sip:caller@example53.example.net] -1, body 152",
		quirks: "length",
		answer: "405",
		why:    lenient,
	},
	{
		name: "scalar02", section: "3.1.2.4",
		read:   "malformed message: CSeq",
		answer: "400", counted: "malformed",
	},
	{
		name: "scalarlg", section: "3.1.2.5",
		read:    "malformed message: CSeq",
		counted: "malformed",
	},
	{
		name: "quotbal", section: "3.1.2.6",
		read:   "INVITE sip:user@example.com from caller@example.net [93334] to j.user@example.com [], 8 quotbal.aksdj, 1 Via, contact [sip:caller@host59.example.net] -1, body 152",
		quirks: "address",
		answer: "405",
		why:    "the display name is lost, which nobody reads; " + noCalls,
	},
	{
		name: "ltgtruri", section: "3.1.2.7",
		read:   "INVITE sip:user@example.com from caller@example.net [39291] to user@example.com [], 1 ltgtruri.1@192.0.2.5, 1 Via, contact [sip:caller@host5.example.net] -1, body 159",
		quirks: "via,address",
		answer: "405",
		why:    "the RFC allows reading it; " + noCalls,
	},
	{
		name: "lwsruri", section: "3.1.2.8",
		read:   "INVITE sip:user@example.com;lr from caller@example.net [231413434] to user@example.com [3xfe-9921883-z9f], 2130706432 lwsruri.asdfasdoeoi2323-asdfwrn23-asd834rk423, 1 Via, contact [sip:caller@host1.example.net] -1, body 159",
		quirks: "address",
		answer: "405",
		why:    "the RFC allows reading it; " + noCalls,
	},
	{
		name: "lwsstart", section: "3.1.2.9",
		read:   "INVITE sip:user@example.com from caller@example.net [8814] to user@example.com [], 1893884 lwsstart.dfknq234oi243099adsdfnawe3@example.com, 1 Via, contact [sip:caller@host1.example.net] -1, body 150",
		quirks: "start_line",
		answer: "405",
		why:    "the RFC allows reading it; " + noCalls,
	},
	{
		name: "trws", section: "3.1.2.10",
		read:   "OPTIONS sip:remote-target@example.com from local-resource@example.com [329429089] to remote-target@example.com [], 238923 trws.oicu34958239neffasdhr2345r, 1 Via, contact [] -1, body 0",
		quirks: "start_line",
		answer: "200",
		why:    "the RFC allows reading it",
	},
	{
		name: "escruri", section: "3.1.2.11",
		read:   "INVITE sip:user@example.com?Route=%3Csip:example.com%3E from caller@example.net [341518] to user@example.com [], 149209342 escruri.23940-asdfhj-aje3br-234q098w-fawerh2q-h4n5, 1 Via, contact [sip:caller@host39923.example.net] -1, body 150",
		answer: "405",
		why:    "headers in a Request-URI are never acted on; " + noCalls,
	},
	{
		name: "baddate", section: "3.1.2.12",
		read:   "INVITE sip:user@example.com from caller@example.net [2234923] to user@example.com [], 1392934 baddate.239423mnsadf3j23lj42--sedfnm234, 1 Via, contact [sip:caller@host5.example.net] -1, body 150",
		answer: "405",
		why:    "nobody reads a peer's Date; " + noCalls,
	},
	{
		name: "regbadct", section: "3.1.2.13",
		read:   "REGISTER sip:example.com from user@example.com [998332] to user@example.com [], 1 regbadct.k345asrl3fdbv@10.0.0.1, 1 Via, contact [sip:user@example.com?Route=%3Csip:sip.example.com%3E] -1, body 0",
		answer: "401",
		why:    "a Contact is echoed and never routed by; " + noID,
	},
	{
		name: "badaspec", section: "3.1.2.14",
		read:   "OPTIONS sip:user@example.org from a.g.bell@example.com [433423] to t.watson@example.org [], 3923239 badaspec.sdf0234n2nds0a099u23h3hnnw009cdkne3, 1 Via, contact [] -1, body 0",
		quirks: "address",
		answer: "200",
		why:    "the RFC allows reading it",
	},
	{
		name: "baddn", section: "3.1.2.15",
		read:   "OPTIONS sip:t.watson@example.org from a.g.bell@example.com [43] to t.watson@example.org [], 3923239 baddn.31415@c.example.com, 1 Via, contact [] -1, body 0",
		quirks: "no_blank_line",
		answer: "200", tcp: "late 200",
		why: "the RFC allows reading it; the archive's file lacks the empty line, which a stream waits for until a start line comes",
	},
	{
		name: "badvers", section: "3.1.2.16",
		read:   "malformed message: SIP version",
		answer: "505", counted: "malformed",
	},
	{
		name: "mismatch01", section: "3.1.2.17",
		read:   "malformed message: CSeq of another method",
		answer: "400", counted: "malformed",
	},
	{
		name: "mismatch02", section: "3.1.2.18",
		read:   "malformed message: CSeq of another method",
		answer: "400", counted: "malformed",
		why: "the RFC has 501 or 400",
	},
	{
		name: "bigcode", section: "3.1.2.19",
		read:    "malformed message: status code",
		counted: "malformed",
	},

	// 3.2 transactions
	{
		name: "badbranch", section: "3.2.1",
		read:   "OPTIONS sip:user@example.com from caller@example.org [33242] to user@example.com [], 8 badbranch.sadonfo23i420jv0as0derf3j3n, 1 Via, contact [] -1, body 0",
		answer: "200",
	},

	// 3.3 applications
	{
		name: "insuf", section: "3.3.1",
		read:    "malformed message: no From",
		counted: "malformed",
		why:     "without From, To and Call-ID there is no answer to make",
	},
	{
		name: "unkscm", section: "3.3.2",
		read:   "malformed message: Request-URI scheme",
		answer: "416", counted: "malformed",
	},
	{
		name: "novelsc", section: "3.3.3",
		read:   "malformed message: Request-URI scheme",
		answer: "416", counted: "malformed",
	},
	{
		name: "unksm2", section: "3.3.4",
		read:   "malformed message: From",
		answer: "400", counted: "malformed",
		why: "without a SIP address in From nobody registers",
	},
	{
		name: "bext01", section: "3.3.5",
		read:   "OPTIONS sip:user@example.com from caller@example.net [242etr] to j_user@example.com [], 8 bext01.0ha0isndaksdj, 1 Via, contact [] -1, body 0",
		answer: "420",
	},
	{
		name: "invut", section: "3.3.6",
		read:   "INVITE sip:user@example.com from caller@example.net [8392034] to j.user@example.com [], 235448 invut.0ha0isndaksdjadsfij34n23d, 1 Via, contact [sip:caller@host5.example.net] -1, body 40",
		answer: "405",
		why:    "the RFC has 415; " + noCalls,
	},
	{
		name: "regaut01", section: "3.3.7",
		read:   "REGISTER sip:example.com from j.user@example.com [87321hj23128] to j.user@example.com [], 9338 regaut01.0ha0isndaksdj, 1 Via, contact [] -1, body 0",
		answer: "401",
		why:    noID + "; with one the scheme gets a challenge",
	},
	{
		name: "multi01", section: "3.3.8",
		read:   "malformed message: two different From",
		answer: "400", counted: "malformed",
	},
	{
		name: "mcl01", section: "3.3.9",
		read:   "malformed message: two different Content-Length",
		answer: "400", counted: "malformed", residue: true,
	},
	{
		name: "bcast", section: "3.3.10",
		read:    `answer 200 "OK" to 35 INVITE, 2 Via, body 154`,
		counted: "stray",
		why:     "it answers no request of ours and is sent nowhere",
	},
	{
		name: "zeromf", section: "3.3.11",
		read:   "OPTIONS sip:user@example.com from caller@example.net [3ghsd41] to user@example.com [], 39234321 zeromf.jfasdlfnm2o2l43r5u0asdfas, 1 Via, contact [] -1, body 0",
		answer: "200",
		why:    "we are where it ends: only a proxy answers 483",
	},
	{
		name: "cparam01", section: "3.3.12",
		read:   "REGISTER sip:example.com from watson@example.com [DkfVgjkrtMwaerKKpe] to watson@example.com [], 2 cparam01.70710@saturn.example.com, 1 Via, contact [sip:+19725552222@gw1.example.net] -1, body 0",
		answer: "401",
		why:    noID,
	},
	{
		name: "cparam02", section: "3.3.13",
		read:   "REGISTER sip:example.com from watson@example.com [838293] to watson@example.com [], 3 cparam02.70710@saturn.example.com, 1 Via, contact [sip:+19725552222@gw1.example.net;unknownparam] -1, body 0",
		answer: "401",
		why:    noID,
	},
	{
		name: "regescrt", section: "3.3.14",
		read:   "REGISTER sip:example.com from user@example.com [8] to user@example.com [], 14398234 regescrt.k345asrl3fdbv@192.0.2.1, 1 Via, contact [sip:user@example.com?Route=%3Csip:sip.example.com%3E] -1, body 0",
		answer: "401",
		why:    noID,
	},
	{
		name: "sdp01", section: "3.3.15",
		read:   "INVITE sip:user@example.com from caller@example.net [234] to j_user@example.com [], 8 sdp01.ndaksdj9342dasdd, 1 Via, contact [sip:caller@host15.example.net] -1, body 150",
		answer: "405",
		why:    "the RFC has 406; " + noCalls,
	},

	// 3.4 backward compatibility
	{
		name: "inv2543", section: "3.4.1",
		read:   "INVITE sip:UserB@example.com from +13035551111@ift.client.example.net [] to +16505552222@ss1.example.net [], 56 inv2543.1717@ift.client.example.com, 1 Via, contact [] -1, body 105",
		quirks: "length,via",
		answer: "405",
		why:    noCalls,
	},

	// in the archive of appendix A and in no section
	{
		name: "test", section: "A",
		read:    "malformed message: start line",
		counted: "junk",
		why:     "no version in the start line, no Via, no CSeq: nothing to answer",
	},
}
