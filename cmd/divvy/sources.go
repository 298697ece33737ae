package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// readSources returns the configuration at path by file name: the file itself,
// or every *.alloy file of the directory, without descending. A file that is a
// symbolic link is followed, as mounted configuration maps need.
func readSources(path string) (map[string][]byte, error) {
	stat, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("no configuration at %s: there is no such file or directory", path)
	case err != nil:
		return nil, fmt.Errorf("read configuration: %w", err)
	case !stat.IsDir():
		return readFiles([]string{path})
	}
	names, err := filepath.Glob(filepath.Join(escapeGlob(path), "*.alloy"))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", path, err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no configuration in %s: the directory has no *.alloy file (sub-directories are not searched)", path)
	}
	return readFiles(names)
}

// readFiles returns the content of each named file that is not a directory. All
// files that cannot be read are reported, not just the first.
func readFiles(names []string) (map[string][]byte, error) {
	sources := make(map[string][]byte, len(names))
	var errs []error
	for _, name := range names {
		if stat, err := os.Stat(name); err == nil && stat.IsDir() {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("read configuration: %w", err))
			continue
		}
		sources[name] = text
	}
	return sources, errors.Join(errs...)
}

// escapeGlob returns a pattern that matches dir literally.
func escapeGlob(dir string) string {
	var out []byte
	for _, c := range []byte(dir) {
		switch c {
		case '*', '?', '[', '\\':
			out = append(out, '\\')
		}
		out = append(out, c)
	}
	return string(out)
}
