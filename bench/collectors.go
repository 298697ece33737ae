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
	source string // what to build; empty: the binary is somebody else's
	dir    string // where to build it
	cgo    bool   // built with it where there is a C compiler, as its releases are
	config string // a template of setting
	quick  string // that of the quickstart
	args   func(config, storage string, s scenario) []string
	env    []string      // besides that of the runner
	late   time.Duration // after which it scrapes at the latest; it is warmed up for so much longer
	build  string        // what tells the binary from others, once it is there
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
		if !slices.ContainsFunc(p.scenarios, func(s scenario) bool { return p.wants(s, c) }) {
			continue
		}
		err := prepare(ctx, c)
		if err == nil {
			c.build, err = buildOf(c.binary)
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

// prepare sees to it that the binary of c is there.
func prepare(ctx context.Context, c collector) error {
	switch {
	case c.name == "divvy":
		return compile(ctx, c)
	case size(c.binary) > 0:
		return nil
	case c.source == "":
		return fmt.Errorf("find the binary of %s: there is none at %q", c.name, c.binary)
	default:
		return compile(ctx, c)
	}
}

// wants reports whether c is to be measured in s: by default divvy and the peer
// that it is compared with.
func (p plan) wants(s scenario, c collector) bool {
	if !c.can(s) {
		return false
	}
	switch p.only {
	case "":
		return c.name == "divvy" || c.name == s.peer
	case "all":
		return true
	default:
		return slices.Contains(strings.Split(p.only, ","), c.name)
	}
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
// (which divvy passes on only where honor_metadata asks for it), requests of
// the same size. What else they do is their default, except where a documented
// setting makes a peer leaner: vmagent drops the labels that only its pages
// show, and Alloy's cache for relabelling holds all series. vmagent-tuned is
// vmagent as its documentation tunes it for the least CPU, with its staleness
// markers left on. Prometheus and Alloy, which scrapes with Prometheus' code, pass
// on what discovery finds every 5 s, twice.
func collectors(p plan) []collector {
	peers := filepath.Join(p.root, "bench", "peers")
	vmagent := collector{
		name:   "vmagent",
		binary: filepath.Join(p.cache, "vmagent"), dir: peers,
		source: "github.com/VictoriaMetrics/VictoriaMetrics/app/vmagent", cgo: true,
		config: promConfig, quick: promQuick, args: vmagentArgs,
	}
	tuned := vmagent
	tuned.name, tuned.args = "vmagent-tuned", vmagentTunedArgs
	tuned.env = []string{"GOGC=100", "GOMAXPROCS=1"}
	return []collector{{
		name:   "divvy",
		binary: filepath.Join(p.cache, "divvy"), source: "./cmd/divvy", dir: p.root,
		config: alloyConfig, quick: alloyQuick, args: divvyArgs,
	}, vmagent, tuned, {
		name:   "prometheus",
		binary: filepath.Join(p.cache, "prometheus"), dir: peers,
		source: "github.com/prometheus/prometheus/cmd/prometheus",
		config: promConfig + promWrite, quick: promQuick + promWrite, args: prometheusArgs,
		late: 10 * time.Second,
	}, {
		name: "alloy", binary: p.alloy,
		config: alloyConfig, quick: alloyQuick, args: alloyArgs,
		late: 10 * time.Second,
	}}
}

// can reports whether c can do what s asks.
func (c collector) can(s scenario) bool { return !s.v2 || !strings.HasPrefix(c.name, "vmagent") }

func divvyArgs(config, storage string, _ scenario) []string {
	return []string{"run", "--server.http.listen-addr=" + addr, "--storage.path=" + storage, config}
}

// alloyArgs are divvy's. Remote write 2.0 is an experiment there.
func alloyArgs(config, storage string, s scenario) []string {
	args := []string{"run", "--disable-reporting"}
	if s.v2 {
		args = append(args, "--stability.level=experimental")
	}
	return append(args, divvyArgs(config, storage, s)[1:]...)
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

func vmagentTunedArgs(config, storage string, s scenario) []string {
	return append(vmagentArgs(config, storage, s), "-memory.allowedBytes=1GiB")
}

func prometheusArgs(config, storage string, _ scenario) []string {
	return []string{
		"--agent", "--config.file=" + config, "--storage.agent.path=" + storage,
		"--web.listen-address=" + addr, "--web.enable-lifecycle",
	}
}
