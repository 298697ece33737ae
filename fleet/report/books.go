package report

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/fleet/owner"
	"github.com/divvy-collector/divvy/fleet/report/coverage"
	"github.com/divvy-collector/divvy/telemetry"
)

const (
	// maxMarks is how many targets of one node are looked at to find out in
	// what they differ from other nodes'. Of more, the first by URL are: the
	// same ones on all nodes.
	maxMarks = 20_000

	// maxOdd is how many odd keys of a node are asked about: what a question
	// may hold.
	maxOdd = 50_000
)

// book writes the book of a set as this node sees it; nil is an empty set. Each
// key is asked about at its own next slot.
func (r *Reporter) book(s *set) coverage.Book {
	if s == nil {
		return coverage.NewBook(r.cfg.Self, false)
	}
	view, now := r.cfg.View.Load(), r.cfg.Now()
	b := coverage.NewBook(r.cfg.Self, s.clustered)
	for i := range s.targets {
		t := &s.targets[i]
		m, _ := t.Owner(view, nextSlot(t, now))
		b.Add(t.Key, m.Name)
	}
	return b
}

// marks returns the marks of those targets of s that wanted has, by URL. Those
// that are not known any more have none.
func (r *Reporter) marks(s *set, wanted []owner.Key) []coverage.Mark {
	list := []coverage.Mark{}
	if s == nil {
		return list
	}
	isWanted := func(key owner.Key) bool {
		_, ok := slices.BinarySearch(wanted, key)
		return ok
	}
	origins := map[owner.Key]telemetry.Labels{}
	if r.cfg.Origins != nil {
		origins = r.cfg.Origins(s.component, isWanted)
	}
	for i := range s.targets {
		t := &s.targets[i]
		if came, ok := origins[t.Key]; ok && isWanted(t.Key) {
			list = append(list, coverage.Mark{Key: t.Key, URL: t.URL, Labels: identity(came)})
		}
	}
	slices.SortStableFunc(list, func(a, b coverage.Mark) int { return cmp.Compare(a.URL, b.URL) })
	return list[:min(len(list), maxMarks)]
}

// identity returns the labels that make up the key of a target that came with
// these.
func identity(came telemetry.Labels) telemetry.Labels {
	b := labels.NewBuilder(came)
	came.Range(func(l labels.Label) {
		if strings.HasPrefix(l.Name, model.MetaLabelPrefix) {
			b.Del(l.Name)
		}
	})
	return b.Labels()
}

// latest returns the set of a component as it is now. What a census has just said
// is not to be judged by targets of a second ago.
func (r *Reporter) latest(component string) *set {
	return r.ownNow.get(r.cfg.Now(), freshBook, r.takeInventory).set(component)
}

// freshBook is how long the targets of a node are used again for books and marks:
// all nodes may ask for them at the same time.
const freshBook = 50 * time.Millisecond

// compare fetches books from nodes of each opinion and judges them. It reports
// whether there was anything to compare.
func (r *Reporter) compare(ctx context.Context, c *claims) (coverage.Judgement, bool) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	books := r.fetchBooks(ctx, c)
	if len(books) < 2 {
		return coverage.Judgement{}, false
	}
	odd, whole := coverage.Compare(books)
	return coverage.Judge(books, odd, whole, r.fetchMarks(ctx, c.component, books, odd)), true
}

// An opinion is what nodes have in common that know the same targets and see
// the same owners.
type opinion struct {
	hash, view string
	clustered  bool
}

// fetchBooks returns a book for each opinion. Those of nodes that do not answer
// are left out.
func (r *Reporter) fetchBooks(ctx context.Context, c *claims) []coverage.Book {
	var order []opinion
	nodes := map[opinion][]string{}
	for _, n := range c.nodes {
		o := opinion{n.Hash, n.view, n.Clustered}
		if nodes[o] == nil {
			order = append(order, o)
		}
		nodes[o] = append(nodes[o], n.node)
	}
	order = order[:min(len(order), coverage.MaxBooks)]
	books, errs := make([]coverage.Book, len(order)), make([]error, len(order))
	var wg sync.WaitGroup
	for i, o := range order {
		wg.Go(func() {
			switch {
			case slices.Contains(nodes[o], r.cfg.Self):
				books[i] = r.book(r.latest(c.component))
			case o.hash == "":
				books[i] = r.book(nil)
			default:
				books[i], errs[i] = askOne[coverage.Book](ctx, r, Peer{Name: nodes[o][0]}, request{Want: wantBook, Component: c.component})
			}
			books[i].Nodes = nodes[o]
		})
	}
	wg.Wait()
	var had []coverage.Book
	for i := range books {
		if errs[i] == nil {
			had = append(had, books[i])
		}
	}
	return had
}

// fetchMarks returns the marks of the odd keys of each book.
func (r *Reporter) fetchMarks(ctx context.Context, component string, books []coverage.Book, odd coverage.Odd) [][]coverage.Mark {
	marks := make([][]coverage.Mark, len(books))
	var wg sync.WaitGroup
	for n := range books {
		var keys []owner.Key
		for _, key := range books[n].Keys() {
			if odd[key] != nil && len(keys) < maxOdd {
				keys = append(keys, key)
			}
		}
		if len(keys) == 0 {
			continue
		}
		wg.Go(func() {
			if slices.Contains(books[n].Nodes, r.cfg.Self) {
				marks[n] = r.marks(r.latest(component), keys)
				return
			}
			// Without marks the keys are still counted.
			marks[n], _ = askOne[[]coverage.Mark](ctx, r, Peer{Name: books[n].Nodes[0]},
				request{Want: wantMarks, Component: component, Keys: coverage.AppendKeys(nil, keys)})
		})
	}
	wg.Wait()
	return marks
}

// faultOf returns a place as people are told of it. fresh says that the values
// of its label are others each time that they are looked at.
func faultOf(p *coverage.Place, fresh bool) Fault {
	f := Fault{URL: p.URL, Owners: nonNil(p.Servers), Text: p.Text(fresh)}
	if len(p.Labels) > 0 {
		f.Label, f.Values = p.Labels[0], map[string]string{}
		for node, values := range p.Values {
			f.Values[node] = strings.Join(values, ", ")
		}
	}
	return f
}
