package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/divvy-collector/divvy/internal/testbed"
)

// Every sample of every scrape arrives with the value that the target showed in
// that scrape, under the target's labels, at the scrape's time.
func TestValuesArriveAsShown(t *testing.T) {
	t.Parallel()
	w, d := run(t, testbed.FleetConfig{Targets: 3, Series: 300})
	w.answered(15)
	d.stop()
	w.complete(15)
	got := bySeriesAndTime(w.receiver.Series())
	for n := range 3 {
		target := fmt.Sprintf("t%04d", n)
		counts := w.receiver.Series()[fmt.Sprintf(`{__name__="testbed_scrapes_total",instance=%q,job="fleet",target=%q}`, target, target)]
		if len(counts) < 4 {
			t.Fatalf("%s: %d scrapes arrived", target, len(counts))
		}
		for _, c := range counts {
			if c.Stale() {
				continue
			}
			for name, want := range shown(t, w.fleet.Exposition(n, uint64(c.V)), target) {
				if v, ok := got[name][c.T]; !ok || v != want {
					t.Fatalf("%s in scrape %g: %g (arrived: %t); want %g", name, c.V, v, ok, want)
				}
			}
		}
	}
}

// bySeriesAndTime returns the values that arrived, without markers.
func bySeriesAndTime(all map[string][]testbed.Point) map[string]map[int64]float64 {
	values := map[string]map[int64]float64{}
	for name, points := range all {
		values[name] = map[int64]float64{}
		for _, p := range points {
			if !p.Stale() {
				values[name][p.T] = p.V
			}
		}
	}
	return values
}

// shown returns the values of an exposition of target, with the labels that a
// scrape adds, as the receiver writes them.
func shown(t *testing.T, text []byte, target string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	p := textparse.NewPromParser(text, labels.NewSymbolTable(), false)
	for {
		entry, err := p.Next()
		if err == io.EOF {
			return values
		}
		if err != nil {
			t.Fatal(err)
		}
		if entry != textparse.EntrySeries {
			continue
		}
		var lset labels.Labels
		p.Labels(&lset)
		lset = labels.NewBuilder(lset).Set("instance", target).Set("job", "fleet").Labels()
		var pairs []string
		lset.Range(func(l labels.Label) { pairs = append(pairs, fmt.Sprintf("%s=%q", l.Name, l.Value)) })
		_, _, v := p.Series()
		values["{"+strings.Join(pairs, ",")+"}"] = v
	}
}

// Divvy and the Prometheus agent, on the same targets, deliver the same series
// and mark the same ones stale, whatever the targets do.
func TestSameSeriesAndMarkersAsPrometheus(t *testing.T) {
	program, err := filepath.Abs("../bench/.cache/prometheus")
	if _, missing := os.Stat(program); err != nil || missing != nil {
		t.Skip("the Prometheus agent is not built: bench/run.sh builds it")
	}
	w, d := run(t, testbed.FleetConfig{Targets: 6, Series: 60})
	theirs := testbed.NewReceiver(testbed.ReceiverConfig{Record: true})
	sink := w.serve(w.host+":9010", theirs)
	defer sink.Close()
	end := w.startPrometheus(program, "http://"+sink.Addr()+"/api/v1/write")
	defer end()
	w.until(30*time.Second, "the Prometheus agent delivers", func() bool { return theirs.Report().Scrapes > 12 })

	for n, k := range []testbed.Kind{testbed.Down, testbed.Garbage, testbed.Failing, testbed.Shuffled, testbed.Duplicate} {
		w.fleet.SetMode(n, testbed.Mode{Kind: k})
	}
	w.wait(4 * time.Second)
	until := time.Now()
	w.until(30*time.Second, "the Prometheus agent delivers", func() bool { return theirs.Report().LagP50 > 0 && later(theirs, until) })
	d.stop()
	if diff := cmp.Diff(summary(theirs, until), summary(w.receiver, until)); diff != "" {
		t.Errorf("series and whether they end in a marker (-Prometheus +divvy):\n%s", diff)
	}
}

// later reports whether every up has a sample after at.
func later(r *testbed.Receiver, at time.Time) bool {
	for name, points := range r.Series() {
		if strings.Contains(name, `__name__="up"`) && points[len(points)-1].T < at.UnixMilli() {
			return false
		}
	}
	return true
}

// summary says of each series how its samples up to the given time end.
func summary(r *testbed.Receiver, until time.Time) []string {
	var list []string
	for name, points := range r.Series() {
		markers := 0
		for _, p := range points {
			switch {
			case p.T > until.UnixMilli():
			case p.Stale():
				markers++
			default:
				markers = 0
			}
		}
		list = append(list, fmt.Sprintf("%s: ends in %d markers", name, markers))
	}
	slices.Sort(list)
	return list
}

// startPrometheus runs the agent on the world's fleet and returns what ends it.
func (w *world) startPrometheus(program, url string) (end func()) {
	w.t.Helper()
	dir := w.t.TempDir()
	type object = map[string]any
	var groups []object
	for _, g := range w.fleet.Groups(w.targets.Addr()) {
		groups = append(groups, object{"targets": g.Targets, "labels": g.Labels})
	}
	// YAML reads JSON.
	text, err := json.Marshal(object{
		"scrape_configs": []object{{
			"job_name": "fleet", "scrape_interval": "1s", "scrape_timeout": "900ms", "static_configs": groups,
		}},
		"remote_write": []object{{"url": url}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, text, 0o644); err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(program, "--agent", "--config.file="+config,
		"--storage.agent.path="+filepath.Join(dir, "storage"), "--web.listen-address="+w.host+":9090")
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	}
}
