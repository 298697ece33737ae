package ui

import (
	"embed"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"io/fs"
	"net/http"
	"path"
)

// templates holds the layout, its parts and a file for each page.
//
//go:embed *.html
var templates embed.FS

// assets holds what pages load.
//
//go:embed assets
var assets embed.FS

// A files serves the assets. All have a hash of all of them in their path, so
// browsers may keep them for ever, and scripts can name each other by relative
// paths.
type files struct {
	base   string // path of the folder, with the prefix and the hash
	server http.Handler
}

// openFiles returns the assets as served below prefix.
func openFiles(prefix string) files {
	base := prefix + "/assets/" + hashOf(assets)
	root, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(fmt.Sprintf("BUG: no assets: %s", err))
	}
	return files{base, http.StripPrefix(base, http.FileServerFS(root))}
}

// url returns where the asset name is served.
func (f files) url(name string) string { return path.Join(f.base, name) }

// ServeHTTP answers with an asset.
func (f files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	f.server.ServeHTTP(w, r)
}

// hashOf returns a short name of what all files of fsys hold.
func hashOf(fsys fs.FS) string {
	sum := fnv.New64a()
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(fsys, name)
		fmt.Fprintf(sum, "%s %d %s", name, len(text), text)
		return err
	})
	if err != nil {
		panic(fmt.Sprintf("BUG: read assets: %s", err))
	}
	return hex.EncodeToString(sum.Sum(nil))
}
