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

	mu  sync.Mutex // guards the fields below
	err error      // why the last question was not answered; nil: it was
}

// Err returns why the copies may be out of date, with the verb, the resource and
// the namespace; nil if they are current.
func (w *Watch) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Denied reports whether the API server has refused for good: the account is
// not allowed to, or there is no such resource.
func (w *Watch) Denied() bool {
	err := w.Err()
	return apierrors.IsForbidden(err) || apierrors.IsNotFound(err)
}

// Seen reports whether the copies were complete once.
func (w *Watch) Seen() bool { return w.informer.HasSynced() }

// answer notes what became of a question.
func (w *Watch) answer(verb string, err error) {
	err = kube.Question{Verb: verb, Resource: w.Key.Resource, Namespace: w.Key.Namespace}.Wrap(err)
	w.mu.Lock()
	before := w.err
	w.err = err
	w.mu.Unlock()
	switch {
	case err == nil && before != nil:
		w.log.Info("Kubernetes answers again", "resource", w.Key.Resource, "namespace", w.Key.Namespace)
	case err != nil && (before == nil || before.Error() != err.Error()):
		w.log.Warn("Kubernetes does not answer; trying on", "err", err)
	}
}
