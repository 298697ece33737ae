package discovery

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	sd "github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"

	"github.com/divvy-collector/divvy/telemetry"
)

// A script is a discoverer that does what the test says.
type script func(ctx context.Context, up chan<- []*targetgroup.Group)

func (script) Name() string { return "script" }

func (s script) NewDiscoverer(sd.DiscovererOptions) (sd.Discoverer, error) { return s, nil }

func (script) NewDiscovererMetrics(prometheus.Registerer, sd.RefreshMetricsInstantiator) sd.DiscovererMetrics {
	return &sd.NoopDiscovererMetrics{}
}

func (s script) Run(ctx context.Context, up chan<- []*targetgroup.Group) { s(ctx, up) }

// silent finds nothing, ever.
func silent(ctx context.Context, _ chan<- []*targetgroup.Group) { <-ctx.Done() }

func groupAt(source string, addresses ...string) *targetgroup.Group {
	tg := &targetgroup.Group{Source: source}
	for _, a := range addresses {
		tg.Targets = append(tg.Targets, model.LabelSet{"__address__": model.LabelValue(a)})
	}
	return tg
}

// A list is one publication.
type list struct {
	At        time.Duration // since the start
	Addresses []string
}

// follow runs a provider of s for two minutes of a bubble and returns what it
// published. during is called once Run runs.
func follow(t *testing.T, s sd.Config, during func(p *Provider)) []list {
	t.Helper()
	var out []list
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		p, err := New(Config{
			Source:   s,
			Log:      slog.New(slog.DiscardHandler),
			Registry: prometheus.NewRegistry(),
			Publish: func(targets []telemetry.Target) {
				l := list{At: time.Since(begin)}
				for _, target := range targets {
					l.Addresses = append(l.Addresses, target.Get("__address__"))
				}
				out = append(out, l)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		go during(p)
		p.Run(ctx)
	})
	return out
}

func nothing(*Provider) {}

func TestNothingFoundIsSaidOnceAfterFiveSeconds(t *testing.T) {
	got := follow(t, script(silent), nothing)
	if diff := cmp.Diff([]list{{At: 5 * time.Second}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestListsAreFiveSecondsApart(t *testing.T) {
	got := follow(t, script(func(ctx context.Context, up chan<- []*targetgroup.Group) {
		for i := range 10 { // one group a second
			up <- []*targetgroup.Group{groupAt(string(rune('a'+i)), string(rune('a'+i)))}
			time.Sleep(time.Second)
		}
		<-ctx.Done()
	}), nothing)
	want := []list{
		{At: 250 * time.Millisecond, Addresses: []string{"a"}},
		{At: 5250 * time.Millisecond, Addresses: []string{"a", "b", "c", "d", "e", "f"}},
		{At: 10250 * time.Millisecond, Addresses: []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFirstGroupsSettleIntoOneList(t *testing.T) {
	got := follow(t, script(func(ctx context.Context, up chan<- []*targetgroup.Group) {
		up <- []*targetgroup.Group{groupAt("b", "b:1")}
		up <- []*targetgroup.Group{nil, groupAt("a", "a:1", "a:0")}
		close(up) // some do, against the contract
		<-ctx.Done()
	}), nothing)
	if diff := cmp.Diff([]list{{At: settle, Addresses: []string{"a:1", "a:0", "b:1"}}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSameTargetsAreNoNews(t *testing.T) {
	got := follow(t, script(func(ctx context.Context, up chan<- []*targetgroup.Group) {
		for ctx.Err() == nil {
			select {
			case up <- []*targetgroup.Group{groupAt("a", "a:1")}:
			case <-ctx.Done():
			}
			time.Sleep(3 * time.Second)
		}
	}), nothing)
	if len(got) != 1 {
		t.Errorf("published %v; want one list", got)
	}
}

// The old list stays until the new discoverer has answered.
func TestUpdateKeepsTheOldListUntilThereIsANewOne(t *testing.T) {
	static := func(address string, after time.Duration) script {
		return func(ctx context.Context, up chan<- []*targetgroup.Group) {
			time.Sleep(after)
			select {
			case up <- []*targetgroup.Group{groupAt("s", address)}:
			case <-ctx.Done():
			}
			<-ctx.Done()
		}
	}
	got := follow(t, static("old", 0), func(p *Provider) {
		time.Sleep(20 * time.Second)
		_ = p.Update(static("new", 2*time.Second))
		time.Sleep(20 * time.Second)
		_ = p.Update(script(silent))
	})
	want := []list{
		{At: settle, Addresses: []string{"old"}},
		{At: 22*time.Second + settle, Addresses: []string{"new"}},
		{At: 70 * time.Second},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Whatever the order in which groups come, the list is the same.
func TestOrderOfGroupsDoesNotMatter(t *testing.T) {
	list := []*targetgroup.Group{groupAt("a", "1", "2"), groupAt("b", "3"), groupAt("c", "5", "4"), groupAt("d")}
	list[1].Labels = model.LabelSet{"env": "prod", "__address__": "overridden"}
	in := groups{}
	in.merge(list)
	want := in.targets()
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		g := groups{}
		for _, tg := range list {
			g.merge([]*targetgroup.Group{tg})
		}
		if diff := cmp.Diff(want, g.targets(), cmp.Comparer(func(a, b telemetry.Target) bool { return a == b })); diff != "" {
			t.Fatal(diff)
		}
	}
	if got := want[2].String(); got != `{__address__="3", env="prod"}` {
		t.Errorf("labels of a group and a target give %s", got)
	}
}
