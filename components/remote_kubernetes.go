package components

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/grafana/alloy/syntax/alloytypes"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/kube"
	"github.com/divvy-collector/divvy/pipeline/component"
)

// remoteKubernetesArguments are the arguments of remote.kubernetes.secret and
// remote.kubernetes.configmap.
type remoteKubernetesArguments struct {
	Namespace string `alloy:"namespace,attr"`
	Name      string `alloy:"name,attr"`

	// A poll must end before the next one begins.
	PollFrequency time.Duration `alloy:"poll_frequency,attr,optional"`
	PollTimeout   time.Duration `alloy:"poll_timeout,attr,optional"`

	Client kubernetesClient `alloy:"client,block,optional"`
}

// SetToDefault sets the documented defaults.
func (a *remoteKubernetesArguments) SetToDefault() {
	*a = remoteKubernetesArguments{PollFrequency: time.Minute, PollTimeout: 15 * time.Second}
	a.Client.SetToDefault()
}

// Validate reports everything that is wrong, joined.
func (a *remoteKubernetesArguments) Validate() error {
	errs := []error{
		positive("poll_frequency", a.PollFrequency),
		positive("poll_timeout", a.PollTimeout),
	}
	if a.Namespace == "" || a.Name == "" {
		errs = append(errs, errors.New("namespace and name must not be empty"))
	}
	if a.PollTimeout >= a.PollFrequency {
		errs = append(errs, fmt.Errorf("poll_timeout %s must be less than poll_frequency %s", a.PollTimeout, a.PollFrequency))
	}
	return errors.Join(errs...)
}

// kubernetesExport is the entries of an object, by name.
type kubernetesExport struct {
	Data map[string]alloytypes.OptionalSecret `alloy:"data,attr"`
}

// A kubernetesObject is a kind of object whose entries can be exported.
type kubernetesObject struct {
	resource string
	get      func(context.Context, kubernetes.Interface, remoteKubernetesArguments) (map[string]alloytypes.OptionalSecret, error)
}

// kubernetesSecret has entries that are never shown.
func kubernetesSecret() kubernetesObject {
	return kubernetesObject{"secrets", func(ctx context.Context, c kubernetes.Interface, a remoteKubernetesArguments) (map[string]alloytypes.OptionalSecret, error) {
		s, err := c.CoreV1().Secrets(a.Namespace).Get(ctx, a.Name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		out := make(map[string]alloytypes.OptionalSecret, len(s.Data))
		for name, value := range s.Data {
			out[name] = alloytypes.OptionalSecret{IsSecret: true, Value: string(value)}
		}
		return out, nil
	}}
}

// kubernetesConfigMap has entries that anybody may see; those that are not text
// are left out.
func kubernetesConfigMap() kubernetesObject {
	return kubernetesObject{"configmaps", func(ctx context.Context, c kubernetes.Interface, a remoteKubernetesArguments) (map[string]alloytypes.OptionalSecret, error) {
		m, err := c.CoreV1().ConfigMaps(a.Namespace).Get(ctx, a.Name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		out := make(map[string]alloytypes.OptionalSecret, len(m.Data))
		for name, value := range m.Data {
			out[name] = alloytypes.OptionalSecret{Value: value}
		}
		return out, nil
	}}
}

// A remoteKubernetes exports the entries of an object, and again when they
// change. Until the first answer it exports nothing, and what refers to the
// entries waits for it; while there is no other answer the last ones stand.
type remoteKubernetes struct {
	log    *slog.Logger
	object kubernetesObject
	poll   *cell.Cell[kubernetesPoll]
	out    exporter[kubernetesExport]
}

// A kubernetesPoll is what is asked, and who asks.
type kubernetesPoll struct {
	args   remoteKubernetesArguments
	client kubernetes.Interface
}

// newRemoteKubernetes returns the build function for a kind of object. What it
// builds asks nothing before it runs.
func newRemoteKubernetes(object kubernetesObject) func(component.Env, remoteKubernetesArguments) (component.Instance[remoteKubernetesArguments], error) {
	return func(env component.Env, a remoteKubernetesArguments) (component.Instance[remoteKubernetesArguments], error) {
		c, err := kube.New(a.Client.Kube())
		if err != nil {
			return nil, err
		}
		r := &remoteKubernetes{
			log:    env.Log,
			object: object,
			poll:   cell.New(kubernetesPoll{a, c}),
			out:    exporter[kubernetesExport]{export: env.Export},
		}
		r.out.fail(errors.New("no answer yet"))
		return r, nil
	}
}

// Update makes the next poll the one for a, at once.
func (r *remoteKubernetes) Update(a remoteKubernetesArguments) error {
	c, err := kube.New(a.Client.Kube())
	if err != nil {
		return err
	}
	r.poll.Set(kubernetesPoll{a, c})
	return nil
}

// Run polls until ctx is done.
func (r *remoteKubernetes) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		p, changed := r.poll.Get()
		r.follow(ctx, p, changed)
	}
	return nil
}

// follow asks until ctx is done or the arguments have changed.
func (r *remoteKubernetes) follow(ctx context.Context, p kubernetesPoll, changed <-chan struct{}) {
	repeat(ctx, changed, p.args.PollFrequency, func() {
		if err := r.ask(ctx, p); err != nil && ctx.Err() == nil && r.out.fail(err) {
			r.log.Error("cannot poll, the last entries stand", "err", err)
		}
	})
}

// ask asks once and exports the answer.
func (r *remoteKubernetes) ask(ctx context.Context, p kubernetesPoll) error {
	ctx, cancel := context.WithTimeout(ctx, p.args.PollTimeout)
	defer cancel()
	entries, err := r.object.get(ctx, p.client, p.args)
	if err != nil {
		q := kube.Question{Verb: "get", Resource: r.object.resource, Namespace: p.args.Namespace, Name: p.args.Name}
		return q.Wrap(err)
	}
	r.out.publish(kubernetesExport{Data: entries}, fmt.Sprintf("polled %d entries", len(entries)))
	return nil
}

// Health tells how the last poll went.
func (r *remoteKubernetes) Health() component.Health { return r.out.health() }
