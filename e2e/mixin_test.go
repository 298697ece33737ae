package e2e

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/divvy-collector/divvy/deploy/mixin"
)

// Whatever alerts, rules and dashboards ask for is exposed by a running cluster:
// every metric, every label, and every value that a matcher names.
func TestMixinAsksForWhatIsExposed(t *testing.T) {
	t.Parallel()
	c, names := newCluster(t, 3), []string{"a", "b", "c"}
	for _, name := range names {
		d := c.node(name)
		text, err := os.ReadFile(d.path("config.alloy"))
		if err != nil {
			t.Fatal(err)
		}
		d.configure(string(text) + fmt.Sprintf("\ndiscovery.http \"fleet\" {\n  url = \"http://%s/sd\"\n}\n", c.targets.Addr()))
	}
	c.start("a")
	c.settle(names...)
	exposed := mixin.Metrics{}
	for _, name := range names {
		_, body := c.node(name).get("/metrics")
		if err := collect(exposed, body); err != nil {
			t.Fatalf("metrics of %s: %v", name, err)
		}
	}
	missing, err := mixin.Missing(exposed)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range missing {
		t.Error(m)
	}
	if len(exposed["cluster_node_peers"]) != 9 {
		t.Errorf("%d series of cluster_node_peers; want 3 states on 3 nodes", len(exposed["cluster_node_peers"]))
	}
}

// collect adds the series of an exposition.
func collect(to mixin.Metrics, text string) error {
	p := textparse.NewPromParser([]byte(text), labels.NewSymbolTable(), false)
	for {
		entry, err := p.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if entry != textparse.EntrySeries {
			continue
		}
		var series labels.Labels
		p.Labels(&series)
		name := strings.Clone(series.Get(model.MetricNameLabel))
		to[name] = append(to[name], series)
	}
}
