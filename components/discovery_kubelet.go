package components

import (
	"errors"
	"time"

	sd "github.com/prometheus/prometheus/discovery"

	"github.com/divvy-collector/divvy/components/args"
	"github.com/divvy-collector/divvy/discovery/kubelet"
)

// kubeletSDArguments are the arguments of discovery.kubelet: the pods of one
// node, from its kubelet. The refresh interval is the timeout of a request, too.
type kubeletSDArguments struct {
	URL             args.URL        `alloy:"url,attr,optional"` // without the path /pods
	RefreshInterval time.Duration   `alloy:"refresh_interval,attr,optional"`
	HTTP            args.HTTPClient `alloy:",squash"`
	Namespaces      []string        `alloy:"namespaces,attr,optional"` // none: all
}

// SetToDefault sets the documented defaults.
func (a *kubeletSDArguments) SetToDefault() {
	*a = kubeletSDArguments{URL: "https://localhost:10250", RefreshInterval: 5 * time.Second}
	a.HTTP.SetToDefault()
}

// Validate reports everything that is wrong, joined.
func (a *kubeletSDArguments) Validate() error {
	return errors.Join(
		validateURL("url", string(a.URL)),
		positive("refresh_interval", a.RefreshInterval),
		a.HTTP.Validate(),
	)
}

// source returns the set-up of the discoverer.
func (a kubeletSDArguments) source() sd.Config {
	return &kubelet.Config{
		URL:        string(a.URL),
		Every:      a.RefreshInterval,
		HTTP:       a.HTTP.Prometheus(),
		Namespaces: a.Namespaces,
	}
}
