package report

import "fmt"

// owner returns who scrapes r: who says so, or, of a target that nobody claims,
// the owner by this node's View, if that one could not be asked. "" is nobody.
func (t *table) owner(r *row) string {
	if len(r.owners) > 0 {
		return r.owners[0]
	}
	m, ok := t.view.Owner(r.Key, nextSlot(&r.Target, t.at))
	if !ok || !r.Clustered {
		return ""
	}
	for _, s := range t.silent {
		if s.Name == m.Name {
			return m.Name
		}
	}
	return ""
}

// placement returns all that is known of r.
func (t *table) placement(r *row) Placement {
	p := Placement{Target: r.Target, Owner: t.owner(r), Known: nonNil(r.known), Next: nextSlot(&r.Target, t.at)}
	p.Why = t.why(r, p.Owner)
	if m, ok := t.view.Owner(r.Key, p.Next); ok && m.Name == p.Owner {
		p.Since = m.From
	}
	return p
}

// why says in a sentence why that node scrapes r.
func (t *table) why(r *row, who string) string {
	if !r.Clustered {
		return "not clustered: every node scrapes it"
	}
	size := t.view.Size(t.at)
	switch m, ok := t.view.Owner(r.Key, nextSlot(&r.Target, t.at)); {
	case !ok:
		return "nobody serves: there are too few members"
	case len(r.owners) > 1:
		return fmt.Sprintf("%d nodes scrape it: they do not agree on who is in the cluster", len(r.owners))
	case who == "":
		return fmt.Sprintf("%s is to scrape it and does not know it", m.Name)
	case size == 1:
		return "the only node that serves"
	}
	return fmt.Sprintf("first of %d nodes clockwise from its key on the ring", size)
}
