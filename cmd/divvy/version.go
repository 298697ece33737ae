package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
)

// Set by the linker: -X main.version=v1.2.3, -X main.commit, -X main.date. They
// are never written, so they are constants in all but name.
var (
	version string
	commit  string
	date    string
)

// A build says what this binary was made from.
type build struct {
	Version, Commit, Date, Go, Platform string
}

// currentBuild returns what the linker said, else what the Go toolchain wrote
// into the binary.
func currentBuild() build {
	b := build{
		Version:  version,
		Commit:   commit,
		Date:     date,
		Go:       runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if mod, ok := debug.ReadBuildInfo(); ok {
		for _, s := range mod.Settings {
			switch {
			case s.Key == "vcs.revision" && b.Commit == "":
				b.Commit = s.Value
			case s.Key == "vcs.time" && b.Date == "":
				b.Date = s.Value
			}
		}
	}
	fill := func(s *string, unknown string) {
		if *s == "" {
			*s = unknown
		}
	}
	fill(&b.Version, "v0.0.0-dev")
	fill(&b.Commit, "unknown")
	fill(&b.Date, "unknown")
	return b
}

// String returns the text of divvy --version.
func (b build) String() string {
	return fmt.Sprintf("divvy, version %s (commit: %s)\n  build date:  %s\n  go version:  %s\n  platform:    %s",
		b.Version, b.Commit, b.Date, b.Go, b.Platform)
}

// metric returns divvy_build_info.
func (b build) metric() prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "divvy_build_info",
		Help: "Always 1; the labels say what this divvy was built from.",
		ConstLabels: prometheus.Labels{
			"version":   b.Version,
			"revision":  b.Commit,
			"goversion": b.Go,
			"goos":      runtime.GOOS,
			"goarch":    runtime.GOARCH,
		},
	})
	g.Set(1)
	return g
}

// fields returns b by the names that a support bundle uses.
func (b build) fields() map[string]string {
	return map[string]string{
		"version": b.Version, "commit": b.Commit, "date": b.Date, "go": b.Go, "platform": b.Platform,
	}
}
