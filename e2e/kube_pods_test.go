package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/kubetest"
	"github.com/divvy-collector/divvy/internal/testbed"
)

// seen is how long nodes may take to learn what the API server knows.
const seen = 7 * time.Second

// A kube is a cluster of divvies whose targets are pods in a namespace of its
// own. Pod n is target n of the fleet, at an address of its own, and shows its
// metrics there as /metrics at one of its three ports.
type kube struct {
	*cluster
	api   *kubetest.Server
	space string

	port     int32                        // at which pods answer; they have two more
	ips      []string                     // of pod n
	lives    []life                       // of pod n
	password *atomic.Pointer[string]      // that pods ask for; nil: none
	through  map[string]*testbed.Receiver // what each node has sent
	write    map[string]string            // where each node sends it
}

// A life is when a pod was there.
type life struct{ born, died time.Time } // died is zero while it lives

// now reports whether the pod lives.
func (l life) now() bool { return !l.born.IsZero() && l.died.IsZero() }

// newKube prepares that many pods and nodes, none of which exists yet.
func newKube(t *testing.T, api *kubetest.Server, pods, nodes int) *kube {
	t.Helper()
	k := &kube{
		cluster: &cluster{
			world: newWorld(t, testbed.FleetConfig{Targets: pods, Series: 5, Hosts: pods}),
			nodes: map[string]*divvy{},
		},
		api: api.With(t), lives: make([]life, pods),
		password: &atomic.Pointer[string]{}, through: map[string]*testbed.Receiver{}, write: map[string]string{},
	}
	// Pods of all tests are at the same addresses: the port tells them apart.
	server, err := testbed.Serve("", 1000, http.HandlerFunc(k.serve))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	for _, g := range k.fleet.Groups(server.Addr()) {
		ip, port, _ := net.SplitHostPort(g.Targets[0])
		number, _ := strconv.ParseInt(port, 10, 32)
		k.ips, k.port = append(k.ips, ip), int32(number)
	}
	k.space = fmt.Sprintf("e2e-%d", k.port)
	k.api.AddNamespace(k.space, map[string]string{"team": "shop"})
	for i := range nodes {
		k.addrs = append(k.addrs, fmt.Sprintf("%s:%d", k.host, 12345+i))
		k.tee(string(rune('a'+i)), fmt.Sprintf("%s:%d", k.host, 9010+i))
	}
	return k
}

// serve answers as the pod whose address was asked.
func (k *kube) serve(w http.ResponseWriter, r *http.Request) {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	n := slices.Index(k.ips, local.IP.String())
	if n < 0 || r.URL.Path != "/metrics" {
		http.NotFound(w, r)
		return
	}
	if want := k.password.Load(); want != nil {
		if _, got, _ := r.BasicAuth(); got != *want {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
	}
	r.URL.Path = fmt.Sprintf("/t/%d/metrics", n)
	k.fleet.ServeHTTP(w, r)
}

// tee opens a way to the receiver for a node, which is remembered as the way
// that its samples came.
func (k *kube) tee(node, addr string) {
	k.t.Helper()
	own := testbed.NewReceiver(testbed.ReceiverConfig{Record: true})
	s := k.world.serve(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		again := r.Clone(r.Context())
		again.Body = io.NopCloser(bytes.NewReader(body))
		own.ServeHTTP(httptest.NewRecorder(), again)
		r.Body = io.NopCloser(bytes.NewReader(body))
		k.receiver.ServeHTTP(w, r)
	}))
	k.t.Cleanup(func() { s.Close() })
	k.through[node], k.write[node] = own, "http://"+addr+"/api/v1/write"
}

// configured writes the configuration of nodes that find targets as the text
// says. They have the rights that the manifests give; sys.env("KUBECONFIG") is
// their kubeconfig file.
func (k *kube) configured(text string, nodes ...string) {
	k.t.Helper()
	kubeconfig := k.api.Kubeconfig(k.api.Token("divvy", "divvy"))
	for _, name := range nodes {
		d := k.node(name)
		d.env = append(d.env, "KUBECONFIG="+kubeconfig)
		d.configure(fmt.Sprintf("%s\nprometheus.remote_write \"sink\" {\n  endpoint {\n    url = %q\n  }\n}\n", text, k.write[name]))
	}
}

// pod returns pod n.
func (k *kube) pod(n int) kubetest.Pod {
	return kubetest.Pod{
		Namespace: k.space, Name: fmt.Sprintf("p%04d", n), IP: k.ips[n],
		Ports:       map[string]int32{"admin": 1, "http": k.port, "probe": 2},
		Labels:      map[string]string{"app": "web"},
		Annotations: map[string]string{"example.org/port": fmt.Sprint(k.port)},
	}
}

// bear makes the pods [from, to) exist.
func (k *kube) bear(from, to int) {
	k.t.Helper()
	k.bearAs(from, to, func(*kubetest.Pod) {})
}

// bearAs is bear for pods that are changed before.
func (k *kube) bearAs(from, to int, change func(*kubetest.Pod)) {
	k.t.Helper()
	var pods []kubetest.Pod
	for n := from; n < to; n++ {
		p := k.pod(n)
		change(&p)
		pods = append(pods, p)
	}
	k.api.SetPods(pods)
	for n := from; n < to; n++ {
		k.lives[n].born = time.Now()
	}
}

// bury removes the pods [from, to).
func (k *kube) bury(from, to int) {
	k.t.Helper()
	for n := from; n < to; n++ {
		k.lives[n].died = time.Now()
		k.api.DeletePod(k.space, k.pod(n).Name)
	}
}

// reached waits until every living pod of [from, to) was scraped after now.
func (k *kube) reached(limit time.Duration, from, to int) {
	k.t.Helper()
	now := time.Now()
	k.until(limit, "all pods are scraped", func() bool {
		for n := from; n < to; n++ {
			if s := k.fleet.Scrapes(n); k.lives[n].now() && (len(s) == 0 || s[len(s)-1].Time.Before(now)) {
				return false
			}
		}
		return true
	})
}

// rhythm fails the test unless every pod was scraped just once in each of its
// slots, from its first scrape until it died, but for those slots that are
// excused.
func (k *kube) rhythm(excused ...func(testbed.Slip) bool) {
	k.t.Helper()
	var slots testbed.Slots
	for n, l := range k.lives {
		before := l.died
		if before.IsZero() {
			before = time.Now().Add(-slotLate)
		}
		if !l.born.IsZero() {
			slots.Enter(k.fleet.Scrapes(n), slotEvery, before)
		}
	}
	slips := slices.DeleteFunc(slots.Slips, func(s testbed.Slip) bool {
		return slices.ContainsFunc(excused, func(ok func(testbed.Slip) bool) bool { return ok(s) })
	})
	k.t.Logf("%d slots served, longest hole %s, %d slips of %d not excused", slots.Served, slots.Hole, len(slips), len(slots.Slips))
	for _, s := range slips[:min(len(slips), 8)] {
		k.t.Errorf("%s was scraped %d times at %s, by %q", s.Target, s.Scrapes, s.Slot.Format("15:04:05.000"), s.By)
	}
	if len(slips) > 8 {
		k.t.Errorf("and %d more", len(slips)-8)
	}
}

// died excuses what the death of a node, at a time, may cost: a slot of each of
// its targets that is missed, or served again by the heir.
func died(at time.Time) func(testbed.Slip) bool {
	excused := map[string]int{}
	return func(s testbed.Slip) bool {
		if s.Slot.Before(at.Add(-maxSilence)) || s.Slot.After(at.Add(maxHole)) || s.Scrapes > 2 {
			return false
		}
		excused[s.Target]++
		return excused[s.Target] == 1
	}
}

// instance returns what pod n is called in series.
func (k *kube) instance(n int) string { return fmt.Sprintf("%s:%d", k.ips[n], k.port) }

// points returns the samples of the series of that name by instance, as they
// arrived.
func points(r *testbed.Receiver, name string) map[string][]testbed.Point {
	all := map[string][]testbed.Point{}
	for text, list := range r.Series() {
		if !strings.Contains(text, fmt.Sprintf("__name__=%q", name)) {
			continue
		}
		_, rest, _ := strings.Cut(text, `instance="`)
		instance, _, _ := strings.Cut(rest, `"`)
		all[instance] = append(all[instance], list...)
	}
	return all
}

// marked fails the test unless the series of pods that died were marked as
// ended, once, within two intervals and the time that nodes took to learn of it,
// and those of no other pod.
//
// Deaths at the given times are excused if nobody marked them: there a node left,
// and with it the memory of its pods that died before the next owner's first
// scrape of them.
func (k *kube) marked(learnt time.Duration, left ...time.Time) {
	k.t.Helper()
	excused, wrong := 0, 0
	for _, name := range []string{"up", "testbed_scrapes_total"} {
		all := points(k.receiver, name)
		for n, l := range k.lives {
			why, unmarked := l.judge(all[k.instance(n)], 2*slotEvery+learnt)
			switch {
			case why == "":
			case unmarked && slices.ContainsFunc(left, l.atMove):
				excused++
			default:
				if wrong++; wrong <= 5 {
					k.t.Errorf("%s of %s (born %s, died %s): %s", name, k.pod(n).Name,
						l.born.Format("15:04:05.000"), l.died.Format("15:04:05.000"), why)
				}
			}
		}
	}
	if wrong > 5 {
		k.t.Errorf("and %d more", wrong-5)
	}
	if excused > 0 {
		k.t.Logf("%d series of pods that died while their node left were not marked", excused)
	}
}

// atMove reports whether a pod died when a node that was told to leave at a time
// could take its memory along: when it served no more, and the first slot of
// whoever came after it had not come yet.
func (l life) atMove(left time.Time) bool {
	return l.died.After(left.Add(lead-time.Second)) && l.died.Before(left.Add(lead+slotEvery+time.Second))
}

// judge says what is wrong with the markers of a series of a pod, and whether
// it is that there is none.
func (l life) judge(list []testbed.Point, limit time.Duration) (why string, unmarked bool) {
	var at []time.Time
	for _, p := range list {
		if p.Stale() {
			at = append(at, time.UnixMilli(p.T))
		}
	}
	switch {
	case l.died.IsZero() && len(at) > 0:
		return fmt.Sprintf("living, and marked as ended at %s", at[0].Format("15:04:05.000")), false
	case l.died.IsZero() || len(list) == 0:
		return "", false
	case len(at) != 1:
		return fmt.Sprintf("marked as ended %d times", len(at)), len(at) == 0
	case at[0].Sub(l.died) > limit:
		return fmt.Sprintf("marked as ended %s after its death", at[0].Sub(l.died)), false
	case !list[len(list)-1].Stale():
		return "a sample came after the marker", false
	}
	return "", false
}

// holders returns who sent the newest sample of each living pod, by name of the
// pod.
func (k *kube) holders() map[string]string {
	newest, out := map[string]int64{}, map[string]string{}
	for node, r := range k.through {
		all := points(r, "up")
		for n, l := range k.lives {
			name := k.pod(n).Name
			for _, p := range all[k.instance(n)] {
				if l.now() && p.T > newest[name] {
					newest[name], out[name] = p.T, node
				}
			}
		}
	}
	return out
}

// arrivedAll waits until all that pods have answered so far has arrived, except
// what nodes that died had not yet stored.
func (k *kube) arrivedAll(crashes ...time.Time) {
	k.t.Helper()
	now := time.Now()
	var lost []testbed.Scrape
	for end := now.Add(10 * time.Second); ; k.wait(100 * time.Millisecond) {
		lost = slices.DeleteFunc(testbed.Check(k.fleet, k.receiver, now).Lost, func(s testbed.Scrape) bool {
			return slices.ContainsFunc(crashes, func(at time.Time) bool {
				return s.Time.After(at.Add(-commitLag)) && s.Time.Before(at.Add(slotEarly))
			})
		})
		if len(lost) == 0 || time.Now().After(end) {
			break
		}
	}
	if len(lost) > 0 {
		k.t.Errorf("%d scrapes were made and lost: %s", len(lost), describe(lost))
	}
	if r := k.receiver.Report(); r.SeriesOutOfOrder > 0 {
		k.t.Errorf("%d samples arrived out of order", r.SeriesOutOfOrder)
	}
}
