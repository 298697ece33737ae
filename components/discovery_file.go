package components

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	sd "github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/file"
)

// fileSDArguments are the arguments of discovery.file: target groups in JSON
// or YAML files, which are watched.
type fileSDArguments struct {
	// Files end in .json, .yml or .yaml; the last element of a path may be
	// a pattern.
	Files []string `alloy:"files,attr"`

	// RefreshInterval is how often files are read in any case; changes are
	// noticed at once where the file system tells of them.
	RefreshInterval time.Duration `alloy:"refresh_interval,attr,optional"`
}

// SetToDefault sets the documented defaults.
func (a *fileSDArguments) SetToDefault() {
	*a = fileSDArguments{RefreshInterval: 5 * time.Minute}
}

// Validate reports paths that the discoverer would not read.
func (a *fileSDArguments) Validate() error {
	errs := []error{positive("refresh_interval", a.RefreshInterval)}
	if len(a.Files) == 0 {
		errs = append(errs, errors.New("files must name at least one file"))
	}
	for _, path := range a.Files {
		errs = append(errs, validateFileSDPath(path))
	}
	return errors.Join(errs...)
}

// validateFileSDPath has the discoverer's own rule, with a reason.
func validateFileSDPath(path string) error {
	switch path[strings.LastIndexByte(path, '.')+1:] {
	case "json", "yml", "yaml", "JSON", "YML", "YAML":
	default:
		return fmt.Errorf("file %q must end in .json, .yml or .yaml", path)
	}
	if _, after, has := strings.Cut(path, "*"); has && strings.Contains(after, "/") {
		return fmt.Errorf("file %q may have a * in its last element only", path)
	}
	return nil
}

// source returns the set-up of the discoverer.
func (a fileSDArguments) source() sd.Config {
	return &file.SDConfig{Files: a.Files, RefreshInterval: model.Duration(a.RefreshInterval)}
}
