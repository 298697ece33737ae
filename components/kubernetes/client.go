package kubernetes

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"

	"github.com/prometheus/common/config"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/kube"
)

// A Client says where the API server is: at most one of the first two.
// With neither, the service account of the pod that the collector runs in says
// it, and the arguments of the HTTP client cannot be set.
type Client struct {
	APIServer  args.URL        `alloy:"api_server,attr,optional"`
	KubeConfig string          `alloy:"kubeconfig_file,attr,optional"` // says how to authenticate, too
	HTTP       args.HTTPClient `alloy:",squash"`
}

// SetToDefault sets the defaults of every client.
func (c *Client) SetToDefault() {
	*c = Client{}
	c.HTTP.SetToDefault()
}

// Validate requires one way to find the API server, and the rules of every
// client.
func (c *Client) Validate() error {
	return errors.Join(c.validateServer(), c.HTTP.Validate())
}

// validateServer reports arguments that exclude each other.
func (c *Client) validateServer() error {
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

// validateURL requires an absolute URL of the web.
func validateURL(name, text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("%s %q must begin with http:// or https:// and name a host", name, u.Redacted())
	}
	return nil
}

// InPod reports whether the pod's service account is used.
func (c *Client) InPod() bool { return c.APIServer == "" && c.KubeConfig == "" }

// Server returns the URL for the Prometheus libraries; empty if there is none.
func (c *Client) Server() config.URL {
	if c.APIServer == "" {
		return config.URL{}
	}
	u, err := url.Parse(string(c.APIServer))
	if err != nil {
		panic(fmt.Sprintf("BUG: the URL of an API server that was not validated: %v", err))
	}
	return config.URL{URL: u}
}

// Kube returns what package kube makes clients of.
func (c *Client) Kube() kube.Config {
	return kube.Config{
		File:   c.KubeConfig,
		Server: string(c.APIServer),
		HTTP:   c.HTTP.Prometheus(),
	}
}
