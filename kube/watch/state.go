package watch

import (
	"context"
	"log/slog"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/cache"

	"github.com/divvy-collector/divvy/kube"
)

// A Watch follows what one Key means. Any number of goroutines may use it at
// the same time.
type Watch struct {
	Key      Key
	informer cache.SharedIndexInformer
	leases   int // guarded by mu of the Set
	stop     context.CancelFunc
	log      *slog.Logger

	mu       sync.Mutex // guards the fields below
	listErr  error      // why the last list was not had; nil: it was
	watchErr error      // likewise the last stream of changes
}

// Err returns why the copies may be out of date, with the verb, the resource and
// the namespace; nil if they are current.
func (w *Watch) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.errLocked()
}

// errLocked returns what Err does; mu is held.
func (w *Watch) errLocked() error {
	if w.listErr != nil {
		return w.listErr
	}
	return w.watchErr
}

// Denied reports whether the API server has refused for good: the account is
// not allowed to, or there is no such resource.
func (w *Watch) Denied() bool {
	err := w.Err()
	return apierrors.IsForbidden(err) || apierrors.IsNotFound(err)
}

// Seen reports whether the copies were complete once.
func (w *Watch) Seen() bool { return w.informer.HasSynced() }

// answer notes what became of a question. A stream that begins needs no list.
func (w *Watch) answer(verb string, err error) {
	err = kube.Question{Verb: verb, Resource: w.Key.Resource, Namespace: w.Key.Namespace}.Wrap(err)
	w.mu.Lock()
	before := w.errLocked()
	switch {
	case verb == "list":
		w.listErr = err
	case err == nil:
		w.listErr, w.watchErr = nil, nil
	default:
		w.watchErr = err
	}
	after := w.errLocked()
	w.mu.Unlock()
	switch {
	case after == nil && before != nil:
		w.log.Info("Kubernetes answers again", "resource", w.Key.Resource, "namespace", w.Key.Namespace)
	case after != nil && before == nil:
		w.log.Warn("Kubernetes does not answer; trying on", "err", after)
	}
}
