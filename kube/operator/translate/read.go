package translate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	_ "github.com/prometheus/prometheus/discovery/dns"        // can be read and run
	_ "github.com/prometheus/prometheus/discovery/eureka"     // likewise
	_ "github.com/prometheus/prometheus/discovery/file"       // likewise
	_ "github.com/prometheus/prometheus/discovery/gce"        // likewise
	_ "github.com/prometheus/prometheus/discovery/http"       // likewise
	_ "github.com/prometheus/prometheus/discovery/kubernetes" // likewise
	_ "github.com/prometheus/prometheus/discovery/puppetdb"   // likewise
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v2"
)

// A reader reads the scrape configurations out of what the generator writes.
type reader struct {
	conf   Config
	global config.GlobalConfig
	rules  *rules
}

// newReader returns a reader that applies the defaults of cfg.
func newReader(cfg Config) reader {
	native := cfg.NativeHistograms
	g := config.DefaultGlobalConfig
	g.ScrapeInterval = model.Duration(cfg.Interval)
	g.ScrapeTimeout = model.Duration(cfg.Timeout)
	g.SampleLimit = cfg.SampleLimit
	g.ScrapeNativeHistograms = &native
	g.AlwaysScrapeClassicHistograms = cfg.ClassicHistograms
	g.ConvertClassicHistogramsToNHCB = cfg.ConvertToNHCB
	return reader{conf: cfg, global: g, rules: newRules()}
}

// read returns the scrape configurations of a Prometheus configuration.
func (r reader) read(text []byte) ([]*config.ScrapeConfig, error) {
	var file struct {
		Scrapes []scrape       `yaml:"scrape_configs"`
		Rest    map[string]any `yaml:",inline"`
	}
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		return nil, fmt.Errorf("read scrape configuration: %w", err)
	}
	out := make([]*config.ScrapeConfig, 0, len(file.Scrapes))
	for _, s := range file.Scrapes {
		c := &s.ScrapeConfig
		if err := c.Validate(r.global); err != nil {
			return nil, fmt.Errorf("check scrape configuration: %w", err)
		}
		r.finish(c)
		out = append(out, c)
	}
	return out, nil
}

// finish adds to c what objects cannot say.
func (r reader) finish(c *config.ScrapeConfig) {
	if c.NativeHistogramBucketLimit == 0 {
		c.NativeHistogramBucketLimit = r.conf.BucketLimit
	}
	if c.NativeHistogramMinBucketFactor == 0 {
		c.NativeHistogramMinBucketFactor = r.conf.BucketFactor
	}
	c.RelabelConfigs = slices.Concat(withoutShards(c.RelabelConfigs), r.conf.Rules)
	c.RelabelConfigs = r.rules.share(c.RelabelConfigs)
	c.MetricRelabelConfigs = r.rules.share(c.MetricRelabelConfigs)
}

// shardRule is the last of the three rules by which the operator has one server
// of several keep its share of the targets: the one that its environment names.
const shardRule = "$(SHARD);|.+;.+"

// withoutShards drops these rules: targets are shared out by their final labels.
func withoutShards(list []*relabel.Config) []*relabel.Config {
	i := slices.IndexFunc(list, func(c *relabel.Config) bool { return c.Regex.String() == shardRule })
	if i < 2 {
		return list
	}
	return slices.Delete(slices.Clone(list), i-2, i+1)
}

// A scrape is a scrape configuration that says which discovery it lacks.
type scrape struct{ config.ScrapeConfig }

// UnmarshalYAML reads a scrape configuration.
func (s *scrape) UnmarshalYAML(unmarshal func(any) error) error {
	var keys map[string]any
	if err := unmarshal(&keys); err != nil {
		return err
	}
	for key := range keys {
		name, ok := strings.CutSuffix(key, "_sd_configs")
		if ok && !slices.Contains(discoveries(), name) {
			return fmt.Errorf("discovery by %s is not supported: use one of static, %s", name, strings.Join(discoveries(), ", "))
		}
	}
	return s.ScrapeConfig.UnmarshalYAML(unmarshal)
}

// discoveries lists the ways to find targets that an object can ask for beside
// naming them. The others cost megabytes each; docs/dependencies.md has weighed
// them.
func discoveries() []string {
	return []string{"dns", "eureka", "file", "gce", "http", "kubernetes", "puppetdb"}
}

// rules holds one copy of every rule.
type rules struct {
	known map[string]*relabel.Config
	limit int // how many may be known before those that nobody shares go
}

// newRules returns no rules.
func newRules() *rules { return &rules{known: map[string]*relabel.Config{}, limit: 4096} }

// share replaces rules by equal ones that are known.
func (r *rules) share(list []*relabel.Config) []*relabel.Config {
	out := make([]*relabel.Config, len(list))
	for i, c := range list {
		key := fmt.Sprintf("%q %q %q %d %q %q %q", c.SourceLabels, c.Separator, c.Regex.String(),
			c.Modulus, c.TargetLabel, c.Replacement, c.Action)
		if r.known[key] == nil {
			r.forget()
			r.known[key] = c
		}
		out[i] = r.known[key]
	}
	return out
}

// forget starts anew when there are too many rules: those of objects that are
// gone must not stay for ever, and those that are in use are soon known again.
func (r *rules) forget() {
	if len(r.known) >= r.limit {
		clear(r.known)
	}
}
