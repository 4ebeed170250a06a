package setting

import (
	"strings"

	"fengsui/gb28181"
)

// Kind is what a field holds, in XML and in JSON.
type Kind uint8

// The kinds, with their Go and JSON forms.
const (
	Int    Kind = iota // int; number
	Number             // float64; number
	Text               // string
	Flag               // bool; 0 and 1 in XML
	Texts              // []string; joined by / in XML
	Box                // []int of left, top, right, bottom in pixels; joined by commas in XML
	Group              // Values; object
	Items              // []Values; array
)

// Words are a text in both languages of the product.
type Words struct{ EN, ZH string }

// Choice is one of the values that a field may have.
type Choice struct {
	Value any // int or string, as the field's kind
	Words Words
}

// Field is one element of a config type. Field and Type are read only.
type Field struct {
	Name    string // element; "" is the text of the type's own element
	Key     string // member in JSON
	Kind    Kind
	Words   Words
	Min     int // of a number; of a text its characters; of items how many
	Max     int // 0 with Min 0: no bound but the kind's
	Unit    string
	Pattern string // of a text: what it must match
	Choices []Choice
	Default any  // what an absent field means, where the standard says
	Must    bool // a set without it is refused

	Since    gb28181.Edition // first that has it; zero: as the type
	Until    gb28181.Edition // last that has it; zero: the newest
	ReadOnly bool            // in answers only, from ReadOnlySince on
	// ReadOnlySince is the edition in which a ReadOnly field stopped being settable;
	// zero: it never was.
	ReadOnlySince gb28181.Edition
	Old           string // the element's spelling before 2022, where another

	Fields []Field // of Group and Items
	In     string  // of Items: the element around them, with a Num attribute
	Count  string  // of Items: the element that counts them; "@Num" is an attribute of the element around
}

// has reports whether an edition has the field in an answer, or in a set.
func (f *Field) has(e gb28181.Edition, set bool) bool {
	switch {
	case f.Since != 0 && e < f.Since, f.Until != 0 && e > f.Until:
		return false
	case set && f.ReadOnly:
		return f.ReadOnlySince != 0 && e < f.ReadOnlySince
	}
	return true
}

// spelt is the element's name in an edition.
func (f *Field) spelt(e gb28181.Edition) string {
	if f.Old != "" && e < gb28181.Edition2022 {
		return f.Old
	}
	return f.Name
}

// snake is the JSON member of an element: HeartBeatInterval is heart_beat_interval.
func snake(name string) string {
	var b strings.Builder
	capital := func(i int) bool { return i >= 0 && i < len(name) && name[i] >= 'A' && name[i] <= 'Z' }
	for i := range len(name) {
		if capital(i) && i > 0 && (!capital(i-1) || i+1 < len(name) && !capital(i+1)) {
			b.WriteByte('_')
		}
		b.WriteByte(name[i])
	}
	return strings.ToLower(b.String())
}
