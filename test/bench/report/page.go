package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Write puts the sections into the page at path, in place of those of the same
// name or else after the others, and rewrites its JSON beside it (path with .json
// in place of .md). One process at a time may do so. On an error neither file is
// half written.
func Write(path string, sections ...Section) error {
	data := strings.TrimSuffix(path, filepath.Ext(path)) + ".json"
	all, err := load(data)
	if err != nil {
		return err
	}
	for _, s := range sections {
		if err := s.check(); err != nil {
			return err
		}
		all = merge(all, s)
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return errors.Join(replace(data, append(text, '\n')), replace(path, []byte(Page(all))))
}

func load(path string) ([]Section, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read former figures: %w", err)
	}
	var all []Section
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("read former figures in %s: %w; restore that file or delete it", path, err)
	}
	return all, nil
}

func merge(all []Section, s Section) []Section {
	i := slices.IndexFunc(all, func(o Section) bool { return o.Name == s.Name })
	if i < 0 {
		return append(all, s)
	}
	all = slices.Clone(all)
	all[i] = s
	return all
}

// replace writes a file at once or not at all.
func replace(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write report: %w", err), os.Remove(f.Name()))
	}
	return nil
}

const dateForm = "2006-01-02 15:04 MST"

// Page is the sections as Markdown: what bars are met at a glance, then each
// section with its own date, commit, machine and command.
func Page(sections []Section) string {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\nWritten by `make bench`, `make fuzz` and `make soak`; do not edit by hand. A run replaces its own sections only, " +
		"so each says when, from what, where and how it was measured.\n\n| section | bars met | date | commit |\n|---|---|---|---|\n")
	for i := range sections {
		s := &sections[i]
		if len(s.Rows) == 0 {
			continue
		}
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s |\n", cell(s.Title), s.Name, s.bars(), s.Date.Format(dateForm), cell(s.Commit))
	}
	for i := range sections {
		sections[i].write(&b)
	}
	return b.String()
}

// bars counts the bars that are met.
func (s *Section) bars() string {
	met, bars := 0, 0
	for _, r := range s.Rows {
		if r.Met != "" {
			bars++
		}
		if r.Met == Yes {
			met++
		}
	}
	switch {
	case bars == 0:
		return ""
	case met < bars:
		return fmt.Sprintf("**%d of %d**", met, bars)
	}
	return fmt.Sprintf("%d of %d", met, bars)
}

func (s *Section) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n<a id=\"%s\"></a>\n\n## %s\n\n%s; %s; %s; `%s`\n", s.Name, s.Title, s.Date.Format(dateForm), s.Commit, s.Machine, s.Command)
	if len(s.Rows) > 0 {
		b.WriteString("\n| figure | measured | must | met |\n|---|---|---|---|\n")
		for _, r := range s.Rows {
			met := string(r.Met)
			if r.Met == No {
				met = "**no**"
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s |\n", cell(r.What), cell(r.Value), cell(r.Must), met)
		}
	}
	if len(s.Notes) > 0 {
		b.WriteString("\n")
		for _, n := range s.Notes {
			b.WriteString("- " + strings.ReplaceAll(n, "\n", " ") + "\n")
		}
	}
}

// cell is text that cannot end its cell.
func cell(s string) string { return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s) }
