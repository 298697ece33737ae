package differential

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	httpconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
)

// An oracle is Prometheus' scraper with a storage that behaves like that of
// its agent: samples of a series are in order, equal exemplars are one.
type oracle struct {
	log log

	mu    sync.Mutex
	refs  map[string]storage.SeriesRef
	names []string
	lastT map[storage.SeriesRef]int64
	lastE map[storage.SeriesRef]exemplar.Exemplar
}

// start runs the scraper on host until ctx is done. settings is the part of a
// scrape configuration, in Prometheus' language, that is not the default.
func (o *oracle) start(ctx context.Context, t *testing.T, settings string, opts *scrape.Options, dial httpconfig.DialContextFunc) {
	t.Helper()
	o.refs, o.names = map[string]storage.SeriesRef{}, []string{""}
	o.lastT, o.lastE = map[storage.SeriesRef]int64{}, map[storage.SeriesRef]exemplar.Exemplar{}
	opts.DiscoveryReloadInterval = model.Duration(time.Second)
	opts.HTTPClientOptions = []httpconfig.HTTPClientOption{httpconfig.WithDialContextFunc(dial)}
	setPrivate(opts, "skipJitterOffsetting")
	m, err := scrape.NewManager(opts, slog.New(slog.DiscardHandler), nil, o, nil, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load("scrape_configs:\n- job_name: j\n  scrape_interval: 10s\n  scrape_timeout: 5s\n"+settings, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.ApplyConfig(cfg); err != nil {
		t.Fatal(err)
	}
	sets := make(chan map[string][]*targetgroup.Group)
	go func() { _ = m.Run(sets) }()
	sets <- map[string][]*targetgroup.Group{"j": {{Targets: []model.LabelSet{{"__address__": host}}}}}
	go func() {
		<-ctx.Done()
		m.Stop()
	}()
}

// setPrivate sets an unexported option: the one that keeps the scraper from
// asking the DNS, which cannot be done in a bubble.
func setPrivate(opts *scrape.Options, name string) {
	f := reflect.ValueOf(opts).Elem().FieldByName(name)
	reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem().SetBool(true)
}

func (o *oracle) Appender(context.Context) storage.Appender { return &appender{oracle: o} }

// refOf returns the reference of a series.
func (o *oracle) refOf(lset labels.Labels) storage.SeriesRef {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := lset.String()
	ref, ok := o.refs[text]
	if !ok {
		ref = storage.SeriesRef(len(o.names))
		o.refs[text] = ref
		o.names = append(o.names, text)
	}
	return ref
}

// An appender collects one transaction.
type appender struct {
	*oracle
	batch   batch
	pending map[storage.SeriesRef]int64
}

func (a *appender) SetOptions(*storage.AppendOptions) {}

// order checks the order of a series' samples.
func (a *appender) order(ref storage.SeriesRef, lset labels.Labels, t int64) (storage.SeriesRef, error) {
	if name, twice := lset.HasDuplicateLabelNames(); twice {
		return 0, fmt.Errorf("label name %q is not unique", name)
	}
	if ref == 0 {
		ref = a.refOf(lset)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	last, ok := a.pending[ref]
	if !ok {
		last, ok = a.lastT[ref]
	}
	if ok && t <= last {
		return 0, storage.ErrOutOfOrderSample
	}
	if a.pending == nil {
		a.pending = map[storage.SeriesRef]int64{}
	}
	a.pending[ref] = t
	return ref, nil
}

func (a *appender) Append(ref storage.SeriesRef, lset labels.Labels, t int64, v float64) (storage.SeriesRef, error) {
	ref, err := a.order(ref, lset, t)
	if err == nil {
		a.batch.sample(lset.String(), t, v)
	}
	return ref, err
}

func (a *appender) AppendHistogram(ref storage.SeriesRef, lset labels.Labels, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) (storage.SeriesRef, error) {
	ref, err := a.order(ref, lset, t)
	if err == nil {
		a.batch.histogram(lset.String(), t, h, fh)
	}
	return ref, err
}

func (a *appender) AppendExemplar(ref storage.SeriesRef, lset labels.Labels, e exemplar.Exemplar) (storage.SeriesRef, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	last, ok := a.lastE[ref]
	switch {
	case ok && last.Equals(e):
		return 0, nil
	case ok && e.Ts < last.Ts:
		return 0, storage.ErrOutOfOrderExemplar
	}
	a.lastE[ref] = e
	a.batch.exemplar(lset.String(), e)
	return ref, nil
}

func (a *appender) AppendSTZeroSample(ref storage.SeriesRef, lset labels.Labels, t, st int64) (storage.SeriesRef, error) {
	if st >= t {
		return 0, storage.ErrSTNewerThanSample
	}
	ref, err := a.order(ref, lset, st)
	if err != nil {
		return 0, storage.ErrOutOfOrderST
	}
	a.batch.sample(lset.String(), st, 0)
	return ref, nil
}

func (a *appender) AppendHistogramSTZeroSample(storage.SeriesRef, labels.Labels, int64, int64, *histogram.Histogram, *histogram.FloatHistogram) (storage.SeriesRef, error) {
	return 0, storage.ErrOutOfOrderST
}

func (a *appender) UpdateMetadata(ref storage.SeriesRef, lset labels.Labels, md metadata.Metadata) (storage.SeriesRef, error) {
	a.batch.metadata(lset.String(), string(md.Type), md.Unit, md.Help)
	return ref, nil
}

func (a *appender) Commit() error {
	a.mu.Lock()
	for ref, t := range a.pending {
		a.lastT[ref] = t
	}
	a.mu.Unlock()
	a.log.add(a.batch)
	return nil
}

func (a *appender) Rollback() error { return nil }
