package report

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Section is what one runner measured in one run.
type Section struct {
	Name    string    `json:"name"` // identity: a later section of this name replaces it; a-z, 0-9 and -
	Title   string    `json:"title"`
	Date    time.Time `json:"date"`    // when the run began
	Commit  string    `json:"commit"`  // what was measured
	Command string    `json:"command"` // how to measure it again
	Machine string    `json:"machine"` // where it was measured
	Rows    []Row     `json:"rows,omitempty"`
	Notes   []string  `json:"notes,omitempty"` // Markdown, one paragraph each
}

// Row is one figure.
type Row struct {
	What  string  `json:"what"`
	Value string  `json:"value"`
	Must  string  `json:"must,omitempty"` // the bar; empty: there is none
	Met   Verdict `json:"met,omitempty"`
}

// Verdict says whether a bar is met; empty where there is none.
type Verdict string

// The verdicts on a bar.
const (
	Yes Verdict = "yes"
	No  Verdict = "no"
)

// Bar is a figure that must reach something.
func Bar(what, value, must string, met bool) Row {
	if met {
		return Row{what, value, must, Yes}
	}
	return Row{what, value, must, No}
}

// Plain is a figure that is only told.
func Plain(what, value string) Row { return Row{What: what, Value: value} }

var nameForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// check says what a section lacks.
func (s *Section) check() error {
	var errs []error
	if !nameForm.MatchString(s.Name) {
		errs = append(errs, fmt.Errorf("name %q: want a-z, 0-9 and single -", s.Name))
	}
	for _, field := range [...]struct{ name, value string }{
		{"title", s.Title}, {"commit", s.Commit}, {"command", s.Command}, {"machine", s.Machine},
	} {
		if field.value == "" {
			errs = append(errs, fmt.Errorf("no %s", field.name))
		}
	}
	if s.Date.IsZero() {
		errs = append(errs, errors.New("no date"))
	}
	for _, r := range s.Rows {
		if r.What == "" || r.Met != "" && r.Met != Yes && r.Met != No {
			errs = append(errs, fmt.Errorf("row %q with verdict %q", r.What, r.Met))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("section %q: %w", s.Name, errors.Join(errs...))
}
