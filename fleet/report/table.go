package report

import (
	"context"
	"slices"
	"time"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/telemetry/status"
)

// A table is the targets of the fleet at one moment, by component and key. It is
// not changed once it is made.
type table struct {
	at     time.Time
	view   owner.View
	rows   []row
	silent []Silent

	history history
}

// A row is one target; of a component without clustering, on one node.
type row struct {
	status.Target          // as the node saw it that scraped it last
	owners        []string // who say that the next slot is theirs
	known         []string // nodes that know it; shared between rows
}

// An account is what a node serves, with its targets by component.
type account struct {
	node string
	served
	lists [][]status.Target // of served.Digests, by key
}

// table returns the targets of the fleet, at most a second old.
func (r *Reporter) table(ctx context.Context) table {
	return r.rows.get(r.cfg.Now(), fresh, func() table {
		ctx := lasting(ctx)
		heard := ask(ctx, r, request{Want: wantServed}, r.served)
		accounts, silent := r.fetchLists(ctx, heard.said)
		return table{
			at: r.cfg.Now(), view: r.cfg.View.Load(),
			rows: tabulate(accounts), silent: nonNil(append(heard.silent, silent...)),
			history: newHistory(&r.times),
		}
	})
}

// tabulate makes the rows out of what the nodes say.
func tabulate(accounts []account) []row {
	p := placer{known: map[rowKey]int{}}
	for _, group := range p.group(accounts) {
		p.add(group)
	}
	for _, a := range accounts {
		p.claim(a)
	}
	return p.rows
}

// A rowKey identifies a row. node is empty for targets that are shared out.
type rowKey struct {
	component string
	key       owner.Key
	node      string
}

// A placer makes rows.
type placer struct {
	rows  []row
	known map[rowKey]int // index into rows
}

// A group is nodes whose targets of one component are the same.
type group struct {
	digest Digest
	nodes  []string
	list   []status.Target
}

// sameness is what the components of one group have in common.
type sameness struct {
	listKey
	clustered bool
}

// group sorts the components of all nodes by digest, in the order in which they
// are first told of.
func (p *placer) group(accounts []account) (groups []group) {
	at := map[sameness]int{}
	for _, a := range accounts {
		for i, d := range a.Digests {
			same := sameness{listKey{d.Component, d.Hash}, d.Clustered}
			g, ok := at[same]
			if !ok {
				g = len(groups)
				at[same] = g
				groups = append(groups, group{digest: d, list: a.lists[i]})
			}
			groups[g].nodes = append(groups[g].nodes, a.node)
		}
	}
	for _, g := range groups {
		slices.Sort(g.nodes)
	}
	return groups
}

// add adds the targets of a group.
func (p *placer) add(g group) {
	if !g.digest.Clustered {
		for i, node := range g.nodes {
			p.addFor(g, g.nodes[i:i+1], node)
		}
		return
	}
	p.addFor(g, g.nodes, "")
}

// addFor adds the targets of a group that nodes know. owner is the only one who
// scrapes them; "": they are shared out.
func (p *placer) addFor(g group, nodes []string, owner string) {
	joint := map[int][]string{} // known of rows that other groups know, too, by the number of those
	for i := range g.list {
		t := &g.list[i]
		key := rowKey{g.digest.Component, t.Key, owner}
		if at, ok := p.known[key]; ok {
			known := p.rows[at].known
			if joint[len(known)] == nil || joint[len(known)][0] != known[0] {
				all := slices.Concat(known, nodes)
				slices.Sort(all)
				joint[len(known)] = slices.Compact(all)
			}
			p.rows[at].known = joint[len(known)]
			continue
		}
		p.known[key] = len(p.rows)
		r := row{Target: *t, known: nodes}
		r.Health, r.Scrape = status.Unknown, status.Scrape{}
		p.rows = append(p.rows, r)
	}
}

// claim notes what a node says that it serves.
func (p *placer) claim(a account) {
	for i := range a.Targets {
		s := &a.Targets[i]
		if s.Set < 0 || s.Set >= len(a.Digests) {
			continue // said by a node that is not well
		}
		key := rowKey{component: a.Digests[s.Set].Component, key: s.Key}
		if !a.Digests[s.Set].Clustered {
			key.node = a.node
		}
		at, ok := p.known[key]
		if !ok {
			continue // it came between two answers
		}
		r := &p.rows[at]
		if s.Owned {
			r.owners = append(r.owners, a.node)
		}
		if scrape := s.scrape(); scrape.At.After(r.At) || r.At.IsZero() {
			r.Health, r.Scrape = s.Health, scrape
		}
	}
}
