package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/divvy-collector/divvy/fleet/lookup"
	"github.com/divvy-collector/divvy/fleet/lookup/kube"
	"github.com/divvy-collector/divvy/fleet/member"
	"github.com/divvy-collector/divvy/fleet/member/roster"
)

// ClusterConfig says how this node takes part in a cluster. The zero value is a
// cluster of one. Flags write into the configurations of those who use them;
// what flags do not say is filled in when the node is opened.
//
// Peers are named in one of two ways, never both: Peers.Join lists them or their
// DNS names, Peers.Provider says whom to ask. Neither means that this node waits
// to be found.
type ClusterConfig struct {
	Enabled    bool
	Node       member.Config // flags set Name, Cluster, Zone, Quorum, Rejoin and MaxPeers
	Peers      lookup.Config // flags set Join and Provider
	Self       lookup.Self   // flags set Address and Interfaces
	TLS        ClusterTLS
	SecretFile string // holds what all nodes of the cluster know and nobody else; empty: they know nothing
}

// ClusterTLS is how this node presents itself to peers.
type ClusterTLS struct {
	Enabled                   bool
	CAPath, CertPath, KeyPath string // PEM files
	ServerName                string // expected in peers' certificates; empty: their address
}

// defaultClusterConfig names the node after the host.
func defaultClusterConfig() ClusterConfig {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return ClusterConfig{
		Node:  member.Config{Name: host, Rejoin: time.Minute, MaxPeers: 5},
		Peers: lookup.Config{Providers: map[string]lookup.Provider{kube.Name: kube.Provider()}},
		Self:  lookup.Self{Interfaces: []string{"eth0", "en0"}},
	}
}

func (c *ClusterConfig) flags(fs *pflag.FlagSet) {
	fs.BoolVar(&c.Enabled, "cluster.enabled", c.Enabled, "take part in a cluster")
	fs.StringVar(&c.Node.Name, "cluster.node-name", c.Node.Name, "`name` of this node, unique in the cluster")
	fs.StringVar(&c.Self.Address, "cluster.advertise-address", c.Self.Address,
		"`host[:port]` by which peers reach this node")
	fs.StringSliceVar(&c.Self.Interfaces, "cluster.advertise-interfaces", c.Self.Interfaces,
		"`interfaces` to take the advertised address from, or \"all\"")
	fs.StringSliceVar(&c.Peers.Join, "cluster.join-addresses", c.Peers.Join, "`addresses` of peers to join")
	fs.StringVar(&c.Peers.Provider, "cluster.discover-peers", c.Peers.Provider,
		"how to look up peers, as `key=value pairs`; not together with --cluster.join-addresses")
	fs.DurationVar(&c.Node.Rejoin, "cluster.rejoin-interval", c.Node.Rejoin,
		"how often to look for peers again; 0 never")
	fs.IntVar(&c.Node.MaxPeers, "cluster.max-join-peers", c.Node.MaxPeers, "`number` of peers to contact when joining; 0 all")
	fs.StringVar(&c.Node.Cluster, "cluster.name", c.Node.Cluster, "`name` of the cluster; nodes with another one are refused")
	fs.IntVar(&c.Node.Quorum.Size, "cluster.wait-for-size", c.Node.Quorum.Size, "own no target before there are `n` members")
	fs.DurationVar(&c.Node.Quorum.Patience, "cluster.wait-timeout", c.Node.Quorum.Patience,
		"own targets after this long even in a smaller cluster; 0 waits for ever")
	fs.StringVar(&c.Node.Zone, "cluster.zone", c.Node.Zone, "`name` of the place where this node is, shown to peers")
	fs.StringVar(&c.SecretFile, "cluster.secret-file", c.SecretFile,
		"`file` with a secret that all nodes share; nodes without it are refused, other software too")
	c.TLS.flags(fs)
}

func (c *ClusterTLS) flags(fs *pflag.FlagSet) {
	fs.BoolVar(&c.Enabled, "cluster.enable-tls", c.Enabled, "use TLS between peers")
	fs.StringVar(&c.CAPath, "cluster.tls-ca-path", c.CAPath, "PEM `file` with the authorities that sign peers' certificates")
	fs.StringVar(&c.CertPath, "cluster.tls-cert-path", c.CertPath, "PEM `file` with this node's certificate")
	fs.StringVar(&c.KeyPath, "cluster.tls-key-path", c.KeyPath, "PEM `file` with the key of this node's certificate")
	fs.StringVar(&c.ServerName, "cluster.tls-server-name", c.ServerName, "`name` expected in peers' certificates")
}

// Validate returns everything that is wrong with c, or nil. What is wrong by
// itself is refused even if the cluster is not enabled, so that a mistake does
// not wait for the day it is; the TLS files are read only if they are used.
func (c *ClusterConfig) Validate() error {
	var errs []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(len(c.Peers.Join) > 0 && c.Peers.Provider != "",
		"--cluster.join-addresses and --cluster.discover-peers exclude each other; leave one out")
	refuse(c.Enabled && c.Node.Name == "", "--cluster.node-name is empty; give this node a name")
	errs = append(errs, c.validateTexts()...)
	refuse(c.Node.Rejoin < 0, "--cluster.rejoin-interval %s is negative", c.Node.Rejoin)
	refuse(c.Node.MaxPeers < 0, "--cluster.max-join-peers %d is negative", c.Node.MaxPeers)
	refuse(c.Node.Quorum.Size < 0, "--cluster.wait-for-size %d is negative", c.Node.Quorum.Size)
	refuse(c.Node.Quorum.Patience < 0, "--cluster.wait-timeout %s is negative", c.Node.Quorum.Patience)
	refuse(!validAdvertise(c.Self.Address),
		"--cluster.advertise-address %q is not host or host:port", c.Self.Address)
	errs = append(errs, c.validatePeers()...)
	if c.Enabled && c.TLS.Enabled {
		errs = append(errs, c.TLS.validate())
	}
	if c.Enabled {
		_, err := c.secret()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// validateTexts returns what is too long for the messages among nodes, in bytes, or
// cannot be shown. A name that was cut there would be another node's.
func (c *ClusterConfig) validateTexts() (errs []error) {
	for _, f := range []struct {
		flag, text string
		most       int
	}{
		{"node-name", c.Node.Name, roster.MaxName},
		{"name", c.Node.Cluster, maxClusterName},
		{"zone", c.Node.Zone, roster.MaxZone},
		{"advertise-address", c.Self.Address, roster.MaxName},
	} {
		if n := len(f.text); n > f.most {
			errs = append(errs, fmt.Errorf("--cluster.%s has %d bytes; at most %d are allowed", f.flag, n, f.most))
		}
		if !printable(f.text) {
			errs = append(errs, fmt.Errorf("--cluster.%s %q has space around it, or characters that cannot be printed", f.flag, f.text))
		}
	}
	return errs
}

// printable reports whether people and pages can show a text as it is.
func printable(text string) bool {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	return utf8.ValidString(text) && !strings.ContainsFunc(text, odd) && strings.TrimSpace(text) == text
}

// maxClusterName is the most that the gossip writes before each packet, in bytes.
const maxClusterName = 255

// validatePeers returns what is wrong with where to look for peers.
func (c *ClusterConfig) validatePeers() []error {
	flag := "join-addresses"
	if len(c.Peers.Join) == 0 {
		flag = "discover-peers"
	} else if c.Peers.Provider != "" {
		return nil // said already
	}
	var errs []error
	if err := c.Peers.Validate(); err != nil {
		for _, e := range flatten(err) {
			errs = append(errs, fmt.Errorf("--cluster.%s: %w", flag, e))
		}
	}
	return errs
}

// minSecret is the length below which a secret can be guessed, in bytes.
const minSecret = 16

// secret reads the secret of the cluster; nil if there is none. Space around it
// does not count: editors add it.
func (c *ClusterConfig) secret() ([]byte, error) {
	if c.SecretFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("read --cluster.secret-file: %w", err)
	}
	secret := bytes.TrimSpace(text)
	if len(secret) < minSecret {
		return nil, fmt.Errorf("--cluster.secret-file %s holds %d bytes; a secret needs %d, such as: head -c 32 /dev/urandom | base64",
			c.SecretFile, len(secret), minSecret)
	}
	return secret, nil
}

// validAdvertise looks at the form only: what the address leads to is not known
// before peers use it. It reports whether addr is empty, or an IP address or host name
// with an optional port.
func validAdvertise(addr string) bool {
	if addr == "" || net.ParseIP(addr) != nil {
		return true
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return !strings.ContainsAny(addr, ":/ ")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && host != ""
}

// validate reads the three files and checks that they belong together.
func (c *ClusterTLS) validate() error {
	var errs []error
	for _, f := range []struct{ flag, path string }{
		{"cluster.tls-ca-path", c.CAPath},
		{"cluster.tls-cert-path", c.CertPath},
		{"cluster.tls-key-path", c.KeyPath},
	} {
		if f.path == "" {
			errs = append(errs, fmt.Errorf("--cluster.enable-tls needs --%s", f.flag))
		} else if _, err := os.ReadFile(f.path); err != nil {
			errs = append(errs, fmt.Errorf("read --%s: %w", f.flag, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if _, err := tls.LoadX509KeyPair(c.CertPath, c.KeyPath); err != nil {
		errs = append(errs, fmt.Errorf("load --cluster.tls-cert-path and --cluster.tls-key-path: %w", err))
	}
	if pem, err := os.ReadFile(c.CAPath); err == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		errs = append(errs, fmt.Errorf("--cluster.tls-ca-path %s holds no certificate", c.CAPath))
	}
	return errors.Join(errs...)
}

// client returns how this node connects to peers, and the authorities that sign
// their certificates in PEM. This node's certificate is read at every handshake,
// so it can be renewed in place; the authorities are read once.
func (c *ClusterTLS) client() (*tls.Config, []byte, error) {
	authorities, err := os.ReadFile(c.CAPath)
	if err != nil {
		return nil, nil, fmt.Errorf("read --cluster.tls-ca-path: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authorities)
	return &tls.Config{
		RootCAs:    pool,
		ServerName: c.ServerName,
		MinVersion: tls.VersionTLS12,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(c.CertPath, c.KeyPath)
			return &cert, err
		},
	}, authorities, nil
}
