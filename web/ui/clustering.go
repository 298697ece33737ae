package ui

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/web/ui/human"
)

// clusteringView is what /clustering shows: what is wrong, who is there, how
// the work divides, and what happened.
type clusteringView struct {
	Cluster  string
	Verdict  []string // all that is wrong
	Sentence string   // how coverage is, when nothing is wrong with it
	Quorum   quorumView
	Coverage []coverageView // what is broken first
	Whole    bool           // each target of each component is scraped once
	Drift    []driftView
	Same     string     // that all run the same configuration; "": they do not, or not long enough
	Nodes    []nodeView // by name; of many, what is unusual first
	More     int        // nodes that are left out
	All      string     // URL of the page with all nodes
	Pictures []picture
	Timeline timeline
	Events   []eventView // the latest first
	Earlier  int         // events that are not shown
}

// clustering is the model of the page about the cluster.
func (u *UI) clustering(r *http.Request) (any, error) {
	if u.cfg.Fleet == nil {
		return nil, errNoFleet
	}
	v := newClusteringView(u.cfg.Fleet.Fleet(r.Context()), u.cfg.Fleet.Events(r.Context()))
	if l := linkOf(r); l.Get("all") == "" {
		v.All = l.With("all", "yes")
		v.shorten()
	}
	return v, nil
}

// nodeRows is how many nodes are listed if all are not asked for.
const nodeRows = 24

// shorten leaves nodes out, if there are many: last those that are unusual.
func (v *clusteringView) shorten() {
	if len(v.Nodes) <= nodeRows {
		return
	}
	slices.SortStableFunc(v.Nodes, func(a, b nodeView) int { return cmp.Compare(a.rank(), b.rank()) })
	v.More = len(v.Nodes) - nodeRows
	v.Nodes = v.Nodes[:nodeRows]
}

// newClusteringView returns the page for what the nodes said, and what
// happened, the newest last.
func newClusteringView(f report.Fleet, events []report.Event) clusteringView {
	nodes := nodeViews(f)
	v := clusteringView{
		Cluster:  f.Cluster,
		Verdict:  f.Verdict,
		Quorum:   newQuorumView(f.Quorum, f.At),
		Coverage: coverageViews(f),
		Whole:    f.Quorum.Admits,
		Drift:    driftViews(f),
		Nodes:    nodes,
		Pictures: pictures(f.Nodes),
		Timeline: newTimeline(f, events),
	}
	for i := range v.Coverage {
		c := &v.Coverage[i]
		if c.Clustered && c.Whole && !f.Quorum.Admits {
			c.Whole, c.Words = false, "scraped by nobody"
		}
		v.Whole = v.Whole && c.Whole
	}
	v.Sentence = coverageSentence(f)
	v.Same = sameConfiguration(nodes)
	v.Events, v.Earlier = eventViews(f.At, events)
	return v
}

// coverageSentence says that all is covered, and how much that is.
func coverageSentence(f report.Fleet) string {
	targets, own, serving := 0, 0, 0
	for _, c := range f.Coverage {
		if c.Clustered {
			targets += c.Targets
		} else {
			own += c.Targets
		}
	}
	for _, n := range f.Nodes {
		if n.Stage == "serving" || n.Stage == "leaving" {
			serving++
		}
	}
	switch {
	case targets > 0:
	case own > 0:
		return "No targets are shared out: each node scrapes its own."
	default:
		return "No component has targets yet."
	}
	return fmt.Sprintf("Each of %s is scraped once, by one of %s.",
		plural(targets, "target"), plural(serving, "serving node"))
}

// A quorumView says whether there are as many members as are waited for.
type quorumView struct{ Tone, Words string }

// newQuorumView returns the view of q; it has no words if none are waited for.
func newQuorumView(q report.Quorum, now time.Time) quorumView {
	serving := fmt.Sprintf("%s of the %d that are waited for %s", human.Count(int64(q.Serving)), q.Needed, verb(q.Serving, "serves", "serve"))
	switch {
	case q.Needed <= 1:
		return quorumView{}
	case q.Serving >= q.Needed:
		return quorumView{"good", fmt.Sprintf("%s serve; at least %d are needed.", plural(q.Serving, "node"), q.Needed)}
	case q.Admits:
		return quorumView{"busy", serving + ": the others were waited for long enough."}
	case q.Deadline.IsZero():
		return quorumView{"bad", serving + ": nobody scrapes until there are enough."}
	default:
		return quorumView{"bad", serving + ": nobody scrapes until there are enough, or " + human.Clock(now, q.Deadline) + "."}
	}
}

// A coverageView is one component's row of the coverage table.
type coverageView struct {
	report.Coverage
	Whole bool
	Words string // what is wrong, in short
	More  int    // faults that are not listed
}

// coverageViews returns a row for each component.
func coverageViews(f report.Fleet) []coverageView {
	var views []coverageView
	for _, c := range f.Coverage {
		v := coverageView{Coverage: c, Whole: c.Unowned == 0 && c.Multiple == 0 && len(c.Disagree) == 0}
		v.Words = coverageWords(c, f.At)
		v.More = max(0, c.Unowned+c.Multiple-len(c.Faults))
		if v.Whole || len(c.Faults) == 0 {
			v.More = 0
		}
		views = append(views, v)
	}
	// What is broken comes first; a fleet may have many components.
	slices.SortStableFunc(views, func(a, b coverageView) int {
		switch {
		case a.Whole == b.Whole:
			return 0
		case b.Whole:
			return -1
		default:
			return 1
		}
	})
	return views
}

// coverageWords says what is wrong with the coverage of one component.
func coverageWords(c report.Coverage, now time.Time) string {
	var parts []string
	if c.Unowned > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s scraped by nobody", human.Count(int64(c.Unowned)), plural(c.Targets, "target")))
	}
	if c.Multiple > 0 {
		parts = append(parts, fmt.Sprintf("%s scraped more than once", human.Count(int64(c.Multiple))))
	}
	if len(c.Disagree) > 0 {
		text := enumerate(c.Disagree) + verb(len(c.Disagree), " knows other targets than the others", " disagree about which targets there are")
		if !c.Since.IsZero() {
			text += " since " + human.Clock(now, c.Since)
		}
		parts = append(parts, text)
	}
	switch {
	case len(parts) > 0:
	case !c.Clustered:
		return "not shared out: each node scrapes its own"
	default:
		return "each scraped once"
	}
	return strings.Join(parts, "; ")
}

// A driftView is one group of nodes that run another configuration.
type driftView struct {
	report.Drift
	Words string
}

// driftViews returns a notice for each difference between configurations.
func driftViews(f report.Fleet) []driftView {
	var views []driftView
	for _, d := range f.Drift {
		views = append(views, driftView{d, fmt.Sprintf("%s %s another configuration than most nodes since %s.",
			enumerate(d.Nodes), verb(len(d.Nodes), "runs", "run"), human.Clock(f.At, d.Since))})
	}
	return views
}

// enumerate returns names as a sentence has them, of many only the first.
func enumerate(names []string) string {
	const most = 6
	switch n := len(names); {
	case n == 0:
		return ""
	case n == 1:
		return names[0]
	case n > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most-1], ", "), n-most+1)
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}

// verb returns the form of a verb that fits n subjects.
func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// sameConfiguration says that all nodes that answered run one configuration, or
// is "".
func sameConfiguration(nodes []nodeView) string {
	answered := 0
	for _, n := range nodes {
		if n.Drifts {
			return ""
		}
		if n.Silent == "" {
			answered++
		}
	}
	if answered < 2 {
		return ""
	}
	return fmt.Sprintf("All %s run the same configuration.", plural(answered, "node"))
}

// A nodeView is one row of the table of nodes.
type nodeView struct {
	report.Node
	Self   bool
	Silent string        // why nothing else is known of it
	Tone   string        // of its state: good, busy, bad or dim
	Words  string        // its state
	Behind time.Duration // of its slowest endpoint
	Late   bool          // it is too far behind
	Clock  clockView
	Hash   string // of the configuration, short
	Drifts bool   // most nodes have another one
}

// nodeViews returns a row for each node, those without an answer last.
func nodeViews(f report.Fleet) []nodeView {
	drifts := drifting(f)
	var views []nodeView
	for _, n := range f.Nodes {
		v := nodeView{Node: n, Self: n.Name == f.Asked, Clock: newClockView(n.Skew)}
		v.Tone, v.Words = nodeState(n, f.At)
		for _, q := range n.Queues {
			v.Behind = max(v.Behind, q.Lag)
		}
		v.Late = v.Behind >= lagAlarm
		v.Hash = n.Config.Hash[:min(7, len(n.Config.Hash))]
		v.Drifts = drifts(n)
		views = append(views, v)
	}
	for _, s := range f.Silent {
		views = append(views, nodeView{
			Node: report.Node{Name: s.Name, Addr: s.Addr, State: s.State}, Silent: s.Reason,
			Tone: "bad", Words: "no answer",
		})
	}
	return views
}

// nodeState returns the stage of a node as a tone and in words.
func nodeState(n report.Node, now time.Time) (tone, words string) {
	switch n.Stage {
	case "serving":
		if n.Until.IsZero() {
			return "good", "serving"
		}
		return "busy", "leaving " + human.Ago(now, n.Until)
	case "joining":
		return "busy", "joins " + human.Ago(now, n.From)
	case "leaving":
		return "busy", "leaves " + human.Ago(now, n.Until)
	case "left", "viewing":
		return "dim", n.Stage
	default:
		return "bad", cmp.Or(n.Stage, n.State)
	}
}

// rank orders nodes by how much they deserve attention, 0 most.
func (n nodeView) rank() int {
	switch {
	case n.Tone == "bad" || n.Drifts || n.Clock.Bad:
		return 0
	case n.Self:
		return 1
	case len(n.Problems) > 0:
		return 2
	case n.Tone == "good":
		return 4
	default:
		return 3
	}
}

// drifting reports for each node whether it runs another configuration than most.
// A difference that is new, and may pass, is not in f.Drift yet.
func drifting(f report.Fleet) func(report.Node) bool {
	named, count := map[string]bool{}, map[string]int{}
	for _, d := range f.Drift {
		for _, node := range d.Nodes {
			named[node] = true
		}
	}
	for _, n := range f.Nodes {
		count[n.Config.Hash]++
	}
	return func(n report.Node) bool {
		if len(named) > 0 {
			return named[n.Name]
		}
		return 2*count[n.Config.Hash] <= len(f.Nodes) && len(count) > 1
	}
}

// clockAlarm is how far a clock may be off the others'.
const clockAlarm = 100 * time.Millisecond

// A clockView is how far a node's clock is off those of its peers.
type clockView struct {
	Known bool
	Off   time.Duration // the median; positive: this clock is ahead
	Bad   bool          // it is off by more than clockAlarm
	All   string        // by peer, a line each
}

// newClockView returns the view of the seconds by which each peer's clock is
// ahead. The median is told, so that one peer with a wrong clock does not make
// every node look wrong.
func newClockView(skew map[string]float64) clockView {
	if len(skew) == 0 {
		return clockView{}
	}
	var peers, lines []string
	var all []float64
	for peer, ahead := range skew {
		peers = append(peers, peer)
		all = append(all, -ahead)
	}
	slices.Sort(peers)
	slices.Sort(all)
	for _, peer := range peers {
		lines = append(lines, fmt.Sprintf("%s is %s", peer, aheadWords(seconds(skew[peer]))))
	}
	off := seconds((all[(len(all)-1)/2] + all[len(all)/2]) / 2)
	return clockView{Known: true, Off: off, Bad: off.Abs() > clockAlarm, All: strings.Join(lines, "\n")}
}

// Words says by how much the clock is off.
func (c clockView) Words() string {
	switch {
	case c.Off.Abs() < time.Millisecond:
		return "±0"
	case c.Off < 0:
		return human.Span(c.Off)
	default:
		return "+" + human.Span(c.Off)
	}
}

// aheadWords says by how much a clock is ahead or behind.
func aheadWords(d time.Duration) string {
	if d < 0 {
		return human.Span(-d) + " behind"
	}
	return human.Span(d) + " ahead"
}

// seconds returns a number of seconds as a duration.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
