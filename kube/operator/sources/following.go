package sources

import (
	"k8s.io/client-go/tools/cache"

	"github.com/divvy-collector/divvy/kube/watch"
)

// following is a Lease of endpoints or endpoint slices whose handlers are told
// of them again when a pod changes that they lead to.
//
// The discoverers of Prometheus look at such a pod only when they look at its
// endpoints, so that the labels of a target would depend on what came first, and
// differ between nodes that have seen changes in another order.
type following struct {
	*watch.Lease
	pods *watch.Lease
}

// AddEventHandler has h told of changes until Close.
func (f following) AddEventHandler(h cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	r, err := f.Lease.AddEventHandler(h)
	if err != nil {
		return nil, err
	}
	again := func(pod any) {
		name, err := cache.DeletionHandlingObjectToName(pod)
		if err != nil {
			return // it is no object
		}
		list, err := f.GetIndexer().ByIndex(watch.TargetIndex, name.String())
		if err != nil {
			return // nobody leads to pods
		}
		for _, obj := range list {
			h.OnUpdate(obj, obj)
		}
	}
	_, err = f.pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: again, UpdateFunc: func(_, pod any) { again(pod) }, DeleteFunc: again,
	})
	return r, err
}
