// Package fault is the one table of what can go wrong for a caller of the API:
// six-digit codes with status, title and remedy in English and Chinese.
// docs/errors.md is made from it.
//
// A code is MMCNNN: MM the module, C the class (4 caller, 5 server, 6 device,
// 7 network), NNN the case. A code is never given another meaning.
package fault

import (
	"fmt"
	"strings"
)

// Code is a six-digit code.
type Code int

// Text is a sentence in both languages of the product.
type Text struct{ EN, ZH string }

// In is the text in a language, "en" or "zh".
func (t Text) In(lang string) string {
	if lang == "zh" {
		return t.ZH
	}
	return t.EN
}

// Fault is one row of the table.
type Fault struct {
	Code   Code
	Name   string // for programs that prefer words
	Status int    // HTTP
	Title  Text
	Remedy Text
}

// Field says what is wrong with one value of a request.
type Field struct {
	Location string // "body.page_size", "query.sort", "path.device"
	Message  string
	Value    any // as given; nil for secrets
}

// Error is a fault that happened.
type Error struct {
	Code   Code
	Detail string // what, and which value
	Fields []Field
	Remedy Text // in place of the table's, where more is known
	Cause  error
}

// New makes an error from a code and what happened.
func New(c Code, format string, args ...any) *Error {
	return &Error{Code: c, Detail: fmt.Sprintf(format, args...)}
}

// Wrap makes an error from a code and a cause, whose words are the detail.
func Wrap(c Code, cause error) *Error { return &Error{Code: c, Detail: cause.Error(), Cause: cause} }

// Invalid makes a [BadValue] about one field.
func Invalid(location string, value any, format string, args ...any) *Error {
	f := Field{Location: location, Message: fmt.Sprintf(format, args...), Value: value}
	e := &Error{Code: BadValue, Fields: []Field{f}}
	e.Detail = f.String()
	return e
}

func (e *Error) Error() string {
	f := Of(e.Code)
	return fmt.Sprintf("%s (%06d): %s", f.Name, e.Code, e.Detail)
}

func (e *Error) Unwrap() error { return e.Cause }

// String is "body.name: expected string (got 5)".
func (f Field) String() string {
	if f.Value == nil {
		return f.Location + ": " + f.Message
	}
	return fmt.Sprintf("%s: %s (got %s)", f.Location, f.Message, clip(fmt.Sprint(f.Value)))
}

func clip(s string) string {
	if r := []rune(s); len(r) > 100 {
		return string(r[:100]) + "..."
	}
	return s
}

// Of returns the row of a code; of a code that is not in the table, that of [Internal].
func Of(c Code) Fault {
	var internal Fault
	for _, f := range table {
		if f.Code == c {
			return f
		}
		if f.Code == Internal {
			internal = f
		}
	}
	return internal
}

// Table returns all rows by code.
func Table() []Fault { return append([]Fault(nil), table...) }

// Markdown is docs/errors.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# Error codes

Made from internal/api/fault; change it there and run ` + "`go test ./internal/api/fault -update`" + `.

Every error is ` + "`application/problem+json`" + ` (RFC 9457) with ` + "`code`, `title`, `detail`, `remedy`" + ` and ` + "`trace`" + `; title and
remedy are Chinese where Accept-Language prefers it. The digits are module (2), class (1: 4 caller, 5 server, 6 device,
7 network) and case (3).

| code | name | HTTP | title | remedy |
|---|---|---|---|---|
`)
	for _, f := range table {
		fmt.Fprintf(&b, "| %06d | `%s` | %d | %s<br>%s | %s<br>%s |\n", f.Code, f.Name, f.Status, f.Title.EN, f.Title.ZH, f.Remedy.EN, f.Remedy.ZH)
	}
	return b.String()
}
