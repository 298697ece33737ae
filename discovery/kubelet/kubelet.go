// Package kubelet is a discoverer for the pods of one Kubernetes node. It asks
// the node's kubelet, so the API server has no load from it however many nodes
// there are, and it needs no account there.
//
//	GET <URL>/pods ─► PodList in JSON ─► targets (pure) ─► one group
//
// A target is a port of a container, with the labels that Prometheus' role pod
// gives it, so that rules written for discovery by the API server fit. A
// container without ports is one target without a port.
//
// Invariant: the group is the whole answer, so a pod that is gone is gone with
// the next one. While the kubelet does not answer, the last one stands.
package kubelet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"
	sd "github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/refresh"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	corev1 "k8s.io/api/core/v1"
)

// Config is the set-up of a discoverer. It implements the Config of Prometheus'
// discovery.
type Config struct {
	URL        string                  // of the kubelet; /pods is added
	Every      time.Duration           // the interval, and the timeout of a request
	HTTP       config.HTTPClientConfig // how to connect and authenticate
	Namespaces []string                // whose pods become targets; none: all
}

// Name returns the name of the mechanism.
func (*Config) Name() string { return "kubelet" }

// NewDiscovererMetrics returns the metrics of refreshes; there are no others.
func (*Config) NewDiscovererMetrics(_ prometheus.Registerer, r sd.RefreshMetricsInstantiator) sd.DiscovererMetrics {
	return metrics{r}
}

// metrics lend the metrics of refreshes, which are registered already.
type metrics struct{ sd.RefreshMetricsInstantiator }

func (metrics) Register() error { return nil }
func (metrics) Unregister()     {}

// NewDiscoverer returns a discoverer that has not asked yet, or an error that
// says what of c cannot be used.
func (c *Config) NewDiscoverer(opts sd.DiscovererOptions) (sd.Discoverer, error) {
	m, ok := opts.Metrics.(metrics)
	if !ok {
		panic(fmt.Sprintf("BUG: metrics of %T are not those of a kubelet", opts.Metrics))
	}
	pods, err := url.JoinPath(c.URL, "pods")
	if err != nil {
		return nil, fmt.Errorf("parse URL: %w", err)
	}
	client, err := config.NewClientFromConfig(c.HTTP, "kubelet")
	if err != nil {
		return nil, fmt.Errorf("set up HTTP client: %w", err)
	}
	client.Timeout = c.Every
	s := source{client: client, pods: pods, namespaces: c.Namespaces}
	return refresh.NewDiscovery(refresh.Options{
		Logger:              opts.Logger,
		Mech:                c.Name(),
		SetName:             opts.SetName,
		Interval:            c.Every,
		RefreshF:            s.refresh,
		MetricsInstantiator: m,
	}), nil
}

// A source asks one kubelet.
type source struct {
	client     *http.Client
	pods       string // URL
	namespaces []string
}

// refresh returns the targets of all pods of the node, as one group.
func (s source) refresh(ctx context.Context) ([]*targetgroup.Group, error) {
	list, err := s.ask(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask kubelet for pods: %w", err)
	}
	g := &targetgroup.Group{Source: s.pods}
	for i := range list {
		if pod := &list[i]; len(s.namespaces) == 0 || slices.Contains(s.namespaces, pod.Namespace) {
			g.Targets = append(g.Targets, targets(pod)...)
		}
	}
	return []*targetgroup.Group{g}, nil
}

// maxBytes bounds an answer; a pod is some ten kilobytes.
const maxBytes = 64 << 20

// ask returns the pods in the order of their names.
func (s source) ask(ctx context.Context) ([]corev1.Pod, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.pods, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBytes+1))
	switch {
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return nil, fmt.Errorf("server answered %s: the account of the client needs the verb get on nodes/proxy, or nodes/pods", resp.Status)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("server answered %s", resp.Status)
	case err != nil:
		return nil, err
	case len(body) > maxBytes:
		return nil, fmt.Errorf("answer is longer than %d bytes", maxBytes)
	}
	return decode(body)
}

// decode returns the pods of a list in JSON, in the order of their names: a
// kubelet has them in none.
func decode(body []byte) ([]corev1.Pod, error) {
	var list corev1.PodList
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("decode list of pods: %w", err)
	}
	slices.SortFunc(list.Items, byName)
	return list.Items, nil
}
