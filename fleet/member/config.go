package member

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// Config says how a Node takes part in its cluster.
type Config struct {
	Name      string         // of this node; unique in the cluster
	Cluster   string         // name of the cluster; nodes of another one are refused
	Advertise netip.AddrPort // where peers reach this node's HTTP listener
	Quorum    owner.Quorum   // members that are needed before anybody owns anything

	// Peers looks up host:port of peers to join; nil or an empty answer: this
	// node starts a cluster. It is asked again every Rejoin.
	Peers    func(ctx context.Context) ([]string, error)
	Rejoin   time.Duration // 0: never, once peers were found
	MaxPeers int           // peers to contact at a time; 0: all

	TLS     *tls.Config    // for connections to peers; nil: plain HTTP/2
	PeerCAs *x509.CertPool // who signs the peers' certificates, which are then demanded: the listener has to ask for them
	Secret  []byte         // shared by all nodes, 16 bytes or more; nil: none. It excludes nodes of other software

	Version string // of the program
	Zone    string // where the node is

	Dir string // where peers are remembered; empty: they are not

	// Told takes what a component of another node sent to the one of the same ID
	// here; see Tell. It returns at once. Nil: nobody listens.
	Told func(component, from string, note []byte)

	// Has reports whether a component here can do its share of the work: it has
	// targets. It returns at once. Nil: none can. See AnyHas.
	Has func(component string) bool

	Log      *slog.Logger
	Registry prometheus.Registerer

	Dial  func(ctx context.Context, network, addr string) (net.Conn, error) // nil: a net.Dialer
	Stall time.Duration                                                     // lateness that counts as having been stopped; 0: 1.5 s
}

// Timings and limits that are not worth a setting.
const (
	probeInterval = 5 * time.Second // of the gossip, as is
	probeTimeout  = 2 * time.Second // this one

	tickEvery     = 250 * time.Millisecond
	healEvery     = 5 * time.Second
	pulseEvery    = 500 * time.Millisecond
	letterTimeout = 5 * time.Second        // a letter and its answer
	reachTimeout  = 500 * time.Millisecond // of a witness that tries to reach a suspect
	dialTimeout   = time.Second
	leaveTimeout  = time.Second // for the gossip to spread that this node left
	lastNotes     = time.Second // for notes that wait when Run ends
	maxSending    = 64          // letters on their way at the same time, without notes
	maxNoting     = 16          // notes on their way at the same time
	maxNotes      = 256         // notes that wait to be sent; and those that wait to be sent again
	maxTries      = 5           // of a note, in some ten seconds
	maxAnswering  = 256         // requests that are answered at the same time, without lifelines
	minSecret     = 16          // bytes
)

func (c Config) defaulted() Config {
	c.Stall = cmp.Or(c.Stall, 1500*time.Millisecond)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	if c.TLS != nil {
		c.TLS = presenting(c.TLS)
	}
	return c
}

// Validate reports everything that is wrong with c.
func (c *Config) Validate() error {
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("node name is empty"))
	}
	if !c.Advertise.IsValid() {
		errs = append(errs, errors.New("advertise address is not set"))
	}
	if c.PeerCAs != nil && c.TLS == nil {
		errs = append(errs, errors.New("peers' certificates are demanded, but there is no TLS to peers"))
	}
	if c.Secret != nil && len(c.Secret) < minSecret {
		errs = append(errs, errors.New("cluster secret is shorter than 16 bytes"))
	}
	return errors.Join(errs...)
}
