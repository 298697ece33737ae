package fleet

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/spf13/pflag"
)

// defaultAddr is where divvy run listens if nothing is said.
const defaultAddr = "127.0.0.1:12345"

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 30

// A node is the one that is asked, and how. Flags write into it.
type node struct {
	Addr            string // host, host:port, or a URL with the prefix of the pages; empty: Default
	Default         string
	Username        string
	PasswordFile    string
	BearerTokenFile string
	CA, Cert, Key   string // PEM files
	ServerName      string
	Insecure        bool
	Timeout         time.Duration
}

// flags binds n to fs. There is none for a password: all users of a machine see
// the arguments of its processes.
func (n *node) flags(fs *pflag.FlagSet) {
	fs.StringVar(&n.Addr, "addr", n.Addr, "`host:port` or URL of the node to ask; without it DIVVY_ADDR of the environment counts, or "+defaultAddr)
	fs.StringVar(&n.Username, "username", n.Username, "`name` for a node that demands one")
	fs.StringVar(&n.PasswordFile, "password-file", n.PasswordFile, "`file` with the password for --username")
	fs.StringVar(&n.BearerTokenFile, "bearer-token-file", n.BearerTokenFile, "`file` with a token, for a proxy that demands one")
	fs.StringVar(&n.CA, "tls-ca", n.CA, "PEM `file` with the authorities that sign the node's certificate; empty: the system's")
	fs.StringVar(&n.Cert, "tls-cert", n.Cert, "PEM `file` with a certificate to show")
	fs.StringVar(&n.Key, "tls-key", n.Key, "PEM `file` with its key")
	fs.StringVar(&n.ServerName, "tls-server-name", n.ServerName, "`name` expected in the node's certificate; empty: its address")
	fs.BoolVar(&n.Insecure, "tls-insecure-skip-verify", n.Insecure, "believe any certificate")
	fs.DurationVar(&n.Timeout, "timeout", 10*time.Second, "how long to wait for the answer")
}

// A question is a path of the API with its parameters.
type question struct {
	path   string // below /api/v0/fleet/
	params url.Values
}

// An answer is what a node said.
type answer struct {
	body []byte
	at   time.Time // by the node's clock
}

// ask asks the node and reads the answer into v. Its errors are an *Exit that
// says where it asked, what went wrong, and what can be done.
func (n *node) ask(ctx context.Context, q question, v any) (answer, error) {
	base, err := parseAddr(cmp.Or(n.Addr, n.Default))
	if err != nil {
		return answer{}, unasked(err)
	}
	client, err := n.client()
	if err != nil {
		return answer{}, unasked(err)
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, n.Timeout)
	defer cancel()
	a, err := get(ctx, client, base, q)
	if err == nil {
		if err = json.Unmarshal(a.body, v); err != nil {
			err = fmt.Errorf("the answer is not what a divvy node says (%w); name another address with --addr", err)
		}
	}
	if err != nil {
		return answer{}, unasked(fmt.Errorf("ask %s: %w", base.Redacted(), n.explain(err)))
	}
	return a, nil
}

// parseAddr returns the URL that an address means. Without a scheme it is that of
// a node as divvy run listens: plain HTTP, and the usual port unless there is one.
func parseAddr(addr string) (*url.URL, error) {
	text := addr
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("address %q is neither host:port nor the URL of a node, such as %s or https://divvy.example:12345/ui",
			addr[strings.LastIndex(addr, "@")+1:], defaultAddr)
	}
	if text != addr && u.Port() == "" {
		_, port, _ := net.SplitHostPort(defaultAddr)
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	u.RawQuery, u.Fragment = "", ""
	return u, nil
}

// client returns a client that shows what the flags name.
func (n *node) client() (*http.Client, error) {
	if (n.PasswordFile == "") != (n.Username == "") {
		return nil, errors.New("--username and --password-file go together; give both or none")
	}
	cfg := promconfig.DefaultHTTPClientConfig
	if n.Username != "" {
		cfg.BasicAuth = &promconfig.BasicAuth{Username: n.Username, PasswordFile: n.PasswordFile}
	}
	if n.BearerTokenFile != "" {
		cfg.Authorization = &promconfig.Authorization{Type: "Bearer", CredentialsFile: n.BearerTokenFile}
	}
	cfg.TLSConfig = promconfig.TLSConfig{
		CAFile: n.CA, CertFile: n.Cert, KeyFile: n.Key, ServerName: n.ServerName, InsecureSkipVerify: n.Insecure,
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("use the flags for credentials: %w", err)
	}
	return promconfig.NewClientFromConfig(cfg, "divvy fleet")
}

// A refusal is an answer that is no answer.
type refusal struct {
	status int
	text   string // first line of the body
}

func (r *refusal) Error() string {
	if r.text == "" {
		return "it answers " + statusText(r.status)
	}
	return fmt.Sprintf("it answers %s: %s", statusText(r.status), r.text)
}

// statusText returns a status as people know it, such as 404 Not Found.
func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

// get asks one question. What is no answer is a *refusal.
func get(ctx context.Context, client *http.Client, base *url.URL, q question) (answer, error) {
	u := *base
	u.Path += "/api/v0/fleet/" + q.path
	u.RawQuery = q.params.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return answer{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer{}, err
	}
	if resp.StatusCode != http.StatusOK {
		text, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
		return answer{}, &refusal{resp.StatusCode, text}
	}
	a := answer{body: body, at: time.Now()}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		a.at = at
	}
	return a, nil
}

// explain returns err with what can be done about it.
func (n *node) explain(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err // the URL is said already
	}
	if remedy := n.remedy(err); remedy != "" {
		return fmt.Errorf("%w; %s", err, remedy)
	}
	return err
}

// remedy says what can be done about an error, or nothing.
func (n *node) remedy(err error) string {
	var refused *refusal
	var name *net.DNSError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &refused):
		return refused.remedy()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "start divvy there, or name another node with --addr or DIVVY_ADDR"
	case errors.As(err, &name):
		return "name another node with --addr or DIVVY_ADDR"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Sprintf("no answer came within --timeout %s", n.Timeout)
	case errors.As(err, &authority):
		return "name the authority that signed its certificate with --tls-ca"
	case errors.As(err, &hostname):
		return "say what name to expect with --tls-server-name"
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return "it speaks plain HTTP: use http:// in --addr"
	case strings.Contains(err.Error(), "tls: certificate required"):
		return "show a certificate with --tls-cert and --tls-key"
	}
	return ""
}

// remedy says what can be done about a refusal, or nothing.
func (r *refusal) remedy() string {
	switch {
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden:
		return "give --username and --password-file, or --bearer-token-file"
	case r.status == http.StatusNotFound:
		return "that is no divvy node, or an older one; if it is behind a proxy, add the prefix: --addr http://host:port/prefix"
	case strings.Contains(r.text, "HTTP request to an HTTPS server"):
		return "use https:// in --addr"
	}
	return ""
}
