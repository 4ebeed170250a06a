package records

import (
	"cmp"
	"hash/maphash"
	"slices"
	"time"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// Record is one recording of a channel.
type Record struct {
	Channel  gb28181.ID
	Name     string
	Path     string // FilePath
	Address  string
	Start    time.Time
	End      time.Time // Start when the device did not tell it
	Type     string    // time, alarm, manual, as sent
	Recorder string    // who started it
	Size     int64     // bytes, 0 unknown
	Location gb28181.ID
	Stream   int // stream number, -1 not told
	Secret   bool
}

// Span is the time that the record covers.
func (r *Record) Span() Span { return Span{r.Start, r.End}.wide() }

// key is what makes two records the same one.
type key struct {
	start, end int64 // Unix
	stream     int
	kind       string
}

func (r *Record) key() key { return key{r.Start.Unix(), r.End.Unix(), r.Stream, r.Type} }

// Limits of what is asked for.
const (
	longest   = 24 * time.Hour // of one question: some recorders spoil the XML of longer ones
	mostGaps  = 256            // questions of one round for a day; more gaps are grouped
	doubtings = 4              // questions for a day whose time is covered though records are missing
)

// Assembly is one list of recordings being put together. It is not safe for
// concurrent use.
type Assembly struct {
	span  Span
	zone  *time.Location
	limit int
	seed  maphash.Seed
	days  []*day
	held  int // records of all days

	// Over says that records were left out because of the limit.
	Over bool
	// Skipped counts items that could not be read.
	Skipped int
}

// day is at most 24 hours of the span.
type day struct {
	Span
	sum     int // largest number announced for all of it, -1 none yet
	records map[key]*Record
	proven  []Span // ranges of whole answers
	doubted bool
}

// Question is what was asked for one range and how much of its answer came.
type Question struct {
	Span
	day   *day
	sum   int // -1 none yet
	raw   int // items, those that cannot be read too, but not those of repeated parts
	seen  map[uint64]struct{}
	whole bool
}

// NewAssembly begins a list for a span, of at most limit records. zone is that
// of times without one.
func NewAssembly(span Span, zone *time.Location, limit int) *Assembly {
	a := &Assembly{span: span.wide(), zone: zone, limit: limit, seed: maphash.MakeSeed()}
	for _, s := range a.span.pieces(longest) {
		a.days = append(a.days, &day{Span: s, sum: -1, records: make(map[key]*Record)})
	}
	return a
}

// Next is what to ask for now, each range once, the most promising first; none
// when all is covered.
func (a *Assembly) Next() (list []Span) {
	for _, d := range a.days {
		list = append(list, d.next()...)
	}
	return list
}

func (d *day) next() []Span {
	gaps := d.gaps()
	if len(gaps) == 0 {
		if d.whole() || d.doubted {
			return nil
		}
		// Some records lie under others, or were only announced.
		d.doubted = true
		return d.pieces(max(d.Length()/doubtings, grain).Truncate(grain))
	}
	gaps = group(gaps, mostGaps)
	// A lost part leaves a longer gap than a pause between two records.
	slices.SortStableFunc(gaps, func(a, b Span) int { return cmp.Compare(b.Length(), a.Length()) })
	return gaps
}

// Wants reports whether a range that Next named is still worth a question.
func (a *Assembly) Wants(s Span) bool {
	d := a.dayOf(s)
	if d == nil || a.Over || d.whole() {
		return false
	}
	return d.doubted || len(s.without(d.covered(s))) > 0
}

// dayOf is the day that a range of Next lies in.
func (a *Assembly) dayOf(s Span) *day {
	for _, d := range a.days {
		if !s.From.Before(d.From) && !s.To.After(d.To) {
			return d
		}
	}
	return nil
}

// Ask notes that a range of Next is being asked for.
func (a *Assembly) Ask(s Span) *Question {
	return &Question{Span: s, day: a.dayOf(s), sum: -1, seen: make(map[uint64]struct{})}
}

// Whole reports whether all that was announced for the question has come.
func (q *Question) Whole() bool { return q.whole || q.day.whole() }

// Part is what a part of an answer brought.
type Part uint8

// Kinds of parts.
const (
	Fresh    Part = iota // counted
	Repeated             // came word for word before
	Late                 // after its answer was whole
)

// Add takes one part of the answer to q. cut says that the body ended early.
func (a *Assembly) Add(q *Question, r manscdp.RecordResponse, cut bool) Part {
	if q.whole {
		return Late
	}
	items := len(r.Items) + r.Skipped
	if items > 0 {
		h := a.hash(&r)
		if _, again := q.seen[h]; again {
			return Repeated
		}
		q.seen[h] = struct{}{}
	}
	if cut && r.Skipped > 0 {
		items, r.Skipped = items-1, r.Skipped-1 // what was cut off is missing, not unreadable
	}
	if r.SumNum > 0 || items == 0 {
		q.sum = max(q.sum, r.SumNum, 0)
	}
	q.raw += items
	a.Skipped += r.Skipped
	for i := range r.Items {
		a.take(q.day, &r.Items[i])
	}
	if q.Span == q.day.Span {
		q.day.sum = max(q.day.sum, q.sum)
	}
	if q.sum >= 0 && q.raw >= q.sum && !a.Over {
		q.whole, q.seen = true, nil
		q.day.proven = merge(append(q.day.proven, q.Span), 0)
	}
	return Fresh
}

// hash is equal for parts that came again.
func (a *Assembly) hash(r *manscdp.RecordResponse) uint64 {
	var h maphash.Hash
	h.SetSeed(a.seed)
	for i := range r.Items {
		it := &r.Items[i]
		for _, s := range [...]string{it.StartTime, it.EndTime, it.FilePath, it.Type, it.Name, it.FileSize} {
			_, _ = h.WriteString(s)
			_ = h.WriteByte(0)
		}
		if it.Stream != nil {
			_ = h.WriteByte(byte(*it.Stream))
		}
	}
	return h.Sum64()
}

// take keeps one record, if it is one of the day's.
func (a *Assembly) take(d *day, it *manscdp.RecordItem) {
	r := Record{
		Channel: it.DeviceID, Name: it.Name, Path: it.FilePath, Address: it.Address, Type: it.Type,
		Recorder: it.RecorderID, Size: it.Size(), Location: it.Location, Stream: -1, Secret: it.Secrecy == 1,
	}
	if it.Stream != nil {
		r.Stream = *it.Stream
	}
	var ok bool
	if r.Start, ok = manscdp.ParseTime(it.StartTime, a.zone); !ok {
		a.Skipped++
		return
	}
	if r.End, ok = manscdp.ParseTime(it.EndTime, a.zone); !ok || r.End.Before(r.Start) {
		r.End = r.Start
	}
	k := r.key()
	if !r.Span().meets(d.Span) || d.records[k] != nil {
		return
	}
	if a.held >= a.limit {
		a.Over = true
		return
	}
	a.held++
	d.records[k] = &r
}

// whole reports whether as many records as announced are there, or an answer for
// the whole day was.
func (d *day) whole() bool {
	return d.sum >= 0 && len(d.records) >= d.sum || len(d.proven) == 1 && d.proven[0] == d.Span
}

// covered is the time, as far as it meets s, of which it is known what was recorded.
func (d *day) covered(s Span) (list []Span) {
	if d.whole() {
		return []Span{d.Span}
	}
	for _, p := range d.proven {
		if p.meets(s) {
			list = append(list, p)
		}
	}
	for _, r := range d.records {
		if c := r.Span(); c.meets(s) {
			list = append(list, c)
		}
	}
	return merge(list, grain)
}

func (d *day) gaps() []Span { return d.without(d.covered(d.Span)) }

// Result is a list of recordings, or what came of it.
type Result struct {
	Records  []Record // by Start, each once
	Ranges   []Span   // time in which something was recorded, within what was asked
	Missing  []Span   // time of which it is not known
	Complete bool     // nothing is missing
	// Announced is how many records the device said it has, 0 before it did.
	Announced int
	Skipped   int    // items that could not be read
	Rounds    int    // how often was asked, gaps included
	Reason    string // why it is not complete
}

// Result is what has come so far.
func (a *Assembly) Result() Result {
	var r Result
	seen := make(map[key]struct{}, a.held)
	for _, d := range a.days {
		r.Announced += max(d.sum, 0)
		r.Missing = append(r.Missing, d.gaps()...)
		for k, rec := range d.records {
			if _, again := seen[k]; again {
				continue // it reaches over midnight
			}
			seen[k] = struct{}{}
			r.Records = append(r.Records, *rec)
		}
	}
	slices.SortFunc(r.Records, func(a, b Record) int {
		return cmp.Or(a.Start.Compare(b.Start), a.End.Compare(b.End), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Type, b.Type))
	})
	for i := range r.Records {
		if s := r.Records[i].Span(); s.meets(a.span) {
			r.Ranges = append(r.Ranges, s.clip(a.span))
		}
	}
	r.Ranges = merge(r.Ranges, grain)
	r.Missing = merge(r.Missing, 0)
	r.Complete = len(r.Missing) == 0 && !a.Over
	r.Skipped = a.Skipped
	return r
}
