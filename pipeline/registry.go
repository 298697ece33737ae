package pipeline

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// A registry is what one component registers its metrics with. Each metric
// gets the labels component_path, the module, and component_id, the name within
// it, which is unique; so components of one kind do not collide.
//
// Components may forget to unregister, and those that were built in vain have
// no chance to: the registry does it for them, once they have ended.
type registry struct {
	prometheus.Registerer

	mu   sync.Mutex
	list []prometheus.Collector
}

func newRegistry(all prometheus.Registerer, path, id string) *registry {
	return &registry{Registerer: prometheus.WrapRegistererWith(
		prometheus.Labels{"component_path": path, "component_id": id}, all)}
}

// Register registers c and remembers it for clear.
func (r *registry) Register(c prometheus.Collector) error {
	if err := r.Registerer.Register(c); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, c)
	return nil
}

// MustRegister registers all of cs and panics if one is refused.
func (r *registry) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

// clear unregisters everything that was registered.
func (r *registry) clear() {
	r.mu.Lock()
	list := r.list
	r.list = nil
	r.mu.Unlock()
	for _, c := range list {
		r.Unregister(c)
	}
}
