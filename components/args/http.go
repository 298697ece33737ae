package args

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/prometheus/common/config"
)

// HTTPClient is the arguments and blocks of everything that is an HTTP client.
// Make it a named field with the tag `alloy:",squash"`; then call its
// SetToDefault and Validate from those of the outer type, because the
// evaluator does not.
type HTTPClient struct {
	// At most one of these, BearerToken and BearerTokenFile may be set; with
	// none of them requests are not authenticated.
	BasicAuth     *basicAuth     `alloy:"basic_auth,block,optional"`
	Authorization *authorization `alloy:"authorization,block,optional"`
	OAuth2        *oauth2        `alloy:"oauth2,block,optional"`

	// TLS is for https:// URLs; empty, the system's authorities are trusted.
	TLS TLS `alloy:"tls_config,block,optional"`

	// A bearer token is short for an authorization of that type. The file is
	// read for each request.
	BearerToken     alloytypes.Secret `alloy:"bearer_token,attr,optional"`
	BearerTokenFile string            `alloy:"bearer_token_file,attr,optional"`

	Proxy           Proxy `alloy:",squash"`
	FollowRedirects bool  `alloy:"follow_redirects,attr,optional"` // default true
	EnableHTTP2     bool  `alloy:"enable_http2,attr,optional"`     // over TLS; default true

	// Headers are added to each request. Those that the collector sets
	// itself cannot be set.
	Headers map[string][]alloytypes.Secret `alloy:"http_headers,attr,optional"`
}

// basicAuth is the block basic_auth. The file is read for each request.
type basicAuth struct {
	Username     string            `alloy:"username,attr,optional"`
	Password     alloytypes.Secret `alloy:"password,attr,optional"`
	PasswordFile string            `alloy:"password_file,attr,optional"`
}

// authorization is the block authorization: a header of that name, made of a
// type and credentials. The file is read for each request.
type authorization struct {
	Type            string            `alloy:"type,attr,optional"` // empty: Bearer
	Credentials     alloytypes.Secret `alloy:"credentials,attr,optional"`
	CredentialsFile string            `alloy:"credentials_file,attr,optional"`
}

// oauth2 is the block oauth2: client credentials for a token, which is fetched
// before the first request and again when it expires.
type oauth2 struct {
	// ClientID and TokenURL are required; the secret may come from a file.
	ClientID         string            `alloy:"client_id,attr,optional"`
	ClientSecret     alloytypes.Secret `alloy:"client_secret,attr,optional"`
	ClientSecretFile string            `alloy:"client_secret_file,attr,optional"`
	Scopes           []string          `alloy:"scopes,attr,optional"`
	TokenURL         string            `alloy:"token_url,attr,optional"`
	EndpointParams   map[string]string `alloy:"endpoint_params,attr,optional"` // added to the request for a token

	// How the token is fetched; the requests themselves have their own.
	Proxy Proxy `alloy:",squash"`
	TLS   *TLS  `alloy:"tls_config,block,optional"`
}

// Proxy says through which proxy a client connects.
type Proxy struct {
	URL     URL    `alloy:"proxy_url,attr,optional"` // empty: none
	NoProxy string `alloy:"no_proxy,attr,optional"`  // hosts and networks that are reached directly, comma-separated

	// FromEnvironment takes HTTP_PROXY, HTTPS_PROXY and NO_PROXY instead.
	FromEnvironment bool `alloy:"proxy_from_environment,attr,optional"`

	// ConnectHeader is sent to the proxy when it is asked for a tunnel.
	ConnectHeader map[string][]alloytypes.Secret `alloy:"proxy_connect_header,attr,optional"`
}

// SetToDefault follows redirects and allows HTTP/2, as the documents say.
func (c *HTTPClient) SetToDefault() {
	*c = HTTPClient{FollowRedirects: true, EnableHTTP2: true}
}

// Validate reports every combination of arguments that cannot be, joined.
func (c *HTTPClient) Validate() error {
	errs := []error{
		c.validateAuth(),
		c.Proxy.validate(""),
		c.TLS.validate("tls_config"),
	}
	for name := range c.Headers {
		if _, reserved := config.ReservedHeaders[http.CanonicalHeaderKey(name)]; reserved {
			errs = append(errs, fmt.Errorf("http_headers must not set %q: the collector sets it itself", name))
		}
	}
	return errors.Join(errs...)
}

// validateAuth requires at most one way to authenticate, and that it is whole.
func (c *HTTPClient) validateAuth() error {
	var used []string
	use := func(name string, is bool) {
		if is {
			used = append(used, name)
		}
	}
	use("basic_auth", c.BasicAuth != nil)
	use("authorization", c.Authorization != nil)
	use("oauth2", c.OAuth2 != nil)
	use("bearer_token", c.BearerToken != "")
	use("bearer_token_file", c.BearerTokenFile != "")
	if len(used) > 1 {
		return fmt.Errorf("at most one of basic_auth, authorization, oauth2, bearer_token and bearer_token_file may be set: remove all but one of %s",
			strings.Join(used, ", "))
	}
	switch {
	case c.BasicAuth != nil:
		return oneOf("basic_auth", "password", c.BasicAuth.Password != "", c.BasicAuth.PasswordFile != "")
	case c.Authorization != nil:
		return c.Authorization.validate()
	case c.OAuth2 != nil:
		return c.OAuth2.validate()
	}
	return nil
}

// validate leaves basic authentication to its own block, as the library does.
func (a *authorization) validate() error {
	if strings.EqualFold(strings.TrimSpace(a.Type), "basic") {
		return errors.New(`authorization > type must not be "basic": use the block basic_auth`)
	}
	return oneOf("authorization", "credentials", a.Credentials != "", a.CredentialsFile != "")
}

// validate reports everything that is missing or given twice.
func (o *oauth2) validate() error {
	errs := []error{
		oneOf("oauth2", "client_secret", o.ClientSecret != "", o.ClientSecretFile != ""),
		o.Proxy.validate("oauth2 > "),
	}
	if o.ClientID == "" {
		errs = append(errs, errors.New("oauth2 > client_id must be set"))
	}
	if o.TokenURL == "" {
		errs = append(errs, errors.New("oauth2 > token_url must be set"))
	}
	if o.TLS != nil {
		errs = append(errs, o.TLS.validate("oauth2 > tls_config"))
	}
	return errors.Join(errs...)
}

// validate reports exceptions and headers without a proxy, and two proxies.
// block is the path of the block that p is in, ending in " > ", or empty.
func (p *Proxy) validate(block string) error {
	switch {
	case len(p.ConnectHeader) > 0 && !p.FromEnvironment && p.URL == "":
		return fmt.Errorf("%sproxy_connect_header needs a proxy: set proxy_url or proxy_from_environment", block)
	case p.FromEnvironment && p.URL != "":
		return fmt.Errorf("at most one of %[1]sproxy_from_environment and %[1]sproxy_url may be set", block)
	case p.FromEnvironment && p.NoProxy != "":
		return fmt.Errorf("at most one of %[1]sproxy_from_environment and %[1]sno_proxy may be set: the environment names the exceptions", block)
	case p.URL == "" && p.NoProxy != "":
		return fmt.Errorf("%sno_proxy needs a proxy: set proxy_url", block)
	}
	return nil
}

// oneOf reports name and its variant that is read from a file when both are set.
func oneOf(block, name string, literal, file bool) error {
	if literal && file {
		return fmt.Errorf("at most one of %s > %s and %s_file may be set", block, name, name)
	}
	return nil
}
