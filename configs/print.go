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
		entries := make([]string, len(x))
		for i, l := range x {
			entries[i] = fmt.Sprintf("{transport: %q, address: %q, advertise: %q}", l.Transport, l.Address, l.Advertise)
		}
		return "[" + strings.Join(entries, ", ") + "]"
	}
	return fmt.Sprint(v)
}
