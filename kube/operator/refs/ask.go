package refs

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/divvy-collector/divvy/kube"
	"github.com/divvy-collector/divvy/kube/operator/translate"
)

// From returns the Ask of an API server.
func From(client kubernetes.Interface) Ask {
	return func(ctx context.Context, r translate.Ref) (translate.Content, error) {
		q := kube.Question{Verb: "get", Resource: "configmaps", Namespace: r.Namespace, Name: r.Name}
		if !r.Secret {
			m, err := client.CoreV1().ConfigMaps(r.Namespace).Get(ctx, r.Name, metav1.GetOptions{})
			if err != nil {
				return translate.Content{}, q.Wrap(err)
			}
			return translate.Content{Text: m.Data}, nil
		}
		q.Resource = "secrets"
		s, err := client.CoreV1().Secrets(r.Namespace).Get(ctx, r.Name, metav1.GetOptions{})
		if err != nil {
			return translate.Content{}, q.Wrap(err)
		}
		return translate.Content{Bytes: s.Data}, nil
	}
}
