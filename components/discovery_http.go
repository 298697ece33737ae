package components

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/prometheus/common/model"
	sd "github.com/prometheus/prometheus/discovery"
	sdhttp "github.com/prometheus/prometheus/discovery/http"

	"github.com/divvy-collector/divvy/components/args"
)

// httpSDArguments are the arguments of discovery.http: target groups in JSON
// from a URL. The refresh interval is the timeout of a request, too.
type httpSDArguments struct {
	HTTP args.HTTPClient `alloy:",squash"`

	// RefreshInterval is sent along, so that the server can tell how fresh
	// its answer has to be.
	RefreshInterval time.Duration `alloy:"refresh_interval,attr,optional"`

	// URL answers with a JSON list of target groups. It becomes the label
	// __meta_url of the targets, so it is better to hold no password.
	URL args.URL `alloy:"url,attr"`
}

// SetToDefault sets the documented defaults.
func (a *httpSDArguments) SetToDefault() {
	*a = httpSDArguments{RefreshInterval: time.Minute}
	a.HTTP.SetToDefault()
}

// Validate reports everything that is wrong, joined.
func (a *httpSDArguments) Validate() error {
	return errors.Join(
		positive("refresh_interval", a.RefreshInterval),
		validateURL("url", string(a.URL)),
		a.HTTP.Validate(),
	)
}

// validateURL requires an absolute http or https URL.
func validateURL(name, text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%s %q must begin with http:// or https://", name, u.Redacted())
	case u.Host == "":
		return fmt.Errorf("%s %q must name a host", name, u.Redacted())
	}
	return nil
}

// source returns the set-up of the discoverer.
func (a httpSDArguments) source() sd.Config {
	return &sdhttp.SDConfig{
		HTTPClientConfig: a.HTTP.Prometheus(),
		RefreshInterval:  model.Duration(a.RefreshInterval),
		URL:              string(a.URL),
	}
}
