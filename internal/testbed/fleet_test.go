package testbed

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// get scrapes target n of f and returns the decompressed body.
func get(t *testing.T, f *Fleet, n int, header ...string) (body []byte, contentType string) {
	t.Helper()
	req := httptest.NewRequest(http.MethodGet, path(n), nil)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, req)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d", w.Code)
	}
	var r io.Reader = w.Body
	if w.Header().Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	}
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return body, w.Header().Get("Content-Type")
}

// parse returns the values of an exposition by series, read by Prometheus.
func parse(t *testing.T, body []byte, contentType string) map[string]float64 {
	t.Helper()
	p, err := textparse.New(body, contentType, labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for {
		entry, err := p.Next()
		if err == io.EOF {
			return values
		}
		if err != nil {
			t.Fatalf("parse: %v\n%s", err, body[max(0, len(body)-300):])
		}
		if entry != textparse.EntrySeries {
			continue
		}
		var lset labels.Labels
		p.Labels(&lset)
		_, _, v := p.Series()
		if _, twice := values[lset.String()]; twice {
			t.Fatalf("%s comes twice", lset)
		}
		values[lset.String()] = v
	}
}

func TestEveryScrapeHasTheSameSeriesAndItsNumber(t *testing.T) {
	f := func(cfg FleetConfig, header ...string) {
		t.Helper()
		fleet := NewFleet(cfg)
		for seq := 1; seq <= 3; seq++ {
			values := parse2(t, fleet, header...)
			if len(values) != fleet.Series() {
				t.Fatalf("%d series; want %d", len(values), fleet.Series())
			}
			if got := values[`{__name__="testbed_scrapes_total", target="t0000"}`]; got != float64(seq) {
				t.Fatalf("scrape %d says that it is number %g", seq, got)
			}
		}
	}
	f(FleetConfig{})
	f(FleetConfig{Series: 1})
	f(FleetConfig{Series: 1000, Defective: 2})
	f(FleetConfig{Gzip: true}, "Accept-Encoding", "gzip")
	f(FleetConfig{OpenMetrics: true}, "Accept", "application/openmetrics-text")
	f(FleetConfig{OpenMetrics: true, Gzip: true}, "Accept", "application/openmetrics-text", "Accept-Encoding", "gzip")
}

func parse2(t *testing.T, f *Fleet, header ...string) map[string]float64 {
	t.Helper()
	body, contentType := get(t, f, 0, header...)
	return parse(t, body, contentType)
}

func TestExpositionIsWhatTheScrapeShowed(t *testing.T) {
	fleet := NewFleet(FleetConfig{Targets: 2, Series: 300})
	get(t, fleet, 1)
	second, _ := get(t, fleet, 1)
	get(t, fleet, 1)
	if !bytes.Equal(fleet.Exposition(1, 2), second) {
		t.Error("the second scrape showed something else")
	}
}

func TestValuesChangeAndLengthStays(t *testing.T) {
	fleet := NewFleet(FleetConfig{Targets: 2, Series: 1000})
	first := parse2(t, fleet)
	second := parse2(t, fleet)
	changed := 0
	for name, v := range first {
		if second[name] != v {
			changed++
		}
	}
	if changed < 300 || changed > 500 {
		t.Errorf("%d of 1000 values changed; want about 400", changed)
	}
	a, _ := get(t, fleet, 0)
	b, _ := get(t, fleet, 1)
	if bytes.Equal(a, b) {
		t.Error("two targets show the same")
	}
}

func TestChurnAndShuffledShowWhatTheySay(t *testing.T) {
	fleet := NewFleet(FleetConfig{Series: 200})
	plain := parse2(t, fleet)
	fleet.SetMode(0, Mode{Kind: Shuffled})
	if got := parse2(t, fleet); len(got) != len(plain) {
		t.Errorf("shuffled: %d series; want %d", len(got), len(plain))
	}
	fleet.SetMode(0, Mode{Kind: Churn})
	a, b := parse2(t, fleet), parse2(t, fleet)
	fresh := 0
	for name := range b {
		if _, old := a[name]; !old {
			fresh++
		}
	}
	if fresh != 20 {
		t.Errorf("%d new series; want a tenth of 200", fresh)
	}
}

// fresh returns how many series of each scrape the one before did not show.
func fresh(t *testing.T, f *Fleet, scrapes int) (counts []int) {
	t.Helper()
	before := parse2(t, f)
	for range scrapes {
		now := parse2(t, f)
		if len(now) != f.Series() {
			t.Fatalf("%d series; want %d", len(now), f.Series())
		}
		counts = append(counts, 0)
		for name := range now {
			if _, old := before[name]; !old {
				counts[len(counts)-1]++
			}
		}
		before = now
	}
	return counts
}

func TestTenthOfUnsteadySeriesIsNewEveryThirdTime(t *testing.T) {
	fleet := NewFleet(FleetConfig{Series: 200})
	fleet.SetMode(0, Mode{Kind: Unsteady})
	if diff := cmp.Diff([]int{0, 20, 0, 0, 20, 0}, fresh(t, fleet, 6)); diff != "" {
		t.Error(diff)
	}
}

// 40 pods of 25 series, one in four replaced each time.
func TestPodsAreReplacedInTurn(t *testing.T) {
	fleet := NewFleet(FleetConfig{Series: 1000, Kube: true, Renew: 4})
	if diff := cmp.Diff([]int{250, 250, 250, 250, 250}, fresh(t, fleet, 5)); diff != "" {
		t.Error(diff)
	}
	fleet = NewFleet(FleetConfig{Series: 990, Kube: true})
	if diff := cmp.Diff([]int{0, 0}, fresh(t, fleet, 2)); diff != "" {
		t.Error(diff)
	}
}

func TestShuffledIsAPermutation(t *testing.T) {
	fleet := NewFleet(FleetConfig{Targets: 2, Series: 500})
	fleet.SetMode(0, Mode{Kind: Shuffled})
	order := func() (names []string) {
		body, _ := get(t, fleet, 0)
		for line := range strings.Lines(string(body)) {
			if name, _, ok := strings.Cut(line, "} "); ok && line[0] != '#' {
				names = append(names, name)
			}
		}
		return names
	}
	a, b := order(), order()
	kept := 0
	for i := range a {
		if a[i] == b[i] {
			kept++
		}
	}
	slices.Sort(a)
	slices.Sort(b)
	if !slices.Equal(a, b) {
		t.Error("two scrapes show different series")
	}
	if kept > 10 {
		t.Errorf("%d of %d lines kept their place", kept, len(a))
	}
}

func TestPausesLieInTheirSpan(t *testing.T) {
	m := Mode{Delay: 5 * time.Millisecond, Until: 500 * time.Millisecond}
	var least, most time.Duration = time.Hour, 0
	for seq := range uint64(1000) {
		p := m.pause(1, seq)
		least, most = min(least, p), max(most, p)
	}
	if least < m.Delay || least > 10*time.Millisecond || most >= m.Until || most < 490*time.Millisecond {
		t.Errorf("pauses from %s to %s", least, most)
	}
	if p := (Mode{Delay: time.Second}).pause(1, 1); p != time.Second {
		t.Errorf("a fixed pause takes %s", p)
	}
}

// A thousand addresses and one share a listener, on every address.
func TestManyHostsAreServed(t *testing.T) {
	bed, err := Open(Config{Fleet: FleetConfig{Targets: manyHosts, Series: 1, Hosts: manyHosts}})
	if err != nil {
		t.Skip(err)
	}
	defer bed.Close()
	defer http.DefaultClient.CloseIdleConnections()
	for _, g := range bed.Groups()[manyHosts-2:] {
		resp, err := http.Get("http://" + g.Targets[0] + g.Labels["__metrics_path__"])
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if n := bed.Fleet.Answered(); n != 2 {
		t.Errorf("%d scrapes were answered; want 2", n)
	}
}

func TestOnlyAnswersThatWereWrittenCount(t *testing.T) {
	bed, err := Open(Config{Fleet: FleetConfig{Targets: 3}})
	if err != nil {
		t.Fatal(err)
	}
	defer bed.Close()
	defer http.DefaultClient.CloseIdleConnections()
	bed.Fleet.SetMode(1, Mode{Kind: Down})
	bed.Fleet.SetMode(2, Mode{Kind: Failing})
	for i := range 3 {
		resp, err := http.Get("http://" + bed.Addr() + path(i))
		if err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		if (err != nil) != (i == 1) {
			t.Errorf("target %d: %v", i, err)
		}
	}
	if n := bed.Fleet.Answered(); n != 1 {
		t.Errorf("%d scrapes were answered; want 1", n)
	}
}

// A client that leaves frees the target, however hostile its mode.
func TestHostileAnswersEndWithTheClient(t *testing.T) {
	bed, err := Open(Config{Fleet: FleetConfig{Series: 10}})
	if err != nil {
		t.Fatal(err)
	}
	defer bed.Close()
	client := &http.Client{Timeout: 300 * time.Millisecond}
	defer client.CloseIdleConnections()
	for _, k := range []Kind{Drip, Endless, Bomb, Garbage, Duplicate} {
		bed.Fleet.SetMode(0, Mode{Kind: k})
		resp, err := client.Get("http://" + bed.Addr() + path(0))
		if err != nil {
			t.Errorf("%s: %v", k, err)
			continue
		}
		io.CopyN(io.Discard, resp.Body, 1<<20)
		resp.Body.Close()
	}
	if n := bed.Fleet.Answered(); n != 0 {
		t.Errorf("%d hostile answers were counted", n)
	}
}

func TestTargetForgetsOnlyItsOldestScrapes(t *testing.T) {
	tg := newTarget(FleetConfig{Series: 1}, 0)
	const scrapes = 2*remembered + 10
	for range scrapes {
		if seq, _ := tg.begin(); seq%2 == 0 {
			tg.end(seq, time.Unix(1, 0), "")
		}
	}
	list := tg.answered()
	if first, last := list[0].Seq, list[len(list)-1].Seq; first > scrapes-remembered || last != scrapes {
		t.Errorf("remembers %d to %d of %d", first, last, scrapes)
	}
}

func BenchmarkAnswer(b *testing.B) {
	for _, zip := range []bool{false, true} {
		b.Run(fmt.Sprintf("gzip=%t", zip), func(b *testing.B) {
			fleet := NewFleet(FleetConfig{Series: 1000, Gzip: zip})
			req := httptest.NewRequest(http.MethodGet, path(0), nil)
			req.Header.Set("Accept-Encoding", "gzip")
			for b.Loop() {
				fleet.ServeHTTP(discard{http.Header{}}, req)
			}
		})
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
