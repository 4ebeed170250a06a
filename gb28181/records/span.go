package records

import (
	"slices"
	"time"
)

// Span is the time from From to To, in whole seconds; both belong to it.
type Span struct{ From, To time.Time }

// grain is the resolution of times in RecordInfo: between two records a second
// apart there is room for none.
const grain = time.Second

// wide is the span in whole seconds that holds s.
func (s Span) wide() Span {
	to := s.To.Truncate(grain)
	if to.Before(s.To) {
		to = to.Add(grain)
	}
	return Span{s.From.Truncate(grain), to}
}

// Length is the time between both ends.
func (s Span) Length() time.Duration { return s.To.Sub(s.From) }

// meets reports whether s and o have an instant in common.
func (s Span) meets(o Span) bool { return !s.From.After(o.To) && !o.From.After(s.To) }

// clip is the part of s within o, which it meets.
func (s Span) clip(o Span) Span {
	if s.From.Before(o.From) {
		s.From = o.From
	}
	if s.To.After(o.To) {
		s.To = o.To
	}
	return s
}

// merge sorts spans and joins those that are no more than near apart. It uses list.
func merge(list []Span, near time.Duration) []Span {
	slices.SortFunc(list, func(a, b Span) int { return a.From.Compare(b.From) })
	out := list[:0]
	for _, s := range list {
		if n := len(out); n > 0 && s.From.Sub(out[n-1].To) <= near {
			if s.To.After(out[n-1].To) {
				out[n-1].To = s.To
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// without is what of s lies outside of covered, which merge made. A pause of one
// grain between two of covered is none.
func (s Span) without(covered []Span) (gaps []Span) {
	from, edge := s.From, true
	for _, c := range covered {
		if !c.meets(s) {
			continue
		}
		if d := c.From.Sub(from); d > grain || edge && d > 0 {
			gaps = append(gaps, Span{from, c.From})
		}
		edge = false
		if c.To.After(from) {
			from = c.To
		}
	}
	if edge || from.Before(s.To) {
		gaps = append(gaps, Span{from, s.To})
	}
	return gaps
}

// group joins neighbours until there are at most n, the nearest first.
func group(list []Span, n int) []Span {
	if len(list) <= n {
		return list
	}
	apart := make([]time.Duration, len(list)-1)
	for i := range apart {
		apart[i] = list[i+1].From.Sub(list[i].To)
	}
	slices.Sort(apart)
	return merge(list, apart[len(list)-n-1])
}

// pieces cuts s into parts no longer than d.
func (s Span) pieces(d time.Duration) (list []Span) {
	for from := s.From; ; {
		to := from.Add(d)
		if !to.Before(s.To) {
			return append(list, Span{from, s.To})
		}
		list = append(list, Span{from, to})
		from = to
	}
}
