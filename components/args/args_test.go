package args

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/alloy/syntax/parser"
	"github.com/grafana/alloy/syntax/vm"
)

// decode evaluates the body src into v.
func decode(t *testing.T, src string, v any) error {
	t.Helper()
	file, err := parser.ParseFile(t.Name(), []byte(src))
	if err != nil {
		t.Fatalf("parse %q: %v", src, err)
	}
	return vm.New(file).Evaluate(nil, v)
}

// client is an argument struct as components have them.
type client struct {
	HTTP HTTPClient `alloy:",squash"`
}

func (c *client) SetToDefault()   { c.HTTP.SetToDefault() }
func (c *client) Validate() error { return c.HTTP.Validate() }

func TestHTTPClientNamesTheMistake(t *testing.T) {
	f := func(src, want string) {
		t.Helper()
		var c client
		err := decode(t, src, &c)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %v\nwant %q", src, err, want)
		}
	}
	f("bearer_token = \"a\"\nbasic_auth { }", "at most one of")
	f("bearer_token = \"a\"\nbearer_token_file = \"b\"", "remove all but one of bearer_token, bearer_token_file")
	f("basic_auth {\n password = \"a\"\n password_file = \"b\"\n}", "basic_auth > password and password_file")
	f("authorization {\n type = \"Basic\"\n}", "use the block basic_auth")
	f("authorization {\n credentials = \"a\"\n credentials_file = \"b\"\n}", "credentials and credentials_file")
	f("oauth2 {\n token_url = \"http://x\"\n}", "oauth2 > client_id must be set")
	f("oauth2 {\n client_id = \"x\"\n}", "oauth2 > token_url must be set")
	f("oauth2 {\n client_id = \"x\"\n token_url = \"http://x\"\n client_secret = \"a\"\n client_secret_file = \"b\"\n}", "client_secret and client_secret_file")
	f("oauth2 {\n client_id = \"x\"\n token_url = \"http://x\"\n no_proxy = \"a\"\n}", "oauth2 > no_proxy needs a proxy")
	f("tls_config {\n ca_pem = \"a\"\n ca_file = \"b\"\n}", "tls_config > ca_pem and ca_file")
	f("tls_config {\n cert_pem = \"a\"\n}", "no key")
	f("tls_config {\n key_file = \"a\"\n}", "no certificate")
	f("tls_config {\n min_version = \"SSL3\"\n}", "use one of TLS10, TLS11, TLS12, TLS13")
	f("proxy_url = \"http://[::1\"", "parse URL")
	f("proxy_from_environment = true\nproxy_url = \"http://x\"", "at most one of proxy_from_environment and proxy_url")
	f("proxy_from_environment = true\nno_proxy = \"x\"", "at most one of proxy_from_environment and no_proxy")
	f("proxy_connect_header = {\"a\" = [\"b\"]}", "set proxy_url or proxy_from_environment")
	f("http_headers = {\"host\" = [\"b\"]}", "http_headers must not set \"host\"")
}

func TestHTTPClientDefaults(t *testing.T) {
	var c client
	if err := decode(t, "", &c); err != nil {
		t.Fatal(err)
	}
	got := c.HTTP.Prometheus()
	if !got.FollowRedirects || !got.EnableHTTP2 {
		t.Errorf("an empty block gives follow_redirects %v, enable_http2 %v; want both", got.FollowRedirects, got.EnableHTTP2)
	}
}

// Every argument reaches the library's configuration.
func TestHTTPClientLosesNothing(t *testing.T) {
	var c client
	err := decode(t, `
		oauth2 {
			client_id       = "id"
			client_secret   = "hush"
			scopes          = ["a", "b"]
			token_url       = "http://token"
			endpoint_params = {"k" = "v"}
			proxy_url       = "http://user:pw@proxy"
			no_proxy        = "10.0.0.0/8"
			proxy_connect_header = {"P" = ["q"]}
			tls_config { server_name = "inner" }
		}
		tls_config {
			ca_pem = "ca"
			cert_file = "crt"
			key_file = "key"
			server_name = "outer"
			insecure_skip_verify = true
			min_version = "TLS13"
		}
		proxy_from_environment = true
		follow_redirects = false
		enable_http2 = false
		http_headers = {"X-Scope-OrgID" = ["1", "2"]}
	`, &c)
	if err != nil {
		t.Fatal(err)
	}
	p := c.HTTP.Prometheus()
	got := []any{
		p.OAuth2.ClientID, string(p.OAuth2.ClientSecret), p.OAuth2.Scopes, p.OAuth2.TokenURL, p.OAuth2.EndpointParams,
		p.OAuth2.ProxyURL.String(), p.OAuth2.NoProxy, len(p.OAuth2.ProxyConnectHeader), p.OAuth2.TLSConfig.ServerName,
		p.TLSConfig.CA, p.TLSConfig.CertFile, p.TLSConfig.KeyFile, p.TLSConfig.ServerName, p.TLSConfig.InsecureSkipVerify,
		int(p.TLSConfig.MinVersion), p.ProxyFromEnvironment, p.FollowRedirects, p.EnableHTTP2,
		len(p.HTTPHeaders.Headers["X-Scope-OrgID"].Secrets),
	}
	want := []any{
		"id", "hush", []string{"a", "b"}, "http://token", map[string]string{"k": "v"},
		"http://user:pw@proxy", "10.0.0.0/8", 1, "inner",
		"ca", "crt", "key", "outer", true,
		0x0304, true, false, false,
		2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A bearer token is sent as an authorization header.
func TestBearerTokenBecomesAuthorization(t *testing.T) {
	var c client
	if err := decode(t, `bearer_token = "tok"`, &c); err != nil {
		t.Fatal(err)
	}
	p := c.HTTP.Prometheus()
	if p.Authorization == nil || p.Authorization.Credentials != "tok" || p.Authorization.Type != "Bearer" {
		t.Errorf("authorization %+v", p.Authorization)
	}
}

func TestURLHidesItsPassword(t *testing.T) {
	var c client
	if err := decode(t, `proxy_url = "http://u:secret@proxy:3128"`, &c); err != nil {
		t.Fatal(err)
	}
	text, _ := c.HTTP.Proxy.URL.MarshalText()
	if got := string(text); got != "http://u:xxxxx@proxy:3128" {
		t.Errorf("prints %s", got)
	}
	if got := c.HTTP.Prometheus().ProxyURL.String(); got != "http://u:secret@proxy:3128" {
		t.Errorf("is used as %s", got)
	}
}
