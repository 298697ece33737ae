package jobs

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"go.uber.org/goleak"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/internal/memnet"
	"github.com/divvy-collector/divvy/metrics/scrape"
	"github.com/divvy-collector/divvy/metrics/scrape/walk"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	interval = 10 * time.Second
	lead     = 5 * time.Second
	noteTime = 30 * time.Millisecond
	alien    = "x" // a node of other software, which hears no notes
)

// settings are those of a job with an interval of 10 s.
func settings() *Settings {
	return &Settings{Scrape: scrape.Config{
		JobName: "j", Interval: interval, Timeout: 5 * time.Second, MetricsPath: "/metrics", Scheme: "http",
		HTTP: config.DefaultHTTPClientConfig, Protocols: []scrape.Protocol{scrape.PrometheusText004},
		Fallback: scrape.PrometheusText004, EscapingScheme: model.NoEscaping,
		Rules: walk.Rules{ValidationScheme: model.UTF8Validation, HonorTimestamps: true},
	}}
}

// A crew is a cluster of Pools over pods, with Views made by hand.
type crew struct {
	t       *testing.T
	net     *memnet.Net
	jobs    []*Job
	members map[string]owner.Member
	pods    []*http.Server

	mu    sync.Mutex
	hands map[string]*hand // those that live
	all   []*hand
	dead  map[string]bool
}

// A hand is one node.
type hand struct {
	name     string
	pools    *Pools
	sink     *sinktest.Recorder
	view     *cell.Cell[owner.View]
	registry *prometheus.Registry
	stop     context.CancelFunc
	done     chan struct{}
}

// play calls f in a bubble with the nodes a, b and c, which have had jobs for a
// while.
func play(t *testing.T, jobs []*Job, f func(c *crew)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &crew{
			t: t, net: memnet.New(), jobs: jobs, members: map[string]owner.Member{},
			hands: map[string]*hand{}, dead: map[string]bool{},
		}
		for i := range 40 {
			c.pod(i)
		}
		for _, name := range []string{"a", "b", "c"} {
			c.members[name] = owner.Member{Name: name, Peer: true}
			c.start(name)
		}
		c.agree()
		time.Sleep(25 * time.Second)
		f(c)
		for _, h := range c.all {
			h.stop()
			<-h.done
			if held := h.sink.Held(); len(held) > 0 {
				t.Errorf("%s still holds %v", h.name, held)
			}
		}
		for _, s := range c.pods {
			_ = s.Close()
		}
		synctest.Wait()
	})
}

// pod starts the server of the i-th pod.
func (c *crew) pod(i int) {
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("x 1\ny 2\n"))
	})}
	c.pods = append(c.pods, s)
	l := c.net.Listen(addr(i))
	go func() { _ = s.Serve(l) }()
}

func addr(i int) string { return fmt.Sprintf("10.0.0.%d:8080", i+1) }

// target is the i-th pod as rules have left it.
func target(i int, extra ...string) telemetry.Target {
	return labels.FromStrings(append([]string{
		"__address__", addr(i), "__scheme__", "http", "__metrics_path__", "/metrics",
		"job", "shop/web", "instance", addr(i), "pod", fmt.Sprintf("web-%d", i),
	}, extra...)...)
}

// job is a job whose targets are those pods, each discovered by three ports.
func job(name string, s *Settings, pods ...int) *Job {
	j := &Job{Name: name, Settings: s}
	for _, i := range pods {
		for port := range 3 {
			j.Targets = append(j.Targets, target(i))
			j.Foreign = append(j.Foreign, owner.DiscoveredKey(labels.FromStrings("__address__", fmt.Sprintf("10.0.0.%d:%d", i+1, port))))
		}
	}
	return j
}

// upTo lists the first n pods.
func upTo(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

// start runs a node with all jobs. It sees the members of the moment.
func (c *crew) start(name string) {
	h := &hand{
		name: name, sink: sinktest.NewRecorder(), registry: prometheus.NewRegistry(),
		view: cell.New(c.now(name)), done: make(chan struct{}),
	}
	env := scrape.Config{
		Self: name, View: h.view, Dial: c.net.Dialer("10.0.1.1"), Registry: h.registry,
		Tell: func(node string, note []byte) {
			go func() {
				time.Sleep(noteTime)
				if to := c.hand(node); to != nil {
					to.pools.Told(name, note)
				}
			}()
		},
		Reaches: func(node string) bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return !c.dead[node] && node != alien
		},
	}
	var err error
	if h.pools, err = New("c", env); err != nil {
		c.t.Fatal(err)
	}
	h.pools.SetSink(h.sink)
	h.pools.SetJobs(c.jobs)
	ctx, cancel := context.WithCancel(c.t.Context())
	h.stop = cancel
	go func() { defer close(h.done); _ = h.pools.Run(ctx) }()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hands[name] = h
	c.all = append(c.all, h)
}

func (c *crew) hand(name string) *hand {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hands[name]
}

// set gives all nodes other jobs.
func (c *crew) set(jobs ...*Job) {
	c.jobs = jobs
	for _, h := range c.hands {
		h.pools.SetJobs(jobs)
	}
}

// now is the View that the members make, as self has it.
func (c *crew) now(self string) owner.View {
	var list []owner.Member
	for _, m := range c.members {
		m.Peer = m.Name != self
		list = append(list, m)
	}
	return owner.NewView(list...)
}

// agree shows the members to all.
func (c *crew) agree() {
	for name, h := range c.hands {
		h.view.Set(c.now(name))
	}
}

// join adds a node a lead ahead, and lets the lead pass.
func (c *crew) join(name string) {
	c.members[name] = owner.Member{Name: name, From: time.Now().Round(0).Add(lead)}
	c.start(name)
	c.agree()
	time.Sleep(lead)
}

// leave removes a node a lead ahead, and stops it then.
func (c *crew) leave(name string) {
	m := c.members[name]
	m.Until = time.Now().Round(0).Add(lead)
	c.members[name] = m
	c.agree()
	time.Sleep(lead)
	c.end(name)
}

// end stops a node. Nobody is told.
func (c *crew) end(name string) {
	h := c.hand(name)
	c.mu.Lock()
	delete(c.hands, name)
	c.mu.Unlock()
	h.stop()
	<-h.done
}

// kill ends a node, which the others find out after a while.
func (c *crew) kill(name string, after time.Duration) {
	died := time.Now().Round(0)
	c.end(name)
	time.Sleep(after)
	c.mu.Lock()
	c.dead[name] = true
	c.mu.Unlock()
	m := c.members[name]
	m.Until = died
	c.members[name] = m
	c.agree()
}

// A point is a sample as it arrived.
type point struct {
	at    time.Time
	stale bool
	node  string
}

// points returns what arrived of a series of a pod, by time.
func (c *crew) points(pod int, series string) (list []point) {
	for _, h := range c.all {
		for _, p := range h.sink.Points() {
			if strings.Contains(p.Series, fmt.Sprintf("__name__=%q", series)) && strings.Contains(p.Series, fmt.Sprintf("instance=%q", addr(pod))) {
				list = append(list, point{time.UnixMilli(p.T), value.IsStaleNaN(p.V), h.name})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b point) int { return a.at.Compare(b.at) })
	return list
}

// expectOnce requires that each slot of those pods between two times was served
// once, or up to late slots of each at another time, and that nothing was marked.
func (c *crew) expectOnce(pods []int, from, to time.Time, late int) {
	c.t.Helper()
	for _, i := range pods {
		off, got := 0, map[time.Time]int{}
		for _, p := range c.points(i, "up") {
			if p.stale {
				c.t.Errorf("pod %d: up is marked at %s by %s", i, p.at, p.node)
			}
			got[p.at]++
		}
		key := owner.FinalKey("http://"+addr(i)+"/metrics", target(i).DropReserved(func(name string) bool { return strings.HasPrefix(name, "__") }))
		for s := owner.NextSlot(key, interval, from); s.Before(to); s = s.Add(interval) {
			if n := got[s.Local()]; n != 1 {
				if off++; n > 1 || off > late {
					c.t.Errorf("pod %d: slot %s was served %d times", i, s, n)
				}
			}
		}
		for _, series := range []string{"x", "y"} {
			if n := len(c.markers(i, series)); n > 0 {
				c.t.Errorf("pod %d: %s has %d markers", i, series, n)
			}
		}
	}
}

// markers returns the markers of a series of a pod.
func (c *crew) markers(pod int, series string) []point {
	return slices.DeleteFunc(c.points(pod, series), func(p point) bool { return !p.stale })
}

// metric returns the sum of a metric over all nodes that there were.
func (c *crew) metric(name string) (sum float64) {
	c.t.Helper()
	for _, h := range c.all {
		families, err := h.registry.Gather()
		if err != nil {
			c.t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == name {
					sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
	}
	return sum
}

// owners returns who has the next slot of each target, by the View of one of
// the nodes.
func (c *crew) owners() map[string]string {
	out := map[string]string{}
	for name, h := range c.hands {
		for _, t := range h.pools.Targets() {
			m, _ := t.Owner(h.view.Load(), owner.NextSlot(t.Key, t.Interval, time.Now().Round(0)))
			if before, ok := out[t.URL]; ok && before != m.Name {
				c.t.Errorf("%s: %s says that %s has it, another %s", t.URL, name, m.Name, before)
			}
			out[t.URL] = m.Name
		}
	}
	return maps.Clone(out)
}
