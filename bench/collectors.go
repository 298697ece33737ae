package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"
)

// Where a collector under test listens, and where it writes to.
const (
	addr     = "127.0.0.1:12399"
	writeURL = "http://" + bed + "/api/v1/write"
)

// A collector is one of the programs that are compared.
type collector struct {
	name   string
	binary string
	source string // what to build
	dir    string // where to build it
	cgo    bool   // built with it where there is a C compiler, as its releases are
	config string // a template of setting
	quick  string // that of the quickstart
	args   func(config, storage string, s scenario) []string
}

// build returns the collectors that can be run. Divvy and the testbed are
// built anew; the peers, which take minutes, once. A peer that cannot be built
// is left out and named.
func build(ctx context.Context, p plan) ([]collector, error) {
	if err := os.MkdirAll(p.cache, 0o755); err != nil {
		return nil, err
	}
	if err := compile(ctx, collector{dir: p.root, binary: p.cache + "/testbed", source: "./internal/testbed/cmd/testbed"}); err != nil {
		return nil, err
	}
	var list []collector
	for _, c := range collectors(p) {
		if p.only != "" && !slices.Contains(strings.Split(p.only, ","), c.name) {
			continue
		}
		err := error(nil)
		if c.name == "divvy" || size(c.binary) == 0 {
			err = compile(ctx, c)
		}
		switch {
		case err == nil:
			list = append(list, c)
		case c.name == "divvy":
			return nil, err
		default:
			fmt.Printf("%s is left out: %v\n", c.name, err)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("there is no collector to measure")
	}
	return list, nil
}

// compile builds c as its release is built.
func compile(ctx context.Context, c collector) error {
	binary, err := filepath.Abs(c.binary)
	if err != nil {
		return err
	}
	cgo := "CGO_ENABLED=0"
	if _, missing := exec.LookPath("cc"); c.cgo && missing == nil {
		cgo = "CGO_ENABLED=1"
	}
	fmt.Println("build", c.source, cgo)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, c.source)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", c.source, err, out)
	}
	return nil
}

// collectors returns all that are known, each set to do the same work: remote
// write with snappy, timestamps honoured, staleness markers on, no metadata
// (which divvy passes on only where honor_metadata asks for it). What else they
// do is their default, except where a documented setting makes a peer leaner:
// vmagent drops the labels that only its pages show.
func collectors(p plan) []collector {
	peers := filepath.Join(p.root, "bench", "peers")
	return []collector{{
		name:   "divvy",
		binary: filepath.Join(p.cache, "divvy"), source: "./cmd/divvy", dir: p.root,
		config: divvyConfig, quick: divvyQuick, args: divvyArgs,
	}, {
		name:   "vmagent",
		binary: filepath.Join(p.cache, "vmagent"), dir: peers,
		source: "github.com/VictoriaMetrics/VictoriaMetrics/app/vmagent", cgo: true,
		config: promConfig, quick: promQuick, args: vmagentArgs,
	}, {
		name:   "prometheus",
		binary: filepath.Join(p.cache, "prometheus"), dir: peers,
		source: "github.com/prometheus/prometheus/cmd/prometheus",
		config: promConfig + promWrite, quick: promQuick + promWrite, args: prometheusArgs,
	}}
}

// can reports whether c can do what s asks.
func (c collector) can(s scenario) bool { return !s.v2 || c.name != "vmagent" }

func divvyArgs(config, storage string, _ scenario) []string {
	return []string{"run", "--server.http.listen-addr=" + addr, "--storage.path=" + storage, config}
}

func vmagentArgs(config, storage string, s scenario) []string {
	return []string{
		"-httpListenAddr=" + addr, "-promscrape.config=" + config,
		"-remoteWrite.tmpDataPath=" + storage, "-remoteWrite.forcePromProto", "-enableMetadata=false",
		"-promscrape.dropOriginalLabels", "-promscrape.maxScrapeSize=64MB",
		fmt.Sprintf("-promscrape.disableCompression=%t", !s.gzip),
		"-remoteWrite.url=" + writeURL,
	}
}

func prometheusArgs(config, storage string, _ scenario) []string {
	return []string{
		"--agent", "--config.file=" + config, "--storage.agent.path=" + storage,
		"--web.listen-address=" + addr, "--web.enable-lifecycle",
	}
}

// A setting fills in the templates of the configurations.
type setting struct {
	SD, Write, Addr, Message    string
	Gzip, Rules                 bool
	Interval, Timeout           string
	DivvyRules, PrometheusRules string
}

// configure returns the configuration of c for s. Variants differ in a rule
// that finds nothing.
func (c collector) configure(s scenario, variant int) (string, error) {
	set := setting{
		SD: "http://" + bed + "/sd", Write: writeURL, Addr: addr, Message: "prometheus.WriteRequest",
		Gzip: s.gzip, Rules: s.rules,
		Interval: s.interval.String(), Timeout: min(s.interval, 10*time.Second).String(),
	}
	if s.v2 {
		set.Message = "io.prometheus.write.v2.Request"
	}
	if s.rules {
		rules := relabelRules(variant)
		set.DivvyRules, set.PrometheusRules = divvyRules(rules), prometheusRules(rules)
	}
	text := c.config
	if s.idle {
		text = c.quick
	}
	t, err := template.New(c.name).Parse(text)
	if err != nil {
		return "", fmt.Errorf("read the configuration of %s: %w", c.name, err)
	}
	var b strings.Builder
	err = t.Execute(&b, set)
	return b.String(), err
}

const divvyConfig = `discovery.http "fleet" {
  url = "{{.SD}}"
}

prometheus.scrape "fleet" {
  targets            = discovery.http.fleet.targets
  job_name           = "fleet"
  scrape_interval    = "{{.Interval}}"
  scrape_timeout     = "{{.Timeout}}"
  enable_compression = {{.Gzip}}
  forward_to         = [prometheus.{{if .Rules}}relabel.rules{{else}}remote_write.sink{{end}}.receiver]
}
{{if .Rules}}
prometheus.relabel "rules" {
  forward_to = [prometheus.remote_write.sink.receiver]
{{.DivvyRules}}}
{{end}}
prometheus.remote_write "sink" {
  endpoint {
    url              = "{{.Write}}"
    protobuf_message = "{{.Message}}"
    queue_config {
      max_samples_per_send = 10000
    }
  }
}
`

const divvyQuick = `prometheus.exporter.self "me" { }

prometheus.scrape "me" {
  targets    = prometheus.exporter.self.me.targets
  forward_to = [prometheus.remote_write.sink.receiver]
}

prometheus.remote_write "sink" {
  endpoint {
    url = "{{.Write}}"
  }
}
`

const promConfig = `global:
  scrape_interval: {{.Interval}}
  scrape_timeout: {{.Timeout}}
scrape_configs:
  - job_name: fleet
    honor_timestamps: true
    enable_compression: {{.Gzip}}
    http_sd_configs:
      - url: {{.SD}}
{{- if .Rules}}
    metric_relabel_configs:
{{.PrometheusRules}}
{{- end}}
`

const promQuick = `global:
  scrape_interval: 60s
scrape_configs:
  - job_name: me
    static_configs:
      - targets: ["{{.Addr}}"]
`

const promWrite = `remote_write:
  - url: {{.Write}}
    protobuf_message: {{.Message}}
    metadata_config:
      send: false
    queue_config:
      max_samples_per_send: 10000
      capacity: 20000
`
