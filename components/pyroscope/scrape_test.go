package pyroscope

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/profiles"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// decode returns the arguments of a pyroscope.scrape.
func decode(t *testing.T, body string) scrapeArguments {
	t.Helper()
	a, err := arguments(t, Scrape(), "targets = []\nforward_to = []\n"+body, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a.(scrapeArguments)
}

func TestTypesFollowProfilingConfig(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		a := decode(t, body)
		if got := fmt.Sprint(a.Profiling.types()); got != want {
			t.Errorf("%q gives\n%s\nwant\n%s", body, got, want)
		}
	}
	f("", "[{memory /debug/pprof/allocs false} {block /debug/pprof/block false} {goroutine /debug/pprof/goroutine false} "+
		"{mutex /debug/pprof/mutex false} {process_cpu /debug/pprof/profile true}]")
	const none = `profile.memory { enabled = false }
profile.block { enabled = false }
profile.goroutine { enabled = false }
profile.mutex { enabled = false }
profile.process_cpu { enabled = false }
`
	f("profiling_config {\n"+none+"}", "[]")
	f("profiling_config {\n"+none+"profile.fgprof { enabled = true }\n}", "[{fgprof /debug/fgprof true}]")
	f("profiling_config {\n"+none+"profile.godeltaprof_memory {\nenabled = true\npath = \"/x\"\n}\n}", "[{godeltaprof_memory /x false}]")
	f("profiling_config {\n"+none+"profile.custom \"a\" {\nenabled = true\npath = \"/a\"\n}\nprofile.custom \"b\" {\nenabled = false\npath = \"/b\"\n}\n}",
		"[{a /a false}]")
	f("profiling_config {\nprofile.goroutine {\ndelta = true\n}\n"+strings.ReplaceAll(none, "profile.goroutine { enabled = false }\n", "")+"}",
		"[{goroutine /debug/pprof/goroutine true}]")
}

func TestScrapeArgumentsThatCannotWorkAreRefused(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		_, err := arguments(t, Scrape(), "targets = []\nforward_to = []\n"+body, nil)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q gives %v; want %q", body, err, want)
		}
	}
	f(`scrape_interval = "10s"`, "")
	f(`scrape_timeout = "0s"`, "scrape_timeout must be greater than 0")
	f(`scrape_interval = "1s"`, "scrape_interval must be at least 2s")
	f("scrape_interval = \"1s\"\nprofiling_config {\nprofile.process_cpu { enabled = false }\n}", "")
	f("scrape_interval = \"10s\"\ndelta_profiling_duration = \"9500ms\"", "at least 1s shorter")
	f(`delta_profiling_duration = "1s"`, "longer than 1s")
	f(`scheme = "ftp"`, "scheme must be")
	f("bearer_token = \"a\"\nbearer_token_file = \"b\"", "bearer_token")
	f("profiling_config {\nprofile.custom \"a\" {\nenabled = true\npath = \"/\"\n}\nprofile.custom \"a\" {\nenabled = true\npath = \"/\"\n}\n}", "twice")
}

// The duration of profiles that last follows the interval, unless it is set.
func TestDurationFollowsTheInterval(t *testing.T) {
	f := func(body string, want time.Duration) {
		t.Helper()
		a := decode(t, body)
		if got := a.config(component.Env{}).Lasting; got != want {
			t.Errorf("%q gives %s; want %s", body, got, want)
		}
	}
	f("", 0)
	f(`scrape_interval = "1m"`, 0)
	f("scrape_interval = \"1m\"\ndelta_profiling_duration = \"30s\"", 30*time.Second)
}

// counted is a sink that counts profiles by kind.
type counted struct {
	mu   sync.Mutex
	kind map[string]int
}

// Append counts.
func (c *counted) Append(_ context.Context, list []profiles.Profile) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range list {
		c.kind[p.Labels.Get("__name__")]++
	}
	return nil
}

// Profiles of a real program arrive, and the component tells of its targets.
func TestProgramsAreProfiled(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	server := httptest.NewServer(mux)
	defer server.Close()
	sink := &counted{kind: map[string]int{}}
	a, err := arguments(t, Scrape(), fmt.Sprintf(`
targets = [{"__address__" = %q, "service_name" = "x"}]
forward_to = [out]
scrape_interval = "2s"
profiling_config {
	profile.process_cpu { enabled = false }
}`, strings.TrimPrefix(server.URL, "http://")), map[string]any{"out": Receiver{Sink: sink}})
	if err != nil {
		t.Fatal(err)
	}
	env := component.Env{ID: "pyroscope.scrape.test", Self: "node", View: cell.New(owner.Alone("node")), Drain: time.Second}
	built, err := newScrape(env, a.(scrapeArguments))
	if err != nil {
		t.Fatal(err)
	}
	c := built.(*pyroscopeScrape)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	until(t, "all kinds arrive", func() bool {
		sink.mu.Lock()
		defer sink.mu.Unlock()
		return len(sink.kind) == 4
	})
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	list := c.Targets()
	if len(list) != 1 || list[0].Health != status.Up || list[0].Component != env.ID || list[0].Clustered || list[0].Samples == 0 {
		t.Errorf("targets %+v", list)
	}
	if d := c.DebugInfo().(scrapeDebug); len(d.Targets) != 4 || d.Targets[0].Labels["service_name"] != "x" || d.Targets[0].Health != status.Up {
		t.Errorf("debug info %+v", d)
	}
	key := list[0].Key
	if lset, ok := c.Discovered(key); !ok || lset.Get("service_name") != "x" || len(c.Scrapes(key)) == 0 || c.Census().Count != 1 {
		t.Errorf("discovered %s, %t, %d scrapes", lset, ok, len(c.Scrapes(key)))
	}
}

// A node takes no part before it knows what there is to share.
func TestScrapeIsPrimedByItsFirstTargets(t *testing.T) {
	f := func(body string, want bool) {
		t.Helper()
		c, err := newScrape(component.Env{Self: "node", View: cell.New(owner.Alone("node"))}, decode(t, body))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.(*pyroscopeScrape).Primed(); got != want {
			t.Errorf("%q: primed is %t", body, got)
		}
	}
	f("", true)
	f("clustering { enabled = false }", true)
	f("clustering { enabled = true }", false)
}
