package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// ClusterConfig says how this node takes part in a cluster. The zero value is a
// cluster of one.
//
// Peers are named in one of two ways, never both: JoinAddresses lists them or
// their DNS names, DiscoverPeers asks a provider. Neither means that this node
// waits to be found.
type ClusterConfig struct {
	Enabled             bool
	NodeName            string        // unique in the cluster
	AdvertiseAddress    string        // host or host:port that peers use; empty: looked up on AdvertiseInterfaces
	AdvertiseInterfaces []string      // names of interfaces, or "all"
	JoinAddresses       []string      // host, host:port or DNS names of peers; empty starts a cluster
	DiscoverPeers       string        // how to look peers up, as key=value pairs
	RejoinInterval      time.Duration // how often to look for peers again; 0 never
	MaxJoinPeers        int           // peers to contact when joining; 0 all
	Name                string        // of the cluster; nodes of other clusters are refused
	TLS                 ClusterTLS
	WaitForSize         int           // members needed before any target is owned; 0 needs none
	WaitTimeout         time.Duration // own targets anyway after this long; 0 waits for ever
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
		NodeName:            host,
		AdvertiseInterfaces: []string{"eth0", "en0"},
		RejoinInterval:      time.Minute,
		MaxJoinPeers:        5,
	}
}

func (c *ClusterConfig) flags(fs *pflag.FlagSet) {
	fs.BoolVar(&c.Enabled, "cluster.enabled", c.Enabled, "take part in a cluster")
	fs.StringVar(&c.NodeName, "cluster.node-name", c.NodeName, "`name` of this node, unique in the cluster")
	fs.StringVar(&c.AdvertiseAddress, "cluster.advertise-address", c.AdvertiseAddress,
		"`host[:port]` by which peers reach this node")
	fs.StringSliceVar(&c.AdvertiseInterfaces, "cluster.advertise-interfaces", c.AdvertiseInterfaces,
		"`interfaces` to take the advertised address from, or \"all\"")
	fs.StringSliceVar(&c.JoinAddresses, "cluster.join-addresses", c.JoinAddresses, "`addresses` of peers to join")
	fs.StringVar(&c.DiscoverPeers, "cluster.discover-peers", c.DiscoverPeers,
		"how to look up peers, as `key=value pairs`; not together with --cluster.join-addresses")
	fs.DurationVar(&c.RejoinInterval, "cluster.rejoin-interval", c.RejoinInterval,
		"how often to look for peers again; 0 never")
	fs.IntVar(&c.MaxJoinPeers, "cluster.max-join-peers", c.MaxJoinPeers, "`number` of peers to contact when joining; 0 all")
	fs.StringVar(&c.Name, "cluster.name", c.Name, "`name` of the cluster; nodes with another one are refused")
	fs.IntVar(&c.WaitForSize, "cluster.wait-for-size", c.WaitForSize, "own no target before there are `n` members")
	fs.DurationVar(&c.WaitTimeout, "cluster.wait-timeout", c.WaitTimeout,
		"own targets after this long even in a smaller cluster; 0 waits for ever")
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
	refuse(len(c.JoinAddresses) > 0 && c.DiscoverPeers != "",
		"--cluster.join-addresses and --cluster.discover-peers exclude each other; leave one out")
	refuse(c.Enabled && c.NodeName == "", "--cluster.node-name is empty; give this node a name")
	refuse(c.RejoinInterval < 0, "--cluster.rejoin-interval %s is negative", c.RejoinInterval)
	refuse(c.MaxJoinPeers < 0, "--cluster.max-join-peers %d is negative", c.MaxJoinPeers)
	refuse(c.WaitForSize < 0, "--cluster.wait-for-size %d is negative", c.WaitForSize)
	refuse(c.WaitTimeout < 0, "--cluster.wait-timeout %s is negative", c.WaitTimeout)
	refuse(!validAdvertise(c.AdvertiseAddress),
		"--cluster.advertise-address %q is not host or host:port", c.AdvertiseAddress)
	for _, addr := range c.JoinAddresses {
		refuse(strings.TrimSpace(addr) == "", "--cluster.join-addresses has an empty address")
	}
	if c.Enabled && c.TLS.Enabled {
		errs = append(errs, c.TLS.validate())
	}
	return errors.Join(errs...)
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
