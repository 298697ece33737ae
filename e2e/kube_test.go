package e2e

import (
	"syscall"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/kubetest"
)

// What nodes do before a real Kubernetes API server. The tests that leave it in
// peace share one.
func TestKubernetes(t *testing.T) {
	t.Parallel()
	api := kubetest.Start(t)
	installed(t, api)
	f := func(name string, test func(*testing.T, *kubetest.Server)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, api)
		})
	}
	f("roles are what is needed", rolesAreWhatIsNeeded)
	f("every role finds its objects", everyRoleFindsItsObjects)
	f("pods with many ports are scraped once", podsWithManyPorts)
	f("wrong objects harm themselves alone", wrongObjectsHarmThemselvesAlone)
	f("a rotated secret is used", rotatedSecretIsUsed)
	f("a removal during a move ends series once", removalDuringMoveEndsSeriesOnce)
	f("many objects cost little", manyObjectsCostLittle)
	f("rolling restarts end no living series", rollingRestarts)
}

// A pod with three ports whose rules lead to one of them is one target, whoever
// comes and goes.
func podsWithManyPorts(t *testing.T, api *kubetest.Server) {
	k := newKube(t, api, 30, 4)
	k.configured(monitored(k.space), "a", "b", "c", "d")
	k.monitor("web", "web", toOnePort)
	k.bear(0, 30)
	k.start("a", "b", "c")
	k.reached(seen+2*slotEvery, 0, 30)
	k.start("a", "b", "c", "d")
	k.wait(2 * slotEvery)
	k.node("b").stop()
	k.wait(2 * slotEvery)
	k.rhythm()
	k.marked(0)
	at := k.node("c").kill()
	k.wait(3 * slotEvery)
	k.rhythm(died(at))
	k.marked(0)
	k.arrivedAll(at)
	if n := len(k.holders()); n != 30 {
		t.Errorf("%d pods were seen", n)
	}
}

// All pods and then all nodes are replaced, and the pods meanwhile once more. No
// living pod's series is ended, and only nodes that come and go move targets.
func rollingRestarts(t *testing.T, api *kubetest.Server) {
	n := *podCount
	k := newKube(t, api, 3*n, 3)
	k.configured(monitored(k.space), "a", "b", "c")
	k.monitor("web", "web", toOnePort)
	k.bear(0, n)
	k.start("a", "b", "c")
	k.reached(seen+2*slotEvery, 0, n)
	k.wait(slotEvery)

	before := k.holders()
	k.replace(0, n/2)
	k.wait(2 * slotEvery)
	moved := 0
	for name, node := range k.holders() {
		if was := before[name]; was != "" && was != node {
			moved++
		}
	}
	if moved > 0 {
		t.Errorf("%d pods moved because others came and went", moved)
	}

	var left []time.Time
	for i, name := range []string{"a", "b", "c"} {
		left = append(left, time.Now())
		k.node(name).signal(syscall.SIGTERM)
		k.replace(n/2+i*n/3, n/2+(i+1)*n/3)
		if code := k.node(name).ended(30 * time.Second); code != 0 {
			t.Errorf("%s ended with code %d", name, code)
		}
		k.node(name).start()
	}
	k.until(lead, "all nodes take part", func() bool { return k.agree("a", "b", "c") })
	k.reached(seen+2*slotEvery, 0, 3*n)
	k.wait(slotEvery + seen)
	k.rhythm()
	k.marked(seen, left...)
	t.Logf("pods were scraped for %s after their death at most", k.outlived())
	k.arrivedAll()
}

// replace makes a new pod for each of [from, to), n further on, and then removes
// the old one, a few at a time.
func (k *kube) replace(from, to int) {
	k.t.Helper()
	const step = 10
	for at := from; at < to; at += step {
		end := min(at+step, to)
		k.bear(at+*podCount, end+*podCount)
		k.bury(at, end)
	}
}

// Nodes go on with what they know while the API server is away. One that is
// started meanwhile takes nothing that it cannot see, and all catch up
// afterwards without asking for everything at once.
func TestKubernetesOutageCostsNoSlot(t *testing.T) {
	t.Parallel()
	api := kubetest.Start(t)
	installed(t, api)
	const n = 90
	k := newKube(t, api, 2*n, 3)
	k.configured(monitored(k.space), "a", "b", "c")
	k.monitor("web", "web", toOnePort)
	k.bear(0, n)
	k.start("a", "b", "c")
	k.reached(seen+2*slotEvery, 0, n)

	api.Stop()
	down := time.Now()
	k.node("c").stop()
	k.node("c").launch()
	k.wait(time.Until(down.Add(*apiOutage)))
	if !k.agree("a", "b") {
		t.Errorf("a sees %q", k.node("a").participants())
	}
	api.Restart()
	up := time.Now()
	k.bear(n, n+10)
	k.bury(0, 10)
	k.reached(catchUp, n, n+10)
	t.Logf("new pods were scraped %s after the API server was back", time.Since(up))
	k.until(catchUp, "the restarted node takes part", func() bool { return k.agree("a", "b", "c") })
	// A list and a stream for monitors and for pods, of each node, and as much
	// again for what the first moments refuse.
	if n := api.Asked("podmonitors", "pods"); n > 3*2*2*2 {
		t.Errorf("nodes asked %d times for lists and streams after the API server was back", n)
	}
	k.until(catchUp, "dead pods are scraped no more", func() bool { return k.quiet(0, 10) })
	k.wait(slotEvery)
	k.rhythm()
	k.marked(time.Since(up))
	k.arrivedAll()
}

// outlived returns how long after its death a pod was scraped at most.
func (k *kube) outlived() (longest time.Duration) {
	for n, l := range k.lives {
		if s := k.fleet.Scrapes(n); !l.died.IsZero() && len(s) > 0 {
			longest = max(longest, s[len(s)-1].Time.Sub(l.died))
		}
	}
	return longest
}

// quiet reports whether the pods [from, to) were not scraped for two intervals.
func (k *kube) quiet(from, to int) bool {
	for n := from; n < to; n++ {
		if s := k.fleet.Scrapes(n); len(s) > 0 && time.Since(s[len(s)-1].Time) < 2*slotEvery {
			return false
		}
	}
	return true
}

// catchUp is how long nodes may take to learn what changed while the API server
// was away: its client waits up to a minute before it asks again.
const catchUp = 30 * time.Second
