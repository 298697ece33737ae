package listen

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/grafana/alloy/syntax/alloytypes"
)

// HTTP is the block http of components that have a server of their own.
type HTTP struct {
	ListenAddress string        `alloy:"listen_address,attr,optional"` // empty: all addresses
	ListenPort    int           `alloy:"listen_port,attr,optional"`    // 0: any free port
	ConnLimit     int           `alloy:"conn_limit,attr,optional"`     // connections at a time; 0: no limit
	ReadTimeout   time.Duration `alloy:"server_read_timeout,attr,optional"`
	WriteTimeout  time.Duration `alloy:"server_write_timeout,attr,optional"`
	IdleTimeout   time.Duration `alloy:"server_idle_timeout,attr,optional"` // HTTP/2 too
	TLS           *TLS          `alloy:"tls,block,optional"`
	HTTP2         HTTP2         `alloy:"http2,block,optional"`
}

// SetToDefault sets the documented defaults.
func (h *HTTP) SetToDefault() {
	*h = HTTP{
		ListenPort:   8080,
		ReadTimeout:  30 * time.Second,
		WriteTimeout: 30 * time.Second,
		IdleTimeout:  2 * time.Minute,
	}
	h.HTTP2.SetToDefault()
}

// Validate reports everything that is wrong, joined.
func (h *HTTP) Validate() error {
	var errs []error
	if h.ListenPort < 0 || h.ListenPort > 65535 {
		errs = append(errs, fmt.Errorf("listen_port %d must be from 0 to 65535", h.ListenPort))
	}
	if h.ConnLimit < 0 {
		errs = append(errs, errors.New("conn_limit must not be negative; 0 is no limit"))
	}
	for name, d := range map[string]time.Duration{
		"server_read_timeout":  h.ReadTimeout,
		"server_write_timeout": h.WriteTimeout,
		"server_idle_timeout":  h.IdleTimeout,
	} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("%s must not be negative; \"0s\" is no timeout", name))
		}
	}
	return errors.Join(errs...)
}

// HTTP2 is the block http2: unencrypted HTTP/2 beside HTTP/1, for clients
// that begin with it. Over TLS HTTP/2 is always there.
type HTTP2 struct {
	Enabled     bool `alloy:"enabled,attr,optional"`
	MaxHandlers int  `alloy:"max_handlers,attr,optional"` // no effect: no server knows such a bound

	// Bounds; 0 is the library's. Sizes are in bytes.
	MaxStreams             uint32 `alloy:"max_concurrent_streams,attr,optional"`
	MaxDecoderTable        uint32 `alloy:"max_decoder_header_table_size,attr,optional"`
	MaxEncoderTable        uint32 `alloy:"max_encoder_header_table_size,attr,optional"`
	MaxReadFrame           uint32 `alloy:"max_read_frame_size,attr,optional"`
	MaxUploadPerConnection int32  `alloy:"max_upload_buffer_per_connection,attr,optional"`
	MaxUploadPerStream     int32  `alloy:"max_upload_buffer_per_stream,attr,optional"`

	PermitProhibited bool `alloy:"permit_prohibited_ciphers,attr,optional"` // of TLS; without it no effect

	// Timeouts; 0 is none, for PingTimeout 15 s.
	IdleTimeout      time.Duration `alloy:"idle_timeout,attr,optional"`       // must be 0: server_idle_timeout holds
	ReadIdleTimeout  time.Duration `alloy:"read_idle_timeout,attr,optional"`  // silence before the client is pinged
	PingTimeout      time.Duration `alloy:"ping_timeout,attr,optional"`       // silence after that
	WriteByteTimeout time.Duration `alloy:"write_byte_timeout,attr,optional"` // without a byte written
}

// SetToDefault sets the documented defaults.
func (h *HTTP2) SetToDefault() {
	*h = HTTP2{MaxStreams: 100, MaxDecoderTable: 4096, MaxEncoderTable: 4096, PingTimeout: 15 * time.Second}
}

// Validate refuses what the library would replace by a default of its own.
func (h *HTTP2) Validate() error {
	const mb = 1 << 20
	var errs []error
	within := func(name string, n, least, most int64) {
		if n != 0 && (n < least || n > most) {
			errs = append(errs, fmt.Errorf("%s must be 0 or from %d to %d", name, least, most))
		}
	}
	within("max_decoder_header_table_size", int64(h.MaxDecoderTable), 1, 4*mb-1)
	within("max_encoder_header_table_size", int64(h.MaxEncoderTable), 1, 4*mb-1)
	within("max_read_frame_size", int64(h.MaxReadFrame), 16<<10, 16*mb-1)
	within("max_upload_buffer_per_connection", int64(h.MaxUploadPerConnection), 64<<10, 4*mb-1)
	within("max_upload_buffer_per_stream", int64(h.MaxUploadPerStream), 1, 4*mb-1)
	if h.IdleTimeout > 0 {
		errs = append(errs, errors.New("idle_timeout of http2 is not supported: remove it, server_idle_timeout holds for HTTP/2 too"))
	}
	return errors.Join(errs...)
}

// TLS is the block tls of a server. Files are read again for each new
// connection, so that certificates may be replaced.
type TLS struct {
	// The server's certificate and its key, each as text or as a file.
	Cert     string            `alloy:"cert_pem,attr,optional"`
	Key      alloytypes.Secret `alloy:"key_pem,attr,optional"`
	CertFile string            `alloy:"cert_file,attr,optional"`
	KeyFile  string            `alloy:"key_file,attr,optional"`

	// What is asked of clients, and who vouches for them.
	ClientAuthType string `alloy:"client_auth_type,attr,optional"` // default NoClientCert
	ClientCAFile   string `alloy:"client_ca_file,attr,optional"`
	ClientCA       string `alloy:"client_ca,attr,optional"`

	CipherSuites string `alloy:"cipher_suites,attr,optional"` // Go's names, comma-separated; up to TLS 1.2
	MinVersion   string `alloy:"min_version,attr,optional"`   // default: the library's
}

// clientAuthTypes are the names of client_auth_type.
var clientAuthTypes = map[string]tls.ClientAuthType{
	"":                           tls.NoClientCert,
	"NoClientCert":               tls.NoClientCert,
	"RequestClientCert":          tls.RequestClientCert,
	"RequireAnyClientCert":       tls.RequireAnyClientCert,
	"VerifyClientCertIfGiven":    tls.VerifyClientCertIfGiven,
	"RequireAndVerifyClientCert": tls.RequireAndVerifyClientCert,
}

// tlsVersions are the names of min_version; empty leaves it to the library.
var tlsVersions = map[string]uint16{
	"":             0,
	"VersionTLS10": tls.VersionTLS10,
	"VersionTLS11": tls.VersionTLS11,
	"VersionTLS12": tls.VersionTLS12,
	"VersionTLS13": tls.VersionTLS13,
	"TLS10":        tls.VersionTLS10,
	"TLS11":        tls.VersionTLS11,
	"TLS12":        tls.VersionTLS12,
	"TLS13":        tls.VersionTLS13,
}

// Validate reports everything that is wrong, joined.
func (t *TLS) Validate() error {
	var errs []error
	if (t.Cert == "") == (t.CertFile == "") {
		errs = append(errs, errors.New("exactly one of cert_pem and cert_file must be set"))
	}
	if (t.Key == "") == (t.KeyFile == "") {
		errs = append(errs, errors.New("exactly one of key_pem and key_file must be set"))
	}
	if t.ClientCA != "" && t.ClientCAFile != "" {
		errs = append(errs, errors.New("at most one of client_ca and client_ca_file may be set"))
	}
	if _, known := clientAuthTypes[t.ClientAuthType]; !known {
		errs = append(errs, fmt.Errorf("unknown client_auth_type %q: use RequireAndVerifyClientCert, VerifyClientCertIfGiven, RequireAnyClientCert, RequestClientCert or NoClientCert", t.ClientAuthType))
	}
	if _, known := tlsVersions[t.MinVersion]; !known {
		errs = append(errs, fmt.Errorf("unknown min_version %q: use VersionTLS12 or VersionTLS13", t.MinVersion))
	}
	_, err := t.ciphers()
	return errors.Join(append(errs, err)...)
}

// ciphers returns the numbers of the suites that are named.
func (t *TLS) ciphers() ([]uint16, error) {
	if t.CipherSuites == "" {
		return nil, nil
	}
	var out []uint16
	known := append(tls.CipherSuites(), tls.InsecureCipherSuites()...)
next:
	for name := range strings.SplitSeq(t.CipherSuites, ",") {
		name = strings.TrimSpace(name)
		for _, suite := range known {
			if suite.Name == name {
				out = append(out, suite.ID)
				continue next
			}
		}
		return nil, fmt.Errorf("unknown cipher suite %q in cipher_suites", name)
	}
	return out, nil
}

// config reads the files and returns the configuration of a server.
func (t *TLS) config() (*tls.Config, error) {
	cert, err := pemOrFile(t.Cert, t.CertFile)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	key, err := pemOrFile(string(t.Key), t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("use certificate and key: %w", err)
	}
	suites, err := t.ciphers()
	if err != nil {
		return nil, err
	}
	out := &tls.Config{
		Certificates: []tls.Certificate{pair},
		ClientAuth:   clientAuthTypes[t.ClientAuthType],
		MinVersion:   tlsVersions[t.MinVersion],
		CipherSuites: suites,
		NextProtos:   []string{"h2", "http/1.1"},
	}
	if t.ClientCA == "" && t.ClientCAFile == "" {
		return out, nil
	}
	ca, err := pemOrFile(t.ClientCA, t.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("read client CA: %w", err)
	}
	out.ClientCAs = x509.NewCertPool()
	if !out.ClientCAs.AppendCertsFromPEM(ca) {
		return nil, errors.New("use client CA: no certificate in it")
	}
	return out, nil
}

// pemOrFile returns the text, or that of the file if there is a path.
func pemOrFile(pem, path string) ([]byte, error) {
	if path == "" {
		return []byte(pem), nil
	}
	return os.ReadFile(path)
}

// GRPC is the block grpc. It has no effect: the components that take it
// offer nothing over gRPC, so no port is opened for it. They log that.
type GRPC struct {
	ListenAddress        string        `alloy:"listen_address,attr,optional"`
	ListenPort           int           `alloy:"listen_port,attr,optional"`
	ConnLimit            int           `alloy:"conn_limit,attr,optional"`
	MaxConnectionAge     time.Duration `alloy:"max_connection_age,attr,optional"`
	MaxConnectionGrace   time.Duration `alloy:"max_connection_age_grace,attr,optional"`
	MaxConnectionIdle    time.Duration `alloy:"max_connection_idle,attr,optional"`
	MaxRecvMsgSize       int           `alloy:"server_max_recv_msg_size,attr,optional"`
	MaxSendMsgSize       int           `alloy:"server_max_send_msg_size,attr,optional"`
	MaxConcurrentStreams uint          `alloy:"server_max_concurrent_streams,attr,optional"`
	TLS                  *TLS          `alloy:"tls,block,optional"`
}
