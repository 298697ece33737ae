package components

import (
	"context"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/pipeline/component"
)

// An exporterSelf serves the collector's own metrics as a target.
type exporterSelf struct{ metrics http.Handler }

// newExporterSelf exports the one target: this process, at the address that
// only its own components can dial.
func newExporterSelf(env component.Env, _ component.None) (component.Instance[component.None], error) {
	host, err := os.Hostname()
	if err != nil {
		host = env.Self
	}
	env.Export(targetsExport{Targets: []args.Target{args.FromMap(map[string]string{
		"__address__":           env.MemoryAddr,
		"__scheme__":            "http",
		"__metrics_path__":      env.HTTPPath + "metrics",
		"__meta_component_name": "prometheus.exporter.self",
		"__meta_component_id":   env.ID,
		"job":                   "integrations/self",
		"instance":              host,
	})}})
	return &exporterSelf{metrics: promhttp.HandlerFor(env.Gatherer, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError,
	})}, nil
}

// Run has nothing to do: the target is always there.
func (e *exporterSelf) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Update has nothing to change: there are no arguments.
func (e *exporterSelf) Update(component.None) error { return nil }

// Handler answers under /metrics.
func (e *exporterSelf) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", e.metrics)
	return mux
}
