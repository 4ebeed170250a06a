package setting

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"fengsui/gb28181"
	"fengsui/gb28181/manscdp"
)

// Values are the fields of a config type, of a group or of an item by their keys,
// in the Go forms of [Kind]. As JSON they are what the API takes and gives.
type Values map[string]any

// Invalid is what is wrong with values, one entry for each field.
type Invalid []manscdp.ErrValue

func (e Invalid) Error() string {
	words := make([]string, len(e))
	for i, v := range e {
		words[i] = v.Error()
	}
	return strings.Join(words, "; ")
}

// Check brings values as JSON has them into their Go forms and refuses what a set
// to a device of an edition cannot carry: unknown, misplaced and missing fields,
// values of another kind or out of range. The error is [manscdp.ErrEdition] for
// the type, else [Invalid]. What v holds is not changed.
func (t *Type) Check(v map[string]any, e gb28181.Edition) (Values, error) {
	return t.check(v, e, true)
}

func (t *Type) check(v map[string]any, e gb28181.Edition, set bool) (Values, error) {
	e = e.Effective()
	if e < t.Since {
		return nil, manscdp.ErrEdition{What: "config type " + t.Name, Edition: e, Since: t.Since}
	}
	c := checker{edition: e, set: set}
	if set && !t.Settable {
		return nil, Invalid{{Field: t.Name, Value: "set", Want: "only reading: the standard has no command for it"}}
	}
	out := c.values("", t.Fields, v)
	if set && len(out) == 0 && len(c.wrong) == 0 {
		c.fail(t.Name, "", "at least one field")
	}
	if set && t.Name == "VideoParamAttribute" {
		c.bitRates(out)
	}
	if len(c.wrong) > 0 {
		return nil, c.wrong
	}
	return out, nil
}

// checker collects what is wrong.
type checker struct {
	edition gb28181.Edition // effective
	set     bool            // for a device; an answer may lack fields, and tell values out of range
	wrong   Invalid
}

const maxWrong = 20

func (c *checker) fail(at string, value any, want string) {
	if len(c.wrong) == maxWrong {
		return
	}
	switch v := value.(type) {
	case string:
		if utf8.RuneCountInString(v) > 64 {
			value = string([]rune(v)[:64]) + "..."
		}
	case int, float64, bool:
	default:
		value = fmt.Sprintf("%T", v)
	}
	c.wrong = append(c.wrong, manscdp.ErrValue{Field: at, Value: value, Want: want})
}

func (c *checker) values(at string, fields []Field, in map[string]any) Values {
	out := Values{}
	for i := range fields {
		f := &fields[i]
		v, given := in[f.Key]
		switch {
		case !given || v == nil:
			if c.set && f.Must && f.has(c.edition, true) {
				c.fail(at+f.Key, "absent", "a value: "+f.want())
			}
		case c.set && !f.has(c.edition, true):
			c.fail(at+f.Key, "given", "nothing: it cannot be set in GB/T 28181-"+c.edition.String())
		case !f.has(c.edition, c.set): // an answer of another edition is cut to its own
		default:
			if value, ok := c.value(at, f, v); ok {
				out[f.Key] = value
			}
		}
	}
	for k := range in {
		if !slices.ContainsFunc(fields, func(f Field) bool { return f.Key == k }) {
			c.fail(at+k, "given", "one of "+strings.Join(keys(fields), ", "))
		}
	}
	return out
}

func keys(fields []Field) []string {
	list := make([]string, len(fields))
	for i := range fields {
		list[i] = fields[i].Key
	}
	return list
}

// value is v in the form of f.
func (c *checker) value(at string, f *Field, v any) (any, bool) {
	at += f.Key
	bad := func() (any, bool) {
		c.fail(at, v, f.want())
		return nil, false
	}
	switch f.Kind {
	case Int:
		n, ok := whole(v)
		if !ok || c.set && !f.allows(n) {
			return bad()
		}
		return n, true
	case Number:
		n, ok := v.(float64)
		if i, isInt := v.(int); isInt {
			n, ok = float64(i), true
		}
		if !ok || math.IsNaN(n) || c.set && f.bounded() && (n < float64(f.Min) || n > float64(f.Max)) {
			return bad()
		}
		return n, true
	case Text:
		s, ok := v.(string)
		if !ok || c.set && !f.allowsText(s) {
			return bad()
		}
		return s, true
	case Flag:
		b, ok := v.(bool)
		if !ok {
			return bad()
		}
		return b, true
	case Texts:
		list, ok := listOf(v, func(v any) (string, bool) { s, ok := v.(string); return s, ok && !strings.Contains(s, "/") })
		if !ok {
			return bad()
		}
		return list, true
	case Box:
		list, ok := listOf(v, whole)
		if !ok || len(list) != 4 || c.set && (slices.Min(list) < 0 || slices.Max(list) > 65535 || list[2] <= list[0] || list[3] <= list[1]) {
			return bad()
		}
		return list, true
	case Group:
		m, ok := object(v)
		if !ok {
			return bad()
		}
		return c.values(at+".", f.Fields, m), true
	case Items:
		list, ok := listOf(v, object)
		if !ok || c.set && (len(list) < f.Min || f.Max > 0 && len(list) > f.Max) {
			return bad()
		}
		out := make([]Values, len(list))
		for i, m := range list {
			out[i] = c.values(fmt.Sprintf("%s[%d].", at, i), f.Fields, m)
		}
		return out, true
	}
	return nil, false
}

// bitRates demands the bit rate of a constant one.
func (c *checker) bitRates(v Values) {
	list, _ := v["streams"].([]Values)
	for i, s := range list {
		if s["bit_rate_type"] == 1 && s["video_bit_rate"] == nil {
			c.fail(fmt.Sprintf("streams[%d].video_bit_rate", i), "absent", "a value when bit_rate_type is 1")
		}
	}
}

func (f *Field) bounded() bool { return f.Min != 0 || f.Max != 0 }

func (f *Field) allows(n int) bool {
	if f.bounded() {
		return n >= f.Min && n <= f.Max
	}
	return n >= 0 && n <= math.MaxInt32
}

func (f *Field) allowsText(s string) bool {
	if len(f.Choices) > 0 {
		return slices.ContainsFunc(f.Choices, func(c Choice) bool { return c.Value == s })
	}
	n := utf8.RuneCountInString(s)
	if f.bounded() && (n < f.Min || n > f.Max) || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) {
		return false
	}
	if f.Pattern == "" {
		return true
	}
	ok, err := regexp.MatchString(f.Pattern, s)
	return ok && err == nil
}

// want says what a field takes.
func (f *Field) want() string {
	var values []string
	for _, c := range f.Choices {
		values = append(values, fmt.Sprint(c.Value))
	}
	switch {
	case len(values) > 0:
		return strings.Join(values, ", ")
	case f.Kind == Int && !f.bounded():
		return "0 or more, in 31 bits"
	case f.Kind == Int, f.Kind == Number:
		return fmt.Sprintf("%d to %d", f.Min, f.Max)
	case f.Kind == Text && f.Pattern != "":
		return fmt.Sprintf("%d to %d letters, digits and dashes", f.Min, f.Max)
	case f.Kind == Text && f.bounded():
		return fmt.Sprintf("%d to %d characters on one line", f.Min, f.Max)
	case f.Kind == Text:
		return "a text on one line"
	case f.Kind == Flag:
		return "true or false"
	case f.Kind == Texts:
		return "texts without /"
	case f.Kind == Box:
		return "left, top, right and bottom, 0 to 65535, right beyond left and bottom below top"
	case f.Kind == Group:
		return "an object"
	}
	return fmt.Sprintf("%d to %d items", f.Min, f.Max)
}

func whole(v any) (int, bool) {
	switch n := v.(type) {
	case int:
		return n, true
	case float64:
		if n == math.Trunc(n) && math.Abs(n) <= math.MaxInt32 {
			return int(n), true
		}
	}
	return 0, false
}

func object(v any) (map[string]any, bool) {
	switch m := v.(type) {
	case Values:
		return m, true
	case map[string]any:
		return m, true
	}
	return nil, false
}

// listOf is a list as JSON or as [Values] has it.
func listOf[T any](v any, one func(any) (T, bool)) ([]T, bool) {
	var list []any
	switch l := v.(type) {
	case []any:
		list = l
	case []string:
		list = anys(l)
	case []int:
		list = anys(l)
	case []Values:
		list = anys(l)
	default:
		return nil, false
	}
	out := make([]T, len(list))
	for i, v := range list {
		var ok bool
		if out[i], ok = one(v); !ok {
			return nil, false
		}
	}
	return out, true
}

func anys[T any](l []T) []any {
	out := make([]any, len(l))
	for i, v := range l {
		out[i] = v
	}
	return out
}

// maxItems bounds what is read of a list; the standard has 16 at most.
const maxItems = 64

// read takes what el holds, in whatever edition. A field that cannot be read is left out.
func read(el *manscdp.Node, fields []Field) Values {
	v := Values{}
	for i := range fields {
		f := &fields[i]
		if f.Kind == Items {
			around := el
			if f.In != "" {
				around = el.Child(f.In)
			}
			list := []Values{}
			for item := range around.All(f.Name) {
				if len(list) < maxItems {
					list = append(list, read(item, f.Fields))
				}
			}
			if len(list) > 0 || f.In != "" && around != nil || counts(el, f) {
				v[f.Key] = list
			}
			continue
		}
		n := el
		if f.Name != "" {
			if n = el.Child(f.Name); n == nil && f.Old != "" {
				n = el.Child(f.Old)
			}
		}
		if n == nil {
			continue
		}
		if f.Kind == Group {
			v[f.Key] = read(n, f.Fields)
		} else if value, ok := f.parse(n.Text); ok {
			v[f.Key] = value
		}
	}
	return v
}

// counts reports whether a list without items was counted.
func counts(el *manscdp.Node, f *Field) bool {
	return el.Value(strings.TrimPrefix(f.Count, "@")) != ""
}

func (f *Field) parse(text string) (any, bool) {
	switch f.Kind {
	case Int:
		n, err := strconv.Atoi(text)
		return n, err == nil && n >= math.MinInt32 && n <= math.MaxInt32
	case Number:
		n, err := strconv.ParseFloat(text, 64)
		return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
	case Text:
		return text, text != ""
	case Flag:
		switch strings.ToLower(text) {
		case "1", "true", "on":
			return true, true
		case "0", "false", "off":
			return false, true
		}
	case Texts:
		list := []string{}
		for s := range strings.SplitSeq(text, "/") {
			if s = strings.TrimSpace(s); s != "" && len(list) < maxItems {
				list = append(list, s)
			}
		}
		return list, len(list) > 0
	case Box:
		list := make([]int, 0, 4)
		for s := range strings.SplitSeq(text, ",") {
			n, err := strconv.Atoi(strings.TrimSpace(s))
			if err != nil || len(list) == 4 {
				return nil, false
			}
			list = append(list, n)
		}
		return list, len(list) == 4
	}
	return nil, false
}

// write makes the element of checked values, in the order of the schema.
func (t *Type) write(v Values, e gb28181.Edition, set bool) *manscdp.Node {
	el := manscdp.New(t.Name)
	write(el, t.Fields, v, e.Effective(), set)
	return el
}

func write(el *manscdp.Node, fields []Field, v Values, e gb28181.Edition, set bool) {
	for i := range fields {
		f := &fields[i]
		value, given := v[f.Key]
		if !given || !f.has(e, set) {
			continue
		}
		switch f.Kind {
		case Group:
			group := manscdp.New(f.spelt(e))
			inner, _ := value.(Values)
			write(group, f.Fields, inner, e, set)
			el.Add(group)
		case Items:
			writeItems(el, f, value, e, set)
		default:
			if f.Name == "" {
				el.Text = text(value)
			} else {
				el.Add(manscdp.Leaf(f.spelt(e), text(value)))
			}
		}
	}
}

func writeItems(el *manscdp.Node, f *Field, value any, e gb28181.Edition, set bool) {
	list, _ := value.([]Values)
	num := manscdp.Attr{Name: "Num", Value: strconv.Itoa(len(list))}
	if strings.HasPrefix(f.Count, "@") {
		el.Attrs = append(el.Attrs, num)
	} else {
		el.Add(manscdp.LeafInt(f.Count, len(list)))
	}
	if f.In != "" {
		around := &manscdp.Node{Name: f.In, Attrs: []manscdp.Attr{num}}
		el.Add(around)
		el = around
	}
	for _, item := range list {
		n := manscdp.New(f.Name)
		write(n, f.Fields, item, e, set)
		el.Add(n)
	}
}

func text(value any) string {
	switch v := value.(type) {
	case int:
		return strconv.Itoa(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case string:
		return v
	case bool:
		if v {
			return "1"
		}
		return "0"
	case []string:
		return strings.Join(v, "/")
	case []int:
		words := make([]string, len(v))
		for i, n := range v {
			words[i] = strconv.Itoa(n)
		}
		return strings.Join(words, ",")
	}
	return ""
}
