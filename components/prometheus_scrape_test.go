package components

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/metrics/scrape"
	"github.com/divvy-collector/divvy/telemetry"
)

func TestScrapeRefusesWhatCannotBe(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		var a scrapeArgs
		err := evaluate(t, "targets = []\nforward_to = []\n"+body, &a, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v; want %q", body, err, want)
		}
	}
	f(`scrape_interval = "5s"`, "scrape_timeout (10s) must not be greater than scrape_interval (5s)")
	f(`scrape_timeout = "0s"`, "scrape_timeout must be greater than 0")
	f(`scrape_interval = "0s"`, "scrape_interval must be at least 1ms")
	f(`scheme = "ftp"`, `scheme must be "http" or "https"`)
	f(`scrape_protocols = ["PrometheusText0.0.4", "PrometheusText0.0.4"]`, "twice")
	f(`scrape_protocols = ["Text"]`, "unknown protocol")
	f(`scrape_fallback_protocol = "Text"`, "is unknown")
	f("scrape_native_histograms = true\nscrape_protocols = [\"PrometheusText0.0.4\"]", `needs "PrometheusProto"`)
	f("enable_protobuf_negotiation = true\nscrape_protocols = [\"PrometheusProto\"]", "must not both be set")
	f(`metric_name_validation_scheme = "old"`, "metric_name_validation_scheme must be")
	f(`metric_name_escaping_scheme = "none"`, "is unknown")
	f(`metric_name_escaping_scheme = "allow-utf-8"`, `needs metric_name_validation_scheme "utf8"`)
	f(`body_size_limit = "1XB"`, "is not a size")
	f("bearer_token = \"a\"\nbearer_token_file = \"b\"", "at most one of")
	f(`clustering { }`, "enabled")
}

func TestScrapeArgumentsReachTheEngine(t *testing.T) {
	e, _, _ := env(t)
	f := func(body string, right func(scrape.Config) bool) {
		t.Helper()
		var a scrapeArgs
		if err := evaluate(t, "targets = []\nforward_to = []\n"+body, &a, nil); err != nil {
			t.Errorf("%q: %v", body, err)
			return
		}
		if c := a.config(e); !right(c) {
			t.Errorf("%q gives %+v", body, c)
		}
	}
	f("", func(c scrape.Config) bool {
		return c.JobName == e.ID && c.Interval == time.Minute && len(c.Protocols) == 4 && c.HonorTimestamps && c.Compression && c.View != nil
	})
	f(`scrape_native_histograms = true`, func(c scrape.Config) bool {
		return c.NativeHistograms && len(c.Protocols) == 5 && c.Protocols[0] == scrape.PrometheusProto
	})
	f(`enable_protobuf_negotiation = true`, func(c scrape.Config) bool { return c.NativeHistograms })
	f(`body_size_limit = "10MiB"`, func(c scrape.Config) bool { return c.Limits.BodyBytes == 10<<20 })
	f(`body_size_limit = "10MB"`, func(c scrape.Config) bool { return c.Limits.BodyBytes == 10<<20 })
	f(`body_size_limit = 1000`, func(c scrape.Config) bool { return c.Limits.BodyBytes == 1000 })
	f(`params = {"a" = ["b", "c"]}`, func(c scrape.Config) bool { return len(c.Params["a"]) == 2 })
	f(`metric_name_validation_scheme = "utf8"`, func(c scrape.Config) bool { return c.EscapingScheme.String() == "allow-utf-8" })
	f("clustering {\nenabled = true\n}", func(c scrape.Config) bool { return c.View == e.View })
}

// names is a sink that tells the names of the series that it resolves.
type names chan string

func (n names) Resolve(lset telemetry.Labels, _ *telemetry.Metadata) telemetry.Handle {
	select {
	case n <- lset.String():
	default:
	}
	return telemetry.Dropped
}
func (n names) Epoch() telemetry.Epoch        { return 1 }
func (n names) Append(*telemetry.Batch) error { return nil }
func (n names) Flush(context.Context) error   { return nil }
func (n names) Release([]telemetry.Handle)    {}

func TestScrapeForwardsWhatTargetsExpose(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "seen{path=\"%s\",agent=\"%s\"} 1\n", r.URL, r.UserAgent())
	}))
	defer srv.Close()
	sink := make(names, 1000)
	r := start(t, newScrape, fmt.Sprintf(`
		targets         = [{"__address__" = "%s", "zone" = "a"}]
		forward_to      = [out]
		job_name        = "web"
		metrics_path    = "/m"
		scrape_interval = "100ms"
		scrape_timeout  = "100ms"
	`, srv.Listener.Addr()), map[string]any{"out": args.Receiver{Sink: sink}})
	timeout := time.After(patience)
	for {
		select {
		case got := <-sink:
			if strings.HasPrefix(got, `{__name__="seen"`) {
				for _, part := range []string{`path="/m"`, `agent="divvy"`, `job="web"`, `zone="a"`} {
					if !strings.Contains(got, part) {
						t.Errorf("series %s has no %s", got, part)
					}
				}
				d := r.instance.(*prometheusScrape).DebugInfo().(scrapeDebug)
				if len(d.Targets) != 1 || d.Targets[0].Job != "web" {
					t.Errorf("debug information: %+v", d)
				}
				return
			}
		case <-timeout:
			t.Fatal("nothing is scraped")
		}
	}
}
