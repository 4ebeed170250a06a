package configs

import (
	_ "embed"
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Sample is the commented configuration file, equal to the defaults.
//
//go:embed fengsui.yaml
var Sample string

// BuiltinQuirks are the rules that come with the server, for package quirk.
//
//go:embed quirks.yaml
var BuiltinQuirks []byte

// hidden are the keys whose values are never shown.
var hidden = map[string]bool{"sip.password": true, "auth.admin_password": true, "cluster.secret": true, "sip.note.seed": true}

// hiddenInLists are keys of entries of lists whose values are never shown.
var hiddenInLists = map[string]bool{"secret": true, "password": true}

// Print is the effective configuration as YAML that [Load] reads again, with
// secrets replaced by a comment.
func (c *Config) Print() string {
	var b strings.Builder
	printSection(&b, "", "", reflect.ValueOf(c).Elem())
	return b.String()
}

func printSection(b *strings.Builder, prefix, indent string, v reflect.Value) {
	i := 0
	for f := range fields(v.Type()) {
		name, value := f.Tag.Get("yaml"), v.Field(i)
		i++
		if isSection(f.Type) {
			fmt.Fprintf(b, "%s%s:\n", indent, name)
			printSection(b, prefix+name+".", indent+"  ", value)
			continue
		}
		if hidden[prefix+name] {
			fmt.Fprintf(b, "%s# %s: %s\n", indent, name, secretState(value))
			continue
		}
		fmt.Fprintf(b, "%s%s: %s\n", indent, name, scalar(value.Interface()))
	}
}

func secretState(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Pointer && v.IsNil(), v.Kind() == reflect.String && v.Len() == 0:
		return "(random, kept in data_dir)"
	case v.Kind() == reflect.Pointer && v.Elem().Len() == 0:
		return "(empty)"
	}
	return "(set, not shown)"
}

func scalar(v any) string {
	switch x := v.(type) {
	case time.Duration:
		return x.String()
	case encoding.TextMarshaler:
		text, _ := x.MarshalText()
		return string(text)
	case string:
		return fmt.Sprintf("%q", x)
	case []string:
		quoted := make([]string, len(x))
		for i, s := range x {
			quoted[i] = fmt.Sprintf("%q", s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case []Listener:
		return entries(x)
	case []Sink:
		return entries(x)
	}
	return fmt.Sprint(v)
}

// entries is a list of structs, their secrets and what is empty left out.
func entries[T any](list []T) string {
	all := make([]string, len(list))
	for i := range list {
		v := reflect.ValueOf(&list[i]).Elem()
		var one []string
		for j := range v.NumField() {
			name, value := v.Type().Field(j).Tag.Get("yaml"), v.Field(j)
			switch {
			case value.IsZero():
			case hiddenInLists[name]:
				one = append(one, fmt.Sprintf("%s: %q", name, notShown))
			case name == "url":
				one = append(one, fmt.Sprintf("%s: %q", name, redacted(value.String())))
			default:
				one = append(one, name+": "+scalar(value.Interface()))
			}
		}
		all[i] = "{" + strings.Join(one, ", ") + "}"
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// redacted is an address without its query, in which there may be a token.
func redacted(address string) string {
	s := Sink{URL: address}
	if strings.Contains(address, "?") {
		return s.Target() + "?" + notShown
	}
	return s.Target()
}
