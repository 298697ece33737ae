package scrape

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// defaults is a configuration with the usual types.
func defaults() *Config {
	return &Config{
		JobName: "j", Interval: 15 * time.Second, Timeout: time.Second, Scheme: "http",
		Types: []Type{
			{Name: "memory", Path: "/debug/pprof/allocs"}, {Name: "process_cpu", Path: "/debug/pprof/profile", Lasts: true},
			{Name: "godeltaprof_mutex", Path: "/debug/pprof/delta_mutex"}, {Name: "mine", Path: "/mine"},
		},
	}
}

func TestRequestsFollowConfigurationAndLabels(t *testing.T) {
	f := func(change func(*Config), found []string, want ...string) {
		t.Helper()
		cfg := defaults()
		if change != nil {
			change(cfg)
		}
		id, err := identify(cfg, labels.FromStrings(found...))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range id.requests {
			got = append(got, r.labels.Get("__name__")+" "+r.url)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %s\nwant %s", strings.Join(got, "\n    "), strings.Join(want, "\n     "))
		}
	}
	f(nil, []string{"__address__", "a:1"},
		"memory http://a:1/debug/pprof/allocs", "process_cpu http://a:1/debug/pprof/profile?seconds=14",
		"mutex http://a:1/debug/pprof/delta_mutex", "mine http://a:1/mine")
	f(func(c *Config) { c.Lasting, c.PathPrefix, c.Types = 5*time.Second, "/x", c.Types[1:2] }, []string{"__address__", "a:1"},
		"process_cpu http://a:1/x/debug/pprof/profile?seconds=5")
	f(func(c *Config) { c.Types = c.Types[:1] }, []string{"__address__", "a", "__scheme__", "https", "__profile_path_prefix__", "/y/"},
		"memory https://a:443/y/debug/pprof/allocs")
	f(nil, []string{"__address__", "a:1", "__profile_path__", "/heap", "__name__", "memory"}, "memory http://a:1/heap")
	f(nil, []string{"__address__", "a:1", "__profile_path__", "/cpu", "__name__", "process_cpu"}, "process_cpu http://a:1/cpu?seconds=14")
	f(func(c *Config) { c.Types, c.Params = c.Types[:2], url.Values{"x": {"1", "2"}, "seconds": {"3"}} },
		[]string{"__address__", "a:1", "__param_x", "9"},
		"memory http://a:1/debug/pprof/allocs?seconds=3&x=9&x=2", "process_cpu http://a:1/debug/pprof/profile?seconds=3&x=9&x=2")
}

func TestDeltasAreMadeWhereTargetsDoNot(t *testing.T) {
	f := func(found []string, types Type, counters bool, delta string) {
		t.Helper()
		cfg := defaults()
		cfg.Types = []Type{types}
		id, err := identify(cfg, labels.FromStrings(append(found, "__address__", "a:1")...))
		if err != nil {
			t.Fatal(err)
		}
		if r := id.requests[0]; (r.counters != nil) != counters || r.labels.Get("__delta__") != delta {
			t.Errorf("%s: counters %v, labels %s", types.Name, r.counters, r.labels)
		}
	}
	f(nil, Type{Name: "memory"}, true, "false")
	f(nil, Type{Name: "memory", Lasts: true}, false, "false")
	f(nil, Type{Name: "block"}, true, "false")
	f(nil, Type{Name: "godeltaprof_block"}, false, "false")
	f(nil, Type{Name: "goroutine"}, false, "")
	f(nil, Type{Name: "process_cpu", Lasts: true}, false, "")
	f([]string{"__param_seconds", "4"}, Type{Name: "mutex"}, false, "false")
}

func TestLabelsOfProfiles(t *testing.T) {
	f := func(found []string, want ...string) {
		t.Helper()
		id, err := identify(defaults(), labels.FromStrings(append(found, "__address__", "a:1")...))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(want); i += 2 {
			if got := id.requests[0].labels.Get(want[i]); got != want[i+1] {
				t.Errorf("%v: %s is %q; want %q", found, want[i], got, want[i+1])
			}
		}
	}
	f(nil, "job", "j", "instance", "a:1", "service_name", "unspecified", "__profile_path__", "/debug/pprof/allocs")
	f([]string{"job", "k", "instance", "i", "service_name", "s", "pod", "p"}, "job", "k", "instance", "i", "service_name", "s", "pod", "p")
	f([]string{"__session_id__", "5"}, "__session_id__", "5")
	f([]string{"__meta_kubernetes_pod_annotation_pyroscope_io_service_name", "x", "__meta_docker_container_name", "d"}, "service_name", "x")
	f([]string{"__meta_kubernetes_namespace", "n", "__meta_kubernetes_pod_container_name", "c"}, "service_name", "n/c")
	f([]string{"__meta_docker_container_name", "d"}, "service_name", "d")
	f([]string{"__meta_dockerswarm_service_name", "w"}, "service_name", "w")
}

func TestTargetsThatCannotBeAreRefused(t *testing.T) {
	f := func(want string, found ...string) {
		t.Helper()
		id, err := identify(defaults(), labels.FromStrings(found...))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v gives %+v, %v; want %q", found, id, err, want)
		}
	}
	f("no address", "job", "x")
	f("write host:port", "__address__", "http://a:1/")
	f(`"http://u:(redacted)@a:1/"`, "__address__", "http://u:secret@a:1/")
	f(`"u:(redacted)@a:1/b"`, "__address__", "u:secret@a:1/b")
	f(`scheme "ftp"`, "__address__", "a:1", "__scheme__", "ftp")
	f("label x", "__address__", "a:1", "x", "\xff")
}

// Profiles that begin late end before the next slot.
func TestLateProfilesAreShorter(t *testing.T) {
	f := func(seconds int, late, interval time.Duration, want int, ok bool) {
		t.Helper()
		r := &request{url: "http://a/p?seconds=14&x=1", seconds: seconds}
		if got, fits := r.lasts(late, interval); got != want || fits != ok {
			t.Errorf("%d s, %s late: %d, %t; want %d, %t", seconds, late, got, fits, want, ok)
		}
	}
	f(14, 0, 15*time.Second, 14, true)
	f(14, 200*time.Millisecond, 15*time.Second, 14, true)
	f(14, 3*time.Second, 15*time.Second, 11, true)
	f(14, 12900*time.Millisecond, 15*time.Second, 1, true)
	f(14, 13500*time.Millisecond, 15*time.Second, 0, false)
	f(0, 14*time.Second, 15*time.Second, 0, true)
	f(5, 3*time.Second, 15*time.Second, 5, true)
	r := &request{url: "http://a/p?seconds=14&x=1", seconds: 14}
	if got := r.shortened(3); got != "http://a/p?seconds=3&x=1" {
		t.Error(got)
	}
}
