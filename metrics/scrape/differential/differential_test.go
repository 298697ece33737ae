package differential

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	httpconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promscrape "github.com/prometheus/prometheus/scrape"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/metrics/scrape"
	"github.com/divvy-collector/divvy/metrics/scrape/walk"
	"github.com/divvy-collector/divvy/telemetry"
)

// A setting is one choice in both configurations.
type setting struct {
	yaml    string
	ours    func(*scrape.Config)
	options func(*promscrape.Options)
}

// with is a setting that Prometheus has in its configuration.
func with(yaml string, ours func(*scrape.Config)) setting {
	return setting{yaml: "  " + yaml + "\n", ours: ours, options: func(*promscrape.Options) {}}
}

// optional is a setting that Prometheus has as a feature flag.
func optional(options func(*promscrape.Options), ours func(*scrape.Config)) setting {
	return setting{ours: ours, options: options}
}

// compare lets both scrape a target that follows script, and compares what
// they append, scrape by scrape.
func compare(t *testing.T, settings []setting, script ...answer) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg, yaml, opts := ourConfig(), "", &promscrape.Options{}
		for _, s := range settings {
			s.ours(&cfg)
			s.options(opts)
			yaml += s.yaml
		}
		ctx, cancel := context.WithCancel(t.Context())
		theirs, mine := newServer(script), newServer(script)
		o, u := &oracle{}, newOurs()
		o.start(ctx, t, yaml, opts, theirs.dial)
		cfg.Dial = mine.dial
		pool, err := scrape.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		pool.SetSink(u)
		pool.SetTargets([]telemetry.Target{labels.FromStrings("__address__", host)})
		done := make(chan struct{})
		go func() { defer close(done); _ = pool.Run(ctx) }()

		time.Sleep(time.Duration(len(script))*interval - time.Second)
		cancel()
		<-done
		time.Sleep(time.Minute) // idle connections and the oracle's loops end
		theirs.close()
		mine.close()
		time.Sleep(10 * time.Minute)
		limit := theirs.start.UnixMilli() / 2
		want, got := o.log.texts(limit), u.log.texts(limit)
		if len(want) != len(script) {
			t.Errorf("the oracle scraped %d times; want %d", len(want), len(script))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("batches (-Prometheus +ours):\n%s", diff)
		}
	})
}

// ourConfig is what Prometheus has as defaults.
func ourConfig() scrape.Config {
	return scrape.Config{
		JobName: "j", Interval: interval, Timeout: 5 * time.Second,
		MetricsPath: "/metrics", Scheme: "http", Compression: true,
		HTTP: httpconfig.DefaultHTTPClientConfig,
		Protocols: []scrape.Protocol{
			scrape.OpenMetrics100, scrape.OpenMetrics001, scrape.PrometheusText100, scrape.PrometheusText004,
		},
		EscapingScheme: model.NoEscaping,
		Rules:          walk.Rules{ValidationScheme: model.UTF8Validation, HonorTimestamps: true},
		Self:           "me", View: cell.New(owner.Alone("me")),
	}
}
