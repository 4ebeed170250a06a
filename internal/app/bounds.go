package app

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// queueFull is the one family that counts, for everything with a bound, how
// often it was full.
const queueFull = "fengsui_queue_full_total"

// bound is something that is as large as it is allowed to be, or a rate. Each
// has a counter of its own in the package that keeps it; queueFull repeats them
// all under one name. docs/bounds.md is made of this list.
type bound struct {
	name  string // value of the label queue
	holds string
	most  string // with its default
	key   string // of the configuration; "" is none
	full  string // what happens to what does not fit

	metric       string // counter of its own
	label, value string // of the metric; "" is all of it

	test string // "package Test": fills it and sees what happens
}

// bounds are all, by name.
var bounds = []bound{
	{"api.answers", "answers to an Idempotency-Key", "4,096, 16 MiB", "", "the oldest is forgotten: a repeat is done anew",
		"fengsui_http_evicted_total", "table", "idempotency", "internal/api TestRememberedAnswersAreBounded"},
	{"api.events", "event streams", "256", "", "503, code 105006", "fengsui_http_busy_total", "what", "events", "internal/api TestEventStreamsAreBounded"},
	{"api.files", "files being fetched", "256", "", "503, code 145004", "fengsui_http_busy_total", "what", "files", "internal/api TestFilesBeingFetchedAreBounded"},
	{"api.logins", "addresses and users with failed sign-ins", "8,192", "", "of some the oldest that need not wait is forgotten",
		"fengsui_http_evicted_total", "table", "logins", "internal/api TestThrottleStaysWithinItsBound"},
	{"api.passwords", "sign-ins that wait to be checked", "32", "", "503, code 115001", "fengsui_http_busy_total", "what", "sign_ins", "internal/api TestHasherBoundsWhoWaits"},
	{"catalog.changes", "reported changes of a device that wait for a running catalog query", "10,000 a device", "", "the newest are dropped, and the catalog is asked for again",
		"fengsui_catalog_dropped_total", "what", "changes", "gb28181/catalog TestReportsThatWaitForAJobAreBounded"},
	{"catalog.devices", "devices with a catalog", "200,000", "", "refused", "fengsui_catalog_dropped_total", "what", "devices", "gb28181/catalog TestDevicesBeyondTheBoundAreRefused"},
	{"catalog.items", "channels of a device", "100,000", "", "the further ones are left out", "fengsui_catalog_dropped_total", "what", "over", "gb28181/catalog TestItemsOfOneDeviceAreBounded"},
	{"command.moving", "cameras that move by a command and are to be stopped", "10,000", "", "503, code 175001", "fengsui_command_questions_total", "result", "busy", "gb28181/command TestMovingCamerasAreBounded"},
	{"command.questions", "questions that wait for an answer", "20,000", "", "refused at once", "fengsui_command_questions_total", "result", "busy", "gb28181/command TestQuestionsBeyondTheBoundAreRefusedAtOnce"},
	{"command.surveys", "devices that wait to be asked for what they are", "200,000", "", "refused; their next registration asks again",
		"fengsui_command_surveys_dropped_total", "", "", "gb28181/command TestQuestionsOfAllDevicesKeepThePace"},
	{"device.changes", "changes of devices that a watcher has not heard yet", "8,192", "", "merged with an older one of the same device; none is lost",
		"fengsui_device_changes_merged_total", "", "", "gb28181/device TestSlowWatcherIsToldTheOutcomeOfEveryDevice"},
	{"device.probes", "silent devices that wait to be asked whether they live", "8,192", "", "they ask again a second later",
		"fengsui_device_probes_total", "result", "postponed", "gb28181/device TestProbesBeyondTheQueueArePostponed"},
	{"device.table", "devices", "200,000", "", "REGISTER of a new one is answered 503 with Retry-After: 60", "fengsui_device_refused_full_total", "", "", "gb28181/registrar TestFullTableSays503"},
	{"download.frames", "frames of a download that the disk has not taken", "8,192, 16 MiB, 30 s", "", "all are dropped up to the next key frame, counted in the download; the third time within a minute ends it as partial",
		"fengsui_download_dropped_frames_total", "", "", "media/engine TestARecorderWaitsLongerThanAViewer"},
	{"download.kept", "downloads with a file", "10,000", "", "503, code 145002", "fengsui_download_refused_total", "bound", "kept", "gb28181/download TestWhatIsBoundedIsRefused"},
	{"download.running", "downloads that run", "16", "downloads.running", "503, code 145002", "fengsui_download_refused_total", "bound", "running", "gb28181/download TestWhatIsBoundedIsRefused"},
	{"download.space", "bytes of all files of downloads", "20 GiB", "downloads.space", "507, code 145003; what runs ends as partial", "fengsui_download_refused_total", "bound", "space", "gb28181/download TestWhatIsBoundedIsRefused"},
	{"flv.frames", "frames that a viewer by HTTP-FLV has not taken", "512, 4 MiB, 2 s", "", "all are dropped up to the next key frame; the third time within a minute ends the viewer",
		"fengsui_flv_dropped_frames_total", "", "", "media/engine TestSlowReaderLosesFramesUpToAKeyFrameAndHindersNobody"},
	{"flv.viewers", "viewers by HTTP-FLV", "10,000", "", "503, code 165001", "fengsui_flv_refused_total", "", "", "media/out/flv TestViewersAreBounded"},
	{"guard.bans", "banned sources", "10,000", "", "of some the one that ends first gives way", "fengsui_guard_evicted_total", "table", "bans", "sip/guard TestFullTablesForgetTheOldestAndCount"},
	{"guard.expected", "addresses that we wrote to, whose answers are heard", "16,384", "", "the oldest gives way", "fengsui_guard_evicted_total", "table", "expected", "sip/guard TestFullTablesForgetTheOldestAndCount"},
	{"guard.network", "messages a second of an IPv4 /24 or IPv6 /48 without devices", "4,000, 40,000 at once", "sip.guard.rate, burst", "dropped unread",
		"fengsui_guard_dropped_total", "reason", "network", "sip/guard TestANetworkHasABudgetThatRegisteredSourcesDoNotShare"},
	{"guard.networks", "networks with a budget", "16,384", "", "the oldest gives way", "fengsui_guard_evicted_total", "table", "networks", "sip/guard TestFullTablesForgetTheOldestAndCount"},
	{"guard.pairs", "IDs at an address that failed the password", "32,768", "", "the oldest gives way", "fengsui_guard_evicted_total", "table", "pairs", "sip/guard TestFullTablesForgetTheOldestAndCount"},
	{"guard.past", "sources that were banned within a day", "16,384", "", "the oldest gives way: its next ban is short again", "fengsui_guard_evicted_total", "table", "past", "sip/guard TestFullTablesForgetTheOldestAndCount"},
	{"guard.source", "messages a second of an IPv4 address or IPv6 /64", "1,000 and 5 a device, 10,000 at once", "sip.guard.rate, burst, per_device", "dropped unread",
		"fengsui_guard_dropped_total", "reason", "source", "sip/guard TestASourceHasABudgetThatFillsAgain"},
	{"guard.sources", "sources that failed a password", "16,384", "", "the oldest gives way", "fengsui_guard_evicted_total", "table", "sources", "sip/guard TestFullTablesForgetTheOldestAndCount"},
	{"guard.strangers", "sources without devices that have a budget", "65,536", "", "the oldest gives way", "fengsui_guard_evicted_total", "table", "strangers", "sip/guard TestFullTablesForgetTheOldestAndCount"},
	{"guard.waste", "sources that sent garbage over connections", "16,384", "", "the oldest gives way", "fengsui_guard_evicted_total", "table", "waste", "sip/guard TestFullTablesForgetTheOldestAndCount"},
	{"journal.outbox", "events that a sink has still to be told, and those it was given up with", "100,000 and 10,000 a sink", "sinks", "the oldest is dropped", "fengsui_journal_outbox_dropped_total", "", "", "shadow/journal TestOutboxDropsTheOldest"},
	{"journal.queue", "events that wait to be written", "131,072", "", "the newest are in memory only: after a restart, in time lines and for sinks they are missing", "fengsui_journal_dropped_total", "", "", "shadow/journal TestAFullQueueIsCountedAndSeen"},
	{"journal.watchers", "events that a reader has not taken", "256 a reader", "", "dropped; the reader sees the gap and reads them again from the journal",
		"fengsui_journal_dropped_events_total", "", "", "shadow/journal TestSlowWatcherMissesAndHoldsNobody"},
	{"media.connections", "TCP media connections of unknown senders", "64 an address, 512", "", "closed", "fengsui_media_rejected_connections_total", "", "", "media/rtp TestUnknownConnectionsAreBounded"},
	{"media.orphans", "senders of RTP that no session expects", "1,024", "", "the newest is not listed", "fengsui_media_orphan_unlisted_packets_total", "", "", "media/rtp TestJunkIsCountedAndOrphansAreBounded"},
	{"media.ports", "port pairs of streams in mode range", "250", "media.ports", "the play is refused", "fengsui_media_refused_port_leases_total", "", "", "media/rtp TestPortPairTakenByAnotherProgramIsPassedOver"},
	{"media.readers", "frames that a reader of a stream has not taken", "512, 4 MiB, 2 s", "", "all are dropped up to the next key frame; the third time within a minute ends the reader",
		"fengsui_media_reader_dropped_frames_total", "", "", "media/engine TestSlowReaderLosesFramesUpToAKeyFrameAndHindersNobody"},
	{"media.ssrcs", "SSRCs of live streams, and as many of the past", "9,999", "", "the play is refused", "fengsui_media_refused_ssrc_leases_total", "", "", "media/rtp TestSSRCsAreNotReusedWithinTheirQuarantine"},
	{"records.records", "recordings that one search finds", "50,000", "", "the search ends with what it has and says so", "fengsui_records_over_total", "", "", "gb28181/records TestRecordingsOfOneSearchAreBounded"},
	{"records.searches", "searches for recordings", "64", "", "503, code 135001", "fengsui_records_refused_total", "bound", "total", "gb28181/records TestSearchesAreBounded"},
	{"records.searches_of_one", "searches for recordings at a device", "4", "", "503, code 135001", "fengsui_records_refused_total", "bound", "device", "gb28181/records TestSearchesAreBounded"},
	{"registrar.attempts", "refused registrations that are listed, and challenges that are looked after", "1,000, 16,384", "", "the oldest row is forgotten; the newest challenge is not looked after",
		"fengsui_registrar_attempts_dropped_total", "", "", "gb28181/registrar TestChallengesLookedAfterAreBounded"},
	{"registrar.storm", "first REGISTERs of strangers while more comes in than is handled", "none", "", "503 with Retry-After of 5 to 30 s",
		"fengsui_registrar_registers_total", "verdict", "postponed", "gb28181/registrar TestInAStormStrangersAreSentAwayForAWhile"},
	{"sip.after", "work that follows an answer", "1,024 a sender, 65,536", "", "the newest is dropped", "fengsui_sip_after_dropped_total", "", "", "sip TestFullQueueDropsTheNewestAndCounts"},
	{"sip.bodies", "bytes of bodies over 16 KiB being handled, a quarter for one address", "64 MiB", "sip.guard.bodies", "503 with Retry-After: 5",
		"fengsui_sip_bodies_refused_total", "", "", "sip TestLargeBodiesAreBoundedTogetherAndByAddress"},
	{"sip.connection_rate", "messages a second of one connection", "20,000", "", "it is read more slowly; nothing is lost", "fengsui_sip_connections_slowed_total", "", "", "sip/intake TestAConnectionThatSendsTooMuchIsReadMoreSlowly"},
	{"sip.connections", "TCP and TLS connections", "100,000", "", "closed", "fengsui_sip_connections_refused_total", "reason", "total", "sip/intake TestConnectionsAreLimited"},
	{"sip.connections_of_one", "TCP and TLS connections of an IPv4 address or IPv6 /64", "4,096", "", "closed", "fengsui_sip_connections_refused_total", "reason", "per_ip", "sip/intake TestConnectionsAreLimited"},
	{"sip.handlers", "requests being handled, REGISTER and keepalive left out", "4,096", "", "503 with Retry-After: 5", "fengsui_sip_requests_shed_total", "", "", "sip TestTooManyHandlersAreAnswered503"},
	{"sip.message", "bytes of a body", "8 MiB", "sip.max_body", "413", "fengsui_sip_dropped_total", "reason", "too_large", "sip/intake TestBodyOverTheLimitIsAnswered413AndSkipped"},
	{"sip.partial", "bytes of unfinished messages over 64 KiB", "256 MiB", "", "the connection is closed", "fengsui_sip_connections_closed_total", "reason", "memory", "sip/intake TestConnectionsEnd"},
	{"sip.sources", "peers that the SIP library knows by a UDP socket", "8,192", "", "it forgets all and learns anew", "fengsui_sip_handovers_total", "", "", "sip TestTheLibraryForgetsSources"},
	{"sip.storm", "datagrams of strangers while more comes in than is handled", "one in 2 to 64", "", "dropped unread", "fengsui_sip_storm_dropped_total", "", "", "sip/intake TestInAStormRegisteredDevicesGoFirst"},
	{"snapshot.pictures", "pictures that devices uploaded", "20,000 snapshots, 1 GiB", "snapshots.size", "the oldest snapshot is deleted", "fengsui_snapshot_deleted_total", "", "", "gb28181/snapshot TestOldSnapshotsGiveWay"},
	{"snapshot.uploads", "uploads at a time", "64", "", "503, code 175005", "fengsui_http_busy_total", "what", "uploads", "internal/api TestUploadsAreBounded"},
	{"snapshot.waiting", "snapshots whose pictures are not all there", "500", "", "503, code 175004", "fengsui_snapshot_refused_total", "", "", "gb28181/snapshot TestSnapshotsThatWaitAreBounded"},
	{"store.rows", "rows that wait to be written", "262,144", "", "the newest is dropped; one that replaces a waiting row is taken; a catalog's are given again when there is room", "fengsui_store_dropped_rows_total", "", "", "internal/store TestFullQueueDropsCountsAndStillReplacesWhatWaits"},
	{"subscribe.rows", "subscriptions at devices", "200,000", "", "refused", "fengsui_subscribe_dropped_total", "", "", "gb28181/subscribe TestTableIsBounded"},
	{"talk.talks", "talks at a time", "256", "", "503, code 215001", "fengsui_talk_starts_total", "result", "full", "gb28181/talk TestTalksAreBounded"},
	{"traits.devices", "devices whose vendor fields are kept", "20,000", "", "those of a further device are not kept", "fengsui_traits_dropped_fields_total", "bound", "all", "gb28181/traits TestVendorFieldsAreKeptWithinBounds"},
	{"traits.fields", "vendor fields of a device, 256 bytes each", "24", "", "the newest is not kept", "fengsui_traits_dropped_fields_total", "bound", "device", "gb28181/traits TestVendorFieldsAreKeptWithinBounds"},
	{"upgrade.running", "devices being upgraded", "500", "", "503, code 175003", "fengsui_upgrade_refused_total", "", "", "gb28181/upgrade TestUpgradesAreBounded"},
	{"whep.frames", "frames that a viewer by WebRTC has not taken", "512, 4 MiB, 2 s", "", "as flv.frames", "fengsui_whep_dropped_frames_total", "", "", "media/engine TestSlowReaderLosesFramesUpToAKeyFrameAndHindersNobody"},
	{"whep.sessions", "viewers by WebRTC", "500", "", "503, code 165001", "fengsui_whep_refused_total", "reason", "full", "media/out/whep TestSessionsAreBounded"},
	{"whip.sessions", "microphones", "256", "", "503, code 215001", "fengsui_whip_refused_total", "reason", "full", "media/whip TestMicrophonesAreBounded"},
}

// counted adds queueFull to what a registry gathers.
type counted struct{ prometheus.Gatherer }

// Gather implements [prometheus.Gatherer].
func (c counted) Gather() ([]*dto.MetricFamily, error) {
	families, err := c.Gatherer.Gather()
	byName := make(map[string]*dto.MetricFamily, len(families))
	for _, f := range families {
		byName[f.GetName()] = f
	}
	kind, name, help, label := dto.MetricType_COUNTER, queueFull, "How often what has a bound was full, by name; docs/bounds.md says what then happens.", "queue"
	all := &dto.MetricFamily{Name: &name, Help: &help, Type: &kind}
	for i := range bounds {
		n := bounds[i].count(byName[bounds[i].metric])
		all.Metric = append(all.Metric, &dto.Metric{
			Label: []*dto.LabelPair{{Name: &label, Value: &bounds[i].name}}, Counter: &dto.Counter{Value: &n},
		})
	}
	at, _ := slices.BinarySearchFunc(families, queueFull, func(f *dto.MetricFamily, name string) int { return strings.Compare(f.GetName(), name) })
	return slices.Insert(families, at, all), err
}

// count is the sum of what the bound's own counter counted; f may be nil.
func (b *bound) count(f *dto.MetricFamily) (n float64) {
	for _, m := range f.GetMetric() {
		if b.label == "" || slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == b.label && l.GetValue() == b.value }) {
			n += m.GetCounter().GetValue()
		}
	}
	return n
}
