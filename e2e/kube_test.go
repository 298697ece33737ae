package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/divvy-collector/divvy/internal/kubetest"
)

// What nodes do before a real Kubernetes API server. The tests that leave it in
// peace share one.
func TestKubernetes(t *testing.T) {
	t.Parallel()
	api := kubetest.Start(t)
	api.InstallMonitors()
	f := func(name string, test func(*testing.T, *kubetest.Server)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, api)
		})
	}
	f("pods with many ports are scraped once", podsWithManyPorts)
}

// discovered finds the pods of a namespace with discovery.kubernetes.
func discovered(space string) string {
	return fmt.Sprintf(`
discovery.kubernetes "pods" {
  role            = "pod"
  kubeconfig_file = sys.env("KUBECONFIG")
  namespaces {
    names = [%q]
  }
}
discovery.relabel "pods" {
  targets = discovery.kubernetes.pods.targets
  rule {
    source_labels = ["__address__", "__meta_kubernetes_pod_annotation_example_org_port"]
    regex         = "([^:]+):\\d+;(\\d+)"
    replacement   = "$1:$2"
    target_label  = "__address__"
  }
}
prometheus.scrape "pods" {
  targets         = discovery.relabel.pods.output
  forward_to      = [prometheus.remote_write.sink.receiver]
  scrape_interval = "5s"
  scrape_timeout  = "4s"
  clustering {
    enabled = true
  }
}
`, space)
}

// A pod with three ports whose rules lead to one of them is one target, whoever
// comes and goes.
func podsWithManyPorts(t *testing.T, api *kubetest.Server) {
	k := newKube(t, api, 30, 4)
	k.configured(api.Kubeconfig(""), discovered(k.space), "a", "b", "c", "d")
	k.bear(0, 30)
	k.start("a", "b", "c")
	k.reached(seen+2*slotEvery, 0, 30)
	k.start("a", "b", "c", "d")
	k.wait(2 * slotEvery)
	k.node("b").stop()
	k.wait(2 * slotEvery)
	k.rhythm()
	k.marked()
	at := k.node("c").kill()
	k.wait(3 * slotEvery)
	k.rhythm(died(at))
	k.marked()
	k.arrivedAll(at)
	if n := len(k.holders()); n != 30 {
		t.Errorf("%d pods were seen", n)
	}
	t.Log(time.Since(k.lives[0].born))
}
