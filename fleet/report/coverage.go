package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// Coverage is judged in two steps. First the keys alone: those that all nodes
// know and that one node is to serve are well. The others are odd, and their
// labels are looked at: targets at one place, an address and a path, that differ
// in some labels only are one target that nodes know under several keys.
//
//	books ─► sight: odd keys ─► marks ─► judge: places, and what is wrong there

// A sighting is who knows a key, and who is to serve it.
type sighting struct {
	books   uint64   // bit n: book n has the key
	servers []string // nodes, each once
}

// maxBooks is how many different books are compared. More are as telling.
const maxBooks = 32

// sight compares books. It returns the odd keys, and how many others there are.
func sight(books []book) (odd map[owner.Key]*sighting, whole int) {
	answered := map[string]bool{}
	for _, b := range books {
		for _, n := range b.nodes {
			answered[n] = true
		}
	}
	all := map[owner.Key]*sighting{}
	for n := range books {
		b := &books[n]
		for i, key := range b.keys {
			s := all[key]
			if s == nil {
				s = &sighting{}
				all[key] = s
			}
			s.books |= 1 << n
			s.serve(b, i, answered)
		}
	}
	everybody := uint64(1)<<len(books) - 1
	for key, s := range all {
		if s.books == everybody && len(s.servers) == 1 {
			delete(all, key)
			whole++
		}
	}
	return all, whole
}

// serve notes who serves the i-th key of b. A node that did not answer, or is of
// other software, is taken to serve what is its own.
func (s *sighting) serve(b *book, i int, answered map[string]bool) {
	add := func(name string) {
		if !slices.Contains(s.servers, name) {
			s.servers = append(s.servers, name)
		}
	}
	if !b.clustered {
		for _, n := range b.nodes {
			add(n)
		}
		return
	}
	if name := b.owner(i); name != "" && (slices.Contains(b.nodes, name) || !answered[name]) {
		add(name)
	}
}

// A judgement is how a component's targets are covered.
type judgement struct {
	targets  int // that there are
	unowned  int // that nobody scrapes
	multiple int // that are scraped more than once
	places   []place
}

// A place is one URL, without parameters, at which not all is well.
type place struct {
	url      string
	unowned  int
	multiple int
	servers  []string            // who scrapes a target there
	labels   []string            // that differ between nodes
	values   map[string][]string // of the first of labels, by node
	lacking  []string            // nodes that know no target there that others do not know as well
	selfish  []string            // nodes that do not share the component's targets
}

// judge says what is wrong with odd keys. marks are those of each book.
func judge(books []book, odd map[owner.Key]*sighting, whole int, marks [][]mark) judgement {
	j := judgement{targets: whole}
	at := map[string][]odder{}
	seen := map[owner.Key]bool{}
	for _, list := range marks {
		for _, m := range list {
			if s := odd[m.Key]; s != nil && !seen[m.Key] {
				seen[m.Key] = true
				url, _, _ := strings.Cut(m.URL, "?")
				at[url] = append(at[url], odder{m, s})
			}
		}
	}
	for url, list := range at {
		slices.SortFunc(list, func(a, b odder) int { return cmp.Compare(a.Key, b.Key) })
		p, targets := judgePlace(books, list)
		p.url = url
		j.targets += targets
		j.unowned += p.unowned
		j.multiple += p.multiple
		j.places = append(j.places, p)
	}
	slices.SortFunc(j.places, func(a, b place) int { return cmp.Compare(a.url, b.url) })
	for key, s := range odd {
		if seen[key] {
			continue
		}
		j.targets++
		switch {
		case len(s.servers) == 0:
			j.unowned++
		case len(s.servers) > 1:
			j.multiple++
		}
	}
	return j
}

// An odder is an odd key with its mark.
type odder struct {
	mark
	*sighting
}

// partial reports whether not all books have the key.
func (o *odder) partial(books []book) bool { return o.books != uint64(1)<<len(books)-1 }

// judgePlace judges the odd targets at one place. Those that are the same apart
// from the labels that differ between nodes are to be scraped as often as the
// node has them that has most.
func judgePlace(books []book, list []odder) (p place, targets int) {
	p.labels, p.values = differing(books, list)
	type count struct {
		servings int
		byBook   [maxBooks]int
	}
	counts := map[string]*count{}
	for i := range list {
		o := &list[i]
		id := o.identity(p.labels, o.partial(books))
		c := counts[id]
		if c == nil {
			c = &count{}
			counts[id] = c
		}
		c.servings += len(o.servers)
		for n := range books {
			if o.books&(1<<n) != 0 {
				c.byBook[n]++
			}
		}
		p.servers = append(p.servers, o.servers...)
	}
	for _, c := range counts {
		want := slices.Max(c.byBook[:])
		targets += want
		p.unowned += max(want-c.servings, 0)
		p.multiple += min(max(c.servings-want, 0), want)
	}
	slices.Sort(p.servers)
	p.servers = slices.Compact(p.servers)
	p.lacking, p.selfish = lacking(books, list), selfish(books)
	return p, targets
}

// identity returns what makes the target one of its own: its key, or what is
// left of its labels without those that differ between nodes.
func (o *odder) identity(without []string, partial bool) string {
	if !partial || len(without) == 0 {
		return string(appendKeys(nil, []owner.Key{o.Key}))
	}
	b := labels.NewBuilder(o.Labels)
	b.Del(without...)
	return b.Labels().String()
}

// differing returns the labels in which the nodes' own targets at one place
// differ, and the values of the first of them by node. There are none where only
// some nodes have targets that others do not have: then those are missing.
func differing(books []book, list []odder) (names []string, values map[string][]string) {
	own := map[int][]labels.Labels{} // of targets that not all have, by book
	for i := range list {
		for n := range books {
			if o := &list[i]; o.partial(books) && o.books&(1<<n) != 0 {
				own[n] = append(own[n], o.Labels)
			}
		}
	}
	if len(own) < 2 {
		return nil, nil
	}
	for _, name := range namesOf(own) {
		byBook := map[int][]string{}
		for n, sets := range own {
			byBook[n] = valuesOf(name, sets)
		}
		if !differ(byBook) {
			continue
		}
		names = append(names, name)
		if values == nil {
			values = map[string][]string{}
			for n, v := range byBook {
				for _, node := range books[n].nodes {
					values[node] = slices.Compact(v)
				}
			}
		}
	}
	return names, values
}

// namesOf returns the names of all labels, sorted.
func namesOf(sets map[int][]labels.Labels) []string {
	seen := map[string]bool{}
	for _, list := range sets {
		for _, l := range list {
			l.Range(func(l label) { seen[l.Name] = true })
		}
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// valuesOf returns the values of a label, sorted.
func valuesOf(name string, list []labels.Labels) []string {
	values := make([]string, len(list))
	for i, l := range list {
		values[i] = l.Get(name)
	}
	slices.Sort(values)
	return values
}

// differ reports whether not all lists are equal.
func differ(lists map[int][]string) bool {
	var first []string
	for _, l := range lists {
		if first == nil {
			first = l
		} else if !slices.Equal(first, l) {
			return true
		}
	}
	return false
}

// lacking returns the nodes that do not know every target that others know at a
// place, and none that others do not know.
func lacking(books []book, list []odder) (nodes []string) {
	for n := range books {
		misses, has := false, false
		for i := range list {
			o := &list[i]
			knows := o.books&(1<<n) != 0
			misses = misses || !knows
			has = has || knows && o.partial(books)
		}
		if misses && !has {
			nodes = append(nodes, books[n].nodes...)
		}
	}
	slices.Sort(nodes)
	return nodes
}

// selfish returns the nodes that scrape all targets of a component that others
// share out.
func selfish(books []book) (nodes []string) {
	shared := slices.ContainsFunc(books, func(b book) bool { return b.clustered })
	for _, b := range books {
		if shared && !b.clustered && len(b.keys) > 0 {
			nodes = append(nodes, b.nodes...)
		}
	}
	slices.Sort(nodes)
	return nodes
}
