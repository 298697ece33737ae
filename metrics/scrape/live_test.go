package scrape

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/divvy-collector/divvy/telemetry/live"
)

// Who watches sees each scrape and its samples, those of series that are known
// as well as new ones.
func TestWatchersSeeScrapes(t *testing.T) {
	cfg := plain()
	cfg.Live, cfg.Flow = new(live.Feed), new(live.Flow)
	run(t, cfg, func(r *rig) {
		r.text("a:80", "x{l=\"v\"} 1\n")
		r.next()
		w := cfg.Live.Watch(1)
		defer w.Close()
		seen := func(want ...string) {
			t.Helper()
			r.next()
			lines, _ := w.Take()
			for i, line := range lines {
				before, after, _ := strings.Cut(line, "took=")
				if lines[i] = before; after != "" {
					_, rest, _ := strings.Cut(after, ",")
					lines[i] += rest
				}
				at := r.pool.Targets()[0].Slot.UnixMilli()
				lines[i] = strings.Replace(lines[i], fmt.Sprint("ts=", at), "ts=now", 1)
			}
			if diff := cmp.Diff(want, lines); diff != "" {
				t.Error(diff)
			}
		}
		seen("scrape: target=http://a:80/metrics, samples=1, kept=1, bytes=11, ",
			`sample: ts=now, labels={__name__="x", instance="a:80", job="j", l="v"}, value=1`)
		r.text("a:80", "x{l=\"v\"} 2 77\ny 3")
		seen("scrape: target=http://a:80/metrics, samples=2, kept=2, bytes=17, ",
			`sample: ts=77, labels={__name__="x", instance="a:80", job="j", l="v"}, value=2`,
			`sample: ts=now, labels={__name__="y", instance="a:80", job="j"}, value=3`)
		r.serve("a:80", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		seen(`scrape: target=http://a:80/metrics, samples=0, kept=0, bytes=0,  err="server returned HTTP status 418 I'm a teapot"`)
		before := cfg.Flow.Count()
		b := r.nextBatch(t)
		if n := cfg.Flow.Count() - before; n == 0 || n != int64(len(b.lines)) {
			t.Errorf("counted %d samples; the sink got %d", n, len(b.lines))
		}
	})
}
