package member

import (
	"cmp"
	"context"
	"crypto/tls"
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
	Rejoin   time.Duration // 0: never
	MaxPeers int           // peers to contact at a time; 0: all

	TLS *tls.Config // for connections to peers; nil: plain HTTP/2

	Version string // of the program
	Zone    string // where the node is
	Config  uint64 // hash of the configuration

	Dir string // where peers are remembered; empty: they are not

	Log      *slog.Logger
	Registry prometheus.Registerer

	Dial  func(ctx context.Context, network, addr string) (net.Conn, error) // nil: a net.Dialer
	Stall time.Duration                                                     // lateness that counts as having been stopped; 0: 1.5 s
}

// Timings of the gossip among divvy nodes.
const (
	probeInterval = 500 * time.Millisecond
	probeTimeout  = 300 * time.Millisecond
	tickEvery     = 250 * time.Millisecond
	healEvery     = 5 * time.Second
	letterTimeout = time.Second
	pulseEvery    = 500 * time.Millisecond
	maxLifelines  = 32 // peers up to which everybody keeps a lifeline to everybody
	someLifelines = 8  // lifelines of each node beyond that
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
		c.Dial = (&net.Dialer{Timeout: letterTimeout}).DialContext
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
	return errors.Join(errs...)
}
