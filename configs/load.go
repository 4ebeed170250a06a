package configs

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/v2"
)

// Source is where values come from beside the defaults.
type Source struct {
	File []byte   // YAML, may be empty
	Env  []string // "KEY=value" pairs as os.Environ gives them
	Set  []string // "key=value" pairs of --set
}

// Load reads a configuration and validates it. The error is a [Faults] with
// every fault by its key; the configuration is then not to be used.
func Load(src Source) (Config, error) {
	c := Default()
	known := keys()
	values, faults := src.merge(known)
	faults = append(faults, apply(&c, values, known)...)
	for _, f := range c.Validate() {
		if !slices.ContainsFunc(faults, func(x Fault) bool { return x.Key == f.Key }) { // told once
			faults = append(faults, f)
		}
	}
	if len(faults) > 0 {
		slices.SortFunc(faults, func(a, b Fault) int { return strings.Compare(a.Key, b.Key) })
		return Config{}, faults
	}
	return c, nil
}

// Fault is one thing wrong with the configuration.
type Fault struct {
	Key    string // "sip.id"
	Reason string // what is wrong, with the value, and what is wanted
}

// Faults are all of them, in the order of their keys.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, x := range f {
		lines[i] = x.Key + ": " + x.Reason
	}
	return strings.Join(lines, "\n")
}

// merge lays environment and --set over the file: a flat map by key.
func (src Source) merge(known map[string]reflect.Type) (map[string]any, Faults) {
	k := koanf.New(".")
	var faults Faults
	if err := k.Load(raw(src.File), yaml.Parser()); err != nil {
		return nil, Faults{{"(file)", "not YAML: " + err.Error()}}
	}
	values := k.All()
	for key := range values {
		if _, ok := known[key]; !ok {
			delete(values, key)
			if m := k.Get(key); isEmptyMap(m) {
				continue // a section with everything commented out
			}
			faults = append(faults, Fault{key, "unknown key" + suggestion(key, known)})
		}
	}
	names := map[string]string{}
	for key := range known {
		names["FENGSUI_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_"))] = key
	}
	for _, pair := range src.Env {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "FENGSUI_") {
			continue
		}
		if key, ok := names[name]; ok {
			values[key] = value
		} else {
			faults = append(faults, Fault{name, "unknown environment variable: no configuration key has this name"})
		}
	}
	for _, pair := range src.Set {
		key, value, ok := strings.Cut(pair, "=")
		if _, is := known[key]; !ok || !is {
			faults = append(faults, Fault{key, fmt.Sprintf("--set %q: want key=value with a known key%s", pair, suggestion(key, known))})
			continue
		}
		values[key] = value
	}
	return values, faults
}

// apply sets each value in c, converting text by the field's type.
func apply(c *Config, values map[string]any, known map[string]reflect.Type) Faults {
	var faults Faults
	root := reflect.ValueOf(c).Elem()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if err := set(field(root, key), values[key]); err != nil {
			faults = append(faults, Fault{key, err.Error()})
		}
	}
	return faults
}

// raw is a koanf provider of bytes already read.
type raw []byte

func (r raw) ReadBytes() ([]byte, error)    { return r, nil }
func (r raw) Read() (map[string]any, error) { return nil, nil }

// keys are all leaf keys of Config with their types, by reflection over the yaml tags.
func keys() map[string]reflect.Type {
	out := map[string]reflect.Type{}
	var walk func(prefix string, t reflect.Type)
	walk = func(prefix string, t reflect.Type) {
		for f := range fields(t) {
			key := prefix + f.Tag.Get("yaml")
			if isSection(f.Type) {
				walk(key+".", f.Type)
				continue
			}
			out[key] = f.Type
		}
	}
	walk("", reflect.TypeFor[Config]())
	return out
}

func fields(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[PortRange]()
}

func field(v reflect.Value, key string) reflect.Value {
	for _, part := range strings.Split(key, ".") {
		t := v.Type()
		for i := range t.NumField() {
			if t.Field(i).Tag.Get("yaml") == part {
				v = v.Field(i)
				break
			}
		}
	}
	return v
}

func set(dst reflect.Value, value any) error {
	switch p := dst.Addr().Interface().(type) {
	case *time.Duration:
		d, err := time.ParseDuration(fmt.Sprint(value))
		if err != nil {
			return fmt.Errorf("%v is not a duration: want 500ms, 30s, 5m or 1h", value)
		}
		*p = d
		return nil
	case interface{ UnmarshalText([]byte) error }:
		return p.UnmarshalText([]byte(fmt.Sprint(value)))
	case **string:
		s, err := text(value)
		*p = &s
		return err
	case *string:
		s, err := text(value)
		*p = s
		return err
	case *bool:
		switch strings.ToLower(fmt.Sprint(value)) {
		case "true", "yes", "on", "1":
			*p = true
		case "false", "no", "off", "0":
			*p = false
		default:
			return fmt.Errorf("%v is not a truth value: want true or false", value)
		}
		return nil
	case *int:
		if _, err := fmt.Sscanf(fmt.Sprint(value), "%d", p); err != nil {
			return fmt.Errorf("%v is not a whole number", value)
		}
		return nil
	case *[]string:
		return setStrings(p, value)
	case *[]Listener:
		return setList(p, value, Listener{})
	case *[]Sink:
		return setList(p, value, DefaultSink())
	}
	return fmt.Errorf("cannot be set to %v", value)
}

// text refuses numbers, because YAML reads an unquoted 20-digit ID as a float.
func text(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case nil:
		return "", nil
	case int:
		return fmt.Sprint(v), nil
	case bool:
		return map[bool]string{true: "on", false: "off"}[v], nil
	}
	return "", fmt.Errorf("%v is read as a number: put the value in quotes", value)
}

func setStrings(p *[]string, value any) error {
	*p = nil
	switch v := value.(type) {
	case []any:
		for _, x := range v {
			s, err := text(x)
			if err != nil {
				return err
			}
			*p = append(*p, s)
		}
	default:
		for s := range strings.SplitSeq(strings.Trim(fmt.Sprint(value), "[]"), ",") {
			if s = strings.TrimSpace(s); s != "" {
				*p = append(*p, s)
			}
		}
	}
	return nil
}

// setList reads a list of structs, each of which begins as first.
func setList[T any](p *[]T, value any, first T) error {
	t := reflect.TypeFor[T]()
	list, ok := value.([]any)
	if !ok {
		return fmt.Errorf("want a list of {%s}; it can only be given in a file", strings.Join(names(t), ", "))
	}
	*p = nil
	for i, x := range list {
		m, ok := x.(map[string]any)
		if !ok {
			return fmt.Errorf("entry %d is not {%s}", i+1, strings.Join(names(t), ", "))
		}
		one := first
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !slices.Contains(names(t), k) {
				return fmt.Errorf("entry %d: unknown key %q: want %s", i+1, k, strings.Join(names(t), ", "))
			}
			if err := set(field(reflect.ValueOf(&one).Elem(), k), m[k]); err != nil {
				return fmt.Errorf("entry %d: %s: %w", i+1, k, err)
			}
		}
		*p = append(*p, one)
	}
	return nil
}

// names are the keys of a struct.
func names(t reflect.Type) (list []string) {
	for f := range fields(t) {
		list = append(list, f.Tag.Get("yaml"))
	}
	return list
}

func isEmptyMap(v any) bool {
	if v == nil {
		return true
	}
	m, ok := v.(map[string]any)
	return ok && len(m) == 0
}

// suggestion names the known key that differs from key by at most two edits.
func suggestion(key string, known map[string]reflect.Type) string {
	best, at := 3, ""
	for _, k := range slices.Sorted(maps.Keys(known)) {
		if d := distance(key, k); d < best {
			best, at = d, k
		}
	}
	if at == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", at)
}

// distance is the edit distance of two short keys.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
