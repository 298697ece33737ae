package report

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	component = "prometheus.scrape.x"
	interval  = 5 * time.Second
)

// A town is a cluster in memory: a Reporter for each node, which ask each other
// without a network.
type town struct {
	t      *testing.T
	names  []string
	houses map[string]*house
}

// A house is one node of a town.
type house struct {
	*Reporter
	town     *town
	name     string
	view     *cell.Cell[owner.View]
	registry *prometheus.Registry

	mu      sync.Mutex
	targets []status.Target
	came    map[owner.Key]telemetry.Labels // labels that targets came with
	peers   []Peer
	node    Node
	config  string
	stopped atomic.Bool // answers nothing
	asked   int         // how often it was asked
	shares  bool        // its targets with others
	changed time.Time
}

// newTown makes nodes that serve together.
func newTown(t *testing.T, names ...string) *town {
	w := &town{t: t, names: names, houses: map[string]*house{}}
	var members []owner.Member
	for _, name := range names {
		members = append(members, owner.Member{Name: name, From: time.Now().Add(-time.Hour)})
	}
	for _, name := range names {
		h := &house{
			town: w, name: name, view: cell.New(owner.NewView(members...)), registry: prometheus.NewRegistry(),
			node: Node{Name: name, State: "participant", Stage: "serving"}, config: "same", shares: true,
		}
		for _, other := range names {
			h.peers = append(h.peers, Peer{Name: other, Addr: other + ":1", State: "participant", Instance: other + "1", Self: other == name, From: time.Now().Add(-time.Hour)})
		}
		h.Reporter = New(Config{
			Self: name, Cluster: "town", View: h.view, Registry: h.registry,
			Describe: h.describe, ConfigHash: h.hash, Targets: h.list, Census: h.census, Discovered: h.discovered, Origins: h.origins,
			Scrapes: h.scrapes, Peers: h.known, Ask: h.ask,
		})
		w.houses[name] = h
	}
	return w
}

func (h *house) describe() Node {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.node
}

func (h *house) hash() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.config
}

func (h *house) list() []status.Target {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.targets)
}

func (h *house) census() []status.Census {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := status.Census{Component: component, Clustered: true, Count: len(h.targets), Interval: interval, Changed: h.changed}
	for _, t := range h.targets {
		c.Clustered, c.Digest = t.Clustered, c.Digest.Add(t.Key)
	}
	return []status.Census{c}
}

func (h *house) known() []Peer {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.peers)
}

func (h *house) discovered(_ string, key owner.Key) (telemetry.Labels, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	found, ok := h.came[key]
	return found, ok
}

func (h *house) origins(_ string, wanted func(owner.Key) bool) map[owner.Key]telemetry.Labels {
	h.mu.Lock()
	defer h.mu.Unlock()
	came := maps.Clone(h.came)
	maps.DeleteFunc(came, func(key owner.Key, _ telemetry.Labels) bool { return !wanted(key) })
	return came
}

func (h *house) scrapes(_ string, key owner.Key) []status.Scrape {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.targets {
		if t.Key == key && !t.At.IsZero() {
			return []status.Scrape{t.Scrape}
		}
	}
	return nil
}

// ask is Config.Ask. A message takes a millisecond.
func (h *house) ask(ctx context.Context, node string, body []byte) ([]byte, error) {
	other := h.town.houses[node]
	if other == nil {
		return nil, errors.New("connection refused")
	}
	other.mu.Lock()
	stopped := other.stopped.Load()
	other.asked++
	other.mu.Unlock()
	if stopped {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	<-time.After(time.Millisecond)
	return other.Answer(ctx, h.name, body)
}

// know replaces the targets of a node: each "host:port label=value …". Of those
// that are its own it has made a scrape.
func (h *house) know(targets ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed = time.Now()
	h.targets, h.came = nil, map[owner.Key]telemetry.Labels{}
	for _, text := range targets {
		words := strings.Fields(text)
		b := labels.NewBuilder(labels.FromStrings("__address__", words[0], "__meta_node", h.name))
		for _, w := range words[1:] {
			name, value, _ := strings.Cut(w, "=")
			b.Set(name, value)
		}
		came := b.Labels()
		key := owner.TargetKey(came)
		h.came[key] = came
		url := "http://" + words[0] + "/metrics"
		if sig := came.Get("__param_sig"); sig != "" {
			url += "?sig=" + sig
		}
		t := status.Target{
			Component: component, Key: key, Job: "j", URL: url, Interval: interval, Clustered: h.shares, Health: status.Unknown,
			Labels: labels.FromStrings("instance", came.Get("instance"), "job", "j"),
		}
		if m, ok := h.view.Load().Owner(key, time.Now()); !h.shares || ok && m.Name == h.name {
			t.Health = status.Up
			t.Scrape = status.Scrape{At: time.Now(), Slot: time.Now(), Duration: time.Millisecond, Bytes: 1000, Samples: 10, Kept: 10}
		}
		h.targets = append(h.targets, t)
	}
}

// know replaces the targets of all nodes by what each of them makes of them.
func (w *town) know(f func(node string) []string) {
	for name, h := range w.houses {
		h.know(f(name)...)
	}
}

// run runs all Reporters until stop is called.
func (w *town) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var wg sync.WaitGroup
	for _, h := range w.houses {
		wg.Go(func() { h.Run(ctx) })
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// coverage returns what a node says of the component.
func (w *town) coverage(node string) Coverage {
	for _, c := range w.houses[node].found.Load().coverage {
		if c.Component == component {
			return c
		}
	}
	return Coverage{}
}

// metric returns a metric of a node.
func (w *town) metric(node, name string) float64 {
	w.t.Helper()
	families, err := w.houses[node].registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	w.t.Fatalf("there is no %s", name)
	return 0
}

// hosts returns n targets.
func hosts(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("10.0.0.%d:9100", i))
	}
	return list
}

// each appends a label to each target.
func each(targets []string, label string) []string {
	list := make([]string, len(targets))
	for i, t := range targets {
		list[i] = t + " " + label
	}
	return list
}
