package components

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"

	"github.com/prometheus/common/config"
	"k8s.io/client-go/kubernetes"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/kube"
)

// kubernetesClient says where the API server is: at most one of the first two.
// With neither, the service account of the pod that the collector runs in says
// it, and the arguments of the HTTP client cannot be set.
type kubernetesClient struct {
	APIServer  args.URL        `alloy:"api_server,attr,optional"`
	KubeConfig string          `alloy:"kubeconfig_file,attr,optional"` // says how to authenticate, too
	HTTP       args.HTTPClient `alloy:",squash"`
}

// SetToDefault sets the defaults of every client.
func (c *kubernetesClient) SetToDefault() {
	*c = kubernetesClient{}
	c.HTTP.SetToDefault()
}

// Validate requires one way to find the API server, and the rules of every
// client.
func (c *kubernetesClient) Validate() error {
	return errors.Join(c.validateServer(), c.HTTP.Validate())
}

// validateServer reports arguments that exclude each other.
func (c *kubernetesClient) validateServer() error {
	var unset args.HTTPClient
	unset.SetToDefault()
	custom := !reflect.DeepEqual(c.HTTP, unset)
	switch {
	case c.APIServer != "" && c.KubeConfig != "":
		return errors.New("api_server and kubeconfig_file exclude each other")
	case c.KubeConfig != "" && custom:
		return errors.New("kubeconfig_file says how to connect: remove the HTTP client's arguments, or use api_server")
	case c.APIServer == "" && custom:
		return errors.New("the HTTP client's arguments need api_server: without it the pod's service account is used")
	case c.APIServer != "":
		return validateURL("api_server", string(c.APIServer))
	}
	return nil
}

// inPod reports whether the pod's service account is used.
func (c *kubernetesClient) inPod() bool { return c.APIServer == "" && c.KubeConfig == "" }

// server returns the URL for the Prometheus libraries; empty if there is none.
func (c *kubernetesClient) server() config.URL {
	if c.APIServer == "" {
		return config.URL{}
	}
	u, err := url.Parse(string(c.APIServer))
	if err != nil {
		panic(fmt.Sprintf("BUG: the URL of an API server that was not validated: %v", err))
	}
	return config.URL{URL: u}
}

// open returns the client; it connects when it is asked something.
func (c *kubernetesClient) open() (kubernetes.Interface, error) {
	return kube.New(kube.Config{
		File:   c.KubeConfig,
		Server: string(c.APIServer),
		HTTP:   c.HTTP.Prometheus(),
	})
}
