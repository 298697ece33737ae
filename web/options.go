package web

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/grafana/alloy/syntax/alloytypes"
)

// Options are the arguments of the http block. The zero value is plain HTTP for
// everybody.
//
//	http {
//	  tls { cert_file = "…"  key_file = "…" }
//	  auth {
//	    basic  { username = "…"  password = "…" }
//	    filter { paths = ["/metrics"] }
//	  }
//	}
type Options struct {
	Auth *AuthOptions `alloy:"auth,block,optional"`
	TLS  *TLSOptions  `alloy:"tls,block,optional"`
}

// AuthOptions say who may ask for what.
type AuthOptions struct {
	Basic  *BasicOptions  `alloy:"basic,block,optional"`
	Filter *FilterOptions `alloy:"filter,block,optional"`
}

// BasicOptions are the one name and password that are let in.
type BasicOptions struct {
	Username string            `alloy:"username,attr"`
	Password alloytypes.Secret `alloy:"password,attr"`
}

// FilterOptions divide paths into those that need authentication and those
// that do not.
type FilterOptions struct {
	Paths                []string `alloy:"paths,attr,optional"`                       // prefixes
	AuthenticateMatching bool     `alloy:"authenticate_matching_paths,attr,optional"` // Paths need it; false: all others do
}

// SetToDefault resets f to what an empty block means.
func (f *FilterOptions) SetToDefault() { *f = FilterOptions{AuthenticateMatching: true} }

// TLSOptions are the certificate of this server and what it asks of clients.
// Files are read when the options are applied, again at every reload. Certificate
// and key are given as text or as a file, one of the two; so are the authorities
// that clients' certificates must come from. Without min_version it is TLS12;
// lists that are empty leave the choice to the TLS library.
type TLSOptions struct {
	CertPEM          string             `alloy:"cert_pem,attr,optional"`
	CertFile         string             `alloy:"cert_file,attr,optional"`
	KeyPEM           alloytypes.Secret  `alloy:"key_pem,attr,optional"`
	KeyFile          string             `alloy:"key_file,attr,optional"`
	ClientCAPEM      string             `alloy:"client_ca_pem,attr,optional"`
	ClientCAFile     string             `alloy:"client_ca_file,attr,optional"`
	ClientAuthType   string             `alloy:"client_auth_type,attr,optional"`
	CipherSuites     []string           `alloy:"cipher_suites,attr,optional"`
	CurvePreferences []string           `alloy:"curve_preferences,attr,optional"`
	MinVersion       string             `alloy:"min_version,attr,optional"`
	MaxVersion       string             `alloy:"max_version,attr,optional"`
	WindowsFilter    *WindowsCertFilter `alloy:"windows_certificate_filter,block,optional"`
}

// WindowsCertFilter is refused: it selects certificates from a store that only
// Windows has.
type WindowsCertFilter struct {
	Server *struct {
		Store             string        `alloy:"store,attr,optional"`
		SystemStore       string        `alloy:"system_store,attr,optional"`
		IssuerCommonNames []string      `alloy:"issuer_common_names,attr,optional"`
		TemplateID        string        `alloy:"template_id,attr,optional"`
		RefreshInterval   time.Duration `alloy:"refresh_interval,attr,optional"`
	} `alloy:"server,block,optional"`
	Client *struct {
		IssuerCommonNames []string `alloy:"issuer_common_names,attr,optional"`
		SubjectRegEx      string   `alloy:"subject_regex,attr,optional"`
		TemplateID        string   `alloy:"template_id,attr,optional"`
	} `alloy:"client,block,optional"`
}

// Validate returns everything that can be known to be wrong with o without
// reading a file, or nil.
func (o *Options) Validate() error {
	var errs []error
	if o.Auth != nil && o.Auth.Basic != nil {
		errs = append(errs, o.Auth.Basic.Validate())
	}
	if o.TLS != nil {
		errs = append(errs, o.TLS.Validate())
	}
	return errors.Join(errs...)
}

// Validate refuses a name or password that is empty: it would keep nobody out.
func (b *BasicOptions) Validate() error {
	if b.Username == "" || b.Password == "" {
		return errors.New("auth.basic needs a username and a password that are not empty")
	}
	return nil
}

// Validate is Options.Validate for this block, so that what is wrong in it is
// found also where another one is.
func (t *TLSOptions) Validate() error {
	var errs []error
	refuse := func(wrong bool, reason string) {
		if wrong {
			errs = append(errs, errors.New("tls: "+reason))
		}
	}
	refuse(t.CertPEM != "" && t.CertFile != "", "cert_pem and cert_file exclude each other")
	refuse(t.CertPEM == "" && t.CertFile == "", "one of cert_pem and cert_file is needed")
	refuse(t.KeyPEM != "" && t.KeyFile != "", "key_pem and key_file exclude each other")
	refuse(t.KeyPEM == "" && t.KeyFile == "", "one of key_pem and key_file is needed")
	refuse(t.ClientCAPEM != "" && t.ClientCAFile != "", "client_ca_pem and client_ca_file exclude each other")
	refuse(t.WindowsFilter != nil, "windows_certificate_filter cannot work: divvy reads no Windows certificate store")
	_, err := t.policy()
	return errors.Join(append(errs, err)...)
}

// policy returns everything of the TLS configuration that needs no file, and all
// that is wrong with it. Validate and config both call it, so that they agree.
func (t *TLSOptions) policy() (*tls.Config, error) {
	var errs []error
	cfg := &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	cfg.MinVersion = pick("min_version", t.MinVersion, tlsVersions(), tls.VersionTLS12, &errs)
	cfg.MaxVersion = pick("max_version", t.MaxVersion, tlsVersions(), 0, &errs)
	cfg.ClientAuth = pick("client_auth_type", t.ClientAuthType, clientAuthTypes(), tls.NoClientCert, &errs)
	for _, name := range t.CipherSuites {
		cfg.CipherSuites = append(cfg.CipherSuites, pick("cipher_suites", name, cipherSuites(), 0, &errs))
	}
	for _, name := range t.CurvePreferences {
		cfg.CurvePreferences = append(cfg.CurvePreferences, pick("curve_preferences", name, curves(), 0, &errs))
	}
	if cfg.MaxVersion != 0 && cfg.MaxVersion < cfg.MinVersion {
		errs = append(errs, errors.New("tls: max_version is below min_version"))
	}
	if cas := t.ClientCAPEM != "" || t.ClientCAFile != ""; cas && cfg.ClientAuth == tls.NoClientCert {
		errs = append(errs, errors.New("tls: client certificates are given an authority, but client_auth_type asks for none"))
	}
	return cfg, errors.Join(errs...)
}

// config returns the TLS configuration; it reads the files that t names.
func (t *TLSOptions) config() (*tls.Config, error) {
	cfg, err := t.policy()
	if err != nil {
		return nil, err
	}
	certPEM, certErr := textOrFile(t.CertPEM, t.CertFile)
	keyPEM, keyErr := textOrFile(string(t.KeyPEM), t.KeyFile)
	caPEM, caErr := textOrFile(t.ClientCAPEM, t.ClientCAFile)
	if err := errors.Join(certErr, keyErr, caErr); err != nil {
		return nil, fmt.Errorf("read TLS files: %w", err)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("load TLS certificate: %w", err)
	}
	cfg.Certificates = []tls.Certificate{cert}
	if len(caPEM) > 0 {
		cfg.ClientCAs = x509.NewCertPool()
		if !cfg.ClientCAs.AppendCertsFromPEM(caPEM) {
			return nil, errors.New("load client authorities: no certificate in client_ca_pem or client_ca_file")
		}
	}
	return cfg, nil
}

// textOrFile returns text, or the content of file if that is set.
func textOrFile(text, file string) ([]byte, error) {
	if file != "" {
		return os.ReadFile(file)
	}
	return []byte(text), nil
}

// pick returns what name means, fallback for no name; an unknown name adds to
// errs and lists the known ones.
func pick[T any](argument, name string, known map[string]T, fallback T, errs *[]error) T {
	if name == "" {
		return fallback
	}
	if v, ok := known[name]; ok {
		return v
	}
	names := make([]string, 0, len(known))
	for n := range known {
		names = append(names, n)
	}
	slices.Sort(names)
	*errs = append(*errs, fmt.Errorf("tls: %s %q is none of %v", argument, name, names))
	return fallback
}

func tlsVersions() map[string]uint16 {
	return map[string]uint16{
		"TLS10": tls.VersionTLS10,
		"TLS11": tls.VersionTLS11,
		"TLS12": tls.VersionTLS12,
		"TLS13": tls.VersionTLS13,
	}
}

func clientAuthTypes() map[string]tls.ClientAuthType {
	return map[string]tls.ClientAuthType{
		"NoClientCert":               tls.NoClientCert,
		"RequestClientCert":          tls.RequestClientCert,
		"RequireAnyClientCert":       tls.RequireAnyClientCert,
		"VerifyClientCertIfGiven":    tls.VerifyClientCertIfGiven,
		"RequireAndVerifyClientCert": tls.RequireAndVerifyClientCert,
	}
}

// cipherSuites are those that the TLS library holds to be secure. Which of them
// is used with TLS13 cannot be configured.
func cipherSuites() map[string]uint16 {
	known := map[string]uint16{}
	for _, suite := range tls.CipherSuites() {
		known[suite.Name] = suite.ID
	}
	return known
}

func curves() map[string]tls.CurveID {
	return map[string]tls.CurveID{
		"CurveP256":      tls.CurveP256,
		"CurveP384":      tls.CurveP384,
		"CurveP521":      tls.CurveP521,
		"X25519":         tls.X25519,
		"X25519MLKEM768": tls.X25519MLKEM768,
	}
}
