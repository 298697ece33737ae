package differential

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	httpconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	promscrape "github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"

	"github.com/divvy-collector/divvy/internal/testbed"
	"github.com/divvy-collector/divvy/metrics/scrape"
	"github.com/divvy-collector/divvy/telemetry"
)

// benchInterval is between two scrapes of the benchmark.
const benchInterval = 50 * time.Millisecond

// A counted is what a sink or a storage that keeps nothing has seen.
type counted struct {
	samples atomic.Int64
	scraped chan struct{} // one for each scrape
}

func newCounted() counted { return counted{scraped: make(chan struct{}, 1<<16)} }

// A theirNull is a storage that keeps nothing, a nullOurs a sink.
type theirNull struct {
	counted
	refs map[uint64]storage.SeriesRef
}

func (n *theirNull) Appender(context.Context) storage.Appender { return n }
func (n *theirNull) SetOptions(*storage.AppendOptions)         {}
func (n *theirNull) ref(ref storage.SeriesRef, lset labels.Labels) storage.SeriesRef {
	if ref != 0 {
		return ref
	}
	hash := lset.Hash()
	if n.refs[hash] == 0 {
		n.refs[hash] = storage.SeriesRef(len(n.refs) + 1)
	}
	return n.refs[hash]
}

func (n *theirNull) Append(ref storage.SeriesRef, lset labels.Labels, _ int64, _ float64) (storage.SeriesRef, error) {
	n.samples.Add(1)
	return n.ref(ref, lset), nil
}

func (n *theirNull) AppendHistogram(ref storage.SeriesRef, lset labels.Labels, _ int64, _ *histogram.Histogram, _ *histogram.FloatHistogram) (storage.SeriesRef, error) {
	n.samples.Add(1)
	return n.ref(ref, lset), nil
}

func (n *theirNull) AppendExemplar(ref storage.SeriesRef, _ labels.Labels, _ exemplar.Exemplar) (storage.SeriesRef, error) {
	return ref, nil
}

func (n *theirNull) AppendSTZeroSample(ref storage.SeriesRef, _ labels.Labels, _, _ int64) (storage.SeriesRef, error) {
	return ref, nil
}

func (n *theirNull) AppendHistogramSTZeroSample(ref storage.SeriesRef, _ labels.Labels, _, _ int64, _ *histogram.Histogram, _ *histogram.FloatHistogram) (storage.SeriesRef, error) {
	return ref, nil
}

func (n *theirNull) UpdateMetadata(ref storage.SeriesRef, _ labels.Labels, _ metadata.Metadata) (storage.SeriesRef, error) {
	return ref, nil
}
func (n *theirNull) Commit() error   { n.scraped <- struct{}{}; return nil }
func (n *theirNull) Rollback() error { return nil }

type ourNull struct {
	counted
	refs map[uint64]telemetry.Handle
}

func (n *ourNull) Resolve(lset telemetry.Labels, _ *telemetry.Metadata) telemetry.Handle {
	hash := lset.Hash()
	if n.refs[hash] == 0 {
		n.refs[hash] = telemetry.SinkID(1).Handle(len(n.refs) + 1)
	}
	return n.refs[hash]
}
func (n *ourNull) Epoch() telemetry.Epoch { return 1 }
func (n *ourNull) Append(b *telemetry.Batch) error {
	n.samples.Add(int64(len(b.Samples) + len(b.Histograms)))
	n.scraped <- struct{}{}
	return nil
}
func (n *ourNull) Flush(context.Context) error { return nil }
func (n *ourNull) Release([]telemetry.Handle)  {}

// run measures the processor time per sample, that of the server included, while
// n scrapes are made.
func (c *counted) run(b *testing.B) {
	for range 3 {
		<-c.scraped
	}
	before, samples := processTime(), c.samples.Load()
	for range b.N {
		<-c.scraped
	}
	b.ReportMetric(float64(processTime()-before)/float64(c.samples.Load()-samples), "cpu-ns/sample")
}

// processTime is the processor time that the process has used.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchPages are the answers of a target, one after another, by format.
func benchPages(b *testing.B) map[string][]answer {
	fleet := testbed.NewFleet(testbed.FleetConfig{Series: 4000})
	pages := map[string][]answer{}
	for k := range 4 {
		plain := fleet.Exposition(0, uint64(10+k))
		pages["text"] = append(pages["text"], answer{media: mediaText, body: string(plain)})
		om := bytes.ReplaceAll(plain, []byte("testbed_scrapes_total"), []byte("testbed_scrapes"))
		pages["openmetrics"] = append(pages["openmetrics"], answer{media: mediaOM, body: typed(string(om), "") + "# EOF\n"})
		pages["openmetrics, exemplars"] = append(pages["openmetrics, exemplars"],
			answer{media: mediaOM, body: typed(string(om), fmt.Sprintf(" # {trace_id=\"%016x\"} 0.%d", k*7919, k)) + "# EOF\n"})
		var out bytes.Buffer
		for i := range 1000 {
			for _, f := range []*dto.MetricFamily{counter(fmt.Sprintf("c%d_total", i), float64(k)), native(fmt.Sprintf("h%d", i), 20+k, 3, false)} {
				f.Metric[0].Label = append(f.Metric[0].Label, &dto.LabelPair{Name: proto.String("route"), Value: proto.String("/api/v1/items/{id}")})
				if _, err := protodelim.MarshalTo(&out, f); err != nil {
					b.Fatal(err)
				}
			}
		}
		pages["protobuf, native histograms"] = append(pages["protobuf, native histograms"], answer{media: mediaProto, body: out.String()})
	}
	return pages
}

// typed makes a page of the text format one of OpenMetrics: all families are of
// unknown type. Every second sample gets the exemplar, if there is one.
func typed(page, example string) string {
	var out strings.Builder
	for i, l := range strings.SplitAfter(page, "\n") {
		switch {
		case strings.HasPrefix(l, "# TYPE"):
			name := strings.Fields(l)[2]
			kind := "unknown"
			if example != "" && strings.HasSuffix(name, "_total") {
				kind = "counter"
			}
			fmt.Fprintf(&out, "# TYPE %s %s\n", strings.TrimSuffix(name, "_total"), kind)
		case strings.HasPrefix(l, "#"):
		case example != "" && i%2 == 0 && strings.Contains(l, "_total{"):
			out.WriteString(strings.TrimSuffix(l, "\n") + example + "\n")
		default:
			out.WriteString(l)
		}
	}
	return out.String()
}

// BenchmarkBesidePrometheus lets both scrape the same pages over connections
// in memory into nothing.
func BenchmarkBesidePrometheus(b *testing.B) {
	pages := benchPages(b)
	for _, name := range []string{"text", "openmetrics", "openmetrics, exemplars", "protobuf, native histograms"} {
		b.Run(name+"/prometheus", func(b *testing.B) { benchTheirs(b, newCycle(pages[name])) })
		b.Run(name+"/divvy", func(b *testing.B) { benchOurs(b, newCycle(pages[name])) })
	}
}

// newCycle is a server that gives its answers in turn, of any interval.
func newCycle(script []answer) *server {
	var all []answer
	for range 1000 {
		all = append(all, script...)
	}
	s := newServer(all)
	s.step = benchInterval
	return s
}

func benchTheirs(b *testing.B, s *server) {
	ctx, cancel := context.WithCancel(b.Context())
	opts := &promscrape.Options{
		DiscoveryReloadInterval: model.Duration(10 * time.Millisecond),
		HTTPClientOptions:       []httpconfig.HTTPClientOption{httpconfig.WithDialContextFunc(s.dial)},
	}
	sink := &theirNull{counted: newCounted(), refs: map[uint64]storage.SeriesRef{}}
	m, err := promscrape.NewManager(opts, slog.New(slog.DiscardHandler), nil, sink, nil, prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	cfg, err := config.Load(fmt.Sprintf("scrape_configs:\n- job_name: j\n  scrape_interval: %s\n  scrape_timeout: %[1]s\n  enable_compression: false\n"+
		"  scrape_native_histograms: true\n  scrape_protocols: [PrometheusProto, OpenMetricsText1.0.0, PrometheusText0.0.4]\n",
		model.Duration(benchInterval)), slog.New(slog.DiscardHandler))
	if err == nil {
		err = m.ApplyConfig(cfg)
	}
	if err != nil {
		b.Fatal(err)
	}
	sets, done := make(chan map[string][]*targetgroup.Group), make(chan struct{})
	go func() { defer close(done); _ = m.Run(sets) }()
	sets <- map[string][]*targetgroup.Group{"j": {{Targets: []model.LabelSet{{"__address__": host}}}}}
	sink.run(b)
	cancel()
	m.Stop()
	<-done
	s.close()
	<-ctx.Done()
}

func benchOurs(b *testing.B, s *server) {
	cfg := ourConfig()
	cfg.Interval, cfg.Timeout, cfg.Dial, cfg.Compression, cfg.NativeHistograms = benchInterval, benchInterval, s.dial, false, true
	cfg.Protocols = []scrape.Protocol{scrape.PrometheusProto, scrape.OpenMetrics100, scrape.PrometheusText004}
	pool, err := scrape.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	sink := &ourNull{counted: newCounted(), refs: map[uint64]telemetry.Handle{}}
	pool.SetSink(sink)
	pool.SetTargets([]telemetry.Target{labels.FromStrings("__address__", host)})
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = pool.Run(ctx) }()
	sink.run(b)
	cancel()
	<-done
	s.close()
}
