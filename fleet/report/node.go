package report

import (
	"time"

	"github.com/divvy-collector/divvy/telemetry"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// A Node is what one node says of itself, and the answer of
// /api/v0/fleet/node.
type Node struct {
	Name     string    `json:"name"`
	Addr     string    `json:"addr"`
	Instance string    `json:"instance"` // of its process; another after each start
	Version  string    `json:"version"`
	Zone     string    `json:"zone,omitempty"`
	State    string    `json:"state"` // viewer, participant or terminating
	Stage    string    `json:"stage"` // viewing, joining, serving, leaving, left, fenced or displaced
	Started  time.Time `json:"started"`
	From     time.Time `json:"from,omitzero"`  // when it began, or will begin, to serve
	Until    time.Time `json:"until,omitzero"` // when it ends

	Config   Configuration `json:"config"`
	Problems []string      `json:"problems"` // all that is wrong with it, one sentence each

	Load    Load               `json:"load"`
	Queues  []status.Endpoint  `json:"queues"`
	Skew    map[string]float64 `json:"skew"` // seconds by which each peer's clock is ahead of its own
	Targets []Digest           `json:"targets"`
	Events  []Event            `json:"events"` // the latest, oldest first
}

// A Configuration is what a node runs.
type Configuration struct {
	Hash       string            `json:"hash"`
	Loaded     time.Time         `json:"loaded"`
	Err        string            `json:"error,omitempty"` // of the last load, if it was refused
	Files      map[string]string `json:"files"`           // hash by name
	Components map[string]string `json:"components"`      // hash of the block's text by ID
}

// Load is what a node carries.
type Load struct {
	Known            int     `json:"known"`  // targets of its components
	Owned            int     `json:"owned"`  // of them, by its View, now
	Served           int     `json:"served"` // of them, scraped within their last two intervals
	Down             int     `json:"down"`   // of those served
	SamplesPerSecond float64 `json:"samplesPerSecond"`
	BytesPerSecond   float64 `json:"bytesPerSecond"` // scraped
	CPU              float64 `json:"cpu"`            // cores
	RSS              int64   `json:"rss"`            // bytes
	SlotsServed      int64   `json:"slotsServed"`    // since the start, as are those below
	SlotsMissed      int64   `json:"slotsMissed"`
}

// A Digest says which targets a component of a node knows, in a few bytes. Two
// nodes with equal digests know the same targets.
type Digest struct {
	Component string        `json:"component"`
	Count     int           `json:"count"`
	Hash      string        `json:"hash"`
	Clustered bool          `json:"clustered"`
	Interval  time.Duration `json:"interval"` // the shortest of the targets'
	Changed   time.Time     `json:"changed"`  // when Hash was last seen to change
}

// An Event is something that happened in the cluster, as one node saw it.
type Event struct {
	At    time.Time `json:"at"`
	Seen  string    `json:"seen"` // by which node
	Node  string    `json:"node"` // whom it is about
	Kind  string    `json:"kind"` // joining, joined, leaving, left, died, fenced, returned, conflict, reloaded, refused
	Text  string    `json:"text"`
	Moved int       `json:"moved"`         // targets that changed hands with it; -1: not known
	Date  time.Time `json:"date,omitzero"` // at which owners change with it
}

// Fleet is what the nodes said, and the answer of /api/v0/fleet/status.
type Fleet struct {
	At       time.Time  `json:"at"`
	Asked    string     `json:"asked"` // the node that asked the others
	Cluster  string     `json:"cluster"`
	Nodes    []Node     `json:"nodes"`  // by name
	Silent   []Silent   `json:"silent"` // who gave no answer in time
	Quorum   Quorum     `json:"quorum"`
	Coverage []Coverage `json:"coverage"` // by component
	Drift    []Drift    `json:"drift"`
	Verdict  []string   `json:"verdict"` // all that is wrong, the worst first; empty: all is well
}

// A Silent node is known and did not answer.
type Silent struct {
	Name   string `json:"name"`
	Addr   string `json:"addr"`
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// Coverage is whether each target of a component has exactly one owner.
type Coverage struct {
	Component string    `json:"component"`
	Clustered bool      `json:"clustered"`      // else each node scrapes its own targets, and there is nothing to prove
	Targets   int       `json:"targets"`        // known to any node
	Unowned   int       `json:"unowned"`        // by nobody
	Multiple  int       `json:"multiple"`       // by several nodes
	Disagree  []string  `json:"disagree"`       // nodes whose target sets differ from most
	Since     time.Time `json:"since,omitzero"` // since when the nodes disagree
	Faults    []Fault   `json:"faults"`         // the first hundred
}

// A Fault is targets at one URL that are not scraped exactly once.
type Fault struct {
	URL    string            `json:"url"`
	Owners []string          `json:"owners"`           // who scrapes it; none: nobody does
	Label  string            `json:"label,omitempty"`  // that differs between the nodes
	Values map[string]string `json:"values,omitempty"` // of that label by node
	Text   string            `json:"text"`             // what is wrong and how it is mended
}

// Drift is a difference between the configurations of nodes.
type Drift struct {
	Since      time.Time `json:"since"`
	Nodes      []string  `json:"nodes"`      // that run another configuration than most
	Files      []string  `json:"files"`      // that differ
	Components []string  `json:"components"` // that differ
}

// A Placement is a target and who scrapes it: an element of the answer of
// /api/v0/fleet/targets and /api/v0/fleet/owner.
type Placement struct {
	status.Target
	Owner    string    `json:"owner"`              // "": nobody
	Owners   []string  `json:"owners,omitempty"`   // if there are several
	Since    time.Time `json:"since,omitzero"`     // when the owner took it over, as far as that is remembered
	Previous string    `json:"previous,omitempty"` // who owned it before, if that is remembered
	Next     time.Time `json:"next"`               // the next slot
	Known    []string  `json:"known"`              // nodes that know the target
	Why      string    `json:"why"`                // why that node, in a sentence
}

// A Page is part of a list of placements.
type Page struct {
	Total   int         `json:"total"`   // targets of the fleet
	Matched int         `json:"matched"` // by the query
	Offset  int         `json:"offset"`
	Targets []Placement `json:"targets"`
	Silent  []Silent    `json:"silent"`
}

// A Query selects placements.
type Query struct {
	Text          string // part of a URL or of a label's value
	Matchers      string // label selector as in PromQL: {job="a",env=~"p.*"}
	Component     string // ID; "": all
	Owner         string // node; "": all
	Health        string // unknown, up or down; "": all
	Sort          string // url, owner, health, duration, samples; "" is url; - in front: descending
	URL           string // of the target, whole; "": any
	Offset, Limit int    // Limit 0: 50
}

// A Detail is all about one target, and the answer of /api/v0/fleet/target.
type Detail struct {
	Placement
	Discovered   telemetry.Labels     `json:"discovered"`   // before relabelling by the scrape
	Relabellings []status.Relabelling `json:"relabellings"` // on its way to the scrape, the first first
	Scrapes      []status.Scrape      `json:"scrapes"`      // recent, by its owner, the oldest first
}
