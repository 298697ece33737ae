package web

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// BundleConfig says what goes into a support bundle. Everything is given as it
// is; the bundle takes the secrets out.
type BundleConfig struct {
	Refused  bool                     // /-/support answers 403
	Build    map[string]string        // what the binary was made from
	Flags    []string                 // name=value of every flag
	Types    map[string]reflect.Type  // arguments of components and blocks by name; tells what is secret
	Sources  func() map[string][]byte // configuration files as loaded last
	TeeLog   func(io.Writer) (stop func())
	Duration time.Duration // how long to watch if the request does not say; 0: 30 s
}

const maxBundleDuration = 30 * time.Second

// A bundle makes support bundles, one at a time: zip files with what someone
// who is asked for help wants to see.
//
//	divvy-support-bundle/
//	  divvy-metadata.yaml                    what was built, when, from what
//	  divvy-components.json                  every component, its arguments and health
//	  divvy-peers.json                       the nodes of the cluster
//	  divvy-metrics-sample-{start,end}.txt   so that rates can be told
//	  divvy-runtime-flags.txt
//	  divvy-environment.txt                  names; values only of a few
//	  divvy-logs.txt                         of the time in between, debug too
//	  pprof/…                                CPU of that time; the rest at its end
//	  sources/…                              the configuration
//
// Invariant: each file has passed through the redaction, or is a profile.
type bundle struct {
	BundleConfig
	metrics    prometheus.Gatherer
	components func() ([]byte, error)
	peers      func() ([]byte, error)
	redaction  redaction
	busy       sync.Mutex
}

func newBundle(cfg Config) *bundle {
	return &bundle{
		BundleConfig: cfg.Bundle,
		metrics:      cfg.Gatherer,
		components:   func() ([]byte, error) { return componentsJSON(cfg.Pipeline) },
		peers:        func() ([]byte, error) { return peersJSON(cfg) },
		redaction:    redaction{types: cfg.Bundle.Types},
	}
}

// serve answers /-/support?duration=N with a zip file after N seconds.
func (b *bundle) serve(w http.ResponseWriter, r *http.Request) {
	if b.Refused {
		http.Error(w, "support bundles are disabled by --server.http.disable-support-bundle", http.StatusForbidden)
		return
	}
	d := b.Duration
	if d == 0 {
		d = maxBundleDuration
	}
	if text := r.FormValue("duration"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > int(maxBundleDuration/time.Second) {
			http.Error(w, fmt.Sprintf("duration %q is not a number of seconds from 1 to 30", text), http.StatusBadRequest)
			return
		}
		d = time.Duration(n) * time.Second
	}
	if !b.busy.TryLock() {
		http.Error(w, "another support bundle is being made; try again in 30 seconds", http.StatusTooManyRequests)
		return
	}
	defer b.busy.Unlock()
	// Everything is in memory before the first byte is sent, so that a slow
	// client does not stretch what is measured.
	files := b.collect(r.Context(), d)
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="divvy-support-bundle.zip"`)
	// The client sees a broken zip if it leaves early; nobody else cares.
	_ = writeZip(w, files)
}

// A bundleFile is one file of a bundle.
type bundleFile struct {
	name string
	text []byte
}

// collect watches for d and returns the files of the bundle. A part that cannot
// be had says so in its own file: half a bundle helps too.
func (b *bundle) collect(ctx context.Context, d time.Duration) []bundleFile {
	var logs, cpu lockedBuffer
	stopTee := b.TeeLog(&logs)
	start := b.metricsText()
	cpuErr := pprof.StartCPUProfile(&cpu)
	wait(ctx, d)
	if cpuErr == nil {
		pprof.StopCPUProfile()
	} else {
		fmt.Fprintln(&cpu, "no CPU profile:", cpuErr)
	}
	stopTee()
	files := []bundleFile{
		{"divvy-metadata.yaml", b.metadata(d)},
		{"divvy-components.json", textOf(b.components)},
		{"divvy-peers.json", textOf(b.peers)},
		{"divvy-metrics-sample-start.txt", start},
		{"divvy-metrics-sample-end.txt", b.metricsText()},
		{"divvy-runtime-flags.txt", flags(b.Flags)},
		{"divvy-environment.txt", environment(os.Environ())},
		{"divvy-logs.txt", HidePasswords(logs.Bytes())},
		{"pprof/cpu.pprof", cpu.Bytes()},
	}
	for _, profile := range []string{"heap", "goroutine", "mutex", "block"} {
		files = append(files, bundleFile{"pprof/" + profile + ".pprof", profileText(profile)})
	}
	return append(files, b.sources()...)
}

// sources returns the configuration files, without secrets.
func (b *bundle) sources() []bundleFile {
	var files []bundleFile
	for name, text := range b.Sources() {
		files = append(files, bundleFile{
			"sources/" + filepath.Base(name), b.redaction.source(name, text),
		})
	}
	slices.SortFunc(files, func(x, y bundleFile) int { return bytes.Compare([]byte(x.name), []byte(y.name)) })
	return files
}

// metadata says what was built when.
func (b *bundle) metadata(d time.Duration) []byte {
	var out bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(b.Build)) {
		fmt.Fprintf(&out, "%s: %q\n", key, b.Build[key])
	}
	fmt.Fprintf(&out, "created: %q\nseconds: %g\ncpus: %d\ngomaxprocs: %d\n",
		time.Now().UTC().Format(time.RFC3339), d.Seconds(), runtime.NumCPU(), runtime.GOMAXPROCS(0))
	return out.Bytes()
}

// metricsText returns the collector's own metrics as text.
func (b *bundle) metricsText() []byte {
	families, err := b.metrics.Gather()
	var out bytes.Buffer
	if err != nil {
		fmt.Fprintf(&out, "# gathering was incomplete: %s\n", err)
	}
	enc := expfmt.NewEncoder(&out, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if err := enc.Encode(family); err != nil {
			fmt.Fprintf(&out, "# %s: %s\n", family.GetName(), err)
		}
	}
	return HidePasswords(out.Bytes())
}

// textOf returns what produce returns, or its error, without passwords of URLs.
func textOf(produce func() ([]byte, error)) []byte {
	text, err := produce()
	if err != nil {
		return []byte(err.Error() + "\n")
	}
	return HidePasswords(text)
}

// profileText returns one of the runtime's profiles.
func profileText(name string) []byte {
	var out bytes.Buffer
	if err := pprof.Lookup(name).WriteTo(&out, 0); err != nil {
		return []byte(err.Error() + "\n")
	}
	return out.Bytes()
}

// writeZip writes files under one directory.
func writeZip(w io.Writer, files []bundleFile) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		part, err := z.Create(path.Join("divvy-support-bundle", f.name))
		if err != nil {
			return fmt.Errorf("write support bundle: %w", err)
		}
		if _, err := part.Write(f.text); err != nil {
			return fmt.Errorf("write support bundle: %w", err)
		}
	}
	return z.Close()
}

// wait returns after d or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// A lockedBuffer is a buffer for several writers.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write appends p.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// Bytes returns a copy of what was written.
func (b *lockedBuffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.buf.Bytes())
}
