package args

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/grafana/alloy/syntax/alloytypes"
	"github.com/prometheus/common/config"
)

// TLS is the block tls_config of a client. Of each pair of text and file at
// most one may be set; files are read again when they change.
type TLS struct {
	// Whom to trust; neither: the system's authorities.
	CA     string `alloy:"ca_pem,attr,optional"`
	CAFile string `alloy:"ca_file,attr,optional"`

	// The client's own certificate and its key, both or none.
	Cert     string            `alloy:"cert_pem,attr,optional"`
	CertFile string            `alloy:"cert_file,attr,optional"`
	Key      alloytypes.Secret `alloy:"key_pem,attr,optional"`
	KeyFile  string            `alloy:"key_file,attr,optional"`

	ServerName         string     `alloy:"server_name,attr,optional"`          // in the server's certificate; empty: the host of the URL
	InsecureSkipVerify bool       `alloy:"insecure_skip_verify,attr,optional"` // trust anybody
	MinVersion         TLSVersion `alloy:"min_version,attr,optional"`
}

// TLSVersion is TLS10, TLS11, TLS12 or TLS13; empty leaves it to the library.
type TLSVersion string

// UnmarshalText accepts the names of versions.
func (v *TLSVersion) UnmarshalText(text []byte) error {
	if _, known := config.TLSVersions[string(text)]; !known && len(text) > 0 {
		names := slices.Sorted(maps.Keys(config.TLSVersions))
		return fmt.Errorf("unknown TLS version %q: use one of %s", text, strings.Join(names, ", "))
	}
	*v = TLSVersion(text)
	return nil
}

// MarshalText returns the name of the version.
func (v TLSVersion) MarshalText() ([]byte, error) { return []byte(v), nil }

// Prometheus returns t for the client of the Prometheus libraries.
func (t *TLS) Prometheus() config.TLSConfig {
	return config.TLSConfig{
		CA:                 t.CA,
		CAFile:             t.CAFile,
		Cert:               t.Cert,
		CertFile:           t.CertFile,
		Key:                config.Secret(t.Key),
		KeyFile:            t.KeyFile,
		ServerName:         t.ServerName,
		InsecureSkipVerify: t.InsecureSkipVerify,
		MinVersion:         config.TLSVersions[string(t.MinVersion)],
	}
}

// Validate reports files given twice, and a certificate without its key.
func (t *TLS) Validate() error { return t.validate("tls_config") }

// validate is Validate for a block of that name.
func (t *TLS) validate(block string) error {
	var errs []error
	twice := func(name string, pem, file bool) {
		if pem && file {
			errs = append(errs, fmt.Errorf("at most one of %s > %s_pem and %s_file may be set", block, name, name))
		}
	}
	twice("ca", t.CA != "", t.CAFile != "")
	twice("cert", t.Cert != "", t.CertFile != "")
	twice("key", t.Key != "", t.KeyFile != "")
	cert, key := t.Cert != "" || t.CertFile != "", t.Key != "" || t.KeyFile != ""
	if cert && !key {
		errs = append(errs, fmt.Errorf("%s has a certificate but no key: set key_pem or key_file", block))
	}
	if key && !cert {
		errs = append(errs, fmt.Errorf("%s has a key but no certificate: set cert_pem or cert_file", block))
	}
	return errors.Join(errs...)
}
