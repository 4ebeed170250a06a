package intake

import (
	"os"
	"path/filepath"
	"testing"
)

// Torture holds the messages of RFC 4475, for fuzz targets to begin with.
func Torture(t testing.TB) (all [][]byte) {
	t.Helper()
	paths, err := filepath.Glob("../../test/corpus/testdata/rfc4475/*.dat")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no messages: %v", err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data)
	}
	return all
}
