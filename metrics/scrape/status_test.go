package scrape

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// What is told of a target has everything about its last scrapes.
func TestScrapesAreToldWithTheirSlots(t *testing.T) {
	run(t, plain(), func(r *rig) {
		r.text("a:80", "x 1\ny 2\n")
		before := r.pool.Targets()[0]
		if before.Health != status.Unknown || len(r.pool.Scrapes(before.Key)) != 0 {
			t.Errorf("before the first scrape: %+v", before)
		}
		r.next()
		r.next()
		got := r.pool.Targets()[0]
		if got.Bytes != len("x 1\ny 2\n") || got.Samples != 2 || got.Kept != 2 || got.Interval != r.pool.set.cfg.Interval {
			t.Errorf("after two scrapes: %+v", got)
		}
		list := r.pool.Scrapes(got.Key)
		if len(list) != 2 || list[1] != got.Scrape || list[1].Slot.Sub(list[0].Slot) != got.Interval {
			t.Errorf("scrapes are %+v; the last is %+v", list, got.Scrape)
		}
		if list[1].Slot != owner.NextSlot(got.Key, got.Interval, list[0].Slot) {
			t.Errorf("%s is no slot", list[1].Slot)
		}
		if r.pool.Scrapes(got.Key+1) != nil {
			t.Error("scrapes of an unknown key")
		}
	})
}

// The labels before the defaults of the configuration can be had.
func TestDiscoveredAreTheLabelsAsTheyCame(t *testing.T) {
	run(t, plain(), func(r *rig) {
		found := labels.FromStrings("__address__", "a:80", "__meta_pod", "p")
		r.pool.SetTargets([]telemetry.Target{found})
		got, ok := r.pool.Discovered(owner.TargetKey(found))
		if !ok || !labels.Equal(got, found) {
			t.Errorf("%s, %v", got, ok)
		}
		if got, ok := r.pool.Discovered(1); ok {
			t.Errorf("an unknown key has %s", got)
		}
	})
}

// Nothing that is told of a target holds a secret, however it came to have it.
func TestTargetsTellNoSecrets(t *testing.T) {
	cfg := plain()
	cfg.HTTP.BasicAuth = &config.BasicAuth{Username: "me", Password: "hush1"}
	cfg.HTTP.HTTPHeaders = &config.Headers{Headers: map[string]config.Header{
		"X-Key": {Secrets: []config.Secret{"hush2"}},
	}}
	cfg.Params = map[string][]string{"token": {"hush3"}}
	var log bytes.Buffer
	cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.FailureLog = filepath.Join(t.TempDir(), "failures.json")
	run(t, cfg, func(r *rig) {
		r.serve("a:80", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		r.text("b:80", "x 1\nx 2\n") // a duplicate is refused, which is logged
		r.pool.SetTargets([]telemetry.Target{
			labels.FromStrings("__address__", "a:80", "__param_api_key", "hush4"),
			labels.FromStrings("__address__", "me:hush5@a:80", "__meta_url", "http://me:hush6@sd/"),
			labels.FromStrings("__address__", "http://me:hush7@a:80/metrics"), // is left out
			labels.FromStrings("__address__", "b:80", "__param_password", "hush8"),
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		var told []any
		for _, x := range r.pool.Targets() {
			found, _ := r.pool.Discovered(x.Key)
			if x.Health == status.Unknown {
				t.Errorf("%s was not scraped", x.URL)
			}
			told = append(told, x, r.pool.Scrapes(x.Key), found)
		}
		text, err := json.Marshal(told)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "hush") || len(told) != 9 {
			t.Errorf("told: %s", text)
		}
	})
	failures, err := os.ReadFile(cfg.FailureLog)
	if err != nil || len(failures) == 0 {
		t.Errorf("%d bytes of failures, %v", len(failures), err)
	}
	text := log.String() + string(failures)
	for _, want := range []string{"left out", "were refused", "scrape failed"} {
		if !strings.Contains(text, want) {
			t.Errorf("not logged: %s", want)
		}
	}
	if strings.Contains(text, "hush") {
		t.Errorf("logged: %s", text)
	}
}

// Anybody may ask at any time.
func TestTargetsMayBeAskedWhileScraping(t *testing.T) {
	run(t, plain(), func(r *rig) {
		var addrs []string
		for i := range 20 {
			addrs = append(addrs, fmt.Sprintf("a%d:80", i))
			r.text(addrs[i], "x 1\n")
		}
		r.pool.SetTargets(targets(addrs...))
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 50 {
				for _, x := range r.pool.Targets() {
					r.pool.Scrapes(x.Key)
					r.pool.Discovered(x.Key)
				}
				time.Sleep(time.Second)
			}
		}()
		for range 50 {
			time.Sleep(time.Second)
			r.pool.SetTargets(targets(addrs...))
		}
		<-done
	})
}
