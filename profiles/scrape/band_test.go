package scrape

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/pprof/profile"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/internal/memnet"
	"github.com/divvy-collector/divvy/profiles"
	"github.com/divvy-collector/divvy/telemetry"
)

const (
	interval = 15 * time.Second
	lead     = 5 * time.Second
	noteTime = 30 * time.Millisecond
)

// A process is a target that does one thing per millisecond: it allocates a
// byte, and uses a millisecond of CPU. So what a profile of it says is the time
// that it covers, and two that cover the same time say it twice.
type process struct {
	mu       sync.Mutex
	born     time.Time
	cpu      bool // a profile of the CPU is being taken
	override http.Handler
	asked    []string // requests
}

func (x *process) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	override := x.override
	x.asked = append(x.asked, r.URL.RequestURI())
	x.mu.Unlock()
	if override != nil {
		override.ServeHTTP(w, r)
		return
	}
	switch r.URL.Path {
	case "/debug/pprof/allocs", "/debug/pprof/delta_heap":
		_ = x.memory().WriteUncompressed(w)
	case "/debug/pprof/goroutine":
		_ = point(time.Now(), "goroutine", 7).WriteUncompressed(w)
	case "/debug/pprof/profile":
		x.profileCPU(w, r)
	default:
		http.NotFound(w, r)
	}
}

// profileCPU takes its time, and refuses a second one meanwhile.
func (x *process) profileCPU(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	busy := x.cpu
	x.cpu = true
	x.mu.Unlock()
	if busy {
		http.Error(w, "Could not enable CPU profiling: cpu profiling already in use", http.StatusInternalServerError)
		return
	}
	defer func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.cpu = false
	}()
	seconds, _ := strconv.Atoi(r.FormValue("seconds"))
	took := time.Duration(seconds) * time.Second
	select {
	case <-time.After(took):
	case <-r.Context().Done():
		return
	}
	p := point(time.Now(), "cpu", took.Milliseconds())
	p.DurationNanos = took.Nanoseconds()
	_ = p.WriteUncompressed(w)
}

// point is a profile with one value.
func point(at time.Time, kind string, v int64) *profile.Profile {
	f := &profile.Function{ID: 1, Name: "main.work"}
	l := &profile.Location{ID: 1, Address: 0x10, Line: []profile.Line{{Function: f, Line: 3}}}
	return &profile.Profile{
		SampleType: []*profile.ValueType{{Type: kind, Unit: "count"}}, TimeNanos: at.UnixNano(),
		Sample:   []*profile.Sample{{Location: []*profile.Location{l}, Value: []int64{v}}},
		Location: []*profile.Location{l}, Function: []*profile.Function{f},
	}
}

// memory is what was allocated since the process began: a byte per millisecond.
func (x *process) memory() *profile.Profile {
	x.mu.Lock()
	now, born := time.Now(), x.born
	x.mu.Unlock()
	p := point(now, "alloc_objects", 0)
	p.SampleType = append(p.SampleType, &profile.ValueType{Type: "alloc_space", Unit: "bytes"}, &profile.ValueType{Type: "inuse_space", Unit: "bytes"})
	p.Sample[0].Value = []int64{now.Sub(born).Milliseconds(), now.Sub(born).Milliseconds(), 99}
	return p
}

// A push is a profile as it arrived.
type push struct {
	node, instance, kind string
	lset                 telemetry.Labels
	id                   string
	at                   time.Time
	value                int64 // of the first type
	took                 time.Duration
	comments             []string
}

// A band is a cluster of pools over one set of processes, with Views made by
// hand.
type band struct {
	t         *testing.T
	net       *memnet.Net
	hosts     []string
	processes map[string]*process
	players   map[string]*player // those that live
	members   map[string]owner.Member
	all       []*player
	configure func(*Config)
	servers   []*http.Server

	mu     sync.Mutex
	pushes []push
	dead   map[string]bool // those that crashed, once that is known
	lose   bool            // notes get lost
	refuse error           // what sinks answer
	stall  time.Time       // until when sinks take nothing
}

// A player is one node's pool.
type player struct {
	name     string
	band     *band
	pool     *Pool
	view     *cell.Cell[owner.View]
	registry *prometheus.Registry
	stop     context.CancelFunc
	done     chan struct{}
	crashed  bool
}

// Append decodes what arrives.
func (p *player) Append(_ context.Context, list []profiles.Profile) error {
	b := p.band
	b.mu.Lock()
	stall := b.stall
	b.mu.Unlock()
	pass(time.Until(stall))
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil || p.crashed {
		return b.refuse
	}
	for _, x := range list {
		got, err := profile.Parse(bytes.NewReader(x.Raw))
		if err != nil {
			b.t.Errorf("%s pushed: %v", x.Labels, err)
			continue
		}
		u := push{
			node: p.name, instance: x.Labels.Get("instance"), kind: x.Labels.Get("__name__"), lset: x.Labels, id: x.ID,
			at: time.Unix(0, got.TimeNanos), took: time.Duration(got.DurationNanos), comments: got.Comments,
		}
		for _, s := range got.Sample {
			u.value += s.Value[0]
		}
		b.pushes = append(b.pushes, u)
	}
	return nil
}

// types are what the tests take of each process.
func types() []Type {
	return []Type{
		{Name: "memory", Path: "/debug/pprof/allocs"},
		{Name: "goroutine", Path: "/debug/pprof/goroutine"},
		{Name: "process_cpu", Path: "/debug/pprof/profile", Lasts: true},
	}
}

// play calls f in a bubble with three settled nodes, a, b and c, and n targets.
func play(t *testing.T, n int, f func(b *band)) {
	t.Helper()
	perform(t, n, nil, f)
}

// perform is play with nodes that are configured by a function.
func perform(t *testing.T, n int, configure func(*Config), f func(b *band)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &band{
			t: t, net: memnet.New(), processes: map[string]*process{}, players: map[string]*player{},
			members: map[string]owner.Member{}, dead: map[string]bool{}, configure: configure,
		}
		for i := range n {
			host := fmt.Sprintf("10.0.%d.%d:80", i/250, i%250+1)
			b.hosts = append(b.hosts, host)
			b.run(host)
		}
		for _, name := range []string{"a", "b", "c"} {
			b.members[name] = owner.Member{Name: name}
			b.start(name)
		}
		b.agree()
		time.Sleep(40 * time.Second)
		f(b)
		for _, name := range slices.Collect(maps.Keys(b.players)) {
			b.kill(name)
		}
		for _, s := range b.servers {
			_ = s.Close()
		}
		pass(time.Minute) // for what they are doing
	})
}

// run starts a process.
func (b *band) run(host string) {
	x := &process{born: time.Now()}
	b.processes[host] = x
	server := &http.Server{Handler: x}
	l := b.net.Listen(host)
	go func() { _ = server.Serve(l) }()
	b.servers = append(b.servers, server)
}

// pass lets time pass in the bubble.
func pass(d time.Duration) { time.Sleep(d) }

func (b *band) targets() (list []telemetry.Target) {
	for _, h := range b.hosts {
		list = append(list, labels.FromStrings("__address__", h))
	}
	return list
}

// start runs a pool with all targets. It sees the members of the moment.
func (b *band) start(name string) {
	p := &player{
		name: name, band: b, registry: prometheus.NewRegistry(), view: cell.New(b.now()), done: make(chan struct{}),
	}
	cfg := Config{
		JobName: "test", Interval: interval, Timeout: 18 * time.Second, Scheme: "http", Types: types(),
		HTTP: config.HTTPClientConfig{FollowRedirects: true, EnableHTTP2: true},
		Self: name, View: p.view, Registry: p.registry, Dial: b.net.Dialer("10.1.0.1"),
		Tell: func(node string, note []byte) {
			go func() {
				time.Sleep(noteTime)
				b.mu.Lock()
				to, lose := b.players[node], b.lose
				b.mu.Unlock()
				if to != nil && !lose {
					to.pool.Told(name, note)
				}
			}()
		},
		Reaches: func(node string) bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return !b.dead[node]
		},
	}
	if b.configure != nil {
		b.configure(&cfg)
	}
	var err error
	if p.pool, err = New(cfg); err != nil {
		b.t.Fatal(err)
	}
	p.pool.SetSink(p)
	p.pool.SetTargets(b.targets())
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	go func() { defer close(p.done); _ = p.pool.Run(ctx) }()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.players[name] = p
	b.all = append(b.all, p)
}

// now is the View that the members make.
func (b *band) now() owner.View { return owner.NewView(slices.Collect(maps.Values(b.members))...) }

// agree shows the members to the named nodes, or to all.
func (b *band) agree(names ...string) {
	for name, p := range b.players {
		if len(names) == 0 || slices.Contains(names, name) {
			p.view.Set(b.now())
		}
	}
}

// join adds a node a lead ahead, and lets the lead pass.
func (b *band) join(name string) {
	b.members[name] = owner.Member{Name: name, From: time.Now().Round(0).Add(lead)}
	b.start(name)
	b.agree()
	time.Sleep(lead)
}

// leave removes a node a lead ahead, and stops it when its last slot was served.
// It returns at once; the node ends when its profiles have.
func (b *band) leave(name string) {
	m := b.members[name]
	m.Until = time.Now().Round(0).Add(lead)
	b.members[name] = m
	b.agree()
	time.Sleep(lead)
	b.mu.Lock()
	p := b.players[name]
	delete(b.players, name)
	b.mu.Unlock()
	p.stop()
}

// kill ends a node and waits for it. Nobody is told.
func (b *band) kill(name string) {
	b.mu.Lock()
	p := b.players[name]
	delete(b.players, name)
	b.mu.Unlock()
	p.stop()
	<-p.done
}

// crash ends a node with all that it has under way, which the others find out
// after a while.
func (b *band) crash(name string, after time.Duration) {
	died := time.Now().Round(0)
	b.mu.Lock()
	p := b.players[name]
	delete(b.players, name)
	p.crashed = true
	b.mu.Unlock()
	p.pool.cut()
	p.stop()
	<-p.done
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
	key := owner.TargetKey(labels.FromStrings("__address__", host))
	m, _ := b.now().Owner(key, owner.NextSlot(key, interval, time.Now().Round(0)))
	return m.Name
}

// of returns what arrived of a kind of profile of a host, in the order in which
// it was taken.
func (b *band) of(host, kind string) (list []push) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, u := range b.pushes {
		if u.instance == host && u.kind == kind {
			list = append(list, u)
		}
	}
	slices.SortStableFunc(list, func(x, y push) int { return x.at.Compare(y.at) })
	return list
}

// metric returns the sum of a metric of all nodes there ever were.
func (b *band) metric(name string) (sum float64) {
	for _, p := range b.all {
		families, err := p.registry.Gather()
		if err != nil {
			b.t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.Metric {
				if f.GetName() == name {
					sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
	}
	return sum
}

// expectWhole requires that the profiles of all hosts between two times are
// there once: one of each kind for each slot, deltas that follow each other
// without a hole and without an overlap, and no id twice. Those in gaps, by host,
// may have one hole in their deltas.
func (b *band) expectWhole(from, to time.Time, gaps map[string]bool) {
	b.t.Helper()
	ids := map[string]bool{}
	for _, h := range b.hosts {
		slots := 0
		key := owner.TargetKey(labels.FromStrings("__address__", h))
		for at := owner.NextSlot(key, interval, from); at.Before(to); at = at.Add(interval) {
			slots++
		}
		for _, kind := range []string{"goroutine", "process_cpu", "memory"} {
			list := b.of(h, kind)
			n, holes := 0, 0
			for i, u := range list {
				if ids[u.id] {
					b.t.Errorf("%s %s: %s came twice", h, kind, u.id)
				}
				ids[u.id] = true
				begun := u.at
				if kind == "process_cpu" {
					begun = u.at.Add(-u.took)
				}
				if slot := owner.Slot(key, interval, begun); slot.After(from) && slot.Before(to) {
					n++
				}
				if kind != "memory" || i == 0 {
					continue
				}
				if u.value != u.took.Milliseconds() {
					b.t.Errorf("%s: a delta of %d in %s", h, u.value, u.took)
				}
				switch gap := u.at.Add(-u.took).Sub(list[i-1].at); {
				case gap < 0:
					b.t.Errorf("%s: %s are counted twice before %s, by %s and %s", h, -gap, u.at, list[i-1].node, u.node)
				case gap > 0:
					if holes++; !gaps[h] || len(u.comments) == 0 || !strings.Contains(u.comments[0], "no delta before this one") {
						b.t.Errorf("%s: a hole of %s before %s, from %s to %s, comments %q", h, gap, u.at, list[i-1].node, u.node, u.comments)
					}
				}
			}
			if n != slots-holes {
				b.t.Errorf("%s %s: %d profiles in %d slots", h, kind, n, slots)
			}
		}
	}
}
