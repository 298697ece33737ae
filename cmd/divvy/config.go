package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/divvy-collector/divvy/pipeline/component"
)

// Config is what the flags of divvy run say. The zero value is not usable:
// start from DefaultConfig. It is read once, when a Collector is opened; what a
// reload may change is in the configuration file instead.
type Config struct {
	HTTP    HTTPConfig
	Cluster ClusterConfig

	StoragePath      string              // where queues live; made if missing
	Stability        component.Stability // least stable components admitted
	ShutdownDeadline time.Duration       // how long components may take to stop and drain

	unsupported unsupported
}

// HTTPConfig says how divvy answers HTTP.
type HTTPConfig struct {
	ListenAddr    string // host:port; port 0 takes a free one
	MemoryAddr    string // host:port by which components reach divvy without a network
	PathPrefix    string // of the UI and of /api/v0/web
	Pprof         bool   // serve /debug/pprof
	BundleRefused bool   // /-/support answers 403
}

// DefaultConfig returns what divvy run does without flags.
func DefaultConfig() Config {
	return Config{
		HTTP: HTTPConfig{
			ListenAddr: "127.0.0.1:12345",
			MemoryAddr: "divvy.internal:12345",
			PathPrefix: "/",
			Pprof:      true,
		},
		Cluster:          defaultClusterConfig(),
		StoragePath:      "data-divvy/",
		Stability:        component.GenerallyAvailable,
		ShutdownDeadline: 10 * time.Minute,
	}
}

// Flags binds c to fs. It is the only place that names these flags.
func (c *Config) Flags(fs *pflag.FlagSet) {
	c.HTTP.flags(fs)
	c.Cluster.flags(fs)
	fs.StringVar(&c.StoragePath, "storage.path", c.StoragePath, "`directory` where queues are kept")
	fs.Var((*stabilityFlag)(&c.Stability), "stability.level",
		"least stable components to allow: experimental, public-preview or generally-available")
	fs.DurationVar(&c.ShutdownDeadline, "feature.component-shutdown-deadline", c.ShutdownDeadline,
		"how long components may take to stop; the first 30s of it, at most, they deliver what is left")
	c.unsupported.flags(fs)
	acceptWithoutEffect(fs)
}

func (c *HTTPConfig) flags(fs *pflag.FlagSet) {
	fs.StringVar(&c.ListenAddr, "server.http.listen-addr", c.ListenAddr, "`host:port` to answer HTTP on")
	fs.StringVar(&c.MemoryAddr, "server.http.memory-addr", c.MemoryAddr,
		"`host:port` by which components reach divvy without a network")
	fs.StringVar(&c.PathPrefix, "server.http.ui-path-prefix", c.PathPrefix, "`path` under which the UI is served")
	fs.BoolVar(&c.Pprof, "server.http.enable-pprof", c.Pprof, "serve profiles of divvy itself under /debug/pprof")
	fs.BoolVar(&c.BundleRefused, "server.http.disable-support-bundle", c.BundleRefused,
		"do not serve the support bundle under /-/support")
}

// Validate returns everything that is wrong with c, or nil. Each error names the
// flag as it is typed, and says what would be right.
func (c *Config) Validate() error {
	errs := []error{c.HTTP.validate(), c.Cluster.Validate(), c.unsupported.validate()}
	if c.StoragePath == "" {
		errs = append(errs, errors.New("--storage.path is empty; name a directory"))
	}
	if c.ShutdownDeadline <= 0 {
		errs = append(errs, fmt.Errorf("--feature.component-shutdown-deadline %s is not positive", c.ShutdownDeadline))
	}
	return errors.Join(errs...)
}

func (c *HTTPConfig) validate() error {
	var errs []error
	for _, f := range []struct{ flag, addr string }{
		{"server.http.listen-addr", c.ListenAddr},
		{"server.http.memory-addr", c.MemoryAddr},
	} {
		if _, _, err := net.SplitHostPort(f.addr); err != nil {
			errs = append(errs, fmt.Errorf("--%s %q is not host:port", f.flag, f.addr))
		}
	}
	if !strings.HasPrefix(c.PathPrefix, "/") {
		errs = append(errs, fmt.Errorf("--server.http.ui-path-prefix %q does not begin with /", c.PathPrefix))
	}
	return errors.Join(errs...)
}

// A stabilityFlag is a component.Stability on the command line.
type stabilityFlag component.Stability

// String returns the level as the command line spells it.
func (s *stabilityFlag) String() string { return component.Stability(*s).String() }

// Type names the kind of value in the help text.
func (s *stabilityFlag) Type() string { return "level" }

// Set takes the level that text names.
func (s *stabilityFlag) Set(text string) error {
	levels := []component.Stability{component.Experimental, component.PublicPreview, component.GenerallyAvailable}
	for _, level := range levels {
		if level.String() == text {
			*s = stabilityFlag(level)
			return nil
		}
	}
	return fmt.Errorf("%q is none of experimental, public-preview, generally-available", text)
}
