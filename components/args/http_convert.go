package args

import (
	"fmt"

	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/prometheus/common/config"
)

// Prometheus returns c for the client of the Prometheus libraries. c must be
// valid: see Validate. The result shares nothing with c that is written to.
func (c *HTTPClient) Prometheus() config.HTTPClientConfig {
	out := config.HTTPClientConfig{
		BearerToken:     config.Secret(c.BearerToken),
		BearerTokenFile: c.BearerTokenFile,
		TLSConfig:       c.TLS.Prometheus(),
		ProxyConfig:     c.Proxy.prometheus(),
		FollowRedirects: c.FollowRedirects,
		EnableHTTP2:     c.EnableHTTP2,
		BasicAuth:       c.BasicAuth.prometheus(),
		Authorization:   c.Authorization.prometheus(),
		OAuth2:          c.OAuth2.prometheus(),
	}
	if len(c.Headers) > 0 {
		out.HTTPHeaders = &config.Headers{Headers: map[string]config.Header{}}
		for name, values := range c.Headers {
			out.HTTPHeaders.Headers[name] = config.Header{Secrets: secrets(values)}
		}
	}
	// The library's Validate is what turns a bearer token into an
	// authorization header; without it the token would not be sent.
	if err := out.Validate(); err != nil {
		panic(fmt.Sprintf("BUG: convert an HTTP client that was not validated: %v", err))
	}
	return out
}

// prometheus returns a for the library; nil stays nil.
func (a *basicAuth) prometheus() *config.BasicAuth {
	if a == nil {
		return nil
	}
	return &config.BasicAuth{
		Username:     a.Username,
		Password:     config.Secret(a.Password),
		PasswordFile: a.PasswordFile,
	}
}

// prometheus returns a for the library; nil stays nil.
func (a *authorization) prometheus() *config.Authorization {
	if a == nil {
		return nil
	}
	return &config.Authorization{
		Type:            a.Type,
		Credentials:     config.Secret(a.Credentials),
		CredentialsFile: a.CredentialsFile,
	}
}

// prometheus returns o for the library; nil stays nil.
func (o *oauth2) prometheus() *config.OAuth2 {
	if o == nil {
		return nil
	}
	out := &config.OAuth2{
		ClientID:         o.ClientID,
		ClientSecret:     config.Secret(o.ClientSecret),
		ClientSecretFile: o.ClientSecretFile,
		Scopes:           o.Scopes,
		TokenURL:         o.TokenURL,
		EndpointParams:   o.EndpointParams,
		ProxyConfig:      o.Proxy.prometheus(),
	}
	if o.TLS != nil {
		out.TLSConfig = o.TLS.Prometheus()
	}
	return out
}

// prometheus returns p for the library.
func (p *Proxy) prometheus() config.ProxyConfig {
	out := config.ProxyConfig{
		ProxyURL:             p.URL.prometheus(),
		NoProxy:              p.NoProxy,
		ProxyFromEnvironment: p.FromEnvironment,
	}
	if len(p.ConnectHeader) > 0 {
		out.ProxyConnectHeader = config.ProxyHeader{}
		for name, values := range p.ConnectHeader {
			out.ProxyConnectHeader[name] = secrets(values)
		}
	}
	return out
}

// secrets returns list as the library holds secrets.
func secrets(list []alloytypes.Secret) []config.Secret {
	out := make([]config.Secret, len(list))
	for i, s := range list {
		out[i] = config.Secret(s)
	}
	return out
}
