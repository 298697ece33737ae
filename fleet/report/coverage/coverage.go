package coverage

import (
	"cmp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// A sighting is who knows a key, and who is to serve it.
type sighting struct {
	books   uint64   // bit n: book n has the key
	servers []string // nodes, each once
}

// MaxBooks is how many different books are compared. More are as telling.
const MaxBooks = 32

// Odd is the keys that not all nodes know, or that not just one node is to
// serve.
type Odd map[owner.Key]*sighting

// Compare compares books, at most MaxBooks. It returns the odd keys, and how many
// others there are.
func Compare(books []Book) (odd Odd, whole int) {
	answered := map[string]bool{}
	for _, b := range books {
		for _, n := range b.Nodes {
			answered[n] = true
		}
	}
	all := Odd{}
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
func (s *sighting) serve(b *Book, i int, answered map[string]bool) {
	add := func(name string) {
		if !slices.Contains(s.servers, name) {
			s.servers = append(s.servers, name)
		}
	}
	if !b.clustered {
		for _, n := range b.Nodes {
			add(n)
		}
		return
	}
	if name := b.owner(i); name != "" && (slices.Contains(b.Nodes, name) || !answered[name]) {
		add(name)
	}
}

// A Judgement is how a component's targets are covered.
type Judgement struct {
	Targets  int // that there are
	Unowned  int // that nobody scrapes
	Multiple int // that are scraped more than once
	Places   []Place
}

// A Place is one URL, without parameters, at which not all is well.
type Place struct {
	URL      string
	Unowned  int
	Multiple int
	Servers  []string            // who scrapes a target there
	Labels   []string            // that differ between nodes
	Values   map[string][]string // of the first of Labels, by node
	lacking  []string            // nodes that know no target there that others do not know as well
	selfish  []string            // nodes that do not share the component's targets
}

// Judge says what is wrong with odd keys. marks are those of each book.
func Judge(books []Book, odd Odd, whole int, marks [][]Mark) Judgement {
	j := Judgement{Targets: whole}
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
		p.URL = url
		j.Targets += targets
		j.Unowned += p.Unowned
		j.Multiple += p.Multiple
		j.Places = append(j.Places, p)
	}
	slices.SortFunc(j.Places, func(a, b Place) int { return cmp.Compare(a.URL, b.URL) })
	for key, s := range odd {
		if seen[key] {
			continue
		}
		j.Targets++
		switch {
		case len(s.servers) == 0:
			j.Unowned++
		case len(s.servers) > 1:
			j.Multiple++
		}
	}
	return j
}

// An odder is an odd key with its mark.
type odder struct {
	Mark
	*sighting
}

// partial reports whether not all books have the key.
func (o *odder) partial(books []Book) bool { return o.books != uint64(1)<<len(books)-1 }

// judgePlace judges the odd targets at one place. Those that are the same apart
// from the labels that differ between nodes are to be scraped as often as the
// node has them that has most.
func judgePlace(books []Book, list []odder) (p Place, targets int) {
	p.Labels, p.Values = differing(books, list)
	type count struct {
		servings int
		byBook   [MaxBooks]int
	}
	counts := map[string]*count{}
	for i := range list {
		o := &list[i]
		id := o.identity(p.Labels, o.partial(books))
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
		p.Servers = append(p.Servers, o.servers...)
	}
	for _, c := range counts {
		want := slices.Max(c.byBook[:])
		targets += want
		p.Unowned += max(want-c.servings, 0)
		p.Multiple += min(max(c.servings-want, 0), want)
	}
	slices.Sort(p.Servers)
	p.Servers = slices.Compact(p.Servers)
	p.lacking, p.selfish = lacking(books, list), selfish(books)
	return p, targets
}

// identity returns what makes the target one of its own: its key, or what is
// left of its labels without those that differ between nodes.
func (o *odder) identity(without []string, partial bool) string {
	if !partial || len(without) == 0 {
		return string(AppendKeys(nil, []owner.Key{o.Key}))
	}
	b := labels.NewBuilder(o.Labels)
	b.Del(without...)
	return b.Labels().String()
}

// differing returns the labels in which the nodes' own targets at one place
// differ, and the values of the first of them by node. There are none where only
// some nodes have targets that others do not have: then those are missing.
func differing(books []Book, list []odder) (names []string, values map[string][]string) {
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
				for _, node := range books[n].Nodes {
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
			l.Range(func(l labels.Label) { seen[l.Name] = true })
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
func lacking(books []Book, list []odder) (nodes []string) {
	for n := range books {
		misses, has := false, false
		for i := range list {
			o := &list[i]
			knows := o.books&(1<<n) != 0
			misses = misses || !knows
			has = has || knows && o.partial(books)
		}
		if misses && !has {
			nodes = append(nodes, books[n].Nodes...)
		}
	}
	slices.Sort(nodes)
	return nodes
}

// selfish returns the nodes that scrape all targets of a component that others
// share out.
func selfish(books []Book) (nodes []string) {
	shared := slices.ContainsFunc(books, func(b Book) bool { return b.clustered })
	for _, b := range books {
		if shared && !b.clustered && len(b.keys) > 0 {
			nodes = append(nodes, b.Nodes...)
		}
	}
	slices.Sort(nodes)
	return nodes
}
