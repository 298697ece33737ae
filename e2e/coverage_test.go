package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/fleet/report"
)

const (
	covered = "prometheus.scrape.fleet" // the component whose coverage is looked at

	// named is how long nodes may take to name a fault: an interval, and what
	// asking takes.
	named = slotEvery + 2*time.Second
)

const (
	sdEvery = time.Second      // how often nodes ask discovery
	sdDelay = 10 * time.Second // how long an answer of it may take to become targets
)

// discovery serves the fleet's targets, from some moment on each time with
// another parameter.
type discovery struct {
	w     *world
	fresh atomic.Bool
	count atomic.Int64
}

func (s *discovery) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	groups := s.w.fleet.Groups(s.w.targets.Addr())
	if s.fresh.Load() {
		for _, g := range groups {
			g.Labels["__param_sig"] = fmt.Sprint(s.count.Add(1))
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(groups)
}

// uncovered starts three nodes that find their targets over HTTP, and returns
// them with their discovery.
func uncovered(t *testing.T, rules string) (*cluster, *discovery) {
	t.Helper()
	t.Parallel()
	c := newCluster(t, 3)
	sd := &discovery{w: c.world}
	server := c.serve(c.host+":9200", sd)
	t.Cleanup(func() { server.Close() })
	for _, name := range []string{"a", "b", "c"} {
		c.node(name).configure(c.discovered(""))
	}
	c.start("a", "b", "c")
	c.until(2*named, "all is covered", func() bool {
		v := c.coverage("a")
		return v.Targets == clusterTargets && v.Unowned+v.Multiple+len(v.Faults) == 0
	})
	if rules != "" {
		for _, name := range []string{"a", "b", "c"} {
			c.node(name).configure(c.discovered(rules))
		}
	}
	return c, sd
}

// discovered returns a configuration whose targets come from discovery, through
// rules.
func (c *cluster) discovered(rules string) string {
	return fmt.Sprintf(`
discovery.http "sd" {
  url              = "http://%s:9200/"
  refresh_interval = %q
}
discovery.relabel "rules" {
  targets = discovery.http.sd.targets
%s}
prometheus.scrape "fleet" {
  targets         = discovery.relabel.rules.output
  forward_to      = []
  scrape_interval = %q
  scrape_timeout  = "4s"
  clustering {
    enabled = true
  }
}
`, c.host, sdEvery, rules, slotEvery)
}

// coverage returns what a node says of the component.
func (c *cluster) coverage(node string) report.Coverage {
	var list []report.Coverage
	_, body := c.node(node).get("/api/v0/fleet/coverage")
	_ = json.Unmarshal([]byte(body), &list) // no answer names nothing
	for _, v := range list {
		if v.Component == covered {
			return v
		}
	}
	return report.Coverage{}
}

// digest returns a node's digest of its targets.
func (c *cluster) digest(node string) string {
	var n report.Node
	_, body := c.node(node).get("/api/v0/fleet/node")
	_ = json.Unmarshal([]byte(body), &n)
	for _, d := range n.Targets {
		if d.Component == covered {
			return d.Hash
		}
	}
	return ""
}

// names waits until every node names a fault by its API and its metrics.
func (c *cluster) names(limit time.Duration, want string) {
	c.t.Helper()
	begin := time.Now()
	for _, node := range []string{"a", "b", "c"} {
		defer func() {
			if c.t.Failed() {
				c.t.Logf("%s says %.2000s", node, fmt.Sprintf("%+v", c.coverage(node)))
			}
		}()
		c.until(limit-time.Since(begin), node+" names the fault", func() bool {
			v := c.coverage(node)
			return len(v.Faults) > 0 && strings.Contains(v.Faults[0].Text, want) && v.Unowned > 0
		})
		v := c.coverage(node)
		c.t.Logf("%s after %s: %d of %d unowned, %d multiple: %s", node, time.Since(begin).Round(10*time.Millisecond),
			v.Unowned, v.Targets, v.Multiple, v.Faults[0].Text)
		_, metrics := c.node(node).get("/metrics")
		for _, m := range []string{"targets_unowned", "targets_multiple", "nodes_disagreeing"} {
			zero := fmt.Sprintf("divvy_fleet_%s{component_id=%q} 0\n", m, covered)
			if !strings.Contains(metrics, strings.TrimSuffix(zero, "0\n")) || strings.Contains(metrics, zero) {
				c.t.Errorf("%s: divvy_fleet_%s does not tell of the fault", node, m)
			}
		}
		// Lists that change each second may be from two moments.
		c.until(slotEvery, node+" counts each target once", func() bool { return c.coverage(node).Targets == clusterTargets })
	}
}

// Targets that carry the name of the node that found them are a target of their
// own for each node, and the label has a name in an interval.
func TestLabelThatDiffersPerNodeIsNamed(t *testing.T) {
	c, _ := uncovered(t, `  rule {
    target_label = "instance"
    replacement  = sys.env("NODE")
  }
`)
	for _, node := range []string{"a", "b", "c"} {
		c.node(node).signal(syscall.SIGHUP)
	}
	c.names(named, "label `instance` differs: \"a\" on node a, \"b\" on node b, \"c\" on node c")
	var f report.Fleet
	_, body := c.node("b").get("/api/v0/fleet/status")
	if err := json.Unmarshal([]byte(body), &f); err != nil || len(f.Verdict) == 0 || !strings.Contains(f.Verdict[0], covered) {
		t.Errorf("the verdict is %q, %v", f.Verdict, err)
	}
}

// Discovery that gives a target another parameter each time that it is asked
// makes other targets of it each time, and the parameter has a name in an
// interval.
func TestFreshParameterIsNamed(t *testing.T) {
	c, sd := uncovered(t, "")
	before := c.digest("a")
	sd.fresh.Store(true)
	c.until(sdDelay, "the parameter is known", func() bool { return c.digest("a") != before })
	c.names(named, "URL parameter `sig`")
	c.until(2*named, "it is seen to be fresh each time", func() bool {
		faults := c.coverage("b").Faults
		return len(faults) > 0 && strings.Contains(faults[0].Text, "URL parameter `sig` has a fresh value each time")
	})
	sd.fresh.Store(false)
	c.until(sdDelay+named, "all is well again", func() bool {
		v := c.coverage("c")
		return v.Unowned+v.Multiple+len(v.Faults)+len(v.Disagree) == 0
	})
}
