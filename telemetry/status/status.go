// Package status is the vocabulary in which components tell people what they
// are doing: their targets, their scrapes, the endpoints they deliver to.
//
// The types are plain values with the names that the HTTP API gives them. They
// are filled by the packages that do the work, carried unchanged by reports
// between nodes, and shown by pages and commands.
//
// Invariant: nothing here holds a secret. URLs and labels come without
// passwords: see HidePasswords and HideLabels.
package status

import (
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry"
)

// Health of a target.
const (
	Unknown = "unknown" // not scraped yet by this node
	Up      = "up"
	Down    = "down"
)

// A Target is something that a component scrapes, or that another node of the
// cluster scrapes for it. What comes after Clustered is of the last scrape by
// this node; on a node that has not scraped it, Health is Unknown and the rest
// is zero.
type Target struct {
	Component string           `json:"component"` // ID, e.g. prometheus.scrape.default
	Key       owner.Key        `json:"key,string"`
	Foreign   owner.Key        `json:"foreign,string,omitempty"` // by which nodes of other software know it; zero: by Key
	Job       string           `json:"job"`
	URL       string           `json:"url"`
	Labels    telemetry.Labels `json:"labels"` // that its series get
	Interval  time.Duration    `json:"interval"`
	Clustered bool             `json:"clustered"` // shared out among the nodes; else each node scrapes it

	Health string `json:"health"`
	Scrape
}

// Owner returns who serves the slot of t at a time, by view.
func (t *Target) Owner(view owner.View, slot time.Time) (owner.Member, bool) {
	return view.Owner(view.RingKey(t.Key, t.Foreign, slot), slot)
}

// A Census is which targets a component has, in short: those of two nodes are
// the same if their digests are.
type Census struct {
	Component string
	Clustered bool
	Count     int
	Digest    owner.SetDigest // of the keys
	Interval  time.Duration   // the shortest of the targets'
	Changed   time.Time       // when the digest changed last
}

// A Scrape is how one scrape of a target went.
type Scrape struct {
	Slot     time.Time     `json:"slot,omitzero"` // when it was due
	At       time.Time     `json:"at,omitzero"`   // when it began; zero: never
	Duration time.Duration `json:"duration"`
	Bytes    int           `json:"bytes"`   // of the body, inflated
	Samples  int           `json:"samples"` // exposed
	Kept     int           `json:"kept"`    // after metric relabelling
	Err      string        `json:"error,omitempty"`
}

// A Rule is what one relabelling rule did to a set of labels.
type Rule struct {
	Rule   string           `json:"rule"` // as configured, in one line
	Labels telemetry.Labels `json:"labels"`
	Kept   bool             `json:"kept"` // false: the rule dropped it, and no rule follows
}

// A Relabelling is the way of one target through the rules of one component.
type Relabelling struct {
	Component string           `json:"component"`
	Before    telemetry.Labels `json:"before"`
	Steps     []Rule           `json:"steps"`
}

// An Endpoint is where a component delivers samples to, or what Unit names in
// their place.
type Endpoint struct {
	Component string `json:"component"`
	Name      string `json:"name"`
	URL       string `json:"url"`            // without a password
	Unit      string `json:"unit,omitempty"` // what is counted; empty: samples

	Lag     time.Duration `json:"lag"`     // age of the oldest sample that is not delivered; 0: all are
	Backlog int64         `json:"backlog"` // samples that are not delivered
	Bytes   int64         `json:"bytes"`   // of them, on disk and in memory
	Err     string        `json:"error,omitempty"`

	FailingSince time.Time `json:"failingSince,omitzero"` // since when nothing was taken; zero: the last request was
	Refused      bool      `json:"refused,omitempty"`     // the receiver answers, and refuses for good what it is sent: see Dropped

	// Totals since the start of the process.
	Sent      int64            `json:"sent"`      // samples
	SentBytes int64            `json:"sentBytes"` // compressed, on the wire
	Dropped   map[string]int64 `json:"dropped"`   // samples, by reason
	Retried   int64            `json:"retried"`   // requests that failed and were made again
}

// Units returns the name of what is counted, in the plural.
func (e Endpoint) Units() string {
	if e.Unit == "" {
		return "samples"
	}
	return e.Unit
}

// PointEvery is the time between two points of an endpoint's history.
const PointEvery = 15 * time.Second

// A Point is an endpoint at one moment of its past. What it counts is of the
// time since the point before.
type Point struct {
	At        time.Time     `json:"at"`
	Lag       time.Duration `json:"lag"`
	Backlog   int64         `json:"backlog"`
	Bytes     int64         `json:"bytes"`     // of the backlog
	Sent      int64         `json:"sent"`      // samples
	SentBytes int64         `json:"sentBytes"` // compressed, on the wire
	Failed    int64         `json:"failed"`    // requests
	Dropped   int64         `json:"dropped"`   // samples, whatever the reason
}
