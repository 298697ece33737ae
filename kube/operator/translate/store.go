package translate

import (
	"context"
	"slices"

	"github.com/prometheus-operator/prometheus-operator/pkg/assets"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

// A Ref is a secret or config map that an object refers to.
type Ref struct {
	Secret          bool // otherwise a config map
	Namespace, Name string
}

// A Lookup returns what a secret or config map has, or why it cannot be had.
// It does not block.
type Lookup func(Ref) (Content, error)

// Content is what a secret (Bytes) or config map (Text) has.
type Content struct {
	Bytes map[string][]byte
	Text  map[string]string
}

// A store is where the checks and the generator find what an object refers to.
type store struct {
	find    Lookup
	asked   []Ref
	builder *assets.StoreBuilder
}

// newStore returns a store that asks find.
func newStore(find Lookup) *store {
	s := &store{find: find}
	s.builder = assets.NewStoreBuilder(configMaps{s}, secrets{s})
	return s
}

// get asks for r, and notes that it was asked for.
func (s *store) get(r Ref) (Content, error) {
	if !slices.Contains(s.asked, r) {
		s.asked = append(s.asked, r)
	}
	return s.find(r)
}

// secrets answers as an API server does, from a store.
type secrets struct{ *store }

// Secrets returns the secrets of a namespace.
func (s secrets) Secrets(namespace string) typedcorev1.SecretInterface {
	return secretsOf{store: s.store, namespace: namespace}
}

// secretsOf are the secrets of one namespace. Of the interface, Get is there.
type secretsOf struct {
	typedcorev1.SecretInterface
	store     *store
	namespace string
}

// Get returns one secret.
func (s secretsOf) Get(_ context.Context, name string, _ metav1.GetOptions) (*corev1.Secret, error) {
	c, err := s.store.get(Ref{Secret: true, Namespace: s.namespace, Name: name})
	if err != nil {
		return nil, err
	}
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}, Data: c.Bytes}, nil
}

// configMaps answers as an API server does, from a store.
type configMaps struct{ *store }

// ConfigMaps returns the config maps of a namespace.
func (s configMaps) ConfigMaps(namespace string) typedcorev1.ConfigMapInterface {
	return configMapsOf{store: s.store, namespace: namespace}
}

// configMapsOf are the config maps of one namespace. Of the interface, Get is
// there.
type configMapsOf struct {
	typedcorev1.ConfigMapInterface
	store     *store
	namespace string
}

// Get returns one config map.
func (s configMapsOf) Get(_ context.Context, name string, _ metav1.GetOptions) (*corev1.ConfigMap, error) {
	c, err := s.store.get(Ref{Namespace: s.namespace, Name: name})
	if err != nil {
		return nil, err
	}
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}, Data: c.Text}, nil
}
