package configs

import (
	"maps"
	"reflect"
	"slices"
)

// Changed are the keys whose values differ, sorted.
func Changed(a, b *Config) []string {
	var out []string
	va, vb := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	for _, key := range slices.Sorted(maps.Keys(keys())) {
		if !reflect.DeepEqual(field(va, key).Interface(), field(vb, key).Interface()) {
			out = append(out, key)
		}
	}
	return out
}
