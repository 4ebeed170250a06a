// Package web is the console: TypeScript built into dist, embedded in the
// binary. Without Node.js only the placeholder page is there.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// FS is the built console, with index.html at its root; built is false when it
// holds only placeholder.html.
func FS() (files fs.FS, built bool) {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		return dist, false // cannot be: dist is embedded above
	}
	_, err = fs.Stat(sub, "index.html")
	return sub, err == nil
}
