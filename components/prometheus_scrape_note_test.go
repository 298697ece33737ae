package components

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/value"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry/sinktest"
)

// endings counts the markers of the series "seen".
func endings(r *sinktest.Recorder) int {
	n := 0
	for _, p := range r.Points() {
		if strings.Contains(p.Series, `"seen"`) && value.IsStaleNaN(p.V) {
			n++
		}
	}
	return n
}

// Targets that die while they move from one node to another: the new owner
// tells the old one through the seam between them, and that one marks the
// series.
func TestScrapesTellEachOtherWhatEnded(t *testing.T) {
	if testing.Short() {
		t.Skip("real time")
	}
	var down atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		fmt.Fprintln(w, "seen 1")
	}))
	defer srv.Close()
	var list []string
	for i := range 20 {
		list = append(list, fmt.Sprintf(`{"__address__" = %q, "__metrics_path__" = "/%d", "instance" = "%d"}`, srv.Listener.Addr(), i, i))
	}
	body := "targets = [" + strings.Join(list, ",") + `]
		forward_to = [out]
		scrape_interval = "1s"
		scrape_timeout  = "500ms"
		clustering {
			enabled = true
		}`
	from := time.Now().Round(0).Add(2500 * time.Millisecond)
	view := owner.NewView(owner.Member{Name: "old"}, owner.Member{Name: "new", From: from})
	var instances sync.Map // name -> *prometheusScrape
	sinks := map[string]*sinktest.Recorder{"old": sinktest.NewRecorder(), "new": sinktest.NewRecorder()}
	for _, name := range []string{"old", "new"} {
		e, _, _ := env(t)
		e.Self, e.View = name, cell.New(view)
		e.Tell = func(node string, note []byte) {
			if to, ok := instances.Load(node); ok {
				to.(*prometheusScrape).Told(name, note)
			}
		}
		e.Reaches = func(string) bool { return true }
		instances.Store(name, runScrape(t, e, body, sinks[name]))
	}
	time.AfterFunc(time.Until(from), func() { down.Store(true) })
	moved, tick := 0, time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(patience)
	for range tick.C {
		if moved = 0; time.Now().After(deadline) {
			t.Fatalf("the old owner marked %d series, the new one %d; want 20 and 0", endings(sinks["old"]), endings(sinks["new"]))
		}
		for _, p := range sinks["new"].Points() {
			if strings.Contains(p.Series, `"up"`) && p.V == 0 {
				moved++
			}
		}
		if moved > 0 && endings(sinks["old"]) == 20 {
			break
		}
	}
	if n := endings(sinks["new"]); n > 0 {
		t.Errorf("the new owner marked %d series, which it did not know", n)
	}
}

// runScrape runs a prometheus.scrape into sink until the test ends.
func runScrape(t *testing.T, e component.Env, body string, sink *sinktest.Recorder) *prometheusScrape {
	t.Helper()
	var a scrapeArgs
	if err := evaluate(t, body, &a, map[string]any{"out": args.Receiver{Sink: sink}}); err != nil {
		t.Fatal(err)
	}
	instance, err := newScrape(e, a)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- instance.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return instance.(*prometheusScrape)
}
