package components

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/kube"
	"github.com/divvy-collector/divvy/pipeline/component"
)

// A kubernetesFinder is a finder that knows why it finds nothing. The watches of
// the discoverer tell nobody that they are refused, so the same lists are asked
// for beside them, for one object each, and what comes back is the health of
// the component.
type kubernetesFinder struct {
	component.Instance[kubernetesSDArguments]

	log    *slog.Logger
	access *cell.Cell[kubernetesAccess]
	state  condition
}

// kubernetesAccess is what the arguments need, and who asks for it.
type kubernetesAccess struct {
	client kubernetes.Interface
	lists  []kube.Question
}

// resources returns the names of what is watched, each once.
func (a kubernetesAccess) resources() string {
	var out []string
	for _, q := range a.lists {
		if !slices.Contains(out, q.Resource) {
			out = append(out, q.Resource)
		}
	}
	return strings.Join(out, ", ")
}

const (
	accessEvery   = time.Minute      // how often access is looked at
	accessRetry   = 10 * time.Second // the same while something is refused
	accessTimeout = 10 * time.Second // for one list
)

// newDiscoveryKubernetes asks nothing yet: Run does.
func newDiscoveryKubernetes(env component.Env, a kubernetesSDArguments) (component.Instance[kubernetesSDArguments], error) {
	access, err := newKubernetesAccess(a)
	if err != nil {
		return nil, err
	}
	f, err := newFinder(kubernetesSDArguments.source)(env, a)
	if err != nil {
		return nil, err
	}
	k := &kubernetesFinder{Instance: f, log: env.Log, access: cell.New(access)}
	k.state.set(component.Healthy, "not connected yet")
	return k, nil
}

// newKubernetesAccess reports files of the client that cannot be used.
func newKubernetesAccess(a kubernetesSDArguments) (kubernetesAccess, error) {
	c, err := kube.New(a.Client.Kube())
	if err != nil {
		return kubernetesAccess{}, err
	}
	namespaces := a.Namespaces.Names
	if a.Namespaces.Own {
		own, err := kube.OwnNamespace()
		if err != nil {
			return kubernetesAccess{}, err
		}
		namespaces = append(namespaces[:len(namespaces):len(namespaces)], own)
	}
	return kubernetesAccess{client: c, lists: a.lists(namespaces)}, nil
}

// lists returns what the discoverer lists and watches: in each of the
// namespaces, or in all if there is none.
func (a kubernetesSDArguments) lists(namespaces []string) []kube.Question {
	var out []kube.Question
	add := func(role, resource, namespace string) {
		q := kube.Question{Verb: "list", Resource: resource, Namespace: namespace}
		for _, s := range a.Selectors {
			if s.Role == role {
				q.Label, q.Field = s.Label, s.Field
			}
		}
		out = append(out, q)
	}
	if a.Role == "node" {
		add("node", "nodes", "")
		return out
	}
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	for _, namespace := range namespaces {
		for _, role := range watchedRoles(a.Role) {
			add(role, role+pluralOf(role), namespace)
		}
	}
	if roles := watchedRoles(a.Role); a.Attach.Node && roles[len(roles)-1] == "pod" {
		add("node", "nodes", "")
	}
	if a.Attach.Namespace {
		add("", "namespaces", "")
	}
	return out
}

// watchedRoles lists the roles whose objects make up the targets of a role that
// has namespaces; pod comes last.
func watchedRoles(role string) []string {
	if role == "endpoints" || role == "endpointslice" {
		return []string{role, "service", "pod"}
	}
	return []string{role}
}

// pluralOf returns the ending of the resource of a role.
func pluralOf(role string) string {
	switch role {
	case "endpoints":
		return ""
	case "ingress":
		return "es"
	}
	return "s"
}

// Run follows the discoverer, and looks at its access, until ctx is done.
func (k *kubernetesFinder) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { k.watchAccess(ctx) })
	return k.Instance.Run(ctx)
}

// Update replaces the discoverer, and what its access is.
func (k *kubernetesFinder) Update(a kubernetesSDArguments) error {
	access, err := newKubernetesAccess(a)
	if err != nil {
		return err
	}
	if err := k.Instance.Update(a); err != nil {
		return err
	}
	k.access.Set(access)
	return nil
}

// watchAccess looks at the access at once, on its interval, and when it is
// another, until ctx is done.
func (k *kubernetesFinder) watchAccess(ctx context.Context) {
	for {
		access, changed := k.access.Get()
		next := time.NewTimer(accessEvery)
		if k.look(ctx, access) != nil {
			next.Reset(accessRetry)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-next.C:
		}
		next.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// look asks for every list and tells the outcome, which it returns.
func (k *kubernetesFinder) look(ctx context.Context, access kubernetesAccess) error {
	var errs []error
	for _, q := range access.lists {
		within, cancel := context.WithTimeout(ctx, accessTimeout)
		errs = append(errs, kube.May(within, access.client, q))
		cancel()
	}
	err := errors.Join(errs...)
	switch {
	case ctx.Err() != nil:
	case err == nil:
		k.state.set(component.Healthy, "watching "+access.resources())
	case k.state.fail(err):
		k.log.Error("cannot watch all that is configured, what is known stands", "err", err)
	}
	return err
}

// Health tells what the API server refuses.
func (k *kubernetesFinder) Health() component.Health { return k.state.health() }
