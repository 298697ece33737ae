package sources

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/model"
	sd "github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/http"
	"github.com/prometheus/prometheus/discovery/kubernetes"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/divvy-collector/divvy/internal/kubefake"
	"github.com/divvy-collector/divvy/kube/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A script is a discoverer that sends what a test puts in.
type script chan []*targetgroup.Group

func (s script) Run(ctx context.Context, out chan<- []*targetgroup.Group) {
	for {
		select {
		case <-ctx.Done():
			return
		case list := <-s:
			out <- list
		}
	}
}

// group returns a group with targets.
func group(source string, addresses ...string) *targetgroup.Group {
	g := &targetgroup.Group{Source: source, Labels: model.LabelSet{"a": "b", "empty": ""}}
	for _, a := range addresses {
		g.Targets = append(g.Targets, model.LabelSet{"__address__": model.LabelValue(a)})
	}
	return g
}

// follow runs a Source of a script, in time that jumps.
func follow(t *testing.T, f func(t *testing.T, in script, s *Source)) {
	synctest.Test(t, func(t *testing.T) {
		in := make(script)
		s := &Source{run: in, changed: func() {}, groups: map[string]*Group{}, dirty: map[string]bool{}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.follow(ctx); close(done) }()
		f(t, in, s)
		cancel()
		<-done
	})
}

func TestGroupSentAgainIsNoNews(t *testing.T) {
	follow(t, func(t *testing.T, in script, s *Source) {
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			got := s.Changed()
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("changed: %v; want %v", got, want)
			}
		}
		in <- []*targetgroup.Group{group("x", "1", "2"), nil, group("y")}
		expect("x")
		in <- []*targetgroup.Group{group("x", "2", "1")}
		expect()
		in <- []*targetgroup.Group{group("x", "2"), group("y", "3")}
		expect("x", "y")
		if g := s.Group("x"); len(g.Targets) != 1 || g.Shared.Len() != 1 {
			t.Errorf("x is %v", g)
		}
		in <- []*targetgroup.Group{group("x")}
		expect("x")
		if s.Group("x") != nil {
			t.Error("x is not gone")
		}
		for name := range s.All() {
			if name != "y" {
				t.Errorf("there is a group %s", name)
			}
		}
	})
}

func TestFirstGroupsAreAll(t *testing.T) {
	follow(t, func(t *testing.T, in script, s *Source) {
		time.Sleep(patience / 2)
		if s.Seen() {
			t.Error("seen before anything came")
		}
		in <- []*targetgroup.Group{group("x", "1")}
		synctest.Wait()
		if !s.Seen() {
			t.Error("not seen")
		}
	})
}

func TestSilentDiscovererHasFoundNothing(t *testing.T) {
	follow(t, func(t *testing.T, in script, s *Source) {
		time.Sleep(patience + 2*look)
		if !s.Seen() {
			t.Error("waiting for ever")
		}
	})
}

// pool returns a Pool before a fake API server, closed with the test.
func pool(t *testing.T, s *kubefake.Server) *Pool {
	t.Helper()
	set, err := watch.Open(s.Config(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := Open(set, m, slog.New(slog.DiscardHandler), func() {})
	t.Cleanup(func() { p.Close(); set.Close() })
	return p
}

// want returns the Sources of one configuration.
func want(t *testing.T, p *Pool, c sd.Config) []*Source {
	t.Helper()
	list, err := p.Want("a", sd.Configs{c})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func pods(namespaces ...string) *kubernetes.SDConfig {
	c := kubernetes.DefaultSDConfig
	c.Role, c.NamespaceDiscovery.Names = kubernetes.RolePod, namespaces
	return &c
}

func TestSameViewIsOneSource(t *testing.T) {
	s := kubefake.Start(t)
	p := pool(t, s)
	one, two := want(t, p, pods("a", "b")), want(t, p, pods("b", "c"))
	if len(one) != 2 || len(two) != 2 || one[1] != two[0] || one[0] == two[1] {
		t.Errorf("%v and %v", one, two)
	}
	withNodes := pods("b")
	withNodes.AttachMetadata.Node = true
	three := want(t, p, withNodes)
	if three[0] == one[1] {
		t.Error("a view with labels of nodes is the one without")
	}
	if n := len(p.set.Watches()); n != 4 { // pods of a, b and c, and nodes
		t.Errorf("%d watches", n)
	}
	p.Release(one)
	if n := len(p.set.Watches()); n != 3 {
		t.Errorf("%d watches after a was given back", n)
	}
	p.Release(two)
	p.Release(three)
	if n := len(p.set.Watches()); n != 0 {
		t.Errorf("%d watches after all was given back", n)
	}
}

// Every role finds its objects, and is Seen when it has.
func TestRolesAreSeenWithAllTheirObjects(t *testing.T) {
	s := kubefake.Start(t)
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "a", Name: name} }
	for _, name := range []string{"x", "y", "z"} {
		s.Set("pods", &corev1.Pod{ObjectMeta: meta(name), Status: corev1.PodStatus{PodIP: "10.0.0.1"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c"}}}})
		s.Set("services", &corev1.Service{ObjectMeta: meta(name), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}})
		s.Set("nodes", &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "10.0.0.2"}}}})
	}
	p := pool(t, s)
	f := func(role kubernetes.Role, groups int) {
		t.Helper()
		c := pods("a")
		c.Role = role
		src := want(t, p, c)[0]
		defer p.Release([]*Source{src})
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for began := time.Now(); !src.Seen(); <-tick.C {
			if time.Since(began) > patience/2 {
				t.Fatalf("%s: not seen: %v", role, src.Err())
			}
		}
		n := 0
		for range src.All() {
			n++
		}
		if n != groups || src.Err() != nil {
			t.Errorf("%s: %d groups; want %d; %v", role, n, groups, src.Err())
		}
	}
	f(kubernetes.RolePod, 3)
	f(kubernetes.RoleService, 3)
	f(kubernetes.RoleNode, 3)
	f(kubernetes.RoleIngress, 0)
	f(kubernetes.RoleEndpoint, 0)
	f(kubernetes.RoleEndpointSlice, 0)
}

func TestWhatCannotBeSetUpIsNamed(t *testing.T) {
	p := pool(t, kubefake.Start(t))
	own := pods("a")
	own.NamespaceDiscovery.IncludeOwnNamespace = true
	if _, err := p.Want("a", sd.Configs{pods("b"), own}); err == nil {
		t.Error("the namespace of no pod was found")
	}
	if n := len(p.set.Watches()); n != 0 {
		t.Errorf("%d watches of a list that was refused", n)
	}
}

// lines is a log whose lines a test reads.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	select {
	case l <- string(p):
	default:
	}
	return len(p), nil
}

// Of a hundred objects that ask for targets elsewhere, one may ask in vain.
func TestWhatASourceLogsNamesItsJob(t *testing.T) {
	p := pool(t, kubefake.Start(t))
	log := make(lines, 8)
	p.log = slog.New(slog.NewTextHandler(log, nil))
	c := http.DefaultSDConfig
	c.URL = "http://127.0.0.1:1/targets"
	list, err := p.Want("scrapeConfig/shop/web/http/0", sd.Configs{&c})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Release(list)
	select {
	case line := <-log:
		if !strings.Contains(line, "job=scrapeConfig/shop/web/http/0") {
			t.Errorf("the log says %s", line)
		}
	case <-time.After(10 * time.Second):
		t.Error("the log is silent")
	}
}
