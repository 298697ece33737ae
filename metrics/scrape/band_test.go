package scrape

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
)

// A band is a cluster of pools over one farm, with Views made by hand.
type band struct {
	*farm
	t       *testing.T
	hosts   []string
	players map[string]*player // those that live
	all     []*player
	members map[string]owner.Member
	dead    map[string]bool // those that crashed, once that is known
}

// A player is one node's pool.
type player struct {
	name     string
	pool     *Pool
	sink     *recorder
	view     *cell.Cell[owner.View]
	registry *prometheus.Registry
	stop     context.CancelFunc
	done     chan struct{}
}

const (
	noteTime = 30 * time.Millisecond
	lead     = 5 * time.Second
)

// play calls f in a bubble with three settled nodes, a, b and c, and n targets
// h0:80, h1:80, … with the series x and y.
func play(t *testing.T, n int, f func(b *band)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &band{farm: newFarm(t), t: t, players: map[string]*player{}, members: map[string]owner.Member{}, dead: map[string]bool{}}
		for i := range n {
			b.hosts = append(b.hosts, fmt.Sprintf("h%d:80", i))
			b.text(b.hosts[i], "x 1\ny 2\n")
		}
		for _, name := range []string{"a", "b", "c"} {
			b.members[name] = owner.Member{Name: name}
			b.start(name)
		}
		b.agree()
		time.Sleep(25 * time.Second)
		f(b)
		for _, p := range b.all {
			p.stop()
			<-p.done
			for _, fault := range p.sink.faults {
				t.Error(fault)
			}
			if held := p.sink.held(); len(held) > 0 {
				t.Errorf("%s still holds %v", p.name, held)
			}
		}
	})
}

// start runs a pool with all targets. It sees the members of the moment.
func (b *band) start(name string) {
	p := &player{
		name: name, sink: newRecorder(), registry: prometheus.NewRegistry(),
		view: cell.New(b.now()), done: make(chan struct{}),
	}
	cfg := plain()
	cfg.Self, cfg.View, cfg.Dial, cfg.Registry = name, p.view, b.dial, p.registry
	cfg.Tell = func(node string, note []byte) {
		go func() {
			time.Sleep(noteTime)
			if to := b.player(node); to != nil {
				to.pool.Told(name, note)
			}
		}()
	}
	cfg.Reaches = func(node string) bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return !b.dead[node]
	}
	var err error
	if p.pool, err = New(cfg); err != nil {
		b.t.Fatal(err)
	}
	p.pool.SetSink(p.sink)
	p.pool.SetTargets(targets(b.hosts...))
	ctx, cancel := context.WithCancel(b.t.Context())
	p.stop = cancel
	go func() { defer close(p.done); _ = p.pool.Run(ctx) }()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.players[name] = p
	b.all = append(b.all, p)
}

func (b *band) player(name string) *player {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.players[name]
}

// now is the View that the members make.
func (b *band) now() owner.View {
	return owner.NewView(slices.Collect(maps.Values(b.members))...)
}

// agree shows the members to the named nodes, or to all.
func (b *band) agree(names ...string) {
	for name, p := range b.players {
		if len(names) == 0 || slices.Contains(names, name) {
			p.view.Set(b.now())
		}
	}
}

// join adds a node a lead ahead, and lets the lead pass.
func (b *band) join(name string) time.Time {
	from := time.Now().Round(0).Add(lead)
	b.members[name] = owner.Member{Name: name, From: from}
	b.start(name)
	b.agree()
	time.Sleep(lead)
	return from
}

// leave removes a node a lead ahead, and stops it when its last slot was served.
func (b *band) leave(name string) time.Time {
	m := b.members[name]
	m.Until = time.Now().Round(0).Add(lead)
	b.members[name] = m
	b.agree()
	time.Sleep(lead)
	b.kill(name)
	return m.Until
}

// kill ends a node. Nobody is told.
func (b *band) kill(name string) {
	p := b.player(name)
	b.mu.Lock()
	delete(b.players, name)
	b.mu.Unlock()
	p.stop()
	<-p.done
}

// crash kills a node, which the others find out after a while.
func (b *band) crash(name string, after time.Duration) {
	died := time.Now().Round(0)
	b.kill(name)
	time.Sleep(after)
	b.mu.Lock()
	b.dead[name] = true
	b.mu.Unlock()
	m := b.members[name]
	m.Until = died
	b.members[name] = m
	b.agree()
}

// owner returns who has the next slot of a host.
func (b *band) owner(host string) string {
	key := owner.TargetKey(targets(host)[0])
	m, _ := b.now().Owner(key, owner.NextSlot(key, 10*time.Second, time.Now().Round(0)))
	return m.Name
}

// down makes a host refuse.
func (b *band) down(host string) {
	b.serve(host, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
}

// A point is a sample as it arrived.
type point struct {
	ms    int64
	value string
	node  string
}

func (p point) String() string { return fmt.Sprintf("%s at %d by %s", p.value, p.ms, p.node) }

// points returns what arrived of a series of a host, in the order of time.
func (b *band) points(host, series string) []point {
	var list []point
	prefix := fmt.Sprintf("{__name__=%q, instance=%q, ", series, host)
	for _, p := range b.all {
		p.sink.mu.Lock()
		for _, rec := range p.sink.batches {
			for _, l := range rec.lines {
				if strings.HasPrefix(l, prefix) {
					f := strings.Fields(l)
					ms, _ := strconv.ParseInt(strings.TrimPrefix(f[len(f)-1], "@"), 10, 64)
					list = append(list, point{ms: ms, value: f[len(f)-2], node: p.name})
				}
			}
		}
		p.sink.mu.Unlock()
	}
	slices.SortStableFunc(list, func(a, b point) int { return int(a.ms - b.ms) })
	return list
}

// markers returns the markers of a series of a host.
func (b *band) markers(host, series string) []point {
	return slices.DeleteFunc(b.points(host, series), func(p point) bool { return p.value != "stale" })
}

// expectEverySlotOnce requires a sample of up for each slot of each host
// between two times, and no marker.
func (b *band) expectEverySlotOnce(from, to time.Time) {
	b.t.Helper()
	for _, host := range b.hosts {
		key := owner.TargetKey(targets(host)[0])
		got := map[int64]int{}
		for _, p := range b.points(host, "up") {
			got[p.ms]++
		}
		for s := owner.NextSlot(key, 10*time.Second, from); s.Before(to); s = s.Add(10 * time.Second) {
			if n := got[s.UnixMilli()]; n != 1 {
				b.t.Errorf("%s: slot %s served %d times", host, s, n)
			}
		}
	}
	b.expectNoMarkers()
}

func (b *band) expectNoMarkers() {
	b.t.Helper()
	for _, host := range b.hosts {
		for _, series := range []string{"x", "y", "up"} {
			if m := b.markers(host, series); len(m) > 0 {
				b.t.Errorf("%s: %s is marked: %v", host, series, m)
			}
		}
	}
}

// metric returns the sum of a metric over all nodes that there were.
func (b *band) metric(name string) float64 {
	b.t.Helper()
	sum := 0.0
	for _, p := range b.all {
		families, err := p.registry.Gather()
		if err != nil {
			b.t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == name {
				sum += f.GetMetric()[0].GetCounter().GetValue() + f.GetMetric()[0].GetGauge().GetValue()
			}
		}
	}
	return sum
}
