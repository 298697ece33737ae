package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/divvy-collector/divvy/cell"
	"github.com/divvy-collector/divvy/fleet/member"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/schedule"
	"github.com/divvy-collector/divvy/pipeline"
)

const (
	// joinPatience is how long a node waits for its components before it asks
	// whether others have more: a discovery that finds nothing anywhere must not
	// keep the others from their targets.
	joinPatience = time.Minute

	// primedEvery is how often components are asked whether they can do their
	// share.
	primedEvery = 250 * time.Millisecond

	// leavePatience bounds how long a node waits for the date at which others
	// take over: a lead, moved once by another one, and something for the way.
	leavePatience = 15 * time.Second
)

// openNode makes c a node of its cluster; without --cluster.enabled it does
// nothing, and c is a cluster of one. Nobody is contacted before Run.
func (c *Collector) openNode() error {
	cfg := &c.cfg.Cluster
	if !cfg.Enabled {
		return nil
	}
	listen, err := netip.ParseAddrPort(c.listener.Addr())
	if err != nil {
		return fmt.Errorf("open node: %w", err)
	}
	self := cfg.Self
	self.Listen = listen
	node := cfg.Node
	if node.Advertise, err = self.Find(context.Background()); err != nil {
		return err
	}
	if node.Secret, err = cfg.secret(); err != nil {
		return err
	}
	if cfg.TLS.Enabled {
		var authorities []byte
		if node.TLS, authorities, err = cfg.TLS.client(); err != nil {
			return err
		}
		node.PeerCAs = node.TLS.RootCAs
		c.listener.AdmitPeers(authorities)
	}
	if peers := cfg.Peers; len(peers.Join) > 0 || peers.Provider != "" {
		peers.Port, peers.Log = listen.Port(), c.log
		node.Peers = peers.Peers
	}
	node.Version, node.Dir = currentBuild().Version, filepath.Join(c.cfg.StoragePath, "cluster")
	node.Log, node.Registry = c.log, c.registry
	// The node answers nobody before there is a pipeline.
	node.Told = func(component, from string, note []byte) { c.pipeline.Told(component, from, note) }
	node.Has = func(component string) bool { return c.pipeline.Primed(component) }
	if c.node, err = member.Open(node); err != nil {
		return fmt.Errorf("open node: %w", err)
	}
	c.log.Info("this is a node of a cluster", "node", node.Name, "cluster", node.Cluster, "advertised", node.Advertise)
	if node.Advertise.Addr().IsLoopback() && c.cfg.Cluster.Self.Address == "" {
		c.log.Warn("only nodes on this machine can reach this one; "+
			"listen on other addresses with --server.http.listen-addr, or name the right one with --cluster.advertise-address",
			"listening", listen, "advertised", node.Advertise)
	}
	return nil
}

// tellConfig tells the cluster, if there is one, which configuration was
// loaded.
func (c *Collector) tellConfig(sources map[string][]byte) {
	if c.node != nil {
		sum := pipeline.Hash(sources)
		c.node.SetConfig(binary.BigEndian.Uint64(sum[:]))
	}
}

// view returns who serves what: the cluster's view, or that of a cluster of one.
func (c *Collector) view() *cell.Cell[owner.View] {
	if c.node == nil {
		return cell.New(owner.Alone(c.cfg.Cluster.Node.Name))
	}
	return c.node.View()
}

// lease returns how long the view may be acted upon; nil: always.
func (c *Collector) lease() *schedule.Lease {
	if c.node == nil {
		return nil
	}
	return c.node.Lease()
}

// tell returns how components send notes to other nodes, or nil.
func (c *Collector) tell() func(node, component string, note []byte) {
	if c.node == nil {
		return nil
	}
	return c.node.Tell
}

// reaches returns how components ask whether their notes may arrive, or nil.
func (c *Collector) reaches() func(node string) bool {
	if c.node == nil {
		return nil
	}
	return c.node.Reaches
}

// takePart takes part in the cluster, if there is one, from when the components
// can do their share until ctx is done, and then until others have taken over.
func (c *Collector) takePart(ctx context.Context) {
	if c.node == nil {
		<-ctx.Done()
		return
	}
	c.awaitShare(ctx)
	if ctx.Err() == nil {
		c.node.Ready()
	}
	<-ctx.Done()
	c.log.Info("leaving the cluster; serving until others take over")
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(leavePatience, c.cfg.ShutdownDeadline))
	defer cancel()
	if err := c.node.Leave(patience); err != nil {
		c.log.Warn("left without peers having agreed to take over; they will find out", "err", err)
	}
}

// awaitShare returns when all components can do their share, when those that
// cannot after some time can nowhere else either, or when ctx is done. Taking
// part with less than others have would leave targets to nobody.
func (c *Collector) awaitShare(ctx context.Context) {
	for {
		missing := awaitPrimed(ctx, c.pipeline.Unprimed)
		if len(missing) == 0 {
			return
		}
		elsewhere := c.node.AnyHas(ctx, missing)
		if len(elsewhere) == 0 {
			c.log.Warn("taking part in the cluster although some components are not ready; they are not on any other node either",
				"waited", joinPatience, "components", strings.Join(missing, ", "))
			return
		}
		c.log.Warn("not taking part in the cluster yet: components are not ready that are on other nodes",
			"waited", joinPatience, "components", strings.Join(elsewhere, ", "))
	}
}

// awaitPrimed returns when unprimed has nothing to name any more, when ctx is
// done, or when patience is at its end; then it returns what was named last.
func awaitPrimed(ctx context.Context, unprimed func() []string) []string {
	ticker := time.NewTicker(primedEvery)
	defer ticker.Stop()
	late := time.NewTimer(joinPatience)
	defer late.Stop()
	for {
		missing := unprimed()
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-late.C:
			return slices.Clone(missing)
		case <-ticker.C:
		}
	}
}
