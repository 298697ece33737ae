package components

import "github.com/divvy-collector/divvy/components/kubernetes"

// kubernetesClient says where the API server is.
type kubernetesClient = kubernetes.Client
