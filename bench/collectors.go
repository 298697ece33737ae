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
)

// addr is where a collector under test listens.
const addr = "127.0.0.1:12399"

// A collector is one of the programs that are compared.
type collector struct {
	name   string
	binary string
	source string // what to build
	dir    string // where to build it
	cgo    bool   // built with it where there is a C compiler, as its releases are
	config string // for load: a template with SD, WRITE and GZIP
	quick  string // for the quickstart: with WRITE
	args   func(config, storage string, gzip bool) []string
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

// collectors returns all that are known, each set to do the same work: no
// compression of the scrape unless asked, remote write 1.0 with snappy,
// timestamps honoured, staleness markers on, no metadata (which divvy passes on
// only where honor_metadata asks for it). What else they do is their default.
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

func divvyArgs(config, storage string, _ bool) []string {
	return []string{"run", "--server.http.listen-addr=" + addr, "--storage.path=" + storage, config}
}

func vmagentArgs(config, storage string, gzip bool) []string {
	return []string{
		"-httpListenAddr=" + addr, "-promscrape.config=" + config,
		"-remoteWrite.tmpDataPath=" + storage, "-remoteWrite.forcePromProto", "-enableMetadata=false",
		fmt.Sprintf("-promscrape.disableCompression=%t", !gzip),
		"-remoteWrite.url=WRITE",
	}
}

func prometheusArgs(config, storage string, _ bool) []string {
	return []string{
		"--agent", "--config.file=" + config, "--storage.agent.path=" + storage,
		"--web.listen-address=" + addr,
	}
}

const divvyConfig = `discovery.http "fleet" {
  url = "SD"
}

prometheus.scrape "fleet" {
  targets            = discovery.http.fleet.targets
  job_name           = "fleet"
  scrape_interval    = "5s"
  scrape_timeout     = "5s"
  enable_compression = GZIP
  forward_to         = [prometheus.remote_write.sink.receiver]
}

prometheus.remote_write "sink" {
  endpoint {
    url = "WRITE"
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
    url = "WRITE"
  }
}
`

const promConfig = `global:
  scrape_interval: 5s
  scrape_timeout: 5s
scrape_configs:
  - job_name: fleet
    honor_timestamps: true
    enable_compression: GZIP
    http_sd_configs:
      - url: SD
`

const promQuick = `global:
  scrape_interval: 60s
scrape_configs:
  - job_name: me
    static_configs:
      - targets: ["` + addr + `"]
`

const promWrite = `remote_write:
  - url: WRITE
    metadata_config:
      send: false
`
