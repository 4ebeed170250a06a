package api

import (
	"sort"
	"strings"

	"fengsui/internal/api/fault"
)

// ListInput holds the parameters of every list.
type ListInput struct {
	Page     int    `query:"page" default:"1" minimum:"1" maximum:"1000000" doc:"from 1"`
	PageSize int    `query:"page_size" default:"100" minimum:"1" maximum:"1000"`
	Q        string `query:"q" maxLength:"200" doc:"text to look for, in any case"`
	Sort     string `query:"sort" maxLength:"64" doc:"field to sort by; a minus before it turns the order"`
}

// listOutput is every list.
type listOutput[V any] struct {
	Body struct {
		Items []V `json:"items" nullable:"false"`
		Total int `json:"total" doc:"of all pages"`
	}
}

// listing says how rows of one kind are searched, sorted and shown.
type listing[T, V any] struct {
	words func(T) []string          // what q is looked for in
	sorts map[string]func(T) string // sort keys, in the order of their text
	first string                    // the sort field when none is asked, "-" before it for the other way round
	id    func(T) string            // breaks ties
	view  func(T) V
}

// page filters, sorts and cuts rows, and shows only those of the page.
func (l listing[T, V]) page(in ListInput, rows []T) (*listOutput[V], error) {
	field, down := strings.CutPrefix(in.Sort, "-")
	if field == "" {
		field, down = strings.CutPrefix(l.first, "-")
	}
	by, ok := l.sorts[field]
	if !ok {
		var names []string
		for name := range l.sorts {
			names = append(names, name)
		}
		sort.Strings(names)
		return nil, fault.Invalid("query.sort", in.Sort, "want %s", strings.Join(names, ", "))
	}
	type keyed struct {
		key, id string
		row     T
	}
	q := strings.ToLower(strings.TrimSpace(in.Q))
	found := make([]keyed, 0, len(rows))
	for _, row := range rows {
		if q == "" || l.matches(row, q) {
			found = append(found, keyed{by(row), l.id(row), row})
		}
	}
	sort.Slice(found, func(i, j int) bool {
		a, b := &found[i], &found[j]
		if a.key == b.key {
			return a.id < b.id
		}
		return a.key < b.key != down
	})
	out := &listOutput[V]{}
	out.Body.Total = len(found)
	start := min((in.Page-1)*in.PageSize, len(found))
	end := min(start+in.PageSize, len(found))
	out.Body.Items = make([]V, 0, end-start)
	for _, f := range found[start:end] {
		out.Body.Items = append(out.Body.Items, l.view(f.row))
	}
	return out, nil
}

func (l listing[T, V]) matches(row T, q string) bool {
	for _, w := range l.words(row) {
		if strings.Contains(strings.ToLower(w), q) {
			return true
		}
	}
	return false
}
