package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/divvy-collector/divvy/fleet/member"
	"github.com/divvy-collector/divvy/fleet/member/roster"
	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/pipeline"
	"github.com/divvy-collector/divvy/pipeline/component"
	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
	"github.com/divvy-collector/divvy/web"
)

// newReporter returns what answers for the fleet from here.
func (c *Collector) newReporter() *report.Reporter {
	cfg := report.Config{
		Self:    c.cfg.Cluster.Node.Name,
		Cluster: c.cfg.Cluster.Node.Cluster,
		View:    c.view(),

		Describe:   c.describe,
		ConfigHash: c.configHash,
		Targets:    c.targets,
		Census:     c.census,
		Scrapes:    c.scrapes,
		Discovered: c.discovered,
		Origins:    c.origins,
		Explain:    c.explain,
		Histories:  c.histories,
		Registry:   c.registry,
	}
	if c.node != nil {
		cfg.Peers = func() []report.Peer { return peersOf(c.node) }
		cfg.Ask = func(ctx context.Context, node string, question []byte) ([]byte, error) {
			return c.node.Ask(ctx, node, reportKind, question)
		}
	}
	r := report.New(cfg)
	c.loads.tell = r.Reloaded
	if c.node != nil {
		c.node.Answer(reportKind, r.Answer)
	}
	return r
}

// reportKind is the kind of the questions that reporters ask each other.
const reportKind = "report"

// describe returns what this node says of itself.
func (c *Collector) describe() report.Node {
	n := report.Node{
		Name: c.cfg.Cluster.Node.Name, Addr: c.listener.Addr(), Version: currentBuild().Version,
		State: "participant", Stage: "serving", Started: c.started, From: c.started,
		Config:   c.configuration(),
		Problems: c.problems(),
		Queues:   c.endpoints(),
	}
	n.Load.CPU, n.Load.RSS = c.usage.read(time.Now())
	c.countSlots(&n.Load)
	if c.node != nil {
		c.describeMember(&n)
	}
	return n
}

// describeMember adds what a node of a cluster says of itself.
func (c *Collector) describeMember(n *report.Node) {
	n.Stage, n.Zone = c.node.Stage().String(), c.cfg.Cluster.Node.Zone
	n.Skew = map[string]float64{}
	for name, skew := range c.node.Skews() {
		n.Skew[name] = skew.Seconds()
	}
	for _, p := range c.node.Peers() {
		if p.Self {
			n.Addr, n.State = p.Addr, p.State
			n.From, n.Until = p.Entry.From, p.Entry.Until
			n.Instance = fmt.Sprintf("%016x", uint64(p.Entry.Instance))
		}
	}
}

// countSlots adds up the slots of all components, from their metrics.
func (c *Collector) countSlots(l *report.Load) {
	// An error is about metrics that are left out; /metrics tells of it.
	families, _ := c.registry.Gather()
	sums := map[string]*int64{
		"divvy_scrape_slots_served_total": &l.SlotsServed,
		"divvy_scrape_slots_missed_total": &l.SlotsMissed,
	}
	for _, f := range families {
		sum := sums[f.GetName()]
		if sum == nil {
			continue
		}
		for _, m := range f.GetMetric() {
			*sum += int64(m.GetCounter().GetValue())
		}
	}
}

// peersOf returns all lives of nodes that are known in a cluster.
func peersOf(n *member.Node) []report.Peer {
	var list []report.Peer
	living := map[roster.Instance]bool{}
	for _, p := range n.Peers() {
		peer := peerOf(p.Entry)
		peer.Name, peer.Addr, peer.State = p.Name, p.Addr, p.State
		peer.Self, peer.Foreign = p.Self, p.Entry.Instance == 0
		peer.Displaced = p.Self && n.Stage() == roster.Displaced
		list = append(list, peer)
		living[p.Entry.Instance] = true
	}
	for _, e := range n.Entries() {
		if !living[e.Instance] {
			peer := peerOf(e)
			peer.Gone = true
			list = append(list, peer)
		}
	}
	return list
}

// peerOf returns what a node says of itself.
func peerOf(e roster.Entry) report.Peer {
	return report.Peer{
		Name: e.Name, Addr: e.Addr, Instance: fmt.Sprintf("%016x", uint64(e.Instance)),
		From: e.From, Until: e.Until, Down: e.Down, DownAt: e.DownAt,
	}
}

// problems returns all that is wrong with this node, one sentence each.
func (c *Collector) problems() []string {
	var list []string
	if c.node != nil {
		list = sentences(c.node.Health())
	}
	for _, s := range c.pipeline.Components() {
		if s.Health.State == component.Unhealthy || s.Health.State == component.Exited {
			list = append(list, s.ID+" is "+s.Health.State.String()+": "+oneLine(errorText(s.Health.Message)))
		}
	}
	return list
}

// errorText is a message as an error.
type errorText string

// Error returns the text.
func (e errorText) Error() string { return string(e) }

// sentences returns the errors that err joins, one sentence each.
func sentences(err error) []string {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var list []string
		for _, e := range joined.Unwrap() {
			list = append(list, sentences(e)...)
		}
		return list
	}
	return []string{err.Error()}
}

// targets returns the targets of all components.
func (c *Collector) targets() []status.Target {
	var list []status.Target
	for id, s := range pipeline.Powers[component.Scraper](c.pipeline) {
		from := len(list)
		list = append(list, s.Targets()...)
		for i := range list[from:] {
			list[from+i].Component = id
		}
	}
	return list
}

// census returns which targets the components have, in short.
func (c *Collector) census() []status.Census {
	var list []status.Census
	for id, s := range pipeline.Powers[component.Scraper](c.pipeline) {
		census := s.Census()
		census.Component = id
		list = append(list, census)
	}
	return list
}

// scrapes returns the recent scrapes of a target by this node.
func (c *Collector) scrapes(id string, key owner.Key) []status.Scrape {
	s, ok := pipeline.PowerOf[component.Scraper](c.pipeline, id)
	if !ok {
		return nil
	}
	return s.Scrapes(key)
}

// discovered returns the labels that a target came with.
func (c *Collector) discovered(id string, key owner.Key) (telemetry.Labels, bool) {
	s, ok := pipeline.PowerOf[component.Scraper](c.pipeline, id)
	if !ok {
		return telemetry.Labels{}, false
	}
	return s.Discovered(key)
}

// origins returns the labels that wanted targets came with.
func (c *Collector) origins(id string, wanted func(owner.Key) bool) map[owner.Key]telemetry.Labels {
	s, ok := pipeline.PowerOf[component.Scraper](c.pipeline, id)
	if !ok {
		return nil
	}
	return s.Origins(wanted)
}

// explain returns the ways of targets through the rules of all components.
func (c *Collector) explain(wanted func(before, after telemetry.Labels) bool) []status.Relabelling {
	var list []status.Relabelling
	for _, r := range pipeline.Powers[component.Relabeller](c.pipeline) {
		list = append(list, r.Explain(wanted)...)
	}
	return list
}

// endpoints returns where all components deliver to.
func (c *Collector) endpoints() []status.Endpoint {
	list := []status.Endpoint{}
	for id, d := range pipeline.Powers[component.Deliverer](c.pipeline) {
		for _, e := range d.Endpoints() {
			e.Component = id
			list = append(list, e)
		}
	}
	return list
}

// histories returns the last hour of all endpoints.
func (c *Collector) histories() []report.History {
	list := []report.History{}
	for id, d := range pipeline.Powers[component.Deliverer](c.pipeline) {
		for _, e := range d.Endpoints() {
			list = append(list, report.History{Component: id, Endpoint: e.Name, Points: d.History(e.Name)})
		}
	}
	return list
}

// loads remembers how the configuration was loaded. It may be used by any
// goroutine.
type loads struct {
	mu   sync.Mutex
	tell func(error) // of loads after the first
	last time.Time   // of the load whose configuration runs; zero: there was none
	err  string      // of the last load, on one line; "": it succeeded
}

// note notes a load.
func (l *loads) note(now time.Time, err error) {
	if err != nil {
		err = errorText(web.HidePasswords([]byte(oneLine(err))))
	}
	l.mu.Lock()
	again := !l.last.IsZero()
	if l.err = ""; err != nil {
		l.err = err.Error()
	} else {
		l.last = now
	}
	l.mu.Unlock()
	if again {
		l.tell(err)
	}
}

// configHash returns the hash of the configuration that runs.
func (c *Collector) configHash() string {
	sum := pipeline.Hash(c.loaded())
	return hex.EncodeToString(sum[:])
}

// configuration returns the configuration that runs.
func (c *Collector) configuration() report.Configuration {
	out := report.Configuration{Hash: c.configHash(), Files: map[string]string{}, Components: c.pipeline.Fingerprints()}
	out.Loaded, out.Err = c.loads.latest()
	for name, text := range c.loaded() {
		sum := pipeline.Hash(map[string][]byte{name: text})
		out.Files[filepath.Base(name)] = hex.EncodeToString(sum[:8])
	}
	return out
}

// latest returns when the configuration that runs was loaded, and what was
// wrong with the last load, if it was refused.
func (l *loads) latest() (at time.Time, err string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last, l.err
}
