package ui

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

	"github.com/divvy-collector/divvy/fleet/report"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// targetRows is how many targets are listed at once.
const targetRows = 50

// targetsPage is a part of the list of the fleet's targets.
type targetsPage struct {
	Link       link
	Search     string
	Components []option
	Owners     []option
	Healths    []option
	Filtered   bool // some targets may be left out
	Rows       []targetRow
	Pager      pager
	Silent     []report.Silent
	Fault      string   // why the search was not understood
	Droppers   []string // components whose rules may drop targets
}

// targets is the model of the list of targets.
func (u *UI) targets(r *http.Request) (any, error) {
	if u.cfg.Fleet == nil {
		return nil, errNoFleet
	}
	l := linkOf(r)
	found, err := u.cfg.Fleet.Targets(r.Context(), targetsQuery(l))
	page := listTargets(l, u.cfg.Fleet.Fleet(r.Context()), found)
	page.Droppers = u.relabellers()
	if err != nil {
		page.Fault = err.Error()
	}
	return page, nil
}

// errNoFleet is what pages about the fleet say where nobody answers for it.
var errNoFleet = refuse(http.StatusNotFound, "This node does not speak for a fleet.")

// targetsQuery returns the query that a link asks for. What is searched for is
// a selector if it begins with a brace, and else a part of a URL or label.
func targetsQuery(l link) report.Query {
	q := report.Query{
		Component: l.Get("component"),
		Owner:     l.Get("owner"),
		Health:    l.Get("health"),
		Sort:      l.Get("sort"),
		Matchers:  l.Get("l"),
		Offset:    l.Offset(),
		Limit:     targetRows,
	}
	if text := strings.TrimSpace(l.Get("q")); strings.HasPrefix(text, "{") {
		q.Matchers = text
	} else {
		q.Text = text
	}
	return q
}

// listTargets returns the page that l asks for, with what was found for it and
// with what f offers as filters.
func listTargets(l link, f report.Fleet, found report.Page) targetsPage {
	page := targetsPage{
		Link:   l,
		Search: cmp.Or(l.Get("q"), l.Get("l")),
		Pager:  l.pager(targetRows, found.Matched, found.Total),
		Silent: found.Silent,
	}
	// What was chosen stays on offer when it has gone.
	var components, owners []string
	for _, n := range f.Nodes {
		owners = append(owners, n.Name)
		for _, d := range n.Targets {
			components = append(components, d.Component)
		}
	}
	for name, list := range map[string]*[]string{"component": &components, "owner": &owners} {
		if chosen := l.Get(name); chosen != "" {
			*list = append(*list, chosen)
			page.Filtered = true
		}
	}
	page.Filtered = page.Filtered || page.Search != "" || l.Get("health") != ""
	page.Components = l.options("component", "any", components)
	page.Owners = l.options("owner", "any", owners)
	page.Healths = l.options("health", "any", []string{status.Up, status.Down, status.Unknown})
	for _, p := range found.Targets {
		page.Rows = append(page.Rows, targetRow{Placement: p, Self: p.Owner == f.Asked, Nodes: len(f.Nodes)})
	}
	return page
}

// A targetRow is a target in a list.
type targetRow struct {
	report.Placement
	Self  bool // this node scrapes it
	Nodes int  // that could know it
}

// ID is the row's own, whatever its place in the list.
func (t targetRow) ID() string { return "target-" + t.Component + "-" + t.KeyText() + "-" + t.Owner }

// KeyText is the key as links have it.
func (t targetRow) KeyText() string { return strconv.FormatUint(uint64(t.Key), 10) }

// Name is the label that tells targets of a job apart, or the URL.
func (t targetRow) Name() string { return cmp.Or(t.Labels.Get("instance"), t.URL) }

// State is the health in a word; a target that nobody scrapes has none.
func (t targetRow) State() string {
	if t.Owner == "" {
		return "unowned"
	}
	return cmp.Or(t.Health, status.Unknown)
}

// Shared names those who scrape the target, if they are several.
func (t targetRow) Shared() string {
	if len(t.Owners) < 2 {
		return ""
	}
	return enumerate(t.Owners)
}

// Scraped reports whether anything is known of a scrape.
func (t targetRow) Scraped() bool { return !t.At.IsZero() }

// KnownOn names the nodes that know the target, unless all do.
func (t targetRow) KnownOn() string {
	if len(t.Known) >= t.Nodes {
		return "all"
	}
	return cmp.Or(strings.Join(t.Known, ", "), "none")
}
